"""The generated parts by name: what stands between two markers of a page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from docs.generate import catalogue, chart, codes, document, helps, hops, metrics, modes, rules, runs, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]

#: Name -> what makes the part; a name may be followed by an argument, which is handed on.
PARTS: dict[str, Callable[[str], str]] = {
    "help": helps.shown,
    "settings": settings.table,
    "catalogue": catalogue.table,
    "placeholders": catalogue.placeholders,
    "codes": codes.table,
    "node-metrics": metrics.table,
    "rules": rules.table,
    "modes": modes.table,
    "runs": runs.table,
    "hops": hops.table,
    "doctor-json": document.table,
    "helm-values": chart.table,
}

_PART = re.compile(
    r"(<!-- generated: (?P<name>[a-z-]+)(?: (?P<argument>[^>]*?))? -->\n)(?P<text>.*?)(<!-- end -->)", re.DOTALL
)


def pages() -> list[Path]:
    """Every page that may hold generated parts."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def renewed(text: str) -> str:
    """The page with its generated parts made anew.

    Raises:
        KeyError: it names a part that does not exist.
    """
    return _PART.sub(lambda found: f"{found[1]}{PARTS[found['name']](found['argument'] or '')}\n{found[5]}", text)


def arguments(name: str) -> Iterator[str]:
    """The arguments with which pages ask for a part."""
    for page in pages():
        yield from (found["argument"] or "" for found in _PART.finditer(page.read_text()) if found["name"] == name)
