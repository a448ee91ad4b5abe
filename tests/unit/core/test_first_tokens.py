"""Where a first token is at hand: a file that others renew, or the kubelet's request."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from credprovider.errors import ProviderError
from credprovider.identity import service_account, token_file
from credprovider.protocol import API_VERSIONS, TOKEN_LIMIT
from credprovider.secret import Secret
from tests.unit.core.making import (
    PAYLOAD,
    TENANT_ID,
    asked,
    disown,
    file_settings,
    jwt,
    make_world,
    node_settings,
    pod_settings,
    write,
)

CANARY = "CaNaRy"
V1 = API_VERSIONS[0]


def refused_file(folder: Path, field: str | None = None) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        token_file.read(file_settings(folder, field), make_world(folder))
    error = caught.value
    assert (error.family, error.hop, error.exit_code) == ("azure", "token-file", 4)
    assert CANARY not in error.line()
    return error


def _absent(path: Path) -> None:
    assert not path.exists()


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


def _folder(path: Path) -> None:
    path.mkdir()


def _text(content: bytes | str, mode: int = 0o600) -> Any:
    return lambda path: write(path, content, mode)


FILES = {
    "absent": (_absent, "token-file-missing"),
    "dangling link": (_dangling, "token-file-missing"),
    "named pipe": (_fifo, "token-file-unreadable"),
    "folder": (_folder, "token-file-unreadable"),
    "group-writable": (_text(jwt(), 0o620), "token-file-unsafe"),
    "world-writable": (_text(jwt(), 0o602), "token-file-unsafe"),
    "empty": (_text(b""), "token-file-garbled"),
    "only white space": (_text(b" \n"), "token-file-garbled"),
    "no JWT": (_text(CANARY), "token-file-garbled"),
    "not ASCII": (_text("tökén" + CANARY), "token-file-garbled"),
    "not UTF-8": (_text(b"\xff" + CANARY.encode()), "token-file-garbled"),
    "two tokens": (_text(jwt() + "\n" + jwt()), "token-file-garbled"),
    "JSON where text is named": (_text(json.dumps({"access_token": CANARY})), "token-file-garbled"),
    "oversized token": (_text("a" * (TOKEN_LIMIT + 1)), "token-file-garbled"),
    "oversized file": (_text("a" * (5 * TOKEN_LIMIT)), "token-file-garbled"),
}


@pytest.mark.parametrize(("make", "code"), FILES.values(), ids=FILES.keys())
def test_token_files_that_are_refused(tmp_path: Path, make: Any, code: str) -> None:
    make(tmp_path / "token")
    assert refused_file(tmp_path).code == code


def test_a_token_file_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = file_settings(tmp_path)
    disown(write(tmp_path / "token", jwt()), monkeypatch)
    with pytest.raises(ProviderError) as caught:
        token_file.read(settings, make_world(tmp_path))
    assert caught.value.code == "token-file-unsafe"
    assert "chown root" in caught.value.remedy


def test_a_token_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = file_settings(tmp_path)
    write(tmp_path / "token", jwt())

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, "x")

    monkeypatch.setattr(os, "read", fail)
    with pytest.raises(ProviderError) as caught:
        token_file.read(settings, make_world(tmp_path))
    assert (caught.value.code, "Input/output error" in caught.value.cause) == ("token-file-unreadable", True)


JSON_FILES = {
    "text": jwt(),
    "list": json.dumps([CANARY]),
    "another field": json.dumps({"token": CANARY}),
    "field a number": json.dumps({"access_token": 7}),
    "field null": json.dumps({"access_token": None}),
    "field no JWT": json.dumps({"access_token": CANARY}),
    "field not ASCII": json.dumps({"access_token": "\u00e4" + CANARY}),
    "field half a character": '{"access_token":"\\ud800"}',
    "twice": json.dumps({"access_token": jwt()}) * 2,
    "duplicate": '{"access_token":"a","access_token":"b"}',
}


@pytest.mark.parametrize("content", JSON_FILES.values(), ids=JSON_FILES.keys())
def test_json_token_files_that_are_refused(tmp_path: Path, content: str) -> None:
    write(tmp_path / "token", content)
    assert refused_file(tmp_path, "access_token").code == "token-file-garbled"


@pytest.mark.parametrize("form", ["{}", "{}\n", " {}\r\n"], ids=["bare", "newline", "spaces"])
def test_a_token_of_text(tmp_path: Path, form: str) -> None:
    write(tmp_path / "token", form.format(jwt()), 0o644)
    found = token_file.read(file_settings(tmp_path), make_world(tmp_path))
    assert found is not None
    assert found.token == Secret(jwt())
    assert found.claims.subject == PAYLOAD["sub"]


def test_a_token_in_json(tmp_path: Path) -> None:
    write(tmp_path / "token", json.dumps({"access_token": jwt(), "expires_on": 1}))
    found = token_file.read(file_settings(tmp_path, "access_token"), make_world(tmp_path))
    assert found is not None
    assert found.token == Secret(jwt())


def test_a_projected_volumes_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    write(tmp_path / "..data" / "token", jwt())
    (tmp_path / "token").symlink_to("..data/token")
    assert token_file.read(file_settings(tmp_path), make_world(tmp_path)) is not None


def test_the_file_is_not_read_for_another_source(tmp_path: Path) -> None:
    assert token_file.read(node_settings(tmp_path), make_world(tmp_path)) is None
    assert token_file.read(pod_settings(tmp_path), make_world(tmp_path)) is None


def test_an_expired_file_is_told_with_its_claims(tmp_path: Path) -> None:
    write(tmp_path / "token", jwt(exp=1_799_999_000))
    world = make_world(tmp_path)
    found = token_file.read(file_settings(tmp_path), world)
    assert found is not None
    with pytest.raises(ProviderError) as caught:
        token_file.refuse_expired(found, world)
    error = caught.value
    assert (error.code, error.exit_code) == ("token-file-expired", 4)
    assert "expired 1000 s ago" in error.cause
    assert error.claims["sub"] == PAYLOAD["sub"]


def test_a_file_that_lives_is_let_pass(tmp_path: Path) -> None:
    write(tmp_path / "token", jwt())
    world = make_world(tmp_path)
    found = token_file.read(file_settings(tmp_path), world)
    assert found is not None
    token_file.refuse_expired(found, world)


@pytest.mark.parametrize("version", API_VERSIONS, ids=["v1", "v1beta1", "v1alpha1"])
def test_a_request_without_a_token_is_an_error_and_falls_through_to_nothing(tmp_path: Path, version: str) -> None:
    with pytest.raises(ProviderError) as caught:
        service_account.read(pod_settings(tmp_path), asked(version=version), make_world(tmp_path))
    error = caught.value
    assert (error.code, error.exit_code) == ("service-account-token-missing", 2)
    assert "serviceAccountToken" in error.cause
    assert (version in error.cause) is (version != V1)
    assert "tokenAttributes" in error.remedy


@pytest.mark.parametrize(
    "token", [CANARY, "a.b.c", jwt() + " ", jwt(iss="")], ids=["opaque", "short", "space", "no issuer"]
)
def test_a_garbled_token_in_the_request(tmp_path: Path, token: str) -> None:
    with pytest.raises(ProviderError) as caught:
        service_account.read(pod_settings(tmp_path), asked(token), make_world(tmp_path))
    assert (caught.value.code, caught.value.exit_code) == ("request-token-garbled", 2)
    assert CANARY not in caught.value.line()


def test_an_expired_token_in_the_request(tmp_path: Path) -> None:
    with pytest.raises(ProviderError) as caught:
        service_account.read(pod_settings(tmp_path), asked(jwt(exp=1_799_999_000)), make_world(tmp_path))
    error = caught.value
    assert (error.code, error.exit_code) == ("request-token-expired", 2)
    assert "expired 1000 s ago" in error.cause
    assert error.claims["sub"] == PAYLOAD["sub"]


def test_the_requests_token(tmp_path: Path) -> None:
    found = service_account.read(pod_settings(tmp_path), asked(jwt()), make_world(tmp_path))
    assert found is not None
    assert found.token == Secret(jwt())


def test_the_requests_token_is_not_used_by_another_source(tmp_path: Path) -> None:
    assert service_account.read(node_settings(tmp_path), asked(CANARY), make_world(tmp_path)) is None
    assert service_account.read(file_settings(tmp_path), asked(CANARY), make_world(tmp_path)) is None


CLIENT_KEY = "azure.workload.identity/client-id"


@pytest.mark.parametrize(
    ("keys", "sent", "value"),
    [
        ([], TENANT_ID, None),
        (["other"], TENANT_ID, None),
        ([CLIENT_KEY], None, None),
        ([CLIENT_KEY], "", None),
        ([CLIENT_KEY], TENANT_ID, TENANT_ID),
    ],
    ids=["not listed", "another listed", "not sent", "empty", "listed and sent"],
)
def test_annotations_count_only_when_settings_list_them(
    tmp_path: Path, keys: list[str], sent: str | None, value: str | None
) -> None:
    settings = pod_settings(tmp_path, serviceAccount={"optionalAnnotationKeys": keys})
    request = asked(jwt(), **({CLIENT_KEY: sent} if sent is not None else {}))
    assert service_account.annotation(settings, request, CLIENT_KEY) == value
