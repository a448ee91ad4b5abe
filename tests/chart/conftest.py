"""The tools as a fixture; tests that need them carry the marker `chart` and run when asked for."""

from __future__ import annotations

import pytest

from tests.chart.build import Tools, built
from tests.kubelet.golang import NotBuiltError


@pytest.fixture(scope="session")
def tools() -> Tools:
    """helm, kustomize and the schemas."""
    try:
        return built()
    except NotBuiltError as error:
        pytest.fail(f"{error}: run `python -m tests.chart.build` (needs network)", pytrace=False)
