"""One listening address of the cloud: accepts, speaks TLS, logs, lets faults and round-trip time strike, answers."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.cloud.faults import Fault, Faults, spoil
from tests.cloud.places import Place
from tests.cloud.state import State
from tests.cloud.tls import Certificates
from tests.cloud.wire import Answer, BadRequest, Reader, Request

Handler = Callable[[Request], Answer]
Tunnel = Callable[[socket.socket, Request], None]


@dataclass
class Shared:
    """What all servers of one cloud use together."""

    state: State
    faults: Faults
    certificates: Certificates
    log: CallLog
    rtt: dict[str, float]


class CallLog:
    """Connections and requests in the order of arrival."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.calls: list[dict[str, Any]] = []
        self.connections: list[dict[str, Any]] = []

    def connection(self, place: Place) -> None:
        with self._lock:
            self.connections.append({"time": time.time(), "hop": place.hop, "host": place.host})

    def call(self, request: Request) -> dict[str, Any]:
        """Notes a request before it is answered; the entry gets `status` and `fault` later."""
        entry: dict[str, Any] = {
            "time": time.time(),
            "hop": request.hop,
            "host": request.host,
            "method": request.method,
            "target": request.target,
            "path": request.path,
            "query": dict(request.query),
            "headers": dict(request.headers),
            "body": request.body.decode("utf-8", "replace"),
            "form": request.form(),
            "json": request.json(),
            "status": None,
            "fault": None,
        }
        with self._lock:
            self.calls.append(entry)
        return entry

    def clear(self) -> None:
        with self._lock:
            self.calls.clear()
            self.connections.clear()


class Server:
    """A listener on one address and port, a thread per connection."""

    def __init__(self, place: Place, port: int, handler: Handler, shared: Shared, tunnel: Tunnel | None = None) -> None:
        self.place, self.port = place, port
        self._handler, self._shared, self._tunnel = handler, shared, tunnel
        self._tls = port == 443
        self._listener: socket.socket | None = None
        self._stopping = threading.Event()
        if self._tls:
            shared.certificates.context(place.host)
        self.open()

    def open(self) -> None:
        """Listens; does nothing if it does already."""
        if self._listener is None:
            self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((self.place.address, self.port))
            self._listener.listen(256)
            threading.Thread(target=self._accept, args=(self._listener,), name=self.place.host, daemon=True).start()

    def refuse(self) -> None:
        """Closes the listener: connections are refused by the kernel."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def close(self) -> None:
        self._stopping.set()
        self.refuse()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._guarded, args=(connection,), name=self.place.host, daemon=True).start()

    def _guarded(self, connection: socket.socket) -> None:
        """A client may leave at any moment; that is its right, and often the test. Errors of ours go to stderr."""
        with suppress(OSError):
            self._serve(connection)
        with suppress(OSError):
            connection.close()

    def _pause(self) -> None:
        """One injected round trip."""
        seconds = self._shared.rtt.get(self.place.hop, 0.0)
        if seconds:
            time.sleep(seconds)

    def _serve(self, connection: socket.socket) -> None:
        self._shared.log.connection(self.place)
        fault = self._shared.faults.take(self.place.hop, self.place.host)
        if fault is not None and fault.kind == "reset" and fault.at == "connect":
            return _reset(connection)
        if fault is not None and fault.kind == "hang" and fault.at == "connect":
            return self._hang(connection)
        self._pause()  # stands for the TCP handshake, which loopback makes in no time
        if not self._tls:
            return self._converse(connection)
        if not connection.recv(1, socket.MSG_PEEK):  # a client that only opened a connection
            return None
        self._pause()  # TLS 1.3: one round trip until the client can send its request
        if fault is not None and fault.kind in ("reset", "hang"):
            return _reset(connection) if fault.kind == "reset" else self._hang(connection)
        context = self._shared.certificates.context(self.place.host, fault.certificate if fault is not None else "good")
        with context.wrap_socket(connection, server_side=True) as secured:
            self._converse(secured)
        return None

    def _converse(self, connection: socket.socket) -> None:
        reader = Reader(connection, self.place.hop, self.place.host)
        while True:
            try:
                request = reader.next()
            except BadRequest as error:
                return connection.sendall(_bad_request(error))
            if request is None:
                return None
            entry = self._shared.log.call(request)
            fault = self._shared.faults.take(request.hop, request.host, request.target)
            entry["fault"] = fault.kind if fault is not None else None
            self._pause()
            if not self._respond(connection, request, fault, entry):
                return None

    def _respond(self, connection: socket.socket, request: Request, fault: Fault | None, entry: dict[str, Any]) -> bool:
        """Sends the answer; False when the connection is over."""
        kind = fault.kind if fault is not None else ""
        if fault is not None and fault.at == "request" and kind in ("reset", "hang"):
            _reset(connection) if kind == "reset" else self._hang(connection)
            return False
        if self._tunnel is not None and request.method == "CONNECT" and not kind:
            self._tunnel(connection, request)
            return False
        if fault is not None and kind == "slow":
            time.sleep(float(fault.options.get("seconds", 1)))
        answer = spoil(fault, request, self._handler if self._right_host(request) else _misdirected, self._shared.state)
        entry["status"] = answer.status
        endless = fault is not None and kind == "oversize" and not fault.options.get("size")
        body = b"" if request.method == "HEAD" else answer.body
        length = None if endless else len(answer.body) + (64 if kind == "truncated" else 0)
        close = endless or bool(kind) or (request.header("connection") or "").lower() == "close"
        head = answer.head(self._shared.state.now(request.hop), length=length, close=close)
        self._send(connection, head, body, fault)
        if endless:
            self._flood(connection)
        return not close

    def _send(self, connection: socket.socket, head: bytes, body: bytes, fault: Fault | None) -> None:
        if fault is not None and fault.kind == "drip":
            for byte in head + body:
                connection.sendall(bytes((byte,)))
                if self._stopping.wait(float(fault.options.get("seconds", 0.5))):
                    return
        elif fault is not None and fault.at == "body" and fault.kind in ("reset", "hang"):
            connection.sendall(head + body[: len(body) // 2])
            _reset(connection) if fault.kind == "reset" else self._hang(connection)
        else:
            connection.sendall(head + body)

    def _right_host(self, request: Request) -> bool:
        """The Host header names this place (RFC 9110 section 15.5.20 otherwise); a proxy is asked for others."""
        host = (request.header("host") or "").lower()
        return self.place.hop == "proxy" or host in (self.place.host, f"{self.place.host}:{self.port}")

    def _flood(self, connection: socket.socket) -> None:
        while not self._stopping.is_set():
            connection.sendall(b" " * 65536)

    def _hang(self, connection: socket.socket) -> None:
        """Says nothing until the client leaves."""
        poller = select.poll()
        poller.register(connection.fileno(), select.POLLRDHUP)
        while not self._stopping.is_set():
            if any(event & (select.POLLRDHUP | select.POLLHUP | select.POLLERR) for _, event in poller.poll(100)):
                return


def _reset(connection: socket.socket) -> None:
    """Ends with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _bad_request(error: BadRequest) -> bytes:
    answer = Answer(400, {"Content-Type": "text/plain"}, str(error).encode())
    return answer.head(time.time(), length=len(answer.body), close=True) + answer.body


def _misdirected(request: Request) -> Answer:
    return Answer(
        421, {"Content-Type": "text/plain"}, f"{request.host} does not serve {request.header('host')}".encode()
    )
