"""The crash matrix, by enumeration: killed, out of disk, or edited by another before every single operation.

After each of them the kubelet can start, by itself, after the rescue's timer or after a reboot; and the next run ends
where an undisturbed one does.
"""

from __future__ import annotations

import errno
import functools
import os
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from credprovider.errors import ProviderError
from credprovider.kubelet import config_source
from credprovider.kubelet.yaml_text import parse_yaml
from credprovider.node import edit, watch
from credprovider.node.install import Goal, install
from credprovider.node.layout import read_layout
from credprovider.node.site import find_site
from credprovider.node.uninstall import uninstall
from tests.node.fake_host import Crash, FakeProbes, undisturbed
from tests.node.fake_node import FakeNode, anything
from tests.node.trees import CONFIG, HOME, PROGRAM, Picture, make_goal, make_tree, picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PASSING = ("/proc", "/run", f"{HOME}/state.json", "/etc/systemd/system/multi-user.target.wants")
OTHERS_ENTRY = b"""\
  - name: acr-credential-provider-2
    matchImages: ["*.example.com"]
    defaultCacheDuration: 1m
    apiVersion: credentialprovider.kubelet.k8s.io/v1
"""

#: Operations that leave a node as it is: being killed before or after them is the same.
LOOKS = ("sync", "systemctl show", "journalctl", "/opt/bin/kubelet --version")


@dataclass(frozen=True)
class Scenario:
    """What is done to which node; `survives` tells which configs this kubelet stays up with."""

    name: str
    first: tuple[Goal, ...]
    act: Goal | None
    survives: Callable[[bytes], bool] = anything
    ends_as_it_began: bool = False

    def prepare(self, folder: Path) -> FakeNode:
        """The node before."""
        tree = make_tree(folder)
        shutil.rmtree(tree / "etc/systemd/system/kubelet.service.d")
        second = tree / "var/lib/kubelet/credential-provider/acr-credential-provider-2"
        second.write_text("#!/bin/sh\n")
        second.chmod(0o755)
        node = FakeNode(tree)
        for goal in self.first:
            install(find_site(node.host(), probes=lambda _: FakeProbes(node)), goal)
        node.live(200)
        node.likes = self.survives
        return node

    def run(self, node: FakeNode) -> str:
        """Do it: the code of a refusal, or an empty text."""
        site = find_site(node.host(), probes=lambda _: FakeProbes(node))
        try:
            if self.act is None:
                uninstall(site)
            else:
                install(site, self.act)
        except ProviderError as error:
            return error.code
        return ""


def without_new_registry(content: bytes) -> bool:
    return b"gcr.io" not in content


def not_without_us(content: bytes) -> bool:
    return PROGRAM.encode() in content


def scenarios(folder: Path) -> dict[str, Scenario]:
    old = make_goal(folder)
    bundle = replace(make_goal(folder, version="2.0.0"), settings_folder=old.settings_folder)
    new = make_goal(folder, mark="new", version="3.0.0", registries=["gcr.io", "*-docker.pkg.dev"])
    found = [
        Scenario("install", (), new),
        Scenario("new-bundle", (old,), bundle),
        Scenario("new-everything", (old,), new),
        Scenario("uninstall", (old,), None),
        Scenario("rollback", (), new, without_new_registry, ends_as_it_began=True),
        Scenario("rollback-upgrade", (old,), new, without_new_registry, ends_as_it_began=True),
        Scenario("rollback-uninstall", (old,), None, not_without_us, ends_as_it_began=True),
    ]
    return {scenario.name: scenario for scenario in found}


NAMES = [
    "install",
    "new-bundle",
    "new-everything",
    "uninstall",
    "rollback",
    "rollback-upgrade",
    "rollback-uninstall",
]


def shot(node: FakeNode) -> Picture:
    return picture(node.tree, without=PASSING)


def at_step(number: int, act: Callable[[str, str], None]) -> Callable[[int, str, str], None]:
    def before(count: int, name: str, path: str) -> None:
        if count == number:
            act(name, path)

    return before


