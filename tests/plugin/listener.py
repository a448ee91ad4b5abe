"""A port that says the same to everybody, whatever they say: for what no HTTP server can be brought to do."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def answering(content: bytes, *, endless: bool = False, address: tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[int]:
    """Listens and yields the port.

    Args:
        content: the answer to whatever was received first.
        endless: said over and over until the client leaves.
        address: where to listen.
    """
    listener = socket.create_server(address)

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(content)
                    while endless:
                        connection.sendall(content)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
