"""Fixtures of the installer's tests."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.node.fake_node import FakeNode
from tests.node.trees import make_tree

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder in memory: the installer brings every step to the disk, and a disk takes its time."""
    parent = "/run" if os.access("/run", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="node-", dir=parent))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    """A node that has run for a minute."""
    found = FakeNode(make_tree(tmp_path))
    found.live(60)
    return found
