"""The startup taint: keeps pods off a new node until pulls work, and goes in any case after a while.

A node that nobody can use is worse than one whose first pulls are tried twice, so every doubt lets pods in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from credprovider.node.clock import Clock
    from credprovider.node.cluster import Cluster

#: Controllers that are slow to see the removal may put it back once.
_WATCHED_SECONDS = 60.0

#: Seconds until a denial is asked about again: RBAC and policies get mended while pods run.
_AFTER_DENIAL = 60.0


class StartupTaint:
    """One taint of one node.

    Args:
        key: of the taint.
        cluster: where the Node is.
        clock: to wait by.
        patience: seconds in a Node's life after which it goes whether pulls work or not. Nodes are born with the taint,
            so a pod that is started again and again does not begin to count anew.
        say: takes lines for the pod's log.
    """

    def __init__(
        self, key: str, cluster: Cluster, clock: Clock, *, patience: float, say: Callable[[str], None]
    ) -> None:
        self._key = key
        self._cluster = cluster
        self._clock = clock
        self._patience = patience
        self._until = clock.boottime() + patience
        self._say = say
        self._born: float | None = None
        self._again = 0.0
        self._gone_since: float | None = None
        self._told: set[str] = set()
        self._done = False

    def look(self, *, ready: bool) -> None:
        """Take it away if it is time; to be called every now and then.

        Args:
            ready: do pulls work?
        """
        now = self._clock.boottime()
        if self._done or now < self._again or not (ready or self._is_over(now)):
            return
        result = self._cluster.remove_taint(self._key)
        if result in ("removed", "absent"):
            if result == "removed" or self._gone_since is None:
                self._gone_since = now
            self._done = now - self._gone_since >= _WATCHED_SECONDS
        if result == "removed":
            self._once(
                result, f"took the taint {self._key} off the Node" + ("" if ready else ", though pulls may fail")
            )
        elif result == "forbidden":
            self._again = now + _AFTER_DENIAL
            self._once(
                result,
                f"warning: may not take the taint {self._key} off the Node: the ServiceAccount lacks get or patch on"
                " nodes, or a policy denies it; asked again every minute",
            )
        elif result == "failed":
            self._once(result, f"warning: could not take the taint {self._key} off the Node; tried until it works")

    def _is_over(self, now: float) -> bool:
        """Has the Node had its time, by its own birth or, where that cannot be had or a clock lags, by this pod's?"""
        if now >= self._until:
            return True
        if self._born is None:
            self._born = self._cluster.born()
        return self._born is not None and self._clock.wall() - self._born >= self._patience

    def _once(self, result: str, line: str) -> None:
        if result not in self._told:
            self._told.add(result)
            self._say(line)
