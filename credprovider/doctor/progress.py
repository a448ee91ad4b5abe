"""Says on a terminal which hop is waited for, and for how long already; nothing where there is no terminal."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from credprovider.doctor.picture import Style, head

if TYPE_CHECKING:
    from typing import BinaryIO

#: Seconds between two looks at the clock; a hop that is done sooner is not announced.
_TICK = 0.25
#: Return to the line's start and erase it (ECMA-48 EL).
_ERASE = b"\r\x1b[K"


class Progress:
    """A line that stands where the next result will; one thread, ended by `close`."""

    def __init__(self, stream: BinaryIO, style: Style) -> None:
        self._stream = stream
        self._style = style
        self._lock = threading.Lock()
        self._waiting = ""
        self._ticks = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def waits(self, hop: str, whom: str) -> None:
        """A hop begins."""
        with self._lock:
            self._waiting, self._ticks = head(hop, self._style) + (f": asking {whom}" if whom else ""), 0

    def clear(self) -> None:
        """It is done; the line is free."""
        with self._lock:
            if self._waiting and self._ticks:
                self._write(_ERASE)
            self._waiting = ""

    def close(self) -> None:
        """No more."""
        self.clear()
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(_TICK):
            with self._lock:
                if self._waiting:
                    self._ticks += 1
                    seconds = int(self._ticks * _TICK)
                    text = f"{self._waiting}{f', {seconds} s' if seconds else ''}"
                    # A line that breaks could not be erased.
                    self._write(_ERASE + text[: self._style.width - 1].encode())

    def _write(self, content: bytes) -> None:
        self._stream.write(content)
        self._stream.flush()
