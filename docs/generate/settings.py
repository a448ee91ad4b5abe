"""The table of config.json's keys, from the JSON Schema that is shipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHEMA = Path(__file__).resolve().parents[2] / "credprovider" / "schemas" / "config.schema.json"


def table(_: str = "") -> str:
    """One row for each key, dotted."""
    schema = json.loads(_SCHEMA.read_text())
    rows = [f"| `{key}` | {kind} | {default} | {meaning} |" for key, kind, default, meaning in _rows(schema)]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows])


def all_keys() -> list[str]:
    """Every key, dotted; objects are told by their parts."""
    return [row[0] for row in _rows(json.loads(_SCHEMA.read_text()))]


def _rows(schema: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    yield from _of(schema, schema["$defs"], "")


def _of(node: dict[str, Any], definitions: dict[str, Any], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in node["properties"].items():
        inner = _reference(field)
        if inner is not None:
            yield from _of(definitions[inner], definitions, f"{prefix}{name}.")
        elif name != "$schema":
            yield f"{prefix}{name}", _type(field), _default(field), field.get("description", "")


def _reference(field: dict[str, Any]) -> str | None:
    options = [field, *field.get("anyOf", [])]
    return next((each["$ref"].rpartition("/")[2] for each in options if "$ref" in each), None)


def _type(field: dict[str, Any]) -> str:
    known = next((each for each in field.get("anyOf", []) if each.get("type") != "null"), field)
    if "enum" in known:
        return " or ".join(f"`{value}`" for value in known["enum"])
    if known["type"] == "array":
        return f"list of {known['items']['type']}s"
    return str(known["type"])


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    return "see meaning" if default is None else f"`{json.dumps(default)}`"
