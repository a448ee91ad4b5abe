"""How `setup` chooses the mode: its own decision table."""

from __future__ import annotations

import json
from pathlib import Path

_MODES = Path(__file__).resolve().parents[2] / "credprovider" / "setup" / "modes.json"


def table(_: str = "") -> str:
    """One row for each decision."""
    rows = [
        f"| {row['kubernetes']} and later | {row['pulledBy']} | {row['trust']} | {row.get('identity', '–')}"
        f" | `{row['mode']}` | {row['reason']} |"
        for row in json.loads(_MODES.read_text())["decision"]
    ]
    head = "| Kubernetes | who may pull | Google trusts | identity | mode | because |"
    return "\n".join([head, "|---|---|---|---|---|---|", *rows])
