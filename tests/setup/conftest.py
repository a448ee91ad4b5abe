"""Tests that render manifests by helm and kustomize run when asked for by `-m chart`, as those of tests/chart do."""

from __future__ import annotations

from pathlib import Path

import pytest

_HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known wherever these tests are collected."""
    config.addinivalue_line("markers", "chart: renders by helm and kustomize; run by ./dev chart")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs the tools where nobody asked for it."""
    if "chart" in config.option.markexpr.split():
        return
    ours = [item for item in items if item.path.is_relative_to(_HERE) and item.get_closest_marker("chart")]
    items[:] = [item for item in items if item not in ours]
    config.hook.pytest_deselected(items=ours)
