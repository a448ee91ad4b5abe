"""Judges Terraform as `terraform validate` would: arguments by the providers' schemas, references by declarations."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import hcl2

_SCHEMAS: dict[str, Any] = json.loads((Path(__file__).parent / "terraform_schemas.json").read_text())
_META = {"for_each", "depends_on", "lifecycle", "count", "provider"}
_REFERENCE = re.compile(r"\b(var|local|data|azurerm_\w+|google_\w+)((?:\.\w+|\[[^\]]*\])+)")


def faults(folder: Path) -> list[str]:
    """What is wrong with the module in a folder; empty when nothing is."""
    files = {path.name: _plain(hcl2.loads(path.read_text())) for path in sorted(folder.glob("*.tf"))}
    found: list[str] = []
    declared = _declared(files)
    for name, document in files.items():
        for kind in ("resource", "data"):
            for block in document.get(kind, []):
                ((type_, named),) = block.items()
                ((label, body),) = named.items()
                schema = _SCHEMAS[kind].get(type_)
                if schema is None:
                    found.append(f"{name}: no schema of {kind} {type_}")
                else:
                    found += [f"{name}: {type_}.{label}: {fault}" for fault in _judge(body, schema)]
    for path in sorted(folder.glob("*.tf")):
        found += [f"{path.name}: {fault}" for fault in _references(path.read_text(), declared)]
    values = json.loads((folder / "terraform.tfvars.json").read_text())
    variables = {
        key: body for doc in files.values() for block in doc.get("variable", []) for key, body in block.items()
    }
    found += [
        f"variable {key} has no value" for key, body in variables.items() if key not in values and "default" not in body
    ]
    found += [f"value of {key}, which is not declared" for key in values if key not in variables]
    found += [f"variable {key} is not used" for key in variables if f"var.{key}" not in _text(folder)]
    return found + [fault for key, body in variables.items() if (fault := _mistyped(key, body, values.get(key)))]


def _text(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.glob("*.tf"))


def _plain(value: Any) -> Any:
    """Without quotes around labels and without the parser's own marks."""
    if isinstance(value, dict):
        return {str(key).strip('"'): _plain(each) for key, each in value.items() if not str(key).startswith("__")}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def _declared(files: dict[str, Any]) -> dict[str, set[str]]:
    declared: dict[str, set[str]] = {"var": set(), "local": set(), "resource": set(), "data": set()}
    for document in files.values():
        declared["var"] |= {key for block in document.get("variable", []) for key in block}
        declared["local"] |= {key for block in document.get("locals", []) for key in block}
        for kind in ("resource", "data"):
            declared[kind] |= {
                f"{type_}.{label}"
                for block in document.get(kind, [])
                for type_, named in block.items()
                for label in named
            }
    return declared


def _judge(body: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    arguments, blocks = schema.get("arguments", {}), schema.get("blocks", {})
    found = [
        f"no argument {name}" for name in body if name not in arguments and name not in blocks and name not in _META
    ]
    found += [f"{name} is missing" for name, need in arguments.items() if need == "required" and name not in body]
    found += [
        f"block {name} is missing" for name, block in blocks.items() if block.get("required") and name not in body
    ]
    for name, block in blocks.items():
        for inner in body.get(name, []):
            found += [f"{name}: {fault}" for fault in _judge(inner, block)]
    return found


def _references(text: str, declared: dict[str, set[str]]) -> list[str]:
    found = []
    code = re.sub(r"(?m)#.*$", "", text)
    code = re.sub(r"(?m)^(?:resource|data|variable|output)\s.*$", "", code)
    for head, tail in _REFERENCE.findall(code):
        parts = re.findall(r"\.(\w+)", tail)
        if head in {"var", "local"}:
            if parts[0] not in declared[head]:
                found.append(f"{head}.{parts[0]} is not declared")
        elif head == "data":
            found += _attribute("data", ".".join(parts[:2]), parts[2:], declared)
        elif parts:
            found += _attribute("resource", f"{head}.{parts[0]}", parts[1:], declared)
    return found


def _attribute(kind: str, name: str, parts: list[str], declared: dict[str, set[str]]) -> list[str]:
    if name not in declared[kind]:
        return [f"{name} is not declared"]
    schema = _SCHEMAS[kind][name.partition(".")[0]]
    if parts and parts[0] not in schema["attributes"]:
        return [f"{name} has no attribute {parts[0]}"]
    if len(parts) > 1 and parts[1] not in schema.get("nested", {}).get(parts[0], ()):
        return [f"{name}.{parts[0]} has no attribute {parts[1]}"]
    return []


def _mistyped(name: str, body: dict[str, Any], value: Any) -> str | None:
    wanted = str(body["type"]).strip("${}").strip('"')
    fits = {
        "string": value is None or isinstance(value, str),
        "list(string)": isinstance(value, list) and all(isinstance(each, str) for each in value),
        "map(string)": isinstance(value, dict) and all(isinstance(each, str) for each in value.values()),
    }
    return None if fits[wanted] else f"value of {name} is no {wanted}"