def kill(_name: str, _path: str) -> None:
    raise Crash


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same few files are read ten thousand times, and time stands still but for the pauses."""
    read = functools.lru_cache(maxsize=64)(parse_yaml)
    monkeypatch.setattr(config_source, "parse_yaml", read)
    monkeypatch.setattr(edit, "parse_yaml", read)
    monkeypatch.setattr(edit, "read_layout", functools.lru_cache(maxsize=64)(read_layout))
    monkeypatch.setattr(watch, "_PAUSE", 7.0)


class Matrix:
    """One scenario, played once undisturbed and then once for each of its operations."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder
        self.scenario = scenarios(folder)[name]
        self.start = self.scenario.prepare(folder / "start")
        self.before = shot(self.start)
        self._count = 0
        twin = self.fork(self.start)
        self.code = self.scenario.run(twin)
        self.after = shot(twin)
        self.names = twin.steps.names
        self.written = f"{twin.tree}{CONFIG}"
        if self.scenario.ends_as_it_began:
            assert self.code == "node-rolled-back"
        else:
            assert not self.code

    def states(self) -> list[int]:
        """Numbers of the operations before which the node is in another state than before the previous one."""
        names = ["", *self.names]
        return [number for number in range(1, len(names)) if not names[number - 1].startswith(LOOKS)]

    def fork(self, node: FakeNode) -> FakeNode:
        self._count += 1
        return node.fork(self.folder / f"fork-{self._count}" / "tree")

    def converges(self, node: FakeNode, where: str) -> None:
        """The next runs end where an undisturbed run does, and the kubelet runs on what lies there."""
        node.steps.before = undisturbed
        if self.scenario.run(node) or self.scenario.ends_as_it_began:
            self.scenario.run(node)
        final, wanted = shot(node), self.after
        if not self.scenario.first and HOME not in wanted:
            final.pop(HOME, None)  # it may remember why there is nothing
        assert final == wanted, where
        assert node.pid, where
        assert node.timer is None, where
        node.order_restart()
        node.live(5)
        assert node.pid, where

    def starts(self, node: FakeNode, where: str) -> None:
        assert node.would_start(), where


@pytest.mark.parametrize("name", NAMES)
def test_killed_before_any_operation(tmp_path: Path, name: str) -> None:
    matrix = Matrix(name, tmp_path)
    assert len(matrix.names) > 40
    for number in matrix.states():
        where = f"{name}, killed before {number}: {matrix.names[number - 1]}"
        node = matrix.fork(matrix.start)
        node.steps.before = at_step(number, kill)
        with pytest.raises(Crash):
            matrix.scenario.run(node)
        matrix.starts(node, where)
        if node.timer is not None or (node.tree / HOME[1:] / "armed").exists():
            rebooted = matrix.fork(node)
            rebooted.boot()
            assert rebooted.starts[-1][1], where
            matrix.converges(rebooted, f"{where}, rebooted")
            rescued = matrix.fork(node)
            rescued.live(100)
            assert rescued.pid, where
            matrix.starts(rescued, where)
            matrix.converges(rescued, f"{where}, rescued")
        matrix.converges(node, where)


#: What a full disk refuses. Renames and removals still work, and undoing has to do with those.
ALLOCATING = ("create", "write", "symlink", "hard_link", "make_folder")


def full_from(number: int) -> Callable[[int, str, str], None]:
    def before(count: int, name: str, path: str) -> None:
        if count >= number and name in ALLOCATING:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    return before


@pytest.mark.parametrize("name", NAMES)
def test_no_space_from_any_operation_on(tmp_path: Path, name: str) -> None:
    matrix = Matrix(name, tmp_path)
    numbers = [number for number, step in enumerate(matrix.names, 1) if step.startswith(ALLOCATING)]
    assert len(numbers) > 10
    for number in numbers:
        where = f"{name}, disk full from {number}: {matrix.names[number - 1]}"
        node = matrix.fork(matrix.start)
        node.steps.before = full_from(number)
        code = matrix.scenario.run(node)
        matrix.starts(node, where)
        found = shot(node)
        if code == "node-disk":
            assert found == matrix.before, where
            assert node.timer is None, where
        else:
            # Only what the installer would have remembered is lost.
            assert code == matrix.code, where
            found.pop(HOME, None)
            assert found == {path: entry for path, entry in matrix.after.items() if path != HOME}, where
        matrix.converges(node, where)


