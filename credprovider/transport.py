"""The one place that opens network sockets: allow-list, one deadline, retries, proxy, CA, caps; knows no service.

Connections are opened in threads, because a name look-up cannot be interrupted, and because opening them early hides
their round trips behind work that has to be done anyway (`Transport.warm`).
"""

from __future__ import annotations

import base64
import http.client
import io
import os
import socket
import threading
import urllib.parse

# The bundle brings its own OpenSSL; the node's openssl.cnf may name modules (FIPS) of another build.
os.environ["OPENSSL_CONF"] = "/dev/null"

import ssl

from credprovider.deadline import Deadline
from credprovider.endpoints import IMDS_HOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from credprovider.network import Network
    from credprovider.world import World

BODY_LIMIT = 64 << 10
#: A server that asks for a longer pause, in seconds, is not waited for; the kubelet's back-off comes again.
RETRY_AFTER_LIMIT = 5.0
TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
_TRANSIENT_FAILURES = frozenset({"refused", "reset", "timeout", "dns", "unreachable", "truncated"})
_PROXY_ANSWER_LIMIT = 16 << 10
# X509_V_ERR_* of OpenSSL's x509_vfy.h.
_VERIFY_FAILURES = {9: "tls-expired", 10: "tls-expired", 62: "tls-hostname", 64: "tls-hostname"}
_UNTRUSTED = frozenset({2, 18, 19, 20, 21, 27})


class Failure(Exception):
    """No usable answer came.

    Attributes:
        kind: refused, reset, dns, timeout, unreachable, tls-expired, tls-hostname, tls-untrusted, tls, truncated,
            oversize, redirect, proxy, not-http, deadline.
        status: the HTTP status that came with it (redirect, proxy).
    """

    def __init__(self, kind: str, status: int | None = None) -> None:
        super().__init__(kind)
        self.kind = kind
        self.status = status


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

    def __init__(self, hosts: Iterable[str], network: Network, deadline: Deadline, world: World) -> None:
        """Prepare.

        Args:
            hosts: the only hosts that will be talked to; `IMDS_HOST` is talked to in plain HTTP and never by a proxy.
            network: proxy and CA.
            deadline: the end of everything.
            world: clock, chance and limits.
        """
        self._hosts = frozenset(hosts)
        self._network = network
        self._deadline = deadline
        self._world = world
        self._warm: dict[str, _Opening] = {}
        self._context: ssl.SSLContext | None = None
        self._context_lock = threading.Lock()

    def warm(self, host: str) -> None:
        """Begin to open a connection that a later `send` will use."""
        self._check(host)
        self._warm[host] = _Opening(self._connect, host)

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

    def _check(self, host: str) -> None:
        if host not in self._hosts:
            raise ValueError("host not allowed")

    def _try(self, method: str, host: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        limits = self._world.limits
        opening = self._warm.pop(host, None) or _Opening(self._connect, host)
        channel = opening.wait(self._deadline.clip(limits.connect))
        deadline = Deadline(self._deadline.clip(limits.read))
        sent_at = self._world.boottime()
        try:
            response = _exchange(_Wire(channel, deadline), method, host, target, headers, body)
            if 300 <= response.status < 400:
                raise Failure("redirect", response.status)
            content = _read_body(response)
        except Failure:
            raise
        except (OSError, http.client.HTTPException, ssl.SSLError) as error:
            raise self._failure(error) from None
        finally:
            channel.close()
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, content, sent_at)

    def _failure(self, error: BaseException) -> Failure:
        kind = _kind_of(error)
        return Failure("deadline" if kind == "timeout" and not self._deadline.left() else kind)

    def _connect(self, host: str) -> socket.socket:
        """Open a connection to `host`, through the proxy where there is one, TLS where it is not IMDS."""
        timeout = self._world.limits.connect
        proxy = None if host == IMDS_HOST else self._network.proxy_for(host)
        if host == IMDS_HOST:
            return _open((host, 80), self._deadline.clip(timeout))
        channel = _open(proxy.address if proxy else (host, 443), self._deadline.clip(timeout))
        try:
            if proxy:
                _open_tunnel(_Wire(channel, Deadline(self._deadline.clip(timeout))), host, proxy.authorization)
            channel.settimeout(self._deadline.clip(timeout))
            return self._tls().wrap_socket(channel, server_hostname=host)
        except BaseException:
            channel.close()
            raise

    def _tls(self) -> ssl.SSLContext:
        with self._context_lock:
            if self._context is None:
                # Not create_default_context: that honours SSLKEYLOGFILE, which would write out every session's keys.
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                context.load_verify_locations(cafile=self._network.ca_file)
                self._context = context
            return self._context


