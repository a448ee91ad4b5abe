"""``/metrics``, ``/healthz`` and ``/readyz`` of a running installer, on an address that was asked for."""

from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING

from credprovider.node.metrics import CONTENT_TYPE, metrics_text

if TYPE_CHECKING:
    from credprovider.node.clock import Clock
    from credprovider.node.situation import Situation

#: Seconds without a sign of life after which the loop hangs; a round with restart and rollback takes three minutes.
_ALIVE_SECONDS = 600.0


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``; without a host, all addresses.

    Raises:
        ValueError: no port.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError("write HOST:PORT, e.g. 127.0.0.1:9911")
    return host.strip("[]"), int(port)


class Endpoint:
    """Serves in a thread of its own until `close`."""

    def __init__(self, address: tuple[str, int], situation: Situation, clock: Clock) -> None:
        class Handler(_Handler):
            pages = _Pages(situation, clock)

        self._server = http.server.ThreadingHTTPServer(address, Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The one that it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


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
