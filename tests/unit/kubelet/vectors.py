"""The shared vectors, section by section, ready to parametrize a test with."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest

_FILE = Path(__file__).parents[2] / "vectors" / "kubelet_vectors.json"


@functools.cache
def _sections() -> dict[str, list[dict[str, Any]]]:
    sections: dict[str, list[dict[str, Any]]] = json.loads(_FILE.read_text(encoding="utf-8"))
    return sections


def each(section: str, having: str = "id") -> pytest.MarkDecorator:
    """A decorator: the test runs once per vector of the section that has that field, and gets it as ``row``."""
    rows = [row for row in _sections()[section] if having in row]
    return pytest.mark.parametrize("row", [pytest.param(row, id=row["id"]) for row in rows])