class _Opening:
    """A connection being opened in a thread of its own."""

    def __init__(self, connect: Callable[[str], socket.socket], host: str) -> None:
        self._done = threading.Event()
        self._channel: socket.socket | None = None
        self._failure: Failure | None = None
        threading.Thread(target=self._run, args=(connect, host), daemon=True).start()

    def _run(self, connect: Callable[[str], socket.socket], host: str) -> None:
        try:
            self._channel = connect(host)
        except Failure as failure:
            self._failure = failure
        except (OSError, ValueError) as error:  # ValueError: a name that IDNA cannot encode
            self._failure = Failure(_kind_of(error))
        finally:
            self._done.set()

    def wait(self, seconds: float) -> socket.socket:
        """The connection, or a `Failure` of kind timeout after `seconds`."""
        if not self._done.wait(seconds):
            raise Failure("timeout")
        if self._channel is None:
            raise self._failure or Failure("unreachable")
        return self._channel


class _Wire(io.RawIOBase):
    """A socket whose every read is clipped to one deadline, so that a byte a second cannot stretch it."""

    def __init__(self, channel: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._channel = channel
        self._deadline = deadline

    def sendall(self, content: bytes) -> None:
        self._arm()
        self._channel.sendall(content)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed asks for WriteableBuffer, which is not public
        self._arm()
        return self._channel.recv_into(buffer)

    def _arm(self) -> None:
        left = self._deadline.left()
        if left <= 0:
            raise TimeoutError
        self._channel.settimeout(left)


def _open(address: tuple[str, int], timeout: float) -> socket.socket:
    """Connect to the first address of a name that takes us; later ones get what the earlier left of the time."""
    deadline = Deadline(timeout)
    candidates = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    last: OSError = OSError("no address")
    for index, (family, kind, protocol, _, where) in enumerate(candidates):
        channel = socket.socket(family, kind, protocol)
        try:
            # A broken IPv6 route must leave time for IPv4.
            channel.settimeout(max(0.05, deadline.left() / (len(candidates) - index)))
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            channel.connect(where)
        except OSError as error:
            channel.close()
            last = error
        else:
            return channel
    raise last


def _open_tunnel(wire: _Wire, host: str, authorization: str | None) -> None:
    """Ask a proxy for a tunnel (RFC 9110 section 9.3.6)."""
    credentials = (
        f"Proxy-Authorization: Basic {base64.b64encode(authorization.encode()).decode()}\r\n" if authorization else ""
    )
    wire.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n{credentials}\r\n".encode("latin-1"))
    answer = b""
    # Byte by byte on purpose: what follows the blank line belongs to TLS.
    while not answer.endswith(b"\r\n\r\n"):
        byte = wire.read(1)
        if not byte or len(answer) > _PROXY_ANSWER_LIMIT:
            raise Failure("proxy")
        answer += byte
    words = answer.split(b"\r\n", 1)[0].split()
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() and len(words[1]) == 3 else None
    if status is None or not 200 <= status < 300:
        raise Failure("proxy", status)


def _exchange(
    wire: _Wire, method: str, host: str, target: str, headers: Mapping[str, str], body: bytes | None
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(host)
    connection.sock = wire  # http.client needs sendall, makefile and close of it
    connection.request(method, target, body, dict(headers))
    return connection.getresponse()


def _read_body(response: http.client.HTTPResponse) -> bytes:
    content = b""
    while len(content) <= BODY_LIMIT:
        piece = response.read(BODY_LIMIT + 1 - len(content))
        if not piece:
            break
        content += piece
    if len(content) > BODY_LIMIT:
        raise Failure("oversize", response.status)
    if response.length:
        raise Failure("truncated", response.status)
    return content


def _kind_of(error: BaseException) -> str:
    """The kind of `Failure` that an exception stands for."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY_FAILURES.get(error.verify_code, "tls-untrusted" if error.verify_code in _UNTRUSTED else "tls")
    kinds: tuple[tuple[type[BaseException], str], ...] = (
        (ssl.SSLEOFError, "reset"),
        (ssl.SSLError, "tls"),
        (TimeoutError, "timeout"),
        (socket.gaierror, "dns"),
        (UnicodeError, "dns"),
        (ConnectionRefusedError, "refused"),
        (ConnectionError, "reset"),
        (http.client.IncompleteRead, "truncated"),
        (http.client.HTTPException, "not-http"),
    )
    return next((kind for family, kind in kinds if isinstance(error, family)), "unreachable")
