"""What a run measured: seconds and starts of the kubelet by scenario, put into a table at its end."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.e2e_node.aks import AksNode

#: Names the file that a run puts its rows into.
TABLE_VARIABLE = "E2E_NODE_TABLE"


@dataclass
class Measured:
    """One scenario; `restarts` counts every start of a kubelet but that of a boot."""

    seconds: float = 0.0
    restarts: int = 0


@dataclass
class Record:
    """All of a run, in the order in which they came."""

    rows: list[tuple[str, str, Measured]] = field(default_factory=list)

    @contextlib.contextmanager
    def measure(self, scenario: str, node: AksNode) -> Iterator[Measured]:
        """Count and time what happens within, on one boot of a node; nothing is recorded of what fails."""
        measured = Measured()
        starts, began = node.starts(), time.monotonic()
        yield measured
        measured.seconds = time.monotonic() - began
        measured.restarts = node.starts() - starts
        self.note(scenario, node, measured)

    def note(self, scenario: str, node: AksNode, measured: Measured) -> None:
        """Record what was measured otherwise."""
        self.rows.append((scenario, node.version, measured))

    def table(self) -> str:
        """The rows, as Markdown."""
        return "".join(
            f"| {scenario} | {version} | {measured.seconds:.0f} | {measured.restarts} |\n"
            for scenario, version, measured in self.rows
        )


def joined(tables: Iterable[str]) -> str:
    """Tables of several runs below one head; empty without rows."""
    rows = "".join(tables)
    return f"| scenario | kubelet | seconds | kubelet restarts |\n|---|---|---|---|\n{rows}" if rows else ""
