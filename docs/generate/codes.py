"""Every error that is not in the catalogue: code, cause and mend as they are written in the source."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = Path(__file__).resolve().parents[2] / "credprovider"
_CODE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+")


class _Module:
    """One module: its calls, and what the names in them were set to."""

    def __init__(self, tree: ast.Module, shared: dict[str, str]) -> None:
        self.tree = tree
        self._shared = shared
        self._set: dict[str, list[tuple[int, ast.expr]]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self._set.setdefault(node.targets[0].id, []).append((node.lineno, node.value))

    def text(self, node: ast.expr | None, line: int) -> str | None:
        """A text as its author wrote it, with an ellipsis for what is known at run time only.

        Args:
            node: the expression.
            line: where it is used; a name means what it was last set to above.
        """
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.JoinedStr):
            return "".join(self._piece(part, line) for part in node.values)
        if isinstance(node, ast.Name):
            above = [(at, value) for at, value in self._set.get(node.id, []) if at < line]
            return self.text(above[-1][1], above[-1][0]) if above else self._shared.get(node.id)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            parts = [self.text(node.left, line), self.text(node.right, line)]
            return "".join(part or "…" for part in parts) if any(parts) else None
        return None

    def _piece(self, part: ast.expr, line: int) -> str:
        if isinstance(part, ast.FormattedValue):
            return (self.text(part.value, line) if isinstance(part.value, ast.Name) else None) or "…"
        return self.text(part, line) or ""

    def calls(self, makers: dict[str, list[str]]) -> Iterator[dict[str, str]]:
        """Code, cause and mend of every error that is made here."""
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name not in makers:
                continue
            given = dict(zip(makers[name], node.args, strict=False))
            given |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
            found = {each: self.text(given.get(each), node.lineno) for each in ("code", "cause", "remedy")}
            if _CODE.fullmatch(found["code"] or ""):
                yield {each: text for each, text in found.items() if text}


def _makers(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """Functions and classes that take an error's code, with the names of their parameters."""
    for node in ast.walk(tree):
        inside = node.body if isinstance(node, ast.ClassDef) else []
        for function in [node, *(each for each in inside if getattr(each, "name", "") == "__init__")]:
            if isinstance(function, ast.FunctionDef):
                names = [argument.arg for argument in [*function.args.args, *function.args.kwonlyargs]]
                names = [each for each in names if each != "self"]
                if "code" in names and {"cause", "remedy"} & set(names):
                    yield (node.name if isinstance(node, ast.ClassDef) else function.name), names


def errors() -> dict[str, dict[str, list[str]]]:
    """Code -> the causes and the mends that the source has for it."""
    trees = [ast.parse(path.read_text()) for path in sorted(_PACKAGE.rglob("*.py"))]
    makers = dict(maker for tree in trees for maker in _makers(tree))
    constants = [node for tree in trees for node in tree.body if isinstance(node, ast.Assign)]
    shared = {
        node.targets[0].id: node.value.value
        for node in constants
        if isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }
    found: dict[str, dict[str, list[str]]] = {}
    for tree in trees:
        for call in _Module(tree, shared).calls(makers):
            texts = found.setdefault(call["code"], {"cause": [], "remedy": []})
            for name, known in texts.items():
                if call.get(name) and call[name] not in known:
                    known.append(call[name])
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
    return " / ".join(_escaped(" ".join(text.split())) for text in texts)


def _escaped(text: str) -> str:
    parts = re.split(r"(`[^`]*`)", text)
    plain = [part if part.startswith("`") else re.sub(r"([*<>\[\]])", r"\\\1", part) for part in parts]
    return "".join(plain).replace("|", "\\|")
