"""`node run` on a node, started by hand: its endpoint, its log, and its orderly end."""

from __future__ import annotations

import contextlib
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e_node.installed import InstalledNode

_ADDRESS = "127.0.0.1:9465"
_PREFIX = "azure_gar_credential_provider_"
_READY_SECONDS = 120


class Loop:
    """What a running one says."""

    def __init__(self, node: InstalledNode, log: Path) -> None:
        self._node = node
        self._log = log

    def ready(self) -> bool:
        """What a readiness probe would be told."""
        return self._get("/readyz") == "ok\n"

    def await_ready(self) -> None:
        """Until it is; fails with all that it said."""
        self.until(self.ready, "the loop is ready")

    def until(self, holds: object, what: str) -> None:
        """As the node's, with the loop's own words."""
        try:
            self._node.until(holds, what, _READY_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{self._get('/readyz')}\n{self.log}\n{error}") from None

    def metric(self, name: str) -> float:
        """The value of a metric's only sample."""
        (line,) = [line for line in self._get("/metrics").splitlines() if line.startswith(f"{_PREFIX}{name}{{")]
        return float(line.rpartition(" ")[2])

    @property
    def log(self) -> str:
        """All that it wrote."""
        return self._log.read_text()

    def _get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://{_ADDRESS}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()
        except OSError:
            return ""


@contextlib.contextmanager
def running_loop(node: InstalledNode, log: Path, *words: str, settings: str | None = "plain") -> Iterator[Loop]:
    """Start it; at the end it gets the signal that a kubelet sends a pod, and has to end well."""
    command = node.node_command("run", "--metrics-address", _ADDRESS, *words, settings=settings)
    process = node.start(*command, output=log)
    loop = Loop(node, log)
    try:
        yield loop
    finally:
        node.run("pkill", "-TERM", "-f", "node run")
        code = process.wait(180)
    assert code == 0, loop.log
