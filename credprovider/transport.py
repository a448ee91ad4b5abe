"""Requests to a fixed set of hosts: allow-list, one deadline, retries, caps; knows no service and no token."""

from __future__ import annotations

import http.client
import urllib.parse

from credprovider.connection import Failure, Wire, kind_of
from credprovider.deadline import Deadline
from credprovider.endpoints import IMDS_HOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from credprovider.connection import Connector, Opening
    from credprovider.world import World

BODY_LIMIT = 64 << 10
#: A server that asks for a longer pause, in seconds, is not waited for; the kubelet's back-off comes again.
RETRY_AFTER_LIMIT = 5.0
TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
_TRANSIENT_FAILURES = frozenset({"refused", "reset", "timeout", "dns", "unreachable", "truncated"})


class Reply:
    """One HTTP answer.

    Attributes:
        headers: lower-case names.
        body: at most `BODY_LIMIT` bytes.
        sent_at: boottime just before the request was written, in seconds.
    """

    __slots__ = ("body", "headers", "sent_at", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, sent_at: float) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.sent_at = sent_at

    def retry_after(self) -> float | None:
        """Seconds of ``Retry-After``, in its delay form."""
        value = self.headers.get("retry-after", "").strip()
        return float(value) if value.isascii() and value.isdigit() and len(value) < 7 else None


class Transport:
    """Sends requests to a fixed set of hosts, all under one deadline."""

    def __init__(
        self,
        hosts: Iterable[str],
        connector: Connector,
        opened: Mapping[str, Opening],
        deadline: Deadline,
        world: World,
    ) -> None:
        """Prepare.

        Args:
            hosts: the only hosts that will be talked to; `IMDS_HOST` is talked to in plain HTTP and never by a proxy.
            connector: opens connections.
            opened: those that are under way, by host; each serves one request.
            deadline: the end of everything.
            world: clock, chance and limits.
        """
        self._hosts = frozenset(hosts)
        self._connector = connector
        self._opened = dict(opened)
        self._deadline = deadline
        self._world = world

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        transient: frozenset[int] = TRANSIENT_STATUSES,
    ) -> Reply:
        """Send one request, again while its failure may pass and the deadline allows; redirects are not followed.

        Raises:
            Failure: when the last try brought no usable answer.
        """
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        self._check(host)
        if (parts.scheme == "http") != (host == IMDS_HOST) or parts.port:
            raise ValueError("scheme or port not allowed")
        target = parts.path + ("?" + parts.query if parts.query else "")
        limits = self._world.limits
        for attempt in range(1, limits.tries + 1):
            pause = limits.pause * 2 ** (attempt - 1) * (1 + self._world.chance())
            try:
                reply = self._try(method, host, target, headers, body)
            except Failure as failure:
                if failure.kind not in _TRANSIENT_FAILURES or attempt == limits.tries:
                    raise
            else:
                asked = reply.retry_after() or 0.0
                if reply.status not in transient or attempt == limits.tries or asked > RETRY_AFTER_LIMIT:
                    return reply
                pause = max(pause, asked)
                if pause >= self._deadline.left():
                    return reply
            if pause >= self._deadline.left():
                raise Failure("deadline")
            self._world.sleep(pause)
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Give up connections that were opened and not needed."""
        for opening in self._opened.values():
            opening.abandon()
        self._opened.clear()

    def _check(self, host: str) -> None:
        if host not in self._hosts:
            raise ValueError("host not allowed")

    def _try(self, method: str, host: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        limits = self._world.limits
        opening = self._opened.pop(host, None) or self._connector.begin(host)
        try:
            channel = opening.wait(self._deadline.clip(limits.connect))
        finally:
            if opening.is_under_way():  # the next try waits on: begun anew, a slow look-up would never end
                self._opened[host] = opening
        deadline = Deadline(self._deadline.clip(limits.read))
        sent_at = self._world.boottime()
        try:
            response = _exchange(Wire(channel, deadline), method, host, target, headers, body)
            if 300 <= response.status < 400:
                raise Failure("redirect", response.status)
            content = _read_body(response)
        except Failure:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise self._failure(error) from None
        finally:
            channel.close()
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, content, sent_at)

    def _failure(self, error: BaseException) -> Failure:
        kind = kind_of(error)
        return Failure("deadline" if kind == "timeout" and not self._deadline.left() else kind)


def _exchange(
    wire: Wire, method: str, host: str, target: str, headers: Mapping[str, str], body: bytes | None
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(host)
    connection.sock = wire  # http.client needs sendall, makefile and close of it
    connection.request(method, target, body, dict(headers))
    return connection.getresponse()


def _read_body(response: http.client.HTTPResponse) -> bytes:
    content = b""
    while len(content) <= BODY_LIMIT:
        try:
            piece = response.read(BODY_LIMIT + 1 - len(content))
        except ValueError:  # http.client takes a negative chunk size for one
            raise Failure("not-http", response.status) from None
        if not piece:
            break
        content += piece
    if len(content) > BODY_LIMIT:
        raise Failure("oversize", response.status)
    if response.length:
        raise Failure("truncated", response.status)
    return content
