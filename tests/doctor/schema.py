"""Writes credprovider/schemas/doctor.schema.json anew: ``python -m tests.doctor.schema``, after `document` changed."""

from __future__ import annotations

import json
from pathlib import Path

from credprovider.doctor.document import schema

SCHEMA = Path(__file__).parent.parent.parent / "credprovider" / "schemas" / "doctor.schema.json"
COMMAND = "python -m tests.doctor.schema"


def text() -> str:
    """The schema as it is kept."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(text())
    print(SCHEMA)
