"""What a good answer looks like, judged more strictly than the kubelet does; and what may be seen of a request."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.cloud.api import CloudApi
    from tests.plugin.runner import Outcome

V1 = "credentialprovider.kubelet.k8s.io/v1"
#: What the kubelet may wait between the answer's making and the test's look at it, in seconds.
_SLOW = 30
_MARGIN = 300


def assert_answers(
    outcome: Outcome,
    token: str,
    *,
    life: float,
    api_version: str = V1,
    registries: Iterable[str] = ("*-docker.pkg.dev",),
) -> None:
    """The whole response: five fields, our keys, that token, and no longer than its life less margin and jitter.

    Args:
        outcome: of the plugin.
        token: the password.
        life: seconds that the token had left when it came, at most.
        api_version: the one asked.
        registries: the auth keys, in order.
    """
    response = outcome.response
    assert list(response) == ["kind", "apiVersion", "cacheKeyType", "cacheDuration", "auth"]
    assert response["kind"] == "CredentialProviderResponse"
    assert response["apiVersion"] == api_version
    assert response["cacheKeyType"] == "Global"
    entry = {"username": "oauth2accesstoken", "password": token}
    assert list(response["auth"].items()) == [(registry, entry) for registry in registries]
    assert re.fullmatch(r"[1-9]\d*s", response["cacheDuration"])
    assert int((life - _SLOW - _MARGIN) * 0.9) <= outcome.cache_seconds <= life - _MARGIN
    assert outcome.stdout.endswith(b"}\n")
    assert outcome.stdout.count(b"\n") == 1


def assert_not_ours(outcome: Outcome, api_version: str = V1) -> None:
    """The empty answer for a registry of somebody else's."""
    expected = {
        "kind": "CredentialProviderResponse",
        "apiVersion": api_version,
        "cacheKeyType": "Image",
        "cacheDuration": "0s",
        "auth": {},
    }
    assert outcome.response == expected


def assert_untouched(cloud: CloudApi) -> None:
    """Nobody was called, connected to or looked up."""
    assert cloud.calls() == []
    assert cloud.connections() == []
    assert cloud.looked_up() == []


def hops(cloud: CloudApi) -> list[str]:
    """Hops called, in order."""
    return [call["hop"] for call in cloud.calls()]


def only_call(cloud: CloudApi, hop: str) -> dict[str, Any]:
    """The one request that a hop has seen."""
    calls = cloud.calls(hop)
    assert len(calls) == 1, [json.dumps(call)[:200] for call in calls]
    return calls[0]


def last_token(cloud: CloudApi, hop: str) -> str:
    """What a hop gave out last."""
    return cloud.issued(hop)[-1]
