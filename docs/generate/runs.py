"""Which kubelets were run, and in which modes they pulled: as the tests noted it."""

from __future__ import annotations

import json
from pathlib import Path

_RUNS = Path(__file__).resolve().parents[2] / "tests" / "e2e" / "runs.json"
_SOURCES = ("managed-identity", "token-file", "service-account")

#: Where a mode was not run, the reason; by the last minor that it holds for, oldest first.
_NO_TOKENS = "no: the kubelet passes no tokens"
_OLD = {32: _NO_TOKENS, 33: "not run: needs a feature gate, and no `cacheType`"}


def table(_: str = "") -> str:
    """One row for each minor, newest first."""
    runs = json.loads(_RUNS.read_text())
    rows = []
    for version in sorted(runs, key=lambda text: [int(part) for part in text.split(".")], reverse=True):
        minor = int(version.split(".")[1])
        cells = [_cell(runs[version], source, minor) for source in _SOURCES]
        rows.append(f"| 1.{minor} | {version} | {' | '.join(cells)} |")
    head = f"| Kubernetes | kubelet that was run | {' | '.join(f'`{source}`' for source in _SOURCES)} |"
    return "\n".join([head, "|---|---|---|---|---|", *rows])


def _cell(passed: dict[str, str], source: str, minor: int) -> str:
    if source in passed:
        return f"pulls ({passed[source]})"
    if source == "service-account":
        return next((reason for last, reason in _OLD.items() if minor <= last), "not run")
    return "not run"
