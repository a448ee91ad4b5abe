"""The shared vectors: inputs, and what is believed of the kubelet's verdict on each."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE = Path(__file__).parent.parent / "vectors" / "kubelet_vectors.json"


@functools.cache
def section(name: str) -> dict[str, dict[str, Any]]:
    """One section's vectors by id."""
    return {vector["id"]: vector for vector in json.loads(_FILE.read_text())[name]}


def ids(name: str) -> list[str]:
    """What to parametrize a test by."""
    return list(section(name))


def marked(module: Mapping[str, object]) -> set[str]:
    """The ids that a module's tests say they prove, by the marker `vector`.

    Args:
        module: its globals.
    """
    tests = (each for name, each in module.items() if name.startswith("test_"))
    marks = (mark for test in tests for mark in getattr(test, "pytestmark", ()))
    return {identity for mark in marks if mark.name == "vector" for identity in mark.args}
