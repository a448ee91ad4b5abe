"""The clocks that the installer goes by, and its patience; made at the edge and passed in."""

from __future__ import annotations

import time


class Clock:
    """The machine's clocks.

    `wall` is for dates that others read, `boottime` (CLOCK_BOOTTIME) for everything that is measured.
    """

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def boottime(self) -> float:
        """Seconds since the node started; never steps."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
