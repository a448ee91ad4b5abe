"""The kubelet's code of each minor as a fixture; these tests run when asked for by `-m kubelet`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kubelet.build import Harness, built, versions
from tests.kubelet.golang import NotBuiltError
from tests.kubelet.lots import NEW_SEED
from tests.kubelet.real import Real

_HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known wherever these tests are collected."""
    config.addinivalue_line("markers", "kubelet: judged by the kubelet's own code; needs tests.kubelet.build run once")
    config.addinivalue_line("markers", "vector(id, ...): the vectors that a test proves")


def pytest_report_header() -> str:
    """The seed that repeats this run's new cases."""
    return f"kubelet: KUBELET_SEED={NEW_SEED}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark all tests of this folder, and leave them out where nobody asked for them: they need Go's work first."""
    ours = [item for item in items if item.path.is_relative_to(_HERE)]
    for item in ours:
        item.add_marker(pytest.mark.kubelet)
    if "kubelet" not in config.option.markexpr:
        items[:] = [item for item in items if item not in ours]
        config.hook.pytest_deselected(items=ours)


@pytest.fixture(scope="session", params=versions(), ids="kubelet-{}".format)
def harness(request: pytest.FixtureRequest) -> Harness:
    """One after the other, newest first."""
    try:
        return built(request.param)
    except NotBuiltError as error:
        pytest.fail(f"{error}: run `python -m tests.kubelet.build` (needs network)", pytrace=False)


@pytest.fixture(scope="session")
def real(harness: Harness) -> Real:
    """Its verdicts."""
    return Real(harness)
