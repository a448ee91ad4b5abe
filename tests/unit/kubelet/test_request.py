"""The request is byte for byte what the kubelet writes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credprovider.kubelet.request import API_VERSIONS, V1, encode_request
from credprovider.secret import Secret
from tests.unit.kubelet.vectors import each


@each("request_stdin")
def test_vector(row: dict[str, Any]) -> None:
    document = json.loads(row["stdin"])
    token = Secret("eyJ.a.b") if "service account" in row["case"] else None
    annotations = {"z.example/k": "v<&>", "a.example/k": "é"} if "no annotations" not in row["case"] and token else {}
    written = encode_request(
        document["image"], api_version=document["apiVersion"], token=token, annotations=annotations
    )
    assert written == row["stdin"].encode()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('"\\', rb"\"\\"),
        ("\b\f\n\r\t", rb"\b\f\n\r\t"),
        ("\x00\x1f", rb"\u0000\u001f"),
        ("\x7f", b"\x7f"),
        ("<>&", rb"\u003c\u003e\u0026"),
        ("\u2028\u2029", rb"\u2028\u2029"),
        ("é\U0001f600", "é\U0001f600".encode()),
        ("a\udcffb", rb"a\ufffdb"),
    ],
)
def test_text_is_escaped_as_go_does(text: str, written: bytes) -> None:
    assert encode_request(text).endswith(b'"image":"' + written + b'"}\n')


@pytest.mark.parametrize("version", API_VERSIONS[1:])
def test_older_versions_carry_the_image_alone(version: str) -> None:
    written = encode_request("i", api_version=version, token=Secret("secret"), annotations={"a": "b"})
    assert written == f'{{"kind":"CredentialProviderRequest","apiVersion":"{version}","image":"i"}}\n'.encode()


def test_empty_token_is_left_out() -> None:
    assert b"serviceAccountToken" not in encode_request("i", token=Secret(""))


@given(st.text(max_size=20), st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4))
def test_any_text_survives_as_json(image: str, annotations: dict[str, str]) -> None:
    written = encode_request(image, token=Secret("t"), annotations=annotations)
    document = json.loads(written)
    assert document["image"] == image
    assert document.get("serviceAccountAnnotations", {}) == annotations
    assert list(document.get("serviceAccountAnnotations", {})) == sorted(annotations)
    assert document["apiVersion"] == V1
    assert written.count(b"\n") == 1