def append(node: FakeNode) -> Callable[[str, str], None]:
    """What another vendor's installer does: read, append, rename."""

    def act(_name: str, _path: str) -> None:
        node.rewrite(node.config + OTHERS_ENTRY)

    return act


@pytest.mark.parametrize("name", NAMES)
def test_another_editor_before_any_operation(tmp_path: Path, name: str) -> None:
    """Its entry survives; but between our last look and our rename nobody can keep us from replacing its file."""
    matrix = Matrix(name, tmp_path)
    for number in matrix.states():
        where = f"{name}, edited before {number}: {matrix.names[number - 1]}"
        node = matrix.fork(matrix.start)
        node.steps.before = at_step(number, append(node))
        matrix.scenario.run(node)
        node.steps.before = undisturbed
        matrix.starts(node, where)
        node.live(100)
        assert node.pid, where
        matrix.starts(node, where)
        in_between = matrix.names[number - 1].startswith("rename") and matrix.names[number - 1].endswith(CONFIG)
        if not in_between:
            assert node.config.count(OTHERS_ENTRY) == 1, where
        for _ in range(2):
            matrix.scenario.run(node)
        matrix.starts(node, where)
        wanted = matrix.after[CONFIG][4]
        assert node.config.replace(OTHERS_ENTRY, b"") == wanted, where
        leftovers = {path for path in shot(node) if path.endswith((".before", ".new", ".torn")) or "rescue" in path}
        assert not leftovers, where
        assert node.timer is None, where


def lose(node: FakeNode, stale: bytes) -> Callable[[str, str], None]:
    """What an installer does that has read before us and comes to write only now: our change is lost."""

    def act(_name: str, _path: str) -> None:
        node.rewrite(stale)
        node.order_restart()

    return act


@pytest.mark.parametrize("name", [name for name in NAMES if name != "new-bundle"])
def test_a_lost_update_before_any_operation_after_ours(tmp_path: Path, name: str) -> None:
    """However it ends, the kubelet has loaded what its config says. A new bundle writes none that could be lost."""
    matrix = Matrix(name, tmp_path)
    written = next(number for number, step in enumerate(matrix.names, 1) if step == f"rename {matrix.written}")
    assert matrix.names[written:]
    for number in [number for number in matrix.states() if number > written]:
        where = f"{name}, lost before {number}: {matrix.names[number - 1]}"
        node = matrix.fork(matrix.start)
        node.steps.before = at_step(number, lose(node, matrix.start.config))
        matrix.scenario.run(node)
        node.steps.before = undisturbed
        is_over = all(step.startswith(LOOKS) for step in matrix.names[number - 1 :])
        if not is_over:  # who has nothing more to do cannot notice; the next look does
            matrix.starts(node, where)
        node.live(100)
        for _ in range(2):
            matrix.scenario.run(node)
        matrix.starts(node, where)
        assert node.pid, where
        assert node.config == matrix.after[CONFIG][4], where
        loaded, wanted = (edit.entry_of(content, PROGRAM) for content in (node.loaded, node.config))
        assert loaded == wanted, where
        leftovers = {path for path in shot(node) if path.endswith((".before", ".new", ".torn")) or "rescue" in path}
        assert not leftovers, where
        assert node.timer is None, where


@pytest.mark.parametrize("name", ["install", "uninstall"])
def test_a_process_that_really_dies(tmp_path: Path, name: str) -> None:
    """The simulated kills against real ones: the same operations, ended by the kernel."""
    matrix = Matrix(name, tmp_path)
    for number in matrix.states()[::7]:
        where = f"{name}, dead before {number}: {matrix.names[number - 1]}"
        node = matrix.fork(matrix.start)
        simulated = matrix.fork(matrix.start)
        simulated.steps.before = at_step(number, kill)
        with pytest.raises(Crash):
            matrix.scenario.run(simulated)
        child = os.fork()
        if child == 0:
            node.steps.before = at_step(number, lambda *_: os._exit(9))
            matrix.scenario.run(node)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9, where
        left, expected = shot(node), shot(simulated)
        journal = f"{HOME}/change.json"  # it names the time
        assert left.pop(journal, ("",))[0] == expected.pop(journal, ("",))[0], where
        assert left == expected, where
