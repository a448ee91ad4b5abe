"""A pod's loop on a stand-in node, with everything that it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credprovider.node.cluster import Cluster
from credprovider.node.loop import TICK, Loop, Options
from credprovider.node.metrics import metrics_text
from credprovider.node.situation import Situation
from credprovider.node.teller import Teller
from tests.node.fake_host import FakeProbes
from tests.node.fake_node import FakeNode
from tests.node.trees import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable

    from credprovider.errors import ProviderError
    from credprovider.node.bundle import Bundle


class FakeCluster(Cluster):
    """Remembers Events; its taint goes when it is told to."""

    def __init__(self) -> None:
        super().__init__("api", 443, "node-1")
        object.__setattr__(self, "events", [])
        object.__setattr__(self, "removals", [])
        object.__setattr__(self, "answers", ["removed", "absent"])
        object.__setattr__(self, "birth", [])

    events: list[tuple[str, str, bool]]
    removals: list[str]
    answers: list[str]
    birth: list[float]

    def born(self) -> float | None:
        return self.birth[0] if self.birth else None

    def own_node(self) -> dict[str, Any] | None:
        return None

    def tell(self, reason: str, message: str, *, warning: bool) -> bool:
        self.events.append((reason, message, warning))
        return True

    def remove_taint(self, key: str) -> str:
        self.removals.append(key)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Pod:
    """A loop on a node, with everything that it says."""

    def __init__(
        self,
        node: FakeNode,
        bundle: Bundle,
        *,
        listen: Callable[[], ProviderError | None] = lambda: None,
        **options: Any,
    ) -> None:
        self.node = node
        self.log: list[str] = []
        self.cluster = FakeCluster()
        self.situation = Situation(options.get("mode", "install"), PROGRAM)
        host = node.host()
        self.loop = Loop(
            host,
            Options(**options),
            self.situation,
            Teller(host, options.get("instance"), self.cluster, self.log.append),
            cluster=self.cluster,
            wait=self.wait,
            chance=lambda: 0.5,
            bundle=lambda: bundle,
            probes=lambda *_: FakeProbes(node),
            listen=listen,
        )
        self.ticks = 0

    def wait(self, seconds: float) -> bool:
        """Only a pause between two looks is one of those that a test asked for."""
        self.node.live(seconds)
        self.ticks -= seconds == TICK
        return self.ticks < 0

    def tick(self, count: int = 1) -> None:
        self.ticks = count - 1
        self.loop.run()


def metric(pod: Pod, name: str) -> str | None:
    lines = metrics_text(pod.situation).splitlines()
    return next(
        (line.rpartition(" ")[2] for line in lines if line.startswith(f"azure_gar_credential_provider_{name}")), None
    )
