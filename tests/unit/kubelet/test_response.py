"""Responses are taken and refused as by the kubelet, and nothing of a broken one is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credprovider.kubelet.duration import format_duration
from credprovider.kubelet.request import V1
from credprovider.kubelet.response import Stage, judge_response, show_key, show_path
from tests.unit.kubelet.vectors import each

_IMAGE = "us-docker.pkg.dev/p/r/i"
_CANARY = "ya29.canaryCANARY0123456789"


def response(**changes: Any) -> dict[str, Any]:
    """A sound response; a value of None takes the field out."""
    sound = {
        "kind": "CredentialProviderResponse",
        "apiVersion": V1,
        "cacheKeyType": "Registry",
        "cacheDuration": "55m0s",
        "auth": {"us-docker.pkg.dev": {"username": "oauth2accesstoken", "password": _CANARY}},
    }
    return {name: value for name, value in (sound | changes).items() if value is not None}


def written(**changes: Any) -> bytes:
    return json.dumps(response(**changes)).encode()


@each("response")
def test_vector(row: dict[str, Any]) -> None:
    verdict = judge_response(row["stdout"].encode(), api_version=row["request_api_version"], image=_IMAGE)
    assert verdict.accepted is row["credentials_used"]
    assert (verdict.response is not None) is row["decoded"]
    assert verdict.log == row.get("kubelet_log_since_1.35", row.get("kubelet_log", ""))
    if verdict.response:
        duration = verdict.response.cache_duration
        assert ("default" if duration is None else format_duration(duration)) == row["cache_duration"]
        assert len(verdict.response.auth) == row["auth_keys"]


@pytest.mark.parametrize(
    ("stdout", "stage"),
    [
        pytest.param(b"\n", Stage.JSON, id="blank"),
        pytest.param(written() + written(), Stage.JSON, id="two objects"),
        pytest.param(written() + b"\x00", Stage.JSON, id="NUL behind"),
        pytest.param(written(apiVersion=1), Stage.JSON, id="apiVersion a number"),
        pytest.param(written(kind=[]), Stage.JSON, id="kind a list"),
        pytest.param(written(apiVersion="a/b/c"), Stage.JSON, id="apiVersion with two slashes"),
        pytest.param(b'"text"', Stage.JSON, id="a string"),
        pytest.param(b"{}", Stage.API_VERSION, id="empty object"),
        pytest.param(written(apiVersion="/"), Stage.API_VERSION, id="apiVersion a slash"),
        pytest.param(written(apiVersion=V1 + " "), Stage.API_VERSION, id="apiVersion with a space"),
        pytest.param(written(kind="CredentialProviderRequest"), Stage.DECODING, id="a request"),
        pytest.param(written(kind="credentialproviderresponse"), Stage.DECODING, id="kind in lower case"),
        pytest.param(written(kind=None), Stage.DECODING, id="no kind"),
        pytest.param(written(kind=None, Kind="CredentialProviderResponse"), Stage.DECODING, id="Kind for kind"),
        pytest.param(written(kind=None, Kind="CredentialProviderResponse"), Stage.DECODING, id="Kelvin sign for k"),
        pytest.param(written(cacheDuration=True), Stage.DECODING, id="duration a bool"),
        pytest.param(written(cacheDuration={}), Stage.DECODING, id="duration an object"),
        pytest.param(written(auth={"a.dev": {"username": 1}}), Stage.DECODING, id="user name a number"),
        pytest.param(written(auth={"a.dev": {"Password": "p"}}), Stage.DECODING, id="Password for password"),
        pytest.param(written(auth={"a.dev": []}), Stage.DECODING, id="auth entry a list"),
        pytest.param(written(auth="x"), Stage.DECODING, id="auth a string"),
        pytest.param(written()[:-1] + b',"auth":{}}', Stage.DECODING, id="auth twice"),
        pytest.param(
            written().replace(b'{"us-docker.pkg.dev":', b'{"us-docker.pkg.de\\u0076":null,"us-docker.pkg.dev":'),
            Stage.DECODING,
            id="auth key twice, once escaped",
        ),
        pytest.param(
            written(auth={}).replace(b"{}", b'{"\xff":null,"\\ufffd":null}'), Stage.DECODING, id="repaired twin"
        ),
        pytest.param(written(cacheKeyType=""), Stage.CACHE_KEY_TYPE, id="cacheKeyType empty"),
        pytest.param(written(cacheKeyType="Token"), Stage.CACHE_KEY_TYPE, id="cacheKeyType of the configuration"),
        pytest.param(written(cacheKeyType="Global "), Stage.CACHE_KEY_TYPE, id="cacheKeyType with a space"),
    ],
)
def test_refused(stdout: bytes, stage: Stage) -> None:
    verdict = judge_response(stdout, image=_IMAGE)
    assert verdict.stage is stage
    assert not verdict.accepted
    assert verdict.credentials is None
    assert verdict.log
    assert verdict.causes


def test_name_in_any_case_counts_for_the_version_but_not_for_the_decoder() -> None:
    verdict = judge_response(written(apiVersion=None, APIVERSION=V1))
    assert verdict.stage is Stage.DECODING


@pytest.mark.parametrize(
    "stdout",
    [
        pytest.param(b"\n\t " + written() + b" \r\n", id="space around"),
        pytest.param(written(auth={"": {}}), id="empty key, empty entry"),
        pytest.param(written(cacheDuration="-1h"), id="negative duration"),
        pytest.param(written().replace(b"apiVersion", b"api\\u0056ersion"), id="escaped name"),
        pytest.param(
            written(auth={"a.dev": {"username": "x"}}).replace(b'"x"', b'"\xff"'), id="broken UTF-8 in a value"
        ),
    ],
)
def test_taken(stdout: bytes) -> None:
    assert judge_response(stdout).accepted


def test_credentials_come_in_order_of_trial() -> None:
    auth = {key: {"username": "u", "password": key} for key in ("*.pkg.dev", "gcr.io", "https://us-docker.pkg.dev/p/")}
    verdict = judge_response(written(auth=auth), image=_IMAGE)
    assert verdict.credentials is not None
    assert [(each.key, each.password.reveal()) for each in verdict.credentials] == [
        ("https://us-docker.pkg.dev/p/", "https://us-docker.pkg.dev/p/"),
        ("*.pkg.dev", "*.pkg.dev"),
    ]


def test_image_that_no_key_covers_gets_nothing() -> None:
    verdict = judge_response(written(), image="eu-docker.pkg.dev/p/r/i")
    assert verdict.accepted
    assert verdict.credentials == ()


@pytest.mark.parametrize(
    "stdout",
    [
        pytest.param(_CANARY.encode(), id="bare"),
        pytest.param(written()[:-2], id="cut"),
        pytest.param(written(apiVersion=_CANARY), id="as apiVersion"),
        pytest.param(written(apiVersion=f"{_CANARY}/v1"), id="as group"),
        pytest.param(written(apiVersion=f"a/b/{_CANARY}"), id="in a bad apiVersion"),
        pytest.param(written(kind=_CANARY), id="as kind"),
        pytest.param(written(cacheKeyType=_CANARY), id="as cacheKeyType"),
        pytest.param(written(cacheDuration=_CANARY), id="as cacheDuration"),
        pytest.param(written(**{_CANARY: 1}), id="as a field"),
        pytest.param(written(auth={_CANARY: {"x": 1}}), id="as a key with a wrong field"),
        pytest.param(written(auth={"us-docker.pkg.dev": {_CANARY: 1}}), id="as a field of an entry"),
        pytest.param(written(auth={"us-docker.pkg.dev": _CANARY}), id="as an entry"),
        pytest.param(written(auth=[_CANARY]), id="in a list"),
    ],
)
def test_refusal_shows_no_secret(stdout: bytes) -> None:
    verdict = judge_response(stdout, image=_IMAGE)
    assert not verdict.accepted
    assert "canary" not in " ".join((verdict.log, *verdict.causes, repr(verdict))).lower()


def test_verdict_can_be_printed() -> None:
    assert _CANARY not in repr(judge_response(written(), image=_IMAGE))


@pytest.mark.parametrize(
    "key", ["us-docker.pkg.dev", "*.pkg.dev/p/", "localhost:5000", "https://index.docker.io/v1/", "10.0.0.1:80"]
)
def test_registry_is_shown(key: str) -> None:
    assert show_key(key) == key


@pytest.mark.parametrize("key", [_CANARY, _CANARY.lower(), "eyJhbGciOi", "x" * 30, "us docker", "a.b\n", "abc/def"])
def test_what_is_no_registry_is_not_shown(key: str) -> None:
    assert show_key(key) == "***"


def test_path_is_shown_only_if_all_of_it_is_harmless() -> None:
    assert show_path("auth.us-docker.pkg.dev.token") == "auth.us-docker.pkg.dev.token"
    assert show_path(f"auth.{_CANARY}.token") == "auth.***"
    assert show_path("metadata") == "metadata"
    assert show_path(_CANARY) == "***"


@given(st.binary(max_size=200))
def test_any_bytes_have_a_verdict(stdout: bytes) -> None:
    verdict = judge_response(stdout, image=_IMAGE)
    assert verdict.accepted is False
    assert verdict.log.isprintable()
