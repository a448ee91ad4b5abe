"""Fixtures of the plugin's tests: the two runners, and settings that work until a test breaks them."""

from __future__ import annotations

import faulthandler
import os
from typing import TYPE_CHECKING

import pytest

from tests.plugin.runner import EXECUTABLE, Frozen, InProcess, Runner, clear
from tests.plugin.settings import SettingsFactory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cloud.api import CloudApi

#: Seconds after which a test counts as hanging: twice what the slowest may take.
_STUCK = 120


@pytest.fixture(scope="session")
def _terminal(pytestconfig: pytest.Config) -> Iterator[int]:
    """The run's own stderr, which pytest hides from tests."""
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        descriptor = os.dup(2)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(autouse=True)
def _ends(_terminal: int) -> Iterator[None]:
    """A test that hangs ends the run, and shows where it hung."""
    faulthandler.dump_traceback_later(_STUCK, exit=True, file=_terminal)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def in_process(cloud: CloudApi, tmp_path: Path) -> InProcess:
    """The package in this process, with short limits and a state folder of its own."""
    return InProcess(tmp_path / "state", {"SSL_CERT_FILE": str(cloud.ca_file)})


@pytest.fixture
def frozen(cloud: CloudApi) -> Iterator[Frozen]:
    """The built executable; its state folder is empty before and after."""
    if not os.access(EXECUTABLE, os.X_OK):
        pytest.fail(f"{EXECUTABLE} is not built: run `./dev build`, or `./dev test`, which does", pytrace=False)
    runner = Frozen({"SSL_CERT_FILE": str(cloud.ca_file)})
    clear(runner.state)
    yield runner
    clear(runner.state)


@pytest.fixture(params=["in-process", "frozen"])
def ask(request: pytest.FixtureRequest) -> Runner:
    """Both, one after the other."""
    runner: Runner = request.getfixturevalue(request.param.replace("-", "_"))
    return runner


@pytest.fixture
def settings(cloud: CloudApi, tmp_path: Path) -> SettingsFactory:
    """Makes settings for a mode; see `SettingsFactory`."""
    return SettingsFactory(tmp_path, cloud)
