"""`python -m tests.plugin.guarded WATCHDOG ALARM ANSWER CONFIG`: the entry with its guards set to other seconds.

ANSWER says how the answer comes: ``real``; ``late=SECONDS``; or ``never``, in C code that does not let go of the
interpreter. The product itself has no switch for any of this.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import time

from credprovider import __main__, answer, deadline

_ANSWER = answer.Answer(b'{"auth":{}}\n', "", [])


def _late(seconds: float) -> answer.Answer:
    time.sleep(seconds)
    return _ANSWER


def _never() -> answer.Answer:
    ctypes.PyDLL(None).sleep(600)
    return _ANSWER


def main() -> int:
    """As the kubelet's child; with the worst signal mask that a parent can hand down."""
    watchdog, alarm, how, config = sys.argv[1:]
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    deadline.WATCHDOG_SECONDS, deadline.ALARM_SECONDS = float(watchdog), float(alarm)
    if how == "never":
        answer.answer = lambda *_: _never()
    elif how != "real":
        answer.answer = lambda *_: _late(float(how.removeprefix("late=")))
    return __main__.main(["--config", config])


if __name__ == "__main__":
    sys.exit(main())
