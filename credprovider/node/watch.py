"""Did the restart go well? A new process that stays, is healthy, has loaded our config, on a Node that is Ready.

Whatever could not be asked before the restart does not count after it: a fresh node is not Ready before its CNI runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from credprovider.node.clock import Clock
    from credprovider.node.probes import Probes
    from credprovider.node.service import Service, State

#: Seconds that one process must stay; a kubelet that refuses its config is gone within two.
STABLE = 20.0

#: Seconds from the order to restart until it must have gone well; the rescue acts after 90 from a little earlier, and
#: the last questions may take their time.
DEADLINE = 65.0

#: As often systemd may start it again after the order: something passing, such as a held iptables lock, costs one.
_CRASHES = 3
_PAUSE = 1.0


@dataclass(frozen=True)
class Baseline:
    """How things were before.

    Attributes:
        process: the kubelet's.
        healthy: did its health endpoint say ok?
        ready: was the Node Ready?
        asked: seconds since 1970.
    """

    process: tuple[int, int] | None
    healthy: bool
    ready: bool
    asked: float


class Verdict(NamedTuple):
    """How it went.

    Attributes:
        reason: why it did not go well; None when it did.
        process: the one that was judged.
        loaded: hash of the config that this says it has loaded; empty where it says nothing.
    """

    reason: str | None
    process: tuple[int, int] | None = None
    loaded: str = ""


def take_baseline(service: Service, probes: Probes, clock: Clock) -> Baseline:
    """Look before a restart."""
    readiness = probes.readiness()
    return Baseline(
        service.state().process,
        healthy=probes.healthz() is True,
        ready=readiness is not None and readiness.ready,
        asked=clock.wall(),
    )


def watch(
    service: Service, probes: Probes, clock: Clock, before: Baseline, is_wanted: Callable[[str], bool] | None
) -> Verdict:
    """Wait for the verdict.

    Args:
        service: the kubelet.
        probes: further questions.
        clock: to wait by.
        before: from `take_baseline`.
        is_wanted: is this the hash of a config that may be loaded? None if any may.
    """
    seen = _Seen(before)
    until = clock.boottime() + DEADLINE
    while True:
        now = clock.boottime()
        seen.look(service.state(), now)
        if seen.crashes >= _CRASHES:
            return Verdict(f"the kubelet exited {seen.crashes} times after its restart")
        reason, loaded = seen.reason(now) or _doubt(probes, before), None
        if reason is None and is_wanted is not None:
            loaded = probes.loaded_hash()
            if loaded is not None and not is_wanted(loaded):
                reason = "the kubelet has loaded another config than the one in place"
        # The answers may have been another's, if it was restarted in between.
        if reason is None and service.state().process == seen.process:
            return Verdict(None, seen.process, loaded or "")
        if now > until:
            return Verdict(reason or "the kubelet does not stay up")
        clock.sleep(_PAUSE)


class _Seen:
    """What the looks at the unit have shown."""

    def __init__(self, before: Baseline) -> None:
        self._before = before.process
        self.process: tuple[int, int] | None = None
        self._since = 0.0
        self._restarts: int | None = None
        self.crashes = 0

    def look(self, state: State, now: float) -> None:
        if self._restarts is not None and state.restarts > self._restarts:
            self.crashes += state.restarts - self._restarts
        self._restarts = state.restarts
        if state.process != self.process:
            self.process, self._since = state.process, now

    def reason(self, now: float) -> str | None:
        if self.process is None:
            return "the kubelet is not running"
        if self.process == self._before:
            return "the kubelet has not restarted"
        if now - self._since < STABLE:
            return f"the kubelet has not stayed up for {STABLE:.0f} s"
        return None


def _doubt(probes: Probes, before: Baseline) -> str | None:
    if before.healthy and probes.healthz() is not True:
        return "the kubelet's health endpoint does not say ok"
    if before.ready:
        readiness = probes.readiness()
        # Without an answer there is no verdict: the API server may be out of reach for reasons of its own.
        if readiness is not None and not (readiness.ready and readiness.heartbeat >= int(before.asked)):
            return "the Node was Ready and is not since"
    return None
