"""Fixtures of the tests of `doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.doctor.patient import Patient
from tests.node.conftest import node, tmp_path
from tests.plugin.settings import SettingsFactory

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cloud.api import CloudApi

__all__ = ["node", "tmp_path"]


@pytest.fixture
def settings(cloud: CloudApi, tmp_path: Path) -> SettingsFactory:
    """Makes settings for a mode; see `SettingsFactory`."""
    return SettingsFactory(tmp_path, cloud)


@pytest.fixture
def patient(cloud: CloudApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    """A machine without a kubelet, in front of the cloud."""
    return Patient(cloud, monkeypatch, tmp_path)
