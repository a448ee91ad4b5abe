"""Did the restart go well? A new process that stays, is healthy, has loaded our config, on a Node that is Ready.

Whatever could not be asked before the restart does not count after it: a fresh node is not Ready before its CNI runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


def take_baseline(service: Service, probes: Probes, clock: Clock) -> Baseline:
    """Look before a restart."""
    readiness = probes.readiness()
    return Baseline(
        service.state().process,
        healthy=probes.healthz() is True,
        ready=readiness is not None and readiness.ready,
        asked=clock.wall(),
    )


def watch(service: Service, probes: Probes, clock: Clock, before: Baseline, wanted_hash: str | None) -> str | None:
    """Wait for the verdict.

    Args:
        service: the kubelet.
        probes: further questions.
        clock: to wait by.
        before: from `take_baseline`.
        wanted_hash: of the config that must be loaded, where that can be told.

    Returns:
        None when all is well, else the reason why not.
    """
    seen = _Seen(before)
    until = clock.boottime() + DEADLINE
    while True:
        now = clock.boottime()
        seen.look(service.state(), now)
        if seen.crashes >= _CRASHES:
            return f"the kubelet exited {seen.crashes} times after its restart"
        reason = seen.reason(now) or _doubt(probes, before, wanted_hash)
        if reason is None:
            return None
        if now > until:
            return reason
        clock.sleep(_PAUSE)


class _Seen:
    """What the looks at the unit have shown."""

    def __init__(self, before: Baseline) -> None:
        self._before = before.process
        self._process: tuple[int, int] | None = None
        self._since = 0.0
        self._restarts: int | None = None
        self.crashes = 0

    def look(self, state: State, now: float) -> None:
        if self._restarts is not None and state.restarts > self._restarts:
            self.crashes += state.restarts - self._restarts
        self._restarts = state.restarts
        if state.process != self._process:
            self._process, self._since = state.process, now

    def reason(self, now: float) -> str | None:
        if self._process is None:
            return "the kubelet is not running"
        if self._process == self._before:
            return "the kubelet has not restarted"
        if now - self._since < STABLE:
            return f"the kubelet has not stayed up for {STABLE:.0f} s"
        return None


def _doubt(probes: Probes, before: Baseline, wanted_hash: str | None) -> str | None:
    if before.healthy and probes.healthz() is not True:
        return "the kubelet's health endpoint does not say ok"
    loaded = probes.loaded_hash() if wanted_hash is not None else None
    if loaded is not None and loaded != wanted_hash:
        return "the kubelet has loaded another config than the one in place"
    if before.ready:
        readiness = probes.readiness()
        # Without an answer there is no verdict: the API server may be out of reach for reasons of its own.
        if readiness is not None and not (readiness.ready and readiness.heartbeat >= int(before.asked)):
            return "the Node was Ready and is not since"
    return None
