"""The values of the Helm chart, from its schema and its defaults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

CHART = Path(__file__).resolve().parents[2] / "node-config" / "helm" / "azure-gar-credential-provider"

#: Told whole elsewhere, or free in form.
_NOT_OPENED = frozenset({"settings", "tolerations", "affinity", "resources", "imagePullSecrets"})


def table(_: str = "") -> str:
    """One row for each value, dotted."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    rows = [f"| `{name}` | {default} | {meaning} |" for name, default, meaning in _rows(schema, defaults, "")]
    return "\n".join(["| value | default | meaning |", "|---|---|---|", *rows])


def _rows(schema: dict[str, Any], defaults: dict[str, Any], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in schema["properties"].items():
        if name not in defaults:
            continue  # Helm's own
        full, default = f"{prefix}{name}", defaults[name]
        if "properties" in field and name not in _NOT_OPENED:
            yield from _rows(field, default, f"{full}.")
        else:
            yield full, f"`{json.dumps(default)}`".replace("|", "\\|"), field.get("description", "")
