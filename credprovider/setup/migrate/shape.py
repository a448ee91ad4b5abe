"""Values of a foreign document by the shape that is needed: what has another shape is as good as absent; pure."""

from __future__ import annotations

from typing import Any


def mapping(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """The value if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def at(value: object, *path: str) -> Any:
    """What lies at the end of a path of member names; None where the path ends early."""
    for name in path:
        value = mapping(value).get(name)
    return value


def strings(value: object) -> list[str]:
    """All strings in a value, however deep; names of members do not count."""
    found: list[str] = []
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            found.append(each)
        elif isinstance(each, dict):
            pending += each.values()
        elif isinstance(each, list):
            pending += each
    return found
