"""One line in the journal for each exec, as the kubelet drops the stderr of a plugin that succeeded; never required.

The native journal protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram of ``NAME=value`` lines.
"""

from __future__ import annotations

import os

from credprovider.errors import PROGRAM, one_line

SOCKET = "/run/systemd/journal/socket"

_INFO, _WARNING = 6, 4


def note(message: str, *, failed: bool = False, path: str = SOCKET) -> None:
    """Send one line; no journal, a full one or a refused one is no reason to fail a pull."""
    if not os.path.exists(path):
        return
    import _socket  # noqa: PLC0415 - a millisecond that only a machine with a journal pays

    priority = _WARNING if failed else _INFO
    record = f"MESSAGE={one_line(message)}\nPRIORITY={priority}\nSYSLOG_IDENTIFIER={PROGRAM}\n"
    try:
        channel = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
        try:
            channel.setblocking(False)
            channel.sendto(record.encode(), path)
        finally:
            channel.close()
    except OSError:
        return
