"""The metrics of `node run`, read from what it serves."""

from __future__ import annotations

import re

from credprovider.node.metrics import metrics_text
from credprovider.node.situation import Situation

_HELP = re.compile(r"# HELP (\S+) (.*)\n# TYPE \S+ (\S+)\n\S+?\{(.*)\} ")


def text() -> str:
    """The page of a node on which everything there is has happened."""
    full = Situation("install", "azure-gar-credential-provider")
    full.code = full.exchange_code = full.version = full.bundle = full.entry = "x"
    full.exchanged = full.token_expires = 1.0
    return metrics_text(full)


def names() -> list[str]:
    """All metrics."""
    return [found[1] for found in _HELP.finditer(text())]


def table(_: str = "") -> str:
    """Name, type, labels, meaning."""
    rows = [
        f"| `{name}` | {kind} | {_labels(labels)} | {meaning} |"
        for name, meaning, kind, labels in _HELP.findall(text())
    ]
    return "\n".join(["| metric | type | labels | meaning |", "|---|---|---|---|", *rows])


def _labels(text: str) -> str:
    return ", ".join(f"`{label}`" for label in re.findall(r"(\w+)=", text))
