"""Names inside the namespace: the name server that knows nobody, and switching single hosts off in /etc/hosts."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress

_HOSTS = "/etc/hosts"


class NameServer:
    """Answers by `mode`: absent (NXDOMAIN), dead (SERVFAIL: no server is reached), hang (never)."""

    def __init__(self) -> None:
        self.mode = "absent"
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("0.0.0.0", 53))  # noqa: S104 - the namespace has loopback only
        threading.Thread(target=self._serve, name="dns", daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                query, client = self._socket.recvfrom(4096)
                if len(query) < 17:
                    continue
                self.asked.append(_question(query))
                if self.mode != "hang":
                    # RFC 1035 section 4.1.1: a response with rcode 3 or 2; the question as asked, EDNS dropped.
                    code = b"\x81\x83" if self.mode == "absent" else b"\x81\x82"
                    end = query.index(b"\0", 12) + 5
                    self._socket.sendto(query[:2] + code + query[4:6] + bytes(6) + query[12:end], client)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _question(query: bytes) -> str:
    """The name asked for."""
    labels, at = [], 12
    while at < len(query) and query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("latin-1"))
        at += query[at] + 1
    return ".".join(labels)


def switch_host(host: str, *, known: bool) -> None:
    """Makes a host of the bind-mounted /etc/hosts resolvable or not; by one byte: no reader sees half a file."""
    descriptor = os.open(_HOSTS, os.O_RDWR)
    try:
        text = os.pread(descriptor, 65536, 0)
        at = text.index(b" " + host.encode() + b"\n")
        os.pwrite(descriptor, b"1" if known else b"#", text.rfind(b"\n", 0, at) + 1)
    finally:
        os.close(descriptor)
