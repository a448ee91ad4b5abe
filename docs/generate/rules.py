"""The rules of `lint`, as the source has them."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

from docs.generate.codes import plain
from docs.generate.source import Module, constants, makers

if TYPE_CHECKING:
    from collections.abc import Iterator

_KUBELET = Path(__file__).resolve().parents[2] / "credprovider" / "kubelet"
_RULE = re.compile(r"[a-z]+(?:-[a-z]+)*")

#: Rules of the decoder, whose messages are put together from the field's name and what it holds.
_DECODER = {
    "unknown-field": (
        "error",
        "a field that this version does not know; for old kubelets, which ignore it, a warning",
    ),
    "duplicate-field": ("error", "a field that is set twice; for old kubelets a warning"),
    "wrong-type": ("error", "a value of another type than the field has"),
    "bad-duration": ("error", "a text that is no duration of Go"),
    "syntax": ("error", "the file is no YAML or JSON that the kubelet reads"),
    "type-meta": ("error", "apiVersion or kind is no text"),
}


def rules() -> dict[str, tuple[str, str]]:
    """Rule -> severity and message."""
    trees = [ast.parse(path.read_text()) for path in sorted(_KUBELET.glob("*.py")) if "response" not in path.name]
    shared = constants(trees)
    makes = {name: parameters for tree in trees for name, parameters in makers(tree, "rule", "message")}
    found = dict(_DECODER)
    for tree in trees:
        module = Module(tree, shared)
        for name, given in module.calls(makes, ("rule", "message", "severity")):
            message, chosen = module.text(given.get("message")), given.get("rule")
            for rule in map(module.text, _alternatives(module.meant(chosen))):
                if rule and message and _RULE.fullmatch(rule):
                    found.setdefault(rule, (_severity(name, given.get("severity")), message))
        for rule, message in _patterns(module):
            found.setdefault(rule, ("warning", f"the pattern {message}"))
    return found


def _alternatives(chosen: ast.expr | None) -> list[ast.expr | None]:
    return [chosen.body, chosen.orelse] if isinstance(chosen, ast.IfExp) else [chosen]


def _severity(name: str, given: ast.expr | None) -> str:
    if isinstance(given, ast.Attribute):
        return given.attr.lower()
    return {"_warning": "warning", "_error": "error", "_KindError": "error"}.get(
        name, "error, or warning on older kubelets"
    )


def _patterns(module: Module) -> Iterator[tuple[str, str]]:
    """What `config_surprises` says of patterns: rule, what is so, what to write."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple) and len(node.value.elts) == 3:
            rule, message, _ = (module.text(each) for each in node.value.elts)
            if rule and message:
                yield rule, message


def table(_: str = "") -> str:
    """One row for each rule, errors first."""
    known = sorted(rules().items(), key=lambda each: (each[1][0] == "warning", each[0]))
    rows = [f"| `{rule}` | {severity} | {plain(message)} |" for rule, (severity, message) in known]
    return "\n".join(["| rule | severity | says |", "|---|---|---|", *rows])
