"""A fresh node for each test; run by `-m e2e_node`, in a cluster by `-m cluster`, inside tests/e2e/enter."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cloud.control import Cloud
from tests.cloud.core import inside
from tests.e2e.build import Programs, built, versions
from tests.e2e_node import bundles
from tests.e2e_node.installed import InstalledNode
from tests.e2e_node.record import TABLE_VARIABLE, Record, joined
from tests.e2e_node.settings import write_settings
from tests.e2e_node.system_tree import NoTreeError, system_tree
from tests.kubelet.golang import NotBuiltError as NoProgramError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HERE = Path(__file__).parent
_RECORD = pytest.StashKey[Record]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known wherever these tests are collected."""
    config.addinivalue_line("markers", "e2e_node: a node with systemd; run by ./dev e2e-node, needs root")
    config.stash[_RECORD] = Record()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark all tests of this folder, and leave them out where nobody asked for them."""
    ours = [item for item in items if item.path.is_relative_to(_HERE)]
    for item in ours:
        if item.get_closest_marker("cluster") is None:
            item.add_marker(pytest.mark.e2e_node)
    if not {"e2e_node", "cluster"} & set(config.option.markexpr.split()):
        items[:] = [item for item in items if item not in ours]
        config.hook.pytest_deselected(items=ours)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what was measured, or hand it on to who started several runs."""
    rows = config.stash[_RECORD].table()
    place = os.environ.get(TABLE_VARIABLE)
    if place:
        Path(place).write_text(rows)
    elif rows:
        terminalreporter.section("measured")
        terminalreporter.write(joined([rows]))


@pytest.fixture(scope="session")
def record(pytestconfig: pytest.Config) -> Record:
    """Takes what is measured."""
    return pytestconfig.stash[_RECORD]


@pytest.fixture(scope="session")
def _cloud() -> Iterator[Cloud]:
    if not inside() or os.environ.get("E2E_NODE") != "inside":
        pytest.fail("this test needs a node's namespaces: run pytest by tests/e2e/enter", pytrace=False)
    with Cloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(_cloud: Cloud) -> Cloud:
    """The cloud as new."""
    _cloud.reset()
    return _cloud


@pytest.fixture(scope="session")
def shared(_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every node sees at /mnt/test: bundles and settings."""
    folder = tmp_path_factory.mktemp("shared")
    if not bundles.CURRENT.is_dir():
        pytest.fail(f"{bundles.CURRENT} is not built: run `./dev build`", pytrace=False)
    shutil.copytree(bundles.CURRENT, folder / "current", symlinks=True)
    bundles.put_renewed(folder / "renewed")
    try:
        shutil.copytree(bundles.older(), folder / "older", symlinks=True)
    except bundles.NotBuiltError as error:
        pytest.fail(str(error), pytrace=False)
    write_settings(folder, _cloud)
    return folder


@pytest.fixture(scope="session", params=versions()[:1], ids="kubelet-{}".format)
def programs(request: pytest.FixtureRequest) -> Programs:
    """Of the newest Kubernetes; tests that want others say so."""
    try:
        return built(request.param)
    except NoProgramError as error:
        pytest.fail(f"{error}: run `python -m tests.e2e.build` (needs network)", pytrace=False)


@pytest.fixture
def make_node(
    cloud: Cloud, programs: Programs, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], InstalledNode]]:
    """Makes nodes that are off, of which one at a time can be on."""
    made: list[InstalledNode] = []

    def make() -> InstalledNode:
        try:
            tree = system_tree()
        except NoTreeError as error:
            pytest.fail(str(error), pytrace=False)
        folder = tmp_path_factory.mktemp("node")
        made.append(InstalledNode(folder, tree, programs, cloud.ca_file, {"/mnt/test": shared}))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def node(make_node: Callable[[], InstalledNode]) -> InstalledNode:
    """As AKS leaves it, running."""
    made = make_node()
    made.boot()
    return made


@pytest.fixture(scope="session")
def _disks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("disks")


@pytest.fixture
def node_with(
    make_node: Callable[[], InstalledNode], programs: Programs, _disks: Path
) -> Callable[[str], InstalledNode]:
    """Makes a running node on which a bundle is installed already, some boot ago."""

    def make(bundle: str) -> InstalledNode:
        made = make_node()
        kept = _disks / f"{programs.version}-{bundle}"
        if kept.is_dir():
            made.take_disk(kept)
        else:
            made.boot()
            made.good("install", bundle=bundle, settings="plain")
            made.shut_down()
            made.keep_disk(kept)
        made.boot()
        return made

    return make


@pytest.fixture
def installed(node_with: Callable[[str], InstalledNode]) -> InstalledNode:
    """A running node with today's bundle."""
    return node_with("current")
