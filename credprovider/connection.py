"""Opening sockets and reading from them under a deadline: name look-up, TCP, proxy tunnel, TLS; for `transport` alone.

Connections are opened in threads, because a name look-up cannot be interrupted, and because opening them early hides
their round trips behind work that has to be done anyway. For the same reason OpenSSL is loaded by whoever needs it
first: the name is looked up and the first packet sent before.
"""

from __future__ import annotations

import io
import socket
import threading
from binascii import b2a_base64

from credprovider.deadline import Deadline
from credprovider.endpoints import IMDS_HOST
from credprovider.errors import ProviderError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Any

    from credprovider.network import Network

_PROXY_ANSWER_LIMIT = 16 << 10
#: Bytes of one answer with its head and chunk framing: a chunk of size -1 makes `http.client` read without end.
_ANSWER_LIMIT = 512 << 10
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


class Connector:
    """Opens connections: direct or through a proxy, TLS to all but IMDS."""

    def __init__(self, network: Network, deadline: Deadline, seconds: float) -> None:
        """Prepare; `seconds` is the longest that one connection may take to open."""
        self._network = network
        self._deadline = deadline
        self._seconds = seconds
        self._context: ssl.SSLContext | None = None
        self._context_lock = threading.Lock()

    def begin(self, host: str) -> Opening:
        """Start opening a connection, in a thread."""
        return Opening(self._connect, host)

    def _connect(self, host: str) -> socket.socket:
        """Open a connection to `host`, through the proxy where there is one, TLS where it is not IMDS."""
        proxy = None if host == IMDS_HOST else self._network.proxy_for(host)
        if host == IMDS_HOST:
            return _open((host, 80), self._deadline.clip(self._seconds))
        channel = _open(proxy.address if proxy else (host, 443), self._deadline.clip(self._seconds))
        try:
            if proxy:
                _open_tunnel(Wire(channel, Deadline(self._deadline.clip(self._seconds))), host, proxy.authorization)
            channel.settimeout(self._deadline.clip(self._seconds))
            return self._tls().wrap_socket(channel, server_hostname=host)
        except BaseException:
            channel.close()
            raise

    def _tls(self) -> ssl.SSLContext:
        import ssl  # noqa: PLC0415

        with self._context_lock:
            if self._context is None:
                # Not create_default_context: that honours SSLKEYLOGFILE, which would write out every session's keys.
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                # A bundle may hold an inspecting proxy's intermediate alone, as curl and Go take it.
                context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
                try:
                    context.load_verify_locations(cafile=self._network.ca_file)
                except OSError:  # which ssl.SSLError is
                    raise self._network.unusable_ca() from None
                self._context = context
            return self._context


class Opening:
    """A connection being opened in a thread of its own."""

    def __init__(self, connect: Callable[[str], socket.socket], host: str) -> None:
        self._done = threading.Event()
        self._handover = threading.Lock()
        self._abandoned = False
        self._channel: socket.socket | None = None
        self._failure: Failure | ProviderError = Failure("unreachable")
        try:
            threading.Thread(target=self._run, args=(connect, host), daemon=True).start()
        except RuntimeError:  # the limit of tasks is reached: then without the overlap, in this thread
            self._run(connect, host)

    def _run(self, connect: Callable[[str], socket.socket], host: str) -> None:
        try:
            channel = connect(host)
        except (Failure, ProviderError) as failure:
            self._failure = failure
        except Exception as error:  # noqa: BLE001 - what leaves a thread is a traceback on stderr
            self._failure = Failure(kind_of(error))
        else:
            with self._handover:
                self._channel = channel
                if self._abandoned:
                    channel.close()
        self._done.set()

    def is_under_way(self) -> bool:
        """Has it come to neither a connection nor a failure?"""
        return not self._done.is_set()

    def wait(self, seconds: float) -> socket.socket:
        """The connection, or a `Failure` of kind timeout after `seconds`; then it may be waited for again.

        Raises:
            ProviderError: family ``settings``, when the CA bundle is none.
        """
        if not self._done.wait(seconds):
            raise Failure("timeout")
        if self._channel is None:
            raise self._failure
        return self._channel

    def abandon(self) -> None:
        """Close the connection, now or when it is there."""
        with self._handover:
            self._abandoned = True
            if self._channel is not None:
                self._channel.close()


class Wire:
    """What `http.client` sees of a socket: every read and write is clipped to one deadline."""

    def __init__(self, channel: socket.socket, deadline: Deadline) -> None:
        self._channel = channel
        self._deadline = deadline

    def sendall(self, content: bytes) -> None:
        """Write everything before the deadline passes."""
        self._channel.settimeout(self._left())
        self._channel.sendall(content)

    def recv_into(self, buffer: memoryview) -> int:
        """Read what is there; armed anew each time, so that a byte a second cannot stretch it."""
        self._channel.settimeout(self._left())
        return self._channel.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The reading side."""
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Nothing: `http.client` closes early and reads on; the channel's owner closes it."""

    def _left(self) -> float:
        left = self._deadline.left()
        if left <= 0:
            raise TimeoutError
        return left


class _Reader(io.RawIOBase):
    """A `Wire` as the raw end of a buffered reader."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire
        self._room = _ANSWER_LIMIT

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        received = self._wire.recv_into(memoryview(buffer))
        self._room -= received
        if self._room < 0:
            raise Failure("oversize")
        return received


def _open(address: tuple[str, int], timeout: float) -> socket.socket:
    """Connect to the first address of a name that takes us; later ones get what the earlier left of the time."""
    candidates = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    deadline = Deadline(timeout)  # from here: a dead first name server alone takes the resolver 5 s
    last: OSError = OSError("no address")
    for index, (family, kind, protocol, _, where) in enumerate(candidates):
        channel = socket.socket(family, kind, protocol)
        try:
            # A broken IPv6 route must leave time for IPv4; a far host with many addresses must have time for one.
            share = max(deadline.left() / (len(candidates) - index), min(1.0, deadline.left()))
            channel.settimeout(max(0.05, share))
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            channel.connect(where)
        except OSError as error:
            channel.close()
            last = error
        else:
            return channel
    raise last


def _open_tunnel(wire: Wire, host: str, authorization: str | None) -> None:
    """Ask a proxy for a tunnel (RFC 9110 section 9.3.6)."""
    credentials = ""
    if authorization:
        encoded = b2a_base64(authorization.encode(), newline=False).decode()
        credentials = f"Proxy-Authorization: Basic {encoded}\r\n"
    wire.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n{credentials}\r\n".encode("latin-1"))
    answer, byte = b"", bytearray(1)
    # Byte by byte on purpose: what follows the blank line belongs to TLS.
    while not answer.endswith(b"\r\n\r\n"):
        if not wire.recv_into(memoryview(byte)) or len(answer) > _PROXY_ANSWER_LIMIT:
            raise Failure("proxy")
        answer += byte
    words = answer.split(b"\r\n", 1)[0].split()
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() and len(words[1]) == 3 else None
    if status is None or not 200 <= status < 300:
        raise Failure("proxy", status)


def kind_of(error: BaseException) -> str:
    """The kind of `Failure` that an exception stands for."""
    import http.client  # noqa: PLC0415
    import ssl  # noqa: PLC0415

    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY_FAILURES.get(error.verify_code, "tls-untrusted" if error.verify_code in _UNTRUSTED else "tls")
    kinds: tuple[tuple[type[BaseException], str], ...] = (
        (ssl.SSLEOFError, "reset"),
        (ssl.SSLZeroReturnError, "reset"),
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
