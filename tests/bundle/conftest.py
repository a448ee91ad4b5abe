"""Fixtures: the bundle copied to where a node has it, and settings that work without any environment."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cloud.modes import MODES_BY_NAME, Setting, set_up
from tests.plugin.runner import EXECUTABLE, FROZEN_STATE, clear

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cloud.api import CloudApi

BUNDLE = EXECUTABLE.parent


@pytest.fixture
def node() -> Iterator[Path]:
    """A folder on /run, as tests hide or freeze other places; the plugin's state is as after a boot."""
    clear(FROZEN_STATE)
    with tempfile.TemporaryDirectory(dir="/run", prefix="node.") as folder:
        yield Path(folder)
    clear(FROZEN_STATE)


@pytest.fixture(scope="session")
def bundle() -> Path:
    """The folder that `./dev build` made."""
    if not os.access(EXECUTABLE, os.X_OK):
        pytest.fail(f"{EXECUTABLE} is not built: run `./dev build`, or `./dev test`, which does", pytrace=False)
    return BUNDLE


@pytest.fixture
def installed(bundle: Path, node: Path) -> Path:
    """The executable of a copy of the bundle elsewhere."""
    shutil.copytree(bundle, node / "opt" / bundle.name, symlinks=True)
    return node / "opt" / bundle.name / EXECUTABLE.name


@pytest.fixture
def setting(cloud: CloudApi, node: Path) -> Setting:
    """Settings that name the CA themselves, so that the environment can be empty."""
    authority = node / "ca.pem"
    shutil.copyfile(cloud.ca_file, authority)
    authority.chmod(0o644)
    return set_up(
        node / "etc", cloud, MODES_BY_NAME["managed-identity-impersonated"], network={"caFile": str(authority)}
    )
