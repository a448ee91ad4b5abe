"""The little of CEL that conditions and mappings of pool providers need; anything else is an error of the test."""

from __future__ import annotations

import re
from typing import Any

_EQUAL = re.compile(r"assertion\.(\w+)\s*==\s*(['\"])(.*?)\2")
_STARTS = re.compile(r"assertion\.(\w+)\.startsWith\((['\"])(.*?)\2\)")
_MEMBER = re.compile(r"assertion\.(\w+)\s+in\s+\[(.*)\]")
_CLAIM = re.compile(r"assertion\.(\w+)")
_EXTRACT = re.compile(r"assertion\.(\w+)\.extract\((['\"])(.*?)\{\w+\}(.*?)\2\)")


def holds(condition: str, claims: dict[str, Any]) -> bool:
    """`assertion.X == 'v'`, `.startsWith('v')`, `assertion.X in ['v']`, joined by `&&` or `||`; an empty one holds."""
    return any(_all_hold(each.strip(), claims) for each in condition.split("||"))


def _all_hold(condition: str, claims: dict[str, Any]) -> bool:
    inner = condition[1:-1] if condition.startswith("(") and condition.endswith(")") else condition
    return all(_clause(clause.strip(), claims) for clause in inner.split("&&") if clause.strip())


def _clause(clause: str, claims: dict[str, Any]) -> bool:
    if found := _EQUAL.fullmatch(clause):
        return bool(claims.get(found[1]) == found[3])
    if found := _STARTS.fullmatch(clause):
        return str(claims.get(found[1], "")).startswith(found[3])
    if found := _MEMBER.fullmatch(clause):
        values = [value.strip().strip("'\"") for value in found[2].split(",")]
        return claims.get(found[1]) in values
    raise ValueError(f"attribute condition beyond this stand-in: {clause}")


def mapped(mapping: str, claims: dict[str, Any]) -> str:
    """The value of google.subject: `assertion.X` or `assertion.X.extract('before{name}after')`."""
    if found := _CLAIM.fullmatch(mapping):
        return str(claims.get(found[1], ""))
    if found := _EXTRACT.fullmatch(mapping):
        _, _, rest = str(claims.get(found[1], "")).partition(found[3])
        return rest.partition(found[4])[0] if found[4] else rest
    raise ValueError(f"attribute mapping beyond this stand-in: {mapping}")
