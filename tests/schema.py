"""Writes credprovider/schemas/config.schema.json anew: ``python -m tests.schema``, after `settings_model` changed."""

from __future__ import annotations

import json
from pathlib import Path

from credprovider.settings_model import json_schema

SCHEMA = Path(__file__).parent.parent / "credprovider" / "schemas" / "config.schema.json"
COMMAND = "python -m tests.schema"


def text() -> str:
    """The schema as it is kept."""
    return json.dumps(json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA.parent.mkdir(exist_ok=True)
    SCHEMA.write_text(text())
    print(SCHEMA)
