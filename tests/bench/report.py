"""Rows of measurements, printed as they come and written to RESULTS.md with machine and date."""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

_RESULTS = Path(__file__).with_name("RESULTS.md")
_ROOT = _RESULTS.parent.parent.parent


@dataclass(frozen=True)
class Row:
    """One measurement: what, how much, against what, and the budget if there is one."""

    what: str
    value: str
    ratio: str = ""
    budget: str = ""
    kept: bool | None = None


@dataclass
class Report:
    """All rows of one run."""

    rounds: int
    launcher: int = 0
    rows: list[Row] = field(default_factory=list)
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    def add(self, row: Row) -> None:
        """Take a row and show it."""
        self.rows.append(row)
        mark = {True: "ok  ", False: "OVER", None: "    "}[row.kept]
        print(f"{mark} {row.what}: {row.value}{'; ' if row.ratio else ''}{row.ratio}", flush=True)

    def write(self) -> None:
        """Replace RESULTS.md."""
        lines = [
            "# Measurements",
            "",
            "Written by `./dev bench`; every ratio compares runs of the same minute on the same machine, in turn.",
            "",
            f"- date: {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}",
            f"- machine: {_machine()}",
            f"- other load while measuring: {self.load:.1f} processes on average before the start",
            f"- scheduling: {_scheduling()}",
            f"- sources: {_commit()}",
            f"- runs per figure: {self.rounds}, medians; time is from exec to the end of the process",
            "- *empty*: a program that does nothing, frozen by the same recipe",
            "- *network alone*: two exchanges one after the other, three round trips each (TCP, TLS 1.3, request)",
            "- *cold*: nothing in /run; mode managed-identity, impersonated; every service is a stand-in on the same",
            "  machine, and the processor time that it takes counts against the answer",
            f"- peak memory: not below {self.launcher / 1024:.1f} MiB, the weight of the process that starts them;",
            "  a figure close to that says at most, and its ratio says nothing",
            "",
            "| what | measured | ratios | budget | kept |",
            "|---|---|---|---|---|",
        ]
        kept = {True: "yes", False: "**no**", None: ""}
        lines += [f"| {row.what} | {row.value} | {row.ratio} | {row.budget} | {kept[row.kept]} |" for row in self.rows]
        _RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"written: {_RESULTS.relative_to(_ROOT)}")


def _machine() -> str:
    """Processor, cores, memory, system."""
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    processor = found[1] if found else platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = re.search(r'^PRETTY_NAME="(.*)"$', Path("/etc/os-release").read_text(), re.MULTILINE)
    return (
        f"{processor}, {os.cpu_count()} cores, {memory:.0f} GiB, {system[1] if system else 'Linux'},"
        f" kernel {platform.release().partition('-')[0]}, Python {platform.python_version()}"
    )


def _scheduling() -> str:
    """How this run shared the processor: a real-time one hides other load, and the reader has to know."""
    policies = {
        os.SCHED_OTHER: "ordinary",
        os.SCHED_RR: "real-time (SCHED_RR)",
        os.SCHED_FIFO: "real-time (SCHED_FIFO)",
    }
    policy = policies.get(os.sched_getscheduler(0), "other")
    if policy.startswith("real-time"):
        policy += ", ahead of all other load; programs and stand-ins alike"
    return f"{policy}, nice {os.getpriority(os.PRIO_PROCESS, 0)}"


def _commit() -> str:
    """The commit measured, and whether the tree differs from it."""

    def git(*arguments: str) -> str:
        command = ["git", "-c", f"safe.directory={_ROOT}", *arguments]
        return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--", "credprovider", "build", "requirements")
    return (git("rev-parse", "--short", "HEAD") or "no git") + (" with changes" if changed else "")
