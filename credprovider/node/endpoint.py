"""``/metrics``, ``/healthz`` and ``/readyz`` of a running installer, on an address that was asked for."""

from __future__ import annotations

import http.server
import ipaddress
import socket
import socketserver
import threading
from typing import TYPE_CHECKING

from credprovider.node.metrics import CONTENT_TYPE, metrics_text
from credprovider.node.refusal import Refusal

if TYPE_CHECKING:
    from credprovider.node.clock import Clock
    from credprovider.node.situation import Situation

#: Seconds without a sign of life after which the loop hangs; a round with restart and rollback takes three minutes.
_ALIVE_SECONDS = 600.0


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``; without a host, all addresses.

    An IPv6 address may stand in brackets and need not: what follows the last colon is the port, and a pod's manifest
    cannot put brackets around a variable that may be of either kind.

    Raises:
        ValueError: no port, or no address.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not port.isascii() or int(port) > 65535:
        raise ValueError("write HOST:PORT, e.g. 127.0.0.1:9911 or [::1]:9911")
    inner = host.removeprefix("[").removesuffix("]")
    if host != inner or ":" in host:
        if host not in (inner, f"[{inner}]"):
            raise ValueError("a bracket of HOST has no other")
        try:
            ipaddress.IPv6Address(inner)
        except ValueError:
            raise ValueError("HOST is no IPv6 address") from None
    return inner, int(port)


class Endpoint:
    """Serves in a thread of its own, from the first `listen` that succeeds until `close`.

    Args:
        address: of `parse_address`.
        situation: what to show.
        clock: tells whether the loop hangs.
    """

    def __init__(self, address: tuple[str, int], situation: Situation, clock: Clock) -> None:
        class Handler(_Handler):
            pages = _Pages(situation, clock)

        self._address = address
        self._handler = Handler
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def listen(self) -> Refusal | None:
        """Begin to serve, unless that is done already; why it cannot be done, if it cannot."""
        if self._server is not None:
            return None
        try:
            self._server = _Server(self._address, self._handler)
        except OSError as error:
            host, port = self._address
            where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            return Refusal(
                "node-metrics-address",
                f"cannot listen on {where}: {error.strerror}; nobody can ask this pod for metrics or readiness",
                "see what else listens there (`ss -ltnp` on the node), or choose another metrics.port",
            )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return None

    @property
    def port(self) -> int:
        """The one that it listens on; 0 when it does not."""
        return int(self._server.server_address[1]) if self._server is not None else 0

    def close(self) -> None:
        """Stop."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(http.server.ThreadingHTTPServer):
    """Of either family; all addresses are those of both."""

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        is_any = not address[0] and socket.has_dualstack_ipv6()
        self.address_family = socket.AF_INET6 if is_any or ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Not the base class's, which asks a name server for this machine's name."""
        if self.address_family == socket.AF_INET6 and self.server_address[0] in ("", "::"):
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        socketserver.TCPServer.server_bind(self)


class _Pages:
    """Path to status code and text."""

    def __init__(self, situation: Situation, clock: Clock) -> None:
        self._situation = situation
        self._clock = clock

    def page(self, path: str) -> tuple[int, str, str]:
        now = self._situation
        if path == "/metrics":
            return 200, CONTENT_TYPE, metrics_text(now)
        if path == "/readyz":
            return (200, "text/plain", "ok\n") if now.ready else (503, "text/plain", f"{now.code}: {now.reason}\n")
        if path == "/healthz":
            hangs = self._clock.boottime() - now.alive > _ALIVE_SECONDS
            return (503, "text/plain", "the loop hangs\n") if hangs else (200, "text/plain", "ok\n")
        return 404, "text/plain", "there are /metrics, /healthz and /readyz\n"


class _Handler(http.server.BaseHTTPRequestHandler):
    pages: _Pages
    timeout = 10.0
    server_version = "node"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer one request."""
        status, content_type, text = self.pages.page(self.path.partition("?")[0])
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
        """Scrapes are not worth a line."""
