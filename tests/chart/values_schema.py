"""Brings config.json's schema into the chart's: ``python -m tests.chart.values_schema`` after a change of it.

All else of values.schema.json is written by hand, in that file.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.schema import SCHEMA

CHART = Path(__file__).resolve().parent.parent.parent / "node-config" / "helm" / "azure-gar-credential-provider"
VALUES_SCHEMA = CHART / "values.schema.json"
COMMAND = "python -m tests.chart.values_schema"


def text() -> str:
    """The chart's schema as it is to be kept."""
    schema = json.loads(VALUES_SCHEMA.read_text())
    settings = json.loads(SCHEMA.read_text())
    # Helm before 3.18 knows draft 7 only; what is used here means the same in both.
    del settings["$schema"], settings["title"]
    schema["$defs"] = settings.pop("$defs")
    schema["properties"]["settings"] = settings
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    VALUES_SCHEMA.write_text(text())
    print(VALUES_SCHEMA)
