"""The kubelet's code of each minor as a fixture; these tests run when asked for by `-m kubelet`."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from tests.kubelet.build import Harness, MissingGoError, built, versions
from tests.kubelet.real import Real

_HERE = Path(__file__).parent


@functools.cache
def _harnesses() -> dict[str, Harness]:
    try:
        return {harness.version: harness for harness in built()}
    except (FileNotFoundError, MissingGoError) as error:
        pytest.fail(str(error), pytrace=False)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known wherever these tests are collected."""
    config.addinivalue_line(
        "markers", "kubelet: judged by the kubelet's own code; needs tests/kubelet/build.py run once"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark all tests of this folder, and leave them out where nobody asked for them: they need Go's work first."""
    ours = [item for item in items if item.path.is_relative_to(_HERE)]
    for item in ours:
        item.add_marker(pytest.mark.kubelet)
    if "kubelet" not in config.option.markexpr:
        items[:] = [item for item in items if item not in ours]
        config.hook.pytest_deselected(items=ours)


@pytest.fixture(scope="session", params=list(versions()), ids="kubelet-{}".format)
def harness(request: pytest.FixtureRequest) -> Harness:
    """One after the other, newest first."""
    return _harnesses()[request.param]


@pytest.fixture(scope="session")
def real(harness: Harness) -> Real:
    """Its verdicts."""
    return Real(harness)
