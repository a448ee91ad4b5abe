"""A node of its own for each test; these tests run when asked for by `-m e2e`, inside tests/e2e/enter."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cloud.control import Cloud
from tests.cloud.core import inside
from tests.cloud.store import MemoryStore
from tests.e2e import runs
from tests.e2e.build import Programs, built, versions
from tests.e2e.images import runnable
from tests.e2e.node import Node
from tests.kubelet.golang import NotBuiltError
from tests.plugin.runner import EXECUTABLE, FROZEN_STATE, clear

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_HERE = Path(__file__).parent
_OUTCOMES = pytest.StashKey[runs.Outcomes]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known wherever these tests are collected."""
    config.addinivalue_line("markers", "e2e: a real kubelet pulls; needs tests.e2e.build run once, root, and runc")
    config.stash[_OUTCOMES] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note which kubelets pulled in which modes."""
    report = yield
    runs.note(item.config.stash[_OUTCOMES], item, report)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep that, if asked to."""
    runs.keep(session.config.stash[_OUTCOMES])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark all tests of this folder, and leave them out where nobody asked for them."""
    ours = [item for item in items if item.path.is_relative_to(_HERE)]
    for item in ours:
        if item.get_closest_marker("cluster") is None:
            item.add_marker(pytest.mark.e2e)
    if not {"e2e", "cluster"} & set(config.option.markexpr.split()):
        items[:] = [item for item in items if item not in ours]
        config.hook.pytest_deselected(items=ours)


@pytest.fixture(scope="session", params=versions(), ids="kubelet-{}".format)
def programs(request: pytest.FixtureRequest) -> Programs:
    """Of each Kubernetes minor, newest first."""
    if not os.access(EXECUTABLE, os.X_OK):
        pytest.fail(f"{EXECUTABLE} is not built: run `./dev build`", pytrace=False)
    try:
        return built(request.param)
    except NotBuiltError as error:
        pytest.fail(f"{error}: run `python -m tests.e2e.build` (needs network)", pytrace=False)


@pytest.fixture(scope="session")
def _cloud() -> Iterator[Cloud]:
    if not inside() or os.environ.get("E2E_NODE") != "inside":
        pytest.fail("this test needs a node's namespaces: run pytest by tests/e2e/enter", pytrace=False)
    with Cloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(_cloud: Cloud, programs: Programs) -> Cloud:
    """The cloud as new, with images that run."""
    _cloud.reset()
    store = _cloud.core.registry.store
    assert isinstance(store, MemoryStore)
    for reference in _cloud.world.images:
        store.add(reference, runnable(programs.guest / "guest", reference))
    return _cloud


@pytest.fixture
def node(cloud: Cloud, programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A runtime with nothing pulled yet; the test starts the kubelet. No token is left from another test."""
    clear(FROZEN_STATE)
    made = Node(tmp_path_factory.mktemp("node"), programs, {"SSL_CERT_FILE": str(cloud.ca_file)})
    try:
        made.runtime.start()
        yield made
    finally:
        made.close()
        clear(FROZEN_STATE)
