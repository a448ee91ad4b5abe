"""Others who write the kubelet's config while ours is being verified: what counts is what the kubelet has loaded.

The crash matrix enumerates when; here is what follows.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from credprovider.node.discover import discover
from credprovider.node.loaded import is_loaded
from credprovider.node.refusal import Refusal
from tests.node.acts import record, run, site_of
from tests.node.fake_host import undisturbed
from tests.node.fake_node import FakeNode
from tests.node.pods import Pod, metric
from tests.node.trees import HOME, PROGRAM, make_bundle, make_goal, make_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OURS = PROGRAM.encode()


def loses(node: FakeNode, stale: bytes, *, restarts: bool = True) -> None:
    """Somebody who has read before us writes right after our restart, once; and restarts the kubelet as well."""
    order = node.order_restart

    def restart() -> None:
        order()
        node.order_restart = order  # type: ignore[method-assign]
        node.live(1)
        node.rewrite(stale)
        if restarts:
            order()

    node.order_restart = restart  # type: ignore[method-assign]


@pytest.mark.parametrize("tells", [False, True], ids=["a kubelet without a metric", "a kubelet that tells its hash"])
@pytest.mark.parametrize("restarts", [True, False], ids=["and restarts", "and does not restart"])
def test_a_lost_update_is_never_taken_for_a_loaded_one(
    tmp_path: Path, node: FakeNode, tells: bool, restarts: bool
) -> None:
    node.tells_hash = tells
    pod = Pod(node, make_bundle(tmp_path), settings_folder=make_settings(tmp_path))
    loses(node, node.config, restarts=restarts)
    pod.tick()
    assert pod.situation.ready == (OURS in node.loaded and OURS in node.config)
    assert node.would_start()
    assert node.timer is None
    pod.tick(200)
    assert pod.situation.ready
    assert OURS in node.config
    assert OURS in node.loaded
    assert metric(pod, "loaded_info") == "1"


def test_a_lost_update_is_made_again_at_once_when_somebody_has_ordered_it(tmp_path: Path, node: FakeNode) -> None:
    goal = make_goal(tmp_path)
    loses(node, node.config)
    assert run(node, goal).restarted
    assert OURS in node.loaded
    assert not record(node)["rejected"]


def test_an_edit_that_keeps_our_entry_is_no_lost_update(tmp_path: Path, node: FakeNode) -> None:
    node.tells_hash = True
    goal = make_goal(tmp_path)
    starts = len(node.starts)

    def edit(_: int, step: str, __: str) -> None:
        if step == "sleep":
            node.steps.before = undisturbed
            node.rewrite(node.config.replace(b'"*.azurecr.io"', b'"*.azurecr.example"'))
            node.order_restart()

    node.steps.before = edit
    assert run(node, goal).restarted
    assert b"azurecr.example" in node.loaded
    assert OURS in node.loaded
    assert len(node.starts) == starts + 1
    assert run(node, goal).changed == ()


def test_one_who_writes_all_the_time_is_told_about(tmp_path: Path, node: FakeNode) -> None:
    theirs, order = node.config, node.order_restart

    def restart() -> None:
        order()
        node.live(1)
        node.rewrite(theirs)

    node.order_restart = restart  # type: ignore[method-assign]
    with pytest.raises(Refusal, match="node-config-busy"):
        run(node, make_goal(tmp_path))
    assert node.config == theirs
    assert node.timer is None


# --- whose word counts ------------------------------------------------------------------------------------------------


def _restarted(node: FakeNode) -> None:
    node.order_restart()
    node.live(100)


def _rewritten(node: FakeNode) -> None:
    node.rewrite(node.starts[0][0])


def _rewritten_and_restarted(node: FakeNode) -> None:
    _rewritten(node)
    _restarted(node)


def _forgotten(node: FakeNode) -> None:
    (node.tree / HOME[1:] / "state.json").unlink()


def _forgotten_and_touched(node: FakeNode) -> None:
    _forgotten(node)
    node.rewrite(node.config)


@pytest.mark.parametrize(
    ("happens", "tells", "loaded"),
    [
        pytest.param(lambda _: None, False, True, id="nothing"),
        pytest.param(_restarted, False, True, id="restarted"),
        pytest.param(_rewritten, False, True, id="rewritten under a running kubelet"),
        pytest.param(_rewritten, True, True, id="the same, and it tells"),
        pytest.param(_rewritten_and_restarted, False, False, id="rewritten and restarted"),
        pytest.param(_rewritten_and_restarted, True, False, id="the same, and it tells so"),
        pytest.param(_forgotten, False, True, id="memory lost"),
        pytest.param(_forgotten_and_touched, False, False, id="memory lost and file newer than the kubelet"),
        pytest.param(_forgotten_and_touched, True, True, id="the same, but it tells"),
    ],
)
def test_what_the_kubelet_has_loaded(
    tmp_path: Path, node: FakeNode, happens: Callable[[FakeNode], None], tells: bool, loaded: bool
) -> None:
    goal = make_goal(tmp_path)
    node.tells_hash = tells
    run(node, goal)
    node.live(100)
    happens(node)
    site = site_of(node)
    found = is_loaded(site, site.memory().of(PROGRAM), record_of_entry(node, goal))
    assert found == loaded
    assert found == (OURS in node.loaded) or happens is _forgotten_and_touched


def record_of_entry(node: FakeNode, goal: Any) -> str:
    """Digest of the entry that the goal's settings make; the node's own record may be lost."""
    from credprovider.node.entry import make_entry
    from credprovider.node.wanted import wanted_settings

    places = site_of(node).places
    wanted = wanted_settings(node.host(), places, {}, goal.settings_folder)
    return make_entry(PROGRAM, places.config_json, wanted.settings).digest


def test_the_kubelets_own_word_overrules_what_is_remembered(tmp_path: Path, node: FakeNode) -> None:
    run(node, make_goal(tmp_path))
    node.live(100)
    node.loaded = node.starts[0][0]  # the memory is wrong, for whatever reason
    entry = record(node)["entry"]
    site = site_of(node)
    assert is_loaded(site, site.memory().of(PROGRAM), entry)
    node.tells_hash = True
    assert not is_loaded(site, site.memory().of(PROGRAM), entry)


def test_a_config_that_was_loaded_and_lost_needs_no_restart_to_come_back(tmp_path: Path, node: FakeNode) -> None:
    goal = make_goal(tmp_path)
    node.tells_hash = True
    run(node, goal)
    node.live(100)
    _forgotten(node)
    _rewritten(node)
    pid = node.pid
    assert run(node, goal).changed == ("config",)
    assert node.pid == pid


def test_a_file_that_changes_while_it_is_looked_at_is_not_loaded(tmp_path: Path, node: FakeNode) -> None:
    """Another restarts the kubelet with his own file between our look at the process and at the file."""
    run(node, make_goal(tmp_path))
    node.live(100)
    entry = record(node)["entry"]
    _forgotten(node)
    site = site_of(node)
    theirs, ours = node.starts[0][0], node.config
    node.rewrite(theirs)
    _restarted(node)

    def rewrite(_: int, step: str, __: str) -> None:
        if step == "systemctl":
            node.rewrite(ours)

    node.steps.before = rewrite
    assert not is_loaded(site, site.memory().of(PROGRAM), entry)


def test_memories_of_older_versions_are_understood(tmp_path: Path, node: FakeNode) -> None:
    """They kept no hash; an upgrade costs no restart all the same."""
    run(node, make_goal(tmp_path))
    node.live(100)
    memory = site_of(node).memory()
    memory.of(PROGRAM).loaded.pop()
    memory.save()
    node.rewrite(node.config + b"# theirs\n")
    pid = node.pid
    assert run(node, make_goal(tmp_path, version="2.0.0")).changed == ("bundle",)
    assert node.pid == pid


# --- what the metric says ---------------------------------------------------------------------------------------------


def _down(node: FakeNode) -> None:
    node.likes = lambda _: False
    node.order_restart()
    node.live(2)
    while node.pid:
        node.live(0.5)
    node._start_at = None  # systemd has given up


@pytest.mark.parametrize(
    ("happens", "code"),
    [
        pytest.param(_rewritten_and_restarted, "node-restart-budget", id="rewritten and restarted"),
        pytest.param(_down, "node-kubelet-down", id="down"),
    ],
)
def test_the_metric_tells_of_the_kubelet_that_runs(
    tmp_path: Path, node: FakeNode, happens: Callable[[FakeNode], None], code: str
) -> None:
    pod = Pod(node, make_bundle(tmp_path), settings_folder=make_settings(tmp_path))
    pod.tick()
    assert metric(pod, "loaded_info") == "1"
    happens(node)
    pod.tick(40)
    assert pod.situation.code == code
    assert metric(pod, "loaded_info") == "0"
    assert metric(pod, "installed_info") == "1"


def test_a_patch_release_ends_a_rejection(tmp_path: Path, node: FakeNode) -> None:
    goal = dataclasses.replace(make_goal(tmp_path), is_automatic=True)
    node.likes = lambda content: OURS not in content
    with pytest.raises(Refusal, match="node-rolled-back"):
        run(node, goal)
    node.live(700)
    with pytest.raises(Refusal, match="node-rejected"):
        run(node, goal)
    node.likes = lambda _: True
    node.patch = 8
    assert discover(node.host()).release == f"{node.version}.8"
    assert run(node, goal).restarted
