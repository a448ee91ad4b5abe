"""One deadline for everything, and two guards behind it; used by the plugin's entry and by `transport`.

A thread cannot fire while C code holds the interpreter lock, and a stuck name look-up cannot be interrupted; hence a
watchdog thread first and the kernel's timer behind it.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` itself loads enum: 5 ms
import _thread
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds from start to the watchdog's one line, and to the kernel's SIGALRM. The kubelet's own limit is 60.
WATCHDOG_SECONDS = 47.0
ALARM_SECONDS = 49.0


class Deadline:
    """A point on the monotonic clock that every wait is clipped to."""

    __slots__ = ("_at", "_clock")

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock() + seconds

    def left(self) -> float:
        """Seconds until it passes; never negative."""
        return max(0.0, self._at - self._clock())

    def shorten(self, seconds: float) -> None:
        """Let it pass in `seconds` at the latest."""
        self._at = min(self._at, self._clock() + seconds)

    def clip(self, seconds: float) -> float:
        """The given seconds, or what is left if that is less."""
        return min(seconds, self.left())


def guard(on_timeout: Callable[[], None]) -> None:
    """Start both guards.

    Args:
        on_timeout: writes the one line and ends the process; run in the watchdog's thread.
    """
    # A parent may hand down an ignored or blocked SIGALRM; the default action is the point.
    _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [_signal.SIGALRM])
    _signal.setitimer(_signal.ITIMER_REAL, ALARM_SECONDS)
    # Ctrl-C ends a person's pipe at once; Python's own way is a traceback beside the one line.
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    try:
        _thread.start_new_thread(_watch, (on_timeout,))
    except RuntimeError:  # the limit of tasks is reached; the timer is left
        return


def _watch(on_timeout: Callable[[], None]) -> None:
    time.sleep(WATCHDOG_SECONDS)
    on_timeout()
