"""Every error that is not in the catalogue: code, cause and mend as they are written in the source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from docs.generate.source import Module, constants, makers

_PACKAGE = Path(__file__).resolve().parents[2] / "credprovider"
_CODE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+")


def errors() -> dict[str, dict[str, list[str]]]:
    """Code -> the causes and the mends that the source has for it."""
    trees = [ast.parse(path.read_text()) for path in sorted(_PACKAGE.rglob("*.py"))]
    shared = constants(trees)
    makes = {
        name: parameters
        for tree in trees
        for each in ("cause", "remedy")
        for name, parameters in makers(tree, "code", each)
    }
    found: dict[str, dict[str, list[str]]] = {}
    for tree in trees:
        module = Module(tree, shared)
        for _, given in module.calls(makes, ("code", "cause", "remedy")):
            code = module.text(given.get("code"))
            if not _CODE.fullmatch(code or ""):
                continue
            texts = found.setdefault(str(code), {"cause": [], "remedy": []})
            for name, known in texts.items():
                text = module.text(given.get(name))
                if text and text not in known:
                    known.append(text)
    return found


def table(prefix: str) -> str:
    """One row for each code that begins with one of the prefixes, which are separated by spaces."""
    prefixes = tuple(prefix.split())
    rows = [
        f"| `{code}` | {_cell(texts['cause'])} | {_cell(texts['remedy'])} |"
        for code, texts in sorted(errors().items())
        if code.startswith(prefixes)
    ]
    return "\n".join(["| code | says | mend |", "|---|---|---|", *rows])


def _cell(texts: list[str]) -> str:
    return " / ".join(plain(" ".join(text.split())) for text in texts)


def plain(text: str) -> str:
    """A text for a cell of a table: outside of code, what looks like Markdown is text."""
    parts = re.split(r"(`[^`]*`)", text)
    escaped = [part if part.startswith("`") else re.sub(r"([*<>\[\]])", r"\\\1", part) for part in parts]
    return "".join(escaped).replace("|", "\\|")
