"""The shared vectors: inputs, and what is believed of the kubelet's verdict on each."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parent.parent / "vectors" / "kubelet_vectors.json"


@functools.cache
def section(name: str) -> dict[str, dict[str, Any]]:
    """One section's vectors by id."""
    return {vector["id"]: vector for vector in json.loads(_FILE.read_text())[name]}


def ids(name: str) -> list[str]:
    """What to parametrize a test by."""
    return list(section(name))
