"""What the kubelet would make of an outcome, judged independently of the product's own code.

The rules are those of kubernetes/kubernetes: ``pkg/credentialprovider/plugin/plugin.go`` (exit status, strict decoding,
cacheKeyType, auth keys) and of metav1.Duration.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests.plugin.runner import PROGRAM

if TYPE_CHECKING:
    from tests.plugin.runner import Outcome

VERSIONS = tuple(f"credentialprovider.kubelet.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
_FIELDS = {"kind", "apiVersion", "cacheKeyType", "cacheDuration", "auth"}
_TOKEN = re.compile(r"[!-~]{20,4096}")
_CODES = {2, 3, 4, 5, 7}


def judge(outcome: Outcome) -> dict[str, Any] | None:
    """The response of an answer, None for a proper failure; an AssertionError for anything between the two.

    Exit 70, which is a bug by definition, is no proper failure.
    """
    if outcome.code != 0:
        assert outcome.code in _CODES, (outcome.code, outcome.stderr)
        assert outcome.line.startswith(f"{PROGRAM}: "), outcome.stderr
        assert outcome.line.isprintable(), outcome.stderr
        return None
    assert outcome.stderr == ""
    response = json.loads(outcome.stdout.decode("ascii"), object_pairs_hook=_once)
    assert isinstance(response, dict)
    assert set(response) == _FIELDS, response
    assert response["kind"] == "CredentialProviderResponse"
    assert response["apiVersion"] in VERSIONS
    assert re.fullmatch(r"\d{1,6}s", response["cacheDuration"]), response["cacheDuration"]
    if response["auth"] == {}:
        assert (response["cacheKeyType"], response["cacheDuration"]) == ("Image", "0s")
        return response
    assert response["cacheKeyType"] == "Global"
    for entry in response["auth"].values():
        assert set(entry) == {"username", "password"}
        assert entry["username"] == "oauth2accesstoken"
        assert _TOKEN.fullmatch(entry["password"])
    return response


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; AssertionError when it has a key twice."""
    assert len({name for name, _ in pairs}) == len(pairs), pairs
    return dict(pairs)
