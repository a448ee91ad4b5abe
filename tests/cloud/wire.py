"""HTTP/1.1 as the cloud speaks it: strict about requests, knowing nothing of services or faults."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

_HEAD_LIMIT = 64 * 1024
_BODY_LIMIT = 8 * 1024 * 1024


class Stream(Protocol):
    """What of a socket is used here: plain and TLS sockets both have it."""

    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> None: ...


class BadRequest(Exception):
    """The bytes received are no HTTP request."""


@dataclass(frozen=True)
class Request:
    """One request as it arrived; header names are lower case, in the order sent."""

    hop: str
    host: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    def header(self, name: str) -> str | None:
        """The first header of that name (lower case)."""
        return next((value for key, value in self.headers if key == name), None)

    def form(self) -> dict[str, str] | None:
        """The urlencoded body; None if it is declared otherwise, cannot be read, or repeats a name."""
        if (self.header("content-type") or "").split(";")[0].strip() != "application/x-www-form-urlencoded":
            return None
        try:
            pairs = parse_qsl(self.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
        except (UnicodeDecodeError, ValueError):
            return None
        form = dict(pairs)
        return form if len(form) == len(pairs) else None

    def json(self) -> dict[str, Any] | None:
        """The JSON object in the body; None if it is declared otherwise or is none."""
        if (self.header("content-type") or "").split(";")[0].strip() != "application/json":
            return None
        try:
            value = json.loads(self.body)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None


@dataclass
class Answer:
    """One answer; Date, Content-Length and Connection are added when it is sent unless they are given."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def of_json(
        cls, status: int, value: Any, headers: dict[str, str] | None = None, *, indent: int | None = None
    ) -> Answer:
        """An answer with `value` as its JSON body."""
        head = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        return cls(status, head, json.dumps(value, indent=indent).encode())

    def head(self, now: float, *, length: int | None, close: bool) -> bytes:
        """Status line and headers; `length` None leaves Content-Length out (the body ends with the connection)."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        headers = {"Date": http_date(now), **self.headers}
        if length is not None:
            headers.setdefault("Content-Length", str(length))
        if close:
            headers.setdefault("Connection", "close")
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{key}: {value}" for key, value in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def http_date(moment: float) -> str:
    """RFC 9110 section 5.6.7."""
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(moment))


def timestamp(moment: float) -> str:
    """RFC 3339 in UTC, whole seconds, as Google writes expireTime."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


class Reader:
    """Requests out of one connection, one after the other."""

    def __init__(self, stream: Stream, hop: str, host: str) -> None:
        self._stream, self._hop, self._host, self._rest = stream, hop, host, b""

    def next(self) -> Request | None:
        """The next request, None when the client has closed; BadRequest when it is not HTTP/1.1."""
        head = self._until(b"\r\n\r\n")
        if head is None:
            return None
        lines = head.decode("latin-1").split("\r\n")
        parts = lines[0].split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise BadRequest(lines[0][:80])
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise BadRequest("header line")
            headers.append((name.lower(), value.strip()))
        found = dict(headers)
        if found.get("transfer-encoding", "").lower() == "chunked":
            body = self._chunked()
        else:
            body = self._exactly(_number(found.get("content-length", "0"), 10))
        return Request(self._hop, self._host, parts[0], parts[1], tuple(headers), body)

    def _more(self) -> bool:
        data = self._stream.recv(65536)
        self._rest += data
        return bool(data)

    def _until(self, mark: bytes) -> bytes | None:
        while mark not in self._rest:
            if len(self._rest) > _HEAD_LIMIT:
                raise BadRequest("head too long")
            if not self._more():
                if self._rest:
                    raise BadRequest("ended within the head")
                return None
        found, _, self._rest = self._rest.partition(mark)
        return found

    def _exactly(self, count: int) -> bytes:
        if not 0 <= count <= _BODY_LIMIT:
            raise BadRequest("body length")
        while len(self._rest) < count:
            if not self._more():
                raise BadRequest("ended within the body")
        found, self._rest = self._rest[:count], self._rest[count:]
        return found

    def _chunked(self) -> bytes:
        body = b""
        while True:
            size = _number((self._until(b"\r\n") or b"").split(b";")[0].decode("latin-1"), 16)
            body += self._exactly(size)
            if self._exactly(2) != b"\r\n":
                raise BadRequest("chunk")
            if size == 0:
                return body


def _number(text: str, base: int) -> int:
    try:
        return int(text, base)
    except ValueError:
        raise BadRequest("no number") from None
