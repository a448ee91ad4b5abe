"""The kubelet as systemd sees it: its process, how often it was restarted, its journal, and the order to restart."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from credprovider.errors import one_line
from credprovider.node.discover import UNIT
from credprovider.node.refusal import Refusal

if TYPE_CHECKING:
    from credprovider.node.host import Host

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
#: As AKS starts it, a kubelet writes hundreds of lines before it looks at its credential providers.
_JOURNAL_LINES = 2000
_SHOWN = 400


@dataclass(frozen=True)
class State:
    """One look at the unit.

    Attributes:
        process: pid and start time in clock ticks since boot, which together name it; None while none runs.
        restarts: how often systemd has restarted it by itself (NRestarts).
    """

    process: tuple[int, int] | None
    restarts: int


class Service:
    """The kubelet's unit on a live node.

    systemctl's exit codes say little: a restart returns 0 as soon as a process is forked, and the unit of a kubelet
    that exits at once is ``activating`` for ever. So only the process itself counts.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    def state(self) -> State:
        """Look now."""
        command = ["systemctl", "show", UNIT, "--property=MainPID", "--property=NRestarts"]
        found = dict(line.split("=", 1) for line in self._host.run(command)[1].splitlines() if "=" in line)
        pid, restarts = found.get("MainPID", ""), found.get("NRestarts", "")
        process = self._process(int(pid)) if pid.isdigit() and pid != "0" else None
        return State(process, int(restarts) if restarts.isdigit() else 0)

    def _process(self, pid: int) -> tuple[int, int] | None:
        content = self._host.read_if_there(f"/proc/{pid}/stat")
        if content is None:
            return None
        # The name, in parentheses, may hold anything; the start time is the 22nd field of all (proc(5)).
        fields = content.rpartition(b")")[2].split()
        return (pid, int(fields[19])) if len(fields) > 19 else None

    def restart(self) -> None:
        """Order a restart and do not wait: see `watch`.

        Raises:
            Refusal: systemd does not take the order.
        """
        code, _, error = self._host.run(["systemctl", "restart", "--no-block", UNIT])
        if code != 0:
            raise Refusal(
                "node-restart-refused",
                f"systemctl restart {UNIT}: {one_line(error, 200)}",
                "look at the node's systemd",
            )

    def boot_id(self) -> str:
        """Names this boot."""
        return (self._host.read_if_there(_BOOT_ID) or b"").decode("ascii", "replace").strip()

    def complaint(self, since: float, until: float) -> str:
        """What the kubelet wrote about its credential providers, or the last error it wrote, in one line; may be empty.

        Args:
            since: seconds since 1970.
            until: the same; whole seconds count, so that nothing is heard of a kubelet that starts then.
        """
        span = ["--since", f"@{int(since)}", "--until", f"@{int(until)}"]
        command = ["journalctl", "--unit", UNIT, *span, "--lines", str(_JOURNAL_LINES), "--output", "cat", "--no-pager"]
        lines = self._host.run(command)[1].splitlines()
        about = [line for line in lines if "credential provider" in line.lower() or "auth plugins" in line]
        errors = [line for line in lines if line[:1] in ("E", "F") and line[1:5].isdigit()]
        return one_line((about or errors or [""])[-1], _SHOWN)


def started_at(process: tuple[int, int]) -> float:
    """When a process began, on the clock `Clock.boottime`."""
    return process[1] / os.sysconf("SC_CLK_TCK")
