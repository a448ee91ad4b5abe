"""The kubelet's request and our response: what is refused, what is kept, what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from credprovider.errors import LINE_LIMIT, ProviderError
from credprovider.protocol import API_VERSIONS, REQUEST_LIMIT, TOKEN_LIMIT, Request, encode_response, parse_request
from credprovider.registries import parse_image
from credprovider.secret import Secret
from tests.unit.core.making import EXAMPLES, PROGRAM, changed, jwt

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "kubelet_vectors.json").read_text())
V1, V1BETA1, V1ALPHA1 = API_VERSIONS
GOOD: dict[str, Any] = {"kind": "CredentialProviderRequest", "apiVersion": V1, "image": "us-docker.pkg.dev/p/r/i"}


def raw(*path: str, to: Any = None) -> bytes:
    return json.dumps(changed(GOOD, *path, to=to)).encode()


REFUSED = {
    "empty": (b"", "request-empty", "stdin"),
    "only white space": (b" \n\t\r\n ", "request-empty", "stdin"),
    "over 1 MiB": (b'"' + b"a" * REQUEST_LIMIT, "request-too-large", str(REQUEST_LIMIT)),
    "not UTF-8": (b'{"kind":"\xff"}', "request-not-json", "not UTF-8"),
    "UTF-16": (json.dumps(GOOD).encode("utf-16"), "request-not-json", "not UTF-8"),
    "byte order mark": (b"\xef\xbb\xbf" + raw("x"), "request-not-json", "not JSON"),
    "not JSON": (b"apiVersion: v1\n", "request-not-json", "not JSON"),
    "cut": (raw("x")[:-1], "request-not-json", "not JSON"),
    "two values": (raw("x") + raw("x"), "request-not-json", "more than one"),
    "two lines of JSON": (raw("x") + b"\n" + raw("x"), "request-not-json", "more than one"),
    "duplicate key": (raw("x")[:-1] + b',"image":"evil.example/i"}', "request-not-json", "duplicate"),
    "NaN": (b'{"a":NaN}', "request-not-json", "NaN"),
    "nested too deeply": (b"[" * 200_000, "request-not-json", "nested"),
    "list": (b"[" + raw("x") + b"]", "request-not-object", "object"),
    "null": (b"null", "request-not-object", "object"),
    "no kind": (raw("kind"), "request-wrong-kind", "kind"),
    "other kind": (raw("kind", to="CredentialProviderResponse"), "request-wrong-kind", "kind"),
    "kind in lower case": (raw("kind", to="credentialproviderrequest"), "request-wrong-kind", "kind"),
    "kind is a list": (raw("kind", to=["CredentialProviderRequest"]), "request-wrong-kind", "kind"),
    "no version": (raw("apiVersion"), "request-wrong-version", "apiVersion"),
    "version of the future": (raw("apiVersion", to=V1 + "2"), "request-wrong-version", V1BETA1),
    "version without group": (raw("apiVersion", to="v1"), "request-wrong-version", V1),
    "version of another group": (raw("apiVersion", to="kubelet.config.k8s.io/v1"), "request-wrong-version", V1),
    "version is an object": (raw("apiVersion", to={"v": 1}), "request-wrong-version", V1),
    "no image": (raw("image"), "request-without-image", "image"),
    "image empty": (raw("image", to=""), "request-without-image", "image"),
    "image null": (
        b'{"kind":"CredentialProviderRequest","apiVersion":"' + V1.encode() + b'","image":null}',
        "request-without-image",
        "image",
    ),
    "image a number": (raw("image", to=7), "request-without-image", "image"),
    "token a number": (raw("serviceAccountToken", to=7), "request-token-garbled", "serviceAccountToken"),
    "token an object": (raw("serviceAccountToken", to={"token": "x"}), "request-token-garbled", "serviceAccountToken"),
    "token oversized": (
        raw("serviceAccountToken", to="a" * (TOKEN_LIMIT + 1)),
        "request-token-too-large",
        "serviceAccountToken",
    ),
    "annotations a list": (
        raw("serviceAccountAnnotations", to=["a"]),
        "request-annotations-garbled",
        "serviceAccountAnnotations",
    ),
    "annotation a number": (
        raw("serviceAccountAnnotations", to={"a": 1}),
        "request-annotations-garbled",
        "serviceAccountAnnotations",
    ),
}


@pytest.mark.parametrize(("request_bytes", "code", "named"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(request_bytes: bytes, code: str, named: str) -> None:
    with pytest.raises(ProviderError) as caught:
        parse_request(request_bytes)
    error = caught.value
    assert (error.code, error.family, error.exit_code) == (code, "request", 2)
    assert named in error.cause
    assert PROGRAM in error.remedy


def test_does_not_quote_the_request() -> None:
    canary = "eyJcanary"
    fields = {"kind": canary, "apiVersion": canary, "image": {canary: canary}, "serviceAccountToken": [canary]}
    for name, value in fields.items():
        with pytest.raises(ProviderError) as caught:
            parse_request(raw(name, to=value))
        assert canary not in caught.value.line()


@pytest.mark.parametrize("version", API_VERSIONS, ids=["v1", "v1beta1", "v1alpha1"])
def test_reads_three_versions(version: str) -> None:
    request = parse_request(raw("apiVersion", to=version))
    assert (request.api_version, request.image, request.token, request.annotations) == (
        version,
        GOOD["image"],
        None,
        {},
    )


@pytest.mark.parametrize("version", [V1BETA1, V1ALPHA1], ids=["v1beta1", "v1alpha1"])
@pytest.mark.parametrize("token", [jwt(), 7], ids=["token", "garbled"])
def test_service_account_fields_exist_in_v1_only(version: str, token: object) -> None:
    fields = {**GOOD, "apiVersion": version, "serviceAccountToken": token, "serviceAccountAnnotations": {"a": "b"}}
    request = parse_request(json.dumps(fields).encode())
    assert (request.token, request.annotations) == (None, {})


@pytest.mark.parametrize(
    "absent",
    [
        {},
        {"serviceAccountToken": "", "serviceAccountAnnotations": {}},
        {"serviceAccountToken": None, "serviceAccountAnnotations": None},
    ],
    ids=["absent", "empty", "null"],
)
def test_absent_service_account_fields(absent: dict[str, Any]) -> None:
    request = parse_request(json.dumps({**GOOD, **absent}).encode())
    assert (request.token, request.annotations) == (None, {})


def test_reads_service_account_fields_of_v1() -> None:
    fields = {
        **GOOD,
        "serviceAccountToken": jwt(),
        "serviceAccountAnnotations": {"azure.workload.identity/client-id": "x"},
    }
    request = parse_request(json.dumps(fields).encode())
    assert request.token == Secret(jwt())
    assert request.annotations == {"azure.workload.identity/client-id": "x"}


def test_ignores_fields_it_does_not_know() -> None:
    request = parse_request(raw("serviceAccountPods", to=[{"name": "p"}]))
    assert request.image == GOOD["image"]


def test_a_request_of_exactly_the_limit_is_read() -> None:
    body = raw("x")
    assert parse_request(body + b" " * (REQUEST_LIMIT - len(body))).image == GOOD["image"]


@pytest.mark.parametrize("vector", VECTORS["request_stdin"], ids=lambda vector: vector["id"])
def test_reads_what_the_kubelet_writes(vector: dict[str, Any]) -> None:
    sent = json.loads(vector["stdin"])
    request = parse_request(vector["stdin"].encode())
    assert (request.api_version, request.image) == (sent["apiVersion"], sent["image"])
    parse_image(request.image)


#: The strict decoder of the kubelet, as a schema: field -> type.
RESPONSE = {"kind": str, "apiVersion": str, "cacheKeyType": str, "cacheDuration": str, "auth": dict}
PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)


def _strictly(stdout: bytes) -> dict[str, Any]:
    assert stdout.endswith(b"}\n")
    assert stdout.count(b"\n") == 1

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs)
        return dict(pairs)

    document = json.loads(stdout.decode("ascii"), object_pairs_hook=unique)
    assert {name: type(value) for name, value in document.items()} == RESPONSE
    assert document["kind"] == "CredentialProviderResponse"
    assert document["cacheKeyType"] in {"Image", "Registry", "Global"}
    assert document["cacheDuration"].removesuffix("s").isdigit()
    for entry in document["auth"].values():
        assert {name: type(value) for name, value in entry.items()} == {"username": str, "password": str}
    assert isinstance(document, dict)
    return document


@EXAMPLES
@given(
    st.sampled_from(API_VERSIONS),
    st.sampled_from(["Image", "Registry", "Global"]),
    st.integers(0, 43200),
    st.lists(PRINTABLE, unique=True, max_size=4),
    PRINTABLE,
)
@example(V1, "Global", 2931, ["*-docker.pkg.dev", '"\\'], 'ya29.c."\\')
def test_writes_what_the_kubelets_strict_decoder_takes(
    version: str, key_type: str, seconds: int, keys: list[str], token: str
) -> None:
    document = _strictly(encode_response(version, key_type, seconds, keys, Secret(token)))
    assert (document["apiVersion"], document["cacheKeyType"], document["cacheDuration"]) == (
        version,
        key_type,
        f"{seconds}s",
    )
    assert document["auth"] == {key: {"username": "oauth2accesstoken", "password": token} for key in keys}


@pytest.mark.parametrize("version", API_VERSIONS, ids=["v1", "v1beta1", "v1alpha1"])
def test_without_a_token_there_is_no_key(version: str) -> None:
    document = _strictly(encode_response(version, "Image", 0, ["us-docker.pkg.dev"], None))
    assert (document["auth"], document["cacheDuration"], document["cacheKeyType"]) == ({}, "0s", "Image")


def _read(content: bytes) -> Request | None:
    """What `answer` does first; a refusal is one line of the family request."""
    try:
        request = parse_request(content)
        parse_image(request.image)
    except ProviderError as refused:
        error = refused
    else:
        return request
    assert error.family == "request"
    assert error.line().isprintable()
    assert len(error.line()) <= LINE_LIMIT
    return None


#: Up to 2 MiB for the price of some bytes: a piece, repeated, between two others.
@st.composite
def floods(draw: st.DrawFn) -> bytes:
    piece = draw(
        st.binary(min_size=1, max_size=16) | st.sampled_from([b" ", b"[", b'{"a":', b'"', b"\\u0041", b"1", raw("x")])
    )
    count = draw(st.sampled_from([1, 2, 1000, 65536, (2 << 20) // len(piece)]))
    return (draw(st.binary(max_size=8)) + piece * count + draw(st.binary(max_size=8)))[: 2 << 20]


@EXAMPLES
@given(st.binary(max_size=300) | floods())
@example(b"\xff" * (2 << 20))
@example(b" " * (2 << 20))
def test_any_bytes_give_a_request_or_one_line(content: bytes) -> None:
    _read(content)


JSON_VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.lists(st.text(max_size=3), max_size=2)
    | st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers(), max_size=2)
)


@EXAMPLES
@given(
    st.fixed_dictionaries(
        {
            "kind": st.just("CredentialProviderRequest") | JSON_VALUES,
            "apiVersion": st.sampled_from(API_VERSIONS) | JSON_VALUES,
            "image": st.just(GOOD["image"]) | JSON_VALUES,
        },
        optional={"serviceAccountToken": JSON_VALUES, "serviceAccountAnnotations": JSON_VALUES, "other": JSON_VALUES},
    )
)
def test_any_fields_give_a_request_or_one_line(fields: dict[str, Any]) -> None:
    request = _read(json.dumps(fields).encode())
    if request is not None:
        assert (request.api_version, request.image) == (fields["apiVersion"], fields["image"])
        assert all(isinstance(value, str) for value in request.annotations.values())
