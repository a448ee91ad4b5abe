"""Legal responses that do what their author did not mean are told; sound ones are not."""

from __future__ import annotations

from typing import Any

import pytest

from credprovider.kubelet.response import judge_response
from credprovider.kubelet.response_surprises import response_surprises
from tests.unit.kubelet.test_response import written

_GOOD = {"username": "oauth2accesstoken", "password": "t"}


def rules(**changes: Any) -> list[str]:
    verdict = judge_response(written(**changes))
    assert verdict.response is not None
    return [surprise.rule for surprise in response_surprises(verdict.response)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"cacheDuration": None}, ["cache-duration-missing"], id="no cacheDuration"),
        pytest.param({"cacheDuration": "-1s"}, ["cache-duration-negative"], id="negative"),
        pytest.param({"cacheDuration": "13h"}, ["cache-duration-long"], id="longer than any token"),
        pytest.param({"auth": {}}, ["no-credentials-cached"], id="nothing, kept"),
        pytest.param(
            {"auth": {}, "cacheDuration": None},
            ["cache-duration-missing", "no-credentials-cached"],
            id="nothing, kept by default",
        ),
        pytest.param({"auth": {"a b": _GOOD, "gcr.io": _GOOD}}, ["key-unparsable"], id="unparsable key"),
        pytest.param({"auth": {"gcr.io": _GOOD, "https://gcr.io/v2/": _GOOD}}, ["key-repeated"], id="one key twice"),
        pytest.param({"auth": {"gcr.io/*": _GOOD, "gcr.io": _GOOD}}, ["key-path-star"], id="star in a path"),
        pytest.param({"auth": {"gcr.io/p": _GOOD, "gcr.io": _GOOD}}, ["key-missing-slash"], id="no slash"),
        pytest.param({"auth": {"gcr.io:443": _GOOD}}, ["key-port"], id="port"),
        pytest.param({"auth": {"*.*": _GOOD}}, ["key-wide"], id="any two labels"),
        pytest.param({"auth": {"gcr.io/p/": _GOOD}}, ["scope-wider-than-keys"], id="registry kept, one path covered"),
        pytest.param({"cacheKeyType": "Global"}, ["scope-wider-than-keys"], id="all kept, one registry covered"),
        pytest.param({"auth": {"gcr.io": None}}, ["credential-empty"], id="null entry"),
        pytest.param({"auth": {"gcr.io": {"username": "u"}}}, ["credential-empty"], id="no password"),
        pytest.param(
            {"auth": {"us-docker.pkg.dev": {"username": "me", "password": "t"}}}, ["username-unknown"], id="user name"
        ),
    ],
)
def test_told(changes: dict[str, Any], expected: list[str]) -> None:
    assert rules(**changes) == expected


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="as most plugins answer"),
        pytest.param({"auth": {}, "cacheDuration": "0s"}, id="not mine"),
        pytest.param({"cacheKeyType": "Global", "auth": {"*-docker.pkg.dev": _GOOD}}, id="as ours answers"),
        pytest.param({"cacheKeyType": "Image", "auth": {"us-docker.pkg.dev/p/r/": _GOOD}}, id="one image"),
        pytest.param({"cacheKeyType": "Global", "auth": {"gcr.io": _GOOD}, "cacheDuration": "0s"}, id="not kept"),
    ],
)
def test_nothing_to_tell(changes: dict[str, Any]) -> None:
    assert rules(**changes) == []
