"""What goes wrong after a restart is undone: by the installer, by the rescue's timer, at boot, or by the next run."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING

import pytest

from credprovider.node.probes import Readiness
from credprovider.node.refusal import Refusal
from credprovider.node.service import Service
from credprovider.node.uninstall import uninstall
from tests.node.fake_node import FakeNode, anything
from tests.node.trees import (
    CONFIG,
    HOME,
    LINK,
    PROGRAM,
    SETTINGS,
    VARIANTS,
    make_bundle,
    make_goal,
    make_settings,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

from tests.node.acts import installer_dies_at, record, run, shot, site_of

# --- verification and rollback ----------------------------------------------------------------------------------------


def without_us(content: bytes) -> bool:
    return PROGRAM.encode() not in content


def test_a_kubelet_that_exits_gets_its_config_back_within_seconds(node: FakeNode, tmp_path: Path) -> None:
    before = shot(node)
    node.likes = without_us
    goal = make_goal(tmp_path)
    began = node.now
    with pytest.raises(Refusal) as refusal:
        run(node, goal)
    assert refusal.value.code == "node-rolled-back"
    assert "Failed to register CRI auth plugins" in refusal.value.line()
    assert "everything is as it was before" in refusal.value.cause
    good = next(index for index, (content, fine) in enumerate(node.starts[1:]) if fine)
    assert good <= 4
    assert node.now - began < 120
    assert node.pid
    assert node.loaded == node.config
    assert shot(node) | {HOME: before.get(HOME)} == before | {HOME: before.get(HOME)}
    assert node.timer is None


def test_the_words_of_a_kubelet_that_exited_are_found_among_those_of_the_next(node: FakeNode) -> None:
    refused = "E1123 10:00:00.1 1 run.go:72] command failed: credential provider: tokenAttributes: Forbidden"
    flags = [(node.now + 2, f"I1123 10:00:00.1 1 flags.go:64] FLAG: --{name}") for name in range(900)]
    started = (node.now + 5, "I1123 10:00:05.1 1 plugins.go:1] reads its credential provider config")
    node.journal = [(node.now + 1, refused), *flags, started]
    assert Service(node.host()).complaint(node.now, node.now + 4) == refused


def test_a_rejected_combination_is_left_alone_until_something_changes(node: FakeNode, tmp_path: Path) -> None:
    goal = make_goal(tmp_path)
    node.likes = without_us
    with pytest.raises(Refusal, match="node-rolled-back"):
        run(node, goal)
    pid = node.pid
    node.likes = anything
    with pytest.raises(Refusal, match="node-rejected"):
        run(node, goal)
    assert node.pid == pid
    assert run(node, dataclasses.replace(goal, retry_rejected=True)).restarted
    assert run(node, goal).changed == ()


@pytest.mark.parametrize("change", ["bundle", "entry", "kubelet"])
def test_a_change_of_bundle_entry_or_kubelet_ends_a_rejection(node: FakeNode, tmp_path: Path, change: str) -> None:
    goal = make_goal(tmp_path)
    node.likes = without_us
    with pytest.raises(Refusal, match="node-rolled-back"):
        run(node, goal)
    node.likes = anything
    if change == "bundle":
        goal = dataclasses.replace(goal, bundle=make_bundle(tmp_path, "1.0.1"))
    elif change == "entry":
        goal = dataclasses.replace(goal, settings_folder=make_settings(tmp_path, "x", registries=["gcr.io"]))
    else:
        node.version = "1.35"
    assert run(node, goal).restarted


def test_a_rollback_of_an_upgrade_restores_bundle_settings_and_entry_together(node: FakeNode, tmp_path: Path) -> None:
    run(node, make_goal(tmp_path))
    before = shot(node)
    node.likes = lambda content: b"gcr.io" not in content
    with pytest.raises(Refusal, match="node-rolled-back"):
        run(node, make_goal(tmp_path, version="2.0.0", registries=["gcr.io"]))
    assert shot(node) == before
    assert node.loaded == node.config
    assert record(node)["version"] == "1.0.0"
    assert record(node)["rollbacks"] == 1


def test_a_passing_failure_of_the_first_start_is_forgiven(node: FakeNode, tmp_path: Path) -> None:
    tries = iter([False, True])
    goal = make_goal(tmp_path)
    node.likes = lambda _: next(tries)
    assert run(node, goal).restarted
    assert node.pid


def test_a_node_that_was_ready_has_to_be_ready_again(node: FakeNode, tmp_path: Path) -> None:
    node.readiness = Readiness(ready=True, heartbeat=node.now - 100)
    goal = make_goal(tmp_path)
    before = node.config
    with pytest.raises(Refusal) as refusal:
        run(node, goal)
    assert "the Node was Ready" in refusal.value.cause
    assert node.config == before


def test_a_fresh_node_need_not_be_ready(node: FakeNode, tmp_path: Path) -> None:
    node.readiness = Readiness(ready=False, heartbeat=node.now)
    assert run(node, make_goal(tmp_path)).restarted


def test_another_config_than_ours_in_the_kubelet_is_no_success(node: FakeNode, tmp_path: Path) -> None:
    node.tells_hash = True
    goal = make_goal(tmp_path)
    assert run(node, goal).restarted
    assert node.loaded == node.config


# --- the rescue -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["systemctl restart", "sleep"])
def test_when_the_installer_dies_the_timer_puts_a_bad_config_back(node: FakeNode, tmp_path: Path, moment: str) -> None:
    before = shot(node)
    node.likes = without_us
    installer_dies_at(node, make_goal(tmp_path), moment)
    assert node.config != before[CONFIG][4]
    began = node.now
    node.live(95)
    assert node.config == before[CONFIG][4]
    assert node.now - began < 120
    assert node.pid
    assert LINK not in shot(node)
    assert SETTINGS + "/config.json" not in shot(node)
    with pytest.raises(Refusal, match=r"node-rejected" if moment == "sleep" else r"node-rolled-back"):
        run(node, make_goal(tmp_path / "again"))
    assert node.config == before[CONFIG][4]


def test_when_the_node_restarts_before_verification_the_old_config_is_back(node: FakeNode, tmp_path: Path) -> None:
    original = node.config
    goal = make_goal(tmp_path)
    installer_dies_at(node, goal, "sleep")
    assert node.config != original
    node.boot()
    assert node.config == original
    assert node.starts[-1] == (original, True)
    assert run(node, goal).restarted
    assert record(node)["rollbacks"] == 1


def test_the_rescue_leaves_a_config_alone_that_somebody_changed(node: FakeNode, tmp_path: Path) -> None:
    goal = make_goal(tmp_path)
    installer_dies_at(node, goal, "sleep")
    edited = node.config.replace(b'"*.azurecr.io"', b'"*.azurecr.example"')
    node.rewrite(edited)
    node.live(100)
    assert node.config == edited
    assert node.would_start()
    run(node, goal)
    assert node.config == edited
    assert node.would_start()


def test_a_run_that_was_cut_short_is_finished_by_the_next(node: FakeNode, tmp_path: Path) -> None:
    goal = make_goal(tmp_path)
    pid = node.pid
    installer_dies_at(node, goal, "sleep")
    node.live(30)
    run(node, goal)
    assert node.pid == pid + 1
    assert node.timer is None
    assert record(node)["version"] == "1.0.0"


@pytest.mark.parametrize("tells", [False, True])
def test_what_an_older_version_began_is_finished_as_well(node: FakeNode, tmp_path: Path, tells: bool) -> None:
    """Its journal knows nothing of a deadline, nor of the hash that the kubelet is to tell."""
    node.tells_hash = tells
    goal = make_goal(tmp_path)
    installer_dies_at(node, goal, "sleep")
    journal = node.tree / HOME[1:] / "change.json"
    change = json.loads(journal.read_bytes())
    del change["deadline"], change["loads"]
    journal.write_text(json.dumps(change))
    node.live(30)
    pid = node.pid
    assert run(node, goal).changed == ()
    assert node.pid == pid
    assert record(node)["rollbacks"] == 0


def test_three_attempts_cut_short_count_as_a_rejection(node: FakeNode, tmp_path: Path) -> None:
    goal = make_goal(tmp_path)
    for _ in range(3):
        installer_dies_at(node, goal, "sleep")
        node.boot()
        node.live(60)
    with pytest.raises(Refusal, match="node-rejected"):
        run(node, goal)


def test_a_rescue_that_comes_before_the_config_is_changed_undoes_nothing(node: FakeNode, tmp_path: Path) -> None:
    before = shot(node)
    goal = make_goal(tmp_path)
    for _ in range(3):
        installer_dies_at(node, goal, f"rename {node.tree}{CONFIG}")
        node.live(100)
        assert node.config == before[CONFIG][4]
    assert run(node, goal).restarted
    assert record(node)["rollbacks"] == 0
    assert record(node)["restarts"] == 1


@pytest.mark.parametrize(
    ("happens", "restarts"),
    [
        pytest.param(lambda node: node.live(100), 2, id="by the timer"),
        pytest.param(lambda node: node.boot(), 1, id="by a reboot"),
    ],
)
def test_restarts_for_a_rescue_are_counted(
    node: FakeNode, tmp_path: Path, happens: Callable[[FakeNode], None], restarts: int
) -> None:
    """One for the install that died, one of the script; after a reboot the kubelet starts in any case."""
    goal = make_goal(tmp_path)
    installer_dies_at(node, goal, "sleep")
    happens(node)
    node.live(60)
    run(node, goal)
    assert record(node)["rollbacks"] == 1
    assert record(node)["restarts"] == restarts + 1


def test_restarts_for_a_rollback_are_counted(node: FakeNode, tmp_path: Path) -> None:
    node.likes = without_us
    with pytest.raises(Refusal, match="node-rolled-back"):
        run(node, make_goal(tmp_path))
    assert record(node)["restarts"] == 2


# --- a restart that systemd refuses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["install", "uninstall"])
def test_a_restart_that_is_refused_undoes_the_change(node: FakeNode, tmp_path: Path, act: str) -> None:
    goal = make_goal(tmp_path)
    if act == "uninstall":
        run(node, goal)
        node.live(60)
    before, remembered, pid = shot(node), _state(node), node.pid
    node.takes_restarts = False
    with pytest.raises(Refusal, match="node-restart-refused"):
        run(node, goal) if act == "install" else uninstall(site_of(node))
    left = shot(node)
    assert {**left, HOME: None} == {**before, HOME: None}
    assert (node.pid, node.timer) == (pid, None)
    if act == "uninstall":
        assert _state(node) == remembered
    node.takes_restarts = True
    assert (run(node, goal) if act == "install" else uninstall(site_of(node))).restarted


def _state(node: FakeNode) -> bytes | None:
    path = node.tree / HOME[1:] / "state.json"
    return path.read_bytes() if path.exists() else None


def test_a_restart_that_is_refused_to_the_next_run_undoes_the_change_as_well(node: FakeNode, tmp_path: Path) -> None:
    before = shot(node)
    goal = make_goal(tmp_path)
    installer_dies_at(node, goal, "systemctl restart")
    node.takes_restarts = False
    with pytest.raises(Refusal, match="node-restart-refused"):
        run(node, goal)
    assert {**shot(node), HOME: None} == {**before, HOME: None}
    assert node.timer is None


def test_runs_that_are_cut_short_do_not_hold_up_the_rescue(node: FakeNode, tmp_path: Path) -> None:
    """Each of them sets the timer; it goes on to its first end all the same."""
    original = node.config
    goal = make_goal(tmp_path)
    installer_dies_at(node, goal, "sleep")
    armed = node.now
    for _ in range(5):
        node.live(15)
        installer_dies_at(node, goal, "sleep")
        assert node.timer is not None
        assert node.timer <= armed + 91
    node.live(20)
    assert node.config == original
    assert node.pid


def test_a_rescue_that_cannot_be_set_again_undoes_the_change(node: FakeNode, tmp_path: Path) -> None:
    original = node.config
    goal = make_goal(tmp_path)
    installer_dies_at(node, goal, "sleep")
    node.has_timers = False
    with pytest.raises(Refusal, match="node-no-rescue"):
        run(node, goal)
    assert node.config == original
    assert node.timer is None


# --- times ------------------------------------------------------------------------------------------------------------


def test_a_config_of_ours_is_new_and_one_that_is_put_back_as_old_as_it_was(node: FakeNode, tmp_path: Path) -> None:
    config = node.tree / CONFIG[1:]
    os.utime(config, (1e9, 1e9))
    node.likes = without_us
    with pytest.raises(Refusal, match="node-rolled-back"):
        run(node, make_goal(tmp_path))
    assert config.stat().st_mtime == 1e9
    node.likes = anything
    run(node, make_goal(tmp_path, mark="b"))
    assert config.stat().st_mtime > 1.5e9
    os.utime(config, (1e9, 1e9))
    uninstall(site_of(node))
    assert config.stat().st_mtime > 1.5e9


# --- uninstall --------------------------------------------------------------------------------------------------------


def test_uninstall_restarts_once_and_leaves_nothing(node: FakeNode, tmp_path: Path) -> None:
    before = shot(node)
    run(node, make_goal(tmp_path))
    pid = node.pid
    outcome = uninstall(site_of(node))
    assert outcome.restarted
    assert node.pid == pid + 1
    assert shot(node) == before
    assert not (node.tree / HOME[1:]).exists()
    assert not uninstall(site_of(node)).restarted
    assert node.pid == pid + 1


def test_uninstall_keeps_what_others_did_since(node: FakeNode, tmp_path: Path) -> None:
    run(node, make_goal(tmp_path))
    node.rewrite(node.config.replace(b'"*.azurecr.io"', b'"*.azurecr.example"'))
    uninstall(site_of(node))
    assert node.config == VARIANTS[4].read_bytes().replace(b'"*.azurecr.io"', b'"*.azurecr.example"')


def test_an_uninstall_that_the_kubelet_does_not_survive_is_rolled_back(node: FakeNode, tmp_path: Path) -> None:
    run(node, make_goal(tmp_path))
    before = shot(node)
    node.likes = lambda content: not without_us(content)
    with pytest.raises(Refusal, match="node-rolled-back"):
        uninstall(site_of(node))
    assert shot(node) == before
    assert node.pid
