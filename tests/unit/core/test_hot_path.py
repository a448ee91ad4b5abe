"""What a cached answer loads: next to nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.core.making import PAYLOAD, TOKEN_AUDIENCE, jwt, write
from tests.unit.core.running import GRANT, REQUEST, ask, node

#: Besides the package itself and what is built into the interpreter.
ALLOWED = {
    *("os", "stat", "posixpath", "genericpath", "os.path", "abc", "_abc", "_collections_abc", "codecs", "io"),
    *("_json", "_blake2", "fcntl", "resource", "binascii", "_signal", "_thread", "_socket", "time", "gc", "__future__"),
    *("_stat", "errno", "posix", "_io", "marshal", "types", "linecache", "encodings", "encodings.ascii"),
}

#: At the end of the process: what was loaded, and by the package, into a file of the test's folder.
_RECORD = """
import os
_exit = os._exit
def record(code):
    with open({path!r}, "w") as file:
        file.write("\\n".join(sys.modules))
    _exit(code)
os._exit = record
"""


def _loaded(folder: Path, stdin: bytes) -> set[str]:
    """Names of modules loaded by an answer, in an interpreter that has no site-packages at all."""
    path = folder / "modules"
    done = ask(folder, stdin=stdin, preamble=_RECORD.format(path=str(path)), options="-I -S")
    assert done.returncode == 0, done.stderr
    return set(path.read_text().split("\n"))


def _settings(folder: Path, source: str) -> bytes:
    """Settings of a source whose token is in the cache already; the request for it."""
    node(folder)
    token = jwt({**PAYLOAD, "exp": 4_000_000_000})
    if source == "token-file":
        write(folder / "token", token)
        block = {"source": source, "tokenAudience": TOKEN_AUDIENCE, "tokenFile": str(folder / "token")}
        write(folder / "config.json", {"identity": block})
    if source == "service-account":
        write(folder / "config.json", {"identity": {"source": source, "tokenAudience": TOKEN_AUDIENCE}})
        return json.dumps({**json.loads(REQUEST), "serviceAccountToken": token}).encode()
    return REQUEST


@pytest.mark.parametrize("source", ["managed-identity", "token-file", "service-account"])
def test_a_cached_answer_loads_nothing_but_the_package(tmp_path: Path, source: str) -> None:
    request = _settings(tmp_path, source)
    cold = ask(tmp_path, stdin=request, preamble=GRANT)
    assert cold.returncode == 0, cold.stderr
    found = _loaded(tmp_path, request)
    interpreters_own = {
        "sys",
        "builtins",
        "__main__",
        "zipimport",
        "winreg",
        "_codecs",
        "_weakref",
        "_warnings",
        "_imp",
    }
    foreign = {
        name
        for name in found - ALLOWED - interpreters_own
        if not name.startswith(("credprovider", "_frozen_importlib", "encodings."))
    }
    assert not foreign
    assert not {"pydantic", "google", "json", "re", "socket", "typing", "enum", "logging", "ssl"} & found
    cold_parts = {
        "settings_plan",
        "settings_model",
        "external_account",
        "network",
        "endpoints",
        "transport",
        "exchange",
    }
    assert not {f"credprovider.{name}" for name in cold_parts} & found


def test_a_refusal_of_the_request_needs_no_more(tmp_path: Path) -> None:
    node(tmp_path)
    path = tmp_path / "modules"
    done = ask(tmp_path, stdin=b"", preamble=_RECORD.format(path=str(path)), options="-I -S")
    assert done.returncode == 2
    assert not {"pydantic", "json", "re", "traceback"} & set(path.read_text().split("\n"))
