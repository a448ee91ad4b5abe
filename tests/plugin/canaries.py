"""Planted secrets and the search for them: whole, in part, and in the forms that they are sent in."""

from __future__ import annotations

import base64
import secrets
import socket
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.cloud.api import CloudApi

#: So many characters of a secret in a row are a leak.
_WINDOW = 12


def canary(kind: str) -> str:
    """A secret that is like no other text, in one of the shapes that tokens have."""
    mark = secrets.token_hex(20)
    if kind == "jwt":
        return f"eyJhbGciOiJub25lIn0.eyJ{mark}.{mark[::-1]}"
    return {"google": f"ya29.c.{mark}", "opaque": f"Canary{mark}", "dashed": f"canary-{mark[:19]}-{mark[19:]}"}[kind]


class Secrets:
    """What must not be seen; `issued` adds what the cloud has given out by now."""

    def __init__(self, *planted: str) -> None:
        self._planted = set(planted)

    def plant(self, *more: str) -> None:
        """More of it."""
        self._planted.update(more)

    def issued(self, cloud: CloudApi) -> None:
        """All tokens of the cloud."""
        self.plant(*cloud.issued())

    def seen_in(self, content: bytes | str, allowed: Iterable[str] = ()) -> list[str]:
        """Beginnings of the secrets of which a part is in `content`, other than those that may be there."""
        text = content.decode("latin-1") if isinstance(content, bytes) else content
        # What may be there may share parts with what may not: a canary inside a token.
        for each in sorted(allowed, key=len, reverse=True):
            text = text.replace(each, "")
        windows = {text[index : index + _WINDOW] for index in range(len(text) - _WINDOW + 1)}
        return [secret[:24] for secret in self._planted if any(_parts(form) & windows for form in _forms(secret))]

    def seen_below(self, folder: Path, allowed: Iterable[str] = ()) -> dict[str, list[str]]:
        """The same for names and contents of all files of a folder."""
        found = {}
        for path in folder.rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            if seen := self.seen_in(path.name.encode() + b"\n" + content, allowed):
                found[str(path)] = seen
        return found


def _forms(secret: str) -> set[str]:
    encoded = secret.encode()
    return {secret, quote(secret, safe=""), base64.b64encode(encoded).decode(), encoded.hex(), secret[::-1]}


def _parts(text: str) -> set[str]:
    return {text[index : index + _WINDOW] for index in range(len(text) - _WINDOW + 1)}


class Journal:
    """The journal's socket, in the namespace's own /run."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    def read(self) -> list[str]:
        """The datagrams that came since the last call."""
        found = []
        while True:
            try:
                found.append(self._socket.recv(1 << 20).decode())
            except BlockingIOError:
                return found

    def close(self) -> None:
        """Ends it, for the plugin too."""
        self._socket.close()
        self._path.unlink()
