"""A forward proxy that knows CONNECT only, can ask for Basic credentials, and records whom it was asked for."""

from __future__ import annotations

import base64
import select
import socket

from tests.cloud.state import State
from tests.cloud.wire import Answer, Request

_HTML = (
    b"<html><head><title>ERROR: The requested URL could not be retrieved</title></head>"
    b"<body>Access Denied.</body></html>"
)
_NEEDS_CREDENTIALS = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\n"
    b'Proxy-Authenticate: Basic realm="proxy"\r\n'
    b"Content-Length: 0\r\n\r\n"
)


class Proxy:
    """Hop `proxy`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.asked: list[str] = []

    def __call__(self, _: Request) -> Answer:
        """What is not tunnelled: everything but CONNECT is refused, as squid words it."""
        return Answer(403, {"Content-Type": "text/html", "Server": "squid/6.6"}, _HTML)

    def tunnel(self, client: socket.socket, request: Request) -> None:
        """CONNECT: joins the client with the host asked for (RFC 9110 section 9.3.6)."""
        self.asked.append(request.target)
        wanted = self._state.options.proxy_credentials
        if wanted and request.header("proxy-authorization") != "Basic " + base64.b64encode(wanted.encode()).decode():
            return client.sendall(_NEEDS_CREDENTIALS)
        host, _, port = request.target.rpartition(":")
        try:
            upstream = socket.create_connection((host, int(port)), timeout=10)
        except (OSError, ValueError):
            return client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        with upstream:
            upstream.settimeout(None)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _relay(client, upstream)
        return None


def _relay(one: socket.socket, other: socket.socket) -> None:
    """Copies both ways until one side ends."""
    while True:
        readable, _, _ = select.select((one, other), (), ())
        for source in readable:
            data = source.recv(65536)
            if not data:
                return
            (other if source is one else one).sendall(data)
