"""On a node that runs: restarts that are needed, verified, rolled back, rationed; refusals that touch nothing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from credprovider.errors import ProviderError
from credprovider.node.commands import Ran
from credprovider.node.discover import flag_value
from credprovider.node.install import Goal
from credprovider.node.refusal import Refusal
from credprovider.node.uninstall import uninstall
from tests.node.fake_node import FakeNode, nothing
from tests.node.trees import (
    BIN_DIR,
    HOME,
    PODS,
    PROGRAM,
    SETTINGS,
    make_bundle,
    make_goal,
    make_settings,
    make_tree,
    seal,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

from tests.node.acts import installer_dies_at, record, run, shot, site_of

# --- refusals ---------------------------------------------------------------------------------------------------------


def _no_kubelet_flags(node: FakeNode) -> None:
    node.argv = b"\0".join(word for word in node.argv.split(b"\0") if b"credential-provider" not in word)
    node.boot()


def _relative_flag(node: FakeNode) -> None:
    node.argv = node.argv.replace(b"-config=/var/lib/kubelet/cred", b"-config=cred")
    node.boot()


def _other_process(node: FakeNode) -> None:
    node.argv = node.argv.replace(b"/opt/bin/kubelet", b"/usr/bin/podman")
    node.boot()


def _stopped(node: FakeNode) -> None:
    node.likes = nothing
    node.boot()
    node.live(2)
    while node.pid:
        node.live(0.5)


def _set(name: str, value: object) -> Callable[[FakeNode], None]:
    return lambda node: setattr(node, name, value)


def _no_folder(node: FakeNode) -> None:
    (node.tree / BIN_DIR[1:]).rename(node.tree / "elsewhere")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        pytest.param(_no_kubelet_flags, "node-flags-missing", id="no flags"),
        pytest.param(_relative_flag, "node-flags-odd", id="relative path"),
        pytest.param(_other_process, "node-no-kubelet", id="not a kubelet"),
        pytest.param(_stopped, "node-kubelet-down", id="not running"),
        pytest.param(_set("has_systemd", False), "node-no-systemd", id="no systemd"),
        pytest.param(_set("has_timers", False), "node-no-rescue", id="no timer"),
        pytest.param(_set("test_result", Ran(203, b"", b"Exec format error")), "self-test-failed", id="architecture"),
        pytest.param(_set("test_result", Ran(0, b"{}")), "self-test-failed", id="odd answer"),
        pytest.param(_set("version", "1.28"), "node-kubelet-old", id="old kubelet"),
        pytest.param(_no_folder, "node-no-bin-dir", id="no bin dir"),
    ],
)
def test_a_node_that_is_not_as_expected_is_left_as_it_was(
    node: FakeNode, tmp_path: Path, spoil: Callable[[FakeNode], None], code: str
) -> None:
    goal = make_goal(tmp_path)
    spoil(node)
    before = shot(node)
    with pytest.raises(Refusal) as refusal:
        run(node, goal)
    assert refusal.value.code == code
    assert shot(node) == before
    assert node.timer is None
    assert not (node.tree / HOME[1:]).exists()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        pytest.param(lambda place: (place / "SHA256SUMS").unlink(), "bundle-damaged", id="no list"),
        pytest.param(lambda place: (place / "_internal/library").unlink(), "bundle-damaged", id="missing file"),
        pytest.param(lambda place: (place / "_internal/library").write_text("x"), "bundle-damaged", id="altered file"),
        pytest.param(lambda place: (place / "stranger").touch(), "bundle-damaged", id="unlisted file"),
        pytest.param(lambda place: (place / "_internal/link").symlink_to("x"), "bundle-damaged", id="link"),
    ],
)
def test_a_damaged_bundle_is_never_brought_to_a_node(
    tmp_path: Path, spoil: Callable[[Path], object], code: str
) -> None:
    place = tmp_path / "bundle-1.0.0-plain"
    make_bundle(tmp_path)
    spoil(place)
    from credprovider.node.bundle import read_bundle

    with pytest.raises(Refusal) as refusal:
        read_bundle(str(place))
    assert refusal.value.code == code


def test_an_entry_that_this_kubelet_would_refuse_is_not_written(tmp_path: Path) -> None:
    node = FakeNode(make_tree(tmp_path), version="1.33")
    before = shot(node)
    with pytest.raises(Refusal, match="entry-invalid"):
        run(node, make_goal(tmp_path, **PODS))
    assert shot(node) == before
    assert node.timer is None


def test_missing_and_invalid_settings_are_told(node: FakeNode, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    before = shot(node)
    empty = tmp_path / "empty"
    empty.mkdir()
    for goal, code in (
        (Goal(bundle), "node-settings-missing"),
        (Goal(bundle, str(empty)), "node-settings-missing"),
        (Goal(bundle, make_settings(tmp_path, colour="red")), "settings-invalid"),
    ):
        with pytest.raises(ProviderError) as error:
            run(node, goal)
        assert error.value.code == code
    assert shot(node) == before


# --- restarts ---------------------------------------------------------------------------------------------------------


def test_an_install_restarts_once_and_the_next_run_not_at_all(node: FakeNode, tmp_path: Path) -> None:
    goal = make_goal(tmp_path)
    pid = node.pid
    assert run(node, goal).restarted
    assert node.pid == pid + 1
    assert node.loaded == node.config
    assert node.timer is None
    assert not run(node, goal).restarted
    assert node.pid == pid + 1
    node.boot()
    pid = node.pid
    assert run(node, goal).changed == ()
    assert node.pid == pid


def test_a_new_bundle_and_other_settings_need_no_restart(node: FakeNode, tmp_path: Path) -> None:
    run(node, make_goal(tmp_path))
    pid = node.pid
    goal = make_goal(tmp_path, version="2.0.0", scopes=["https://www.googleapis.com/auth/cloud-platform"])
    outcome = run(node, goal)
    assert outcome.changed == ("bundle", "settings")
    assert not outcome.restarted
    assert node.pid == pid


def test_a_changed_entry_needs_one_restart(node: FakeNode, tmp_path: Path) -> None:
    run(node, make_goal(tmp_path))
    pid = node.pid
    assert run(node, make_goal(tmp_path, mark="b", registries=["us-docker.pkg.dev"])).restarted
    assert node.pid == pid + 1


def test_what_others_add_and_do_not_load_is_not_our_business(node: FakeNode, tmp_path: Path) -> None:
    goal = make_goal(tmp_path)
    run(node, goal)
    node.live(100)
    node.rewrite(node.config.replace(b'"*.azurecr.io"', b'"*.azurecr.io"\n      - "*.example.com"'))
    pid = node.pid
    assert run(node, goal).changed == ()
    assert node.pid == pid


@pytest.mark.parametrize("restarts", [0, 1])
def test_an_entry_that_vanished_comes_back(node: FakeNode, tmp_path: Path, restarts: int) -> None:
    """With a restart only if the kubelet was restarted since, and so has forgotten it."""
    goal = make_goal(tmp_path)
    original = node.config
    run(node, goal)
    installed = shot(node)
    node.live(100)
    node.rewrite(original)
    if restarts:
        node.order_restart()
        node.live(100)
    pid = node.pid
    assert run(node, goal).restarted == bool(restarts)
    assert node.pid == pid + restarts
    assert shot(node) == installed


def test_an_entry_that_nobody_loaded_is_loaded(node: FakeNode, tmp_path: Path) -> None:
    goal = make_goal(tmp_path)
    run(node, goal)
    config = node.config
    (node.tree / HOME[1:] / "state.json").unlink()
    node.live(100)
    node.rewrite(config)
    assert run(node, goal).restarted
    assert node.config == config


def test_a_kubelet_that_tells_what_it_loaded_is_believed(node: FakeNode, tmp_path: Path) -> None:
    goal = make_goal(tmp_path)
    run(node, goal)
    (node.tree / HOME[1:] / "state.json").unlink()
    node.live(100)
    node.rewrite(node.config)
    node.tells_hash = True
    assert not run(node, goal).restarted


def test_restarts_without_an_order_are_rationed(node: FakeNode, tmp_path: Path) -> None:
    goal = dataclasses.replace(make_goal(tmp_path), is_automatic=True)
    original = node.config
    pid = node.pid
    for _ in range(3):
        assert run(node, goal).restarted
        node.rewrite(original)
        node.order_restart()
        node.live(5)
        with pytest.raises(Refusal, match="node-restart-budget"):
            run(node, goal)
        assert node.config == original
        node.live(601)
    with pytest.raises(Refusal, match="node-restart-budget"):
        run(node, goal)
    assert node.pid == pid + 6
    node.live(24 * 3600)
    assert run(node, goal).restarted


def test_an_order_is_not_rationed(node: FakeNode, tmp_path: Path) -> None:
    goal = make_goal(tmp_path)
    original = node.config
    for _ in range(5):
        assert run(node, goal).restarted
        node.rewrite(original)
        node.order_restart()
        node.live(5)


@pytest.mark.parametrize(
    ("argv", "value"),
    [
        (["kubelet", "--a=1"], "1"),
        (["kubelet", "--a", "1"], "1"),
        (["kubelet", "--a=1", "--a", "2"], "2"),
        (["kubelet", "--a", "1", "--a=2"], "2"),
        (["kubelet", "--ab=1"], None),
        (["kubelet", "--", "--a=1"], None),
        (["kubelet", "--a="], ""),
        (["kubelet"], None),
    ],
)
def test_flags_are_read_as_the_kubelet_reads_them(argv: list[str], value: str | None) -> None:
    assert flag_value(argv, "--a") == value


def test_an_instance_finishes_what_another_left_undone(node: FakeNode, tmp_path: Path) -> None:
    first = make_goal(tmp_path, mark="a", registries=["us-docker.pkg.dev/a/"])
    second = make_goal(tmp_path, mark="b", registries=["us-docker.pkg.dev/b/"])
    pid = node.pid
    installer_dies_at(node, first, "systemctl restart")
    run(node, second, "b")
    assert node.pid == pid + 2
    assert record(node)["bundle"] == first.bundle.id
    assert record(node, f"{PROGRAM}.b")["bundle"] == second.bundle.id
    assert run(node, first).changed == ()
    uninstall(site_of(node))
    uninstall(site_of(node, "b"))
    assert not (node.tree / HOME[1:]).exists()
    assert not (node.tree / SETTINGS[1:]).exists()


def test_another_installer_at_work_is_waited_for_and_then_told(node: FakeNode, tmp_path: Path) -> None:
    goal = make_goal(tmp_path)
    before = shot(node)
    with site_of(node).locked(), pytest.raises(Refusal, match="node-busy"):
        run(node, goal)
    assert shot(node) == before


def test_seals_match(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    seal(tmp_path / "bundle-1.0.0-plain")
    assert make_bundle(tmp_path / "twin").id == bundle.id
