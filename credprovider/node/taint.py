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


class StartupTaint:
    """One taint of one node.

    Args:
        key: of the taint.
        cluster: where the Node is.
        clock: to wait by.
        patience: seconds after which it goes whether pulls work or not.
        say: takes lines for the pod's log.
    """

    def __init__(
        self, key: str, cluster: Cluster, clock: Clock, *, patience: float, say: Callable[[str], None]
    ) -> None:
        self._key = key
        self._cluster = cluster
        self._clock = clock
        self._until = clock.boottime() + patience
        self._say = say
        self._gone_since: float | None = None
        self._done = False

    def look(self, *, ready: bool) -> None:
        """Take it away if it is time; to be called every now and then.

        Args:
            ready: do pulls work?
        """
        now = self._clock.boottime()
        if self._done or not (ready or now >= self._until):
            return
        result = self._cluster.remove_taint(self._key)
        if result == "forbidden":
            self._say(f"may not take the taint {self._key} off the Node: the ServiceAccount lacks patch on nodes")
            self._done = True
        elif result == "gone":
            if self._gone_since is None:
                self._gone_since = now
                self._say(
                    f"the taint {self._key} is off the Node" + ("" if ready else ", though pulls do not work yet")
                )
            self._done = now - self._gone_since >= _WATCHED_SECONDS
