"""The JSON of `doctor`, as its schema has it."""

from __future__ import annotations

from typing import Any

from credprovider.doctor.document import schema

#: A longer list of words is told elsewhere.
_WORDS = 10


def table(name: str = "") -> str:
    """Key, type and meaning of one of the schema's objects; without a name of the whole document."""
    found = schema()["$defs"][name] if name else schema()
    rows = [f"| `{key}` | {_kind(each)} | {each.get('description', '')} |" for key, each in found["properties"].items()]
    return "\n".join(["| key | type | meaning |", "|---|---|---|", *rows])


def keys() -> set[str]:
    """All keys of all objects."""
    return {key for each in (schema(), *schema()["$defs"].values()) for key in each["properties"]}


def _kind(found: dict[str, Any]) -> str:
    if "$ref" in found:
        return str(found["$ref"].rpartition("/")[2])
    if "anyOf" in found:
        return " or ".join(_kind(each) for each in found["anyOf"])
    if "const" in found or len(found.get("enum", ())) in range(1, _WORDS):
        return ", ".join(f"`{each}`" for each in found.get("enum", [found.get("const")]))
    kind = found.get("type", "string")
    if kind == "array":
        return f"array of {_kind(found['items'])}s"
    if kind == "object":
        return f"object of {_kind(found['additionalProperties'])}s"
    return kind if isinstance(kind, str) else " or ".join(kind)
