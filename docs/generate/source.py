"""One module of the program as its author wrote it: which texts its calls are given."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Module:
    """One module: its calls, and what the names in them were set to."""

    def __init__(self, tree: ast.Module, shared: dict[str, str]) -> None:
        self.tree = tree
        self._shared = shared
        self._set: dict[str, list[ast.expr]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                self._note(node.targets[0], node.value)
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        self._functions = [(node.lineno, node.end_lineno or node.lineno) for node in functions]

    def _note(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._set.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, its in zip(target.elts, value.elts, strict=False):
                self._note(one, its)

    def _is_seen(self, at: int, line: int) -> bool:
        """Is what was set at one line what a name means at another: above it, and in no other function?"""
        inner = [span for span in self._functions if span[0] <= at <= span[1]]
        return at <= line and (not inner or any(begin <= line <= end for begin, end in inner))

    def text(self, node: ast.expr | None) -> str | None:
        """A text as its author wrote it, with an ellipsis for what is known at run time only."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.JoinedStr):
            return "".join(self._piece(part) for part in node.values)
        if isinstance(node, ast.Name):
            meant = self.meant(node)
            return self._shared.get(node.id) if meant is node else self.text(meant)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            parts = [self.text(node.left), self.text(node.right)]
            return "".join(part or "…" for part in parts) if any(parts) else None
        return None

    def meant(self, node: ast.expr | None) -> ast.expr | None:
        """What a name was last set to, as far as this module says; any other expression itself."""
        if not isinstance(node, ast.Name):
            return node
        above = [value for value in self._set.get(node.id, []) if self._is_seen(value.lineno, node.lineno)]
        return max(above, key=_line) if above else node

    def _piece(self, part: ast.expr) -> str:
        if isinstance(part, ast.FormattedValue):
            return (self.text(part.value) if isinstance(part.value, ast.Name) else None) or "…"
        return self.text(part) or ""

    def calls(self, makers: dict[str, list[str]], wanted: tuple[str, ...]) -> Iterator[tuple[str, dict[str, ast.expr]]]:
        """Every call of one of the functions: its name, and what it gives for the wanted parameters."""
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in makers:
                given = dict(zip(makers[name], node.args, strict=False))
                given |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
                yield name, {each: given[each] for each in wanted if each in given}


def _line(node: ast.expr) -> int:
    return node.lineno


def makers(tree: ast.Module, *needed: str) -> Iterator[tuple[str, list[str]]]:
    """Functions and classes with parameters of these names: name, and all parameters in order."""
    for node in ast.walk(tree):
        inside = node.body if isinstance(node, ast.ClassDef) else []
        fields = [
            each.target.id for each in inside if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
        ]
        if isinstance(node, ast.ClassDef) and set(needed) <= set(fields):
            yield node.name, fields  # a dataclass
        for function in [node, *(each for each in inside if getattr(each, "name", "") == "__init__")]:
            if isinstance(function, ast.FunctionDef):
                names = [argument.arg for argument in [*function.args.args, *function.args.kwonlyargs]]
                names = [each for each in names if each != "self"]
                if set(needed) <= set(names):
                    yield (node.name if isinstance(node, ast.ClassDef) else function.name), names


def constants(trees: list[ast.Module]) -> dict[str, str]:
    """Texts that modules set to names, for those who import them."""
    found = [node for tree in trees for node in tree.body if isinstance(node, ast.Assign)]
    return {
        node.targets[0].id: node.value.value
        for node in found
        if isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }
