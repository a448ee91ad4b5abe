"""What is refused costs a node little: nothing is switched for what can be known before, and tries become rarer."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from credprovider.node.commands import Ran
from credprovider.node.patience import Patience
from credprovider.node.refusal import Refusal
from tests.node.acts import run, shot
from tests.node.fake_node import CREDENTIAL, FakeNode
from tests.node.pods import Pod
from tests.node.trees import CONFIG, LINK, PODS, PROGRAM, make_bundle, make_goal, make_settings

if TYPE_CHECKING:
    from collections.abc import Callable

DENIED = Ran(203, b"", b"Permission denied")


class Rounds:
    """When a pod's rounds begin and end."""

    def __init__(self, pod: Pod) -> None:
        self.times: list[tuple[float, float]] = []
        self._round = pod.loop._round
        self._node = pod.node
        pod.loop._round = self._noted  # type: ignore[method-assign]

    def _noted(self) -> float:
        begun = self._node.now
        try:
            return self._round()
        finally:
            self.times.append((begun, self._node.now))

    @property
    def pauses(self) -> list[float]:
        """From the end of each to the next."""
        return [later - ended for (_, ended), (later, _) in itertools.pairwise(self.times)]


def staged(pod: Pod, version: str) -> int:
    """How often a bundle's executable was copied to the node."""
    return sum(f".{version}-" in name and name.endswith(f"rename {PROGRAM}") for name in _renames(pod))


def _renames(pod: Pod) -> list[str]:
    names = (name.partition(" ") for name in pod.node.steps.names)
    return [f"{path} rename {Path(path).name}" for step, _, path in names if step == "rename"]


def changed(pod: Pod, path: str) -> int:
    """How often something was put in this place."""
    return sum(name.startswith(f"{pod.node.tree}{path} ") for name in _renames(pod))


# --- what can be known before -----------------------------------------------------------------------------------------


def test_an_entry_that_this_kubelet_would_refuse_moves_nothing(tmp_path: Path, node: FakeNode) -> None:
    """Neither bundle nor settings nor link; an older install goes on undisturbed."""
    node.version = "1.32"
    run(node, make_goal(tmp_path))
    node.live(1000)
    before = shot(node)
    pod = Pod(node, make_bundle(tmp_path, "2.0.0"), settings_folder=make_settings(tmp_path, "sa", **PODS))
    rounds = Rounds(pod)
    pod.tick(60)
    assert pod.situation.code == "entry-invalid"
    assert staged(pod, "2.0.0") == 0
    assert changed(pod, LINK) == 0
    assert shot(node) == before
    assert rounds.pauses[:3] == [60, 120, 240]


# --- what is put back is nothing new ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        pytest.param(lambda node: setattr(node, "has_timers", False), "node-no-rescue", id="no timers"),
        pytest.param(lambda node: setattr(node, "takes_restarts", False), "node-restart-refused", id="no restarts"),
    ],
)
def test_what_a_round_made_and_put_back_does_not_call_for_another(
    tmp_path: Path, node: FakeNode, spoil: Callable[[FakeNode], None], code: str
) -> None:
    run(node, make_goal(tmp_path))
    node.live(1000)
    before = shot(node)
    spoil(node)
    settings = make_settings(tmp_path, "other", registries=["gcr.io"])
    pod = Pod(node, make_bundle(tmp_path, "2.0.0"), settings_folder=settings)
    rounds = Rounds(pod)
    pod.tick(120)
    assert pod.situation.code == code
    assert changed(pod, LINK) > 0
    assert shot(node) == before
    assert rounds.pauses[:5] == [60, 120, 240, 300, 300]


def test_a_change_by_somebody_else_does_at_once_and_starts_the_pauses_anew(tmp_path: Path, node: FakeNode) -> None:
    node.has_timers = False
    pod = Pod(node, make_bundle(tmp_path), settings_folder=make_settings(tmp_path))
    rounds = Rounds(pod)
    pod.tick(60)
    assert rounds.pauses == [60, 120, 240]
    node.rewrite(node.config + b"# theirs\n")
    pod.tick(32)
    assert rounds.pauses[3] < 240
    assert rounds.pauses[4:6] == [60, 120]


def test_the_same_written_again_is_no_change(tmp_path: Path, node: FakeNode) -> None:
    pod = Pod(node, make_bundle(tmp_path), settings_folder=make_settings(tmp_path))
    rounds = Rounds(pod)
    pod.tick(3)
    node.rewrite(node.config)
    pod.tick(3)
    assert len(rounds.times) == 1


def test_all_well_starts_the_pauses_anew(tmp_path: Path, node: FakeNode) -> None:
    node.has_timers = False
    pod = Pod(node, make_bundle(tmp_path), settings_folder=make_settings(tmp_path))
    rounds = Rounds(pod)
    pod.tick(20)
    node.has_timers = True
    pod.tick(30)
    assert pod.situation.ready
    node.rewrite(b"providers: []\n")
    rounds.times.clear()
    pod.tick(20)
    assert rounds.pauses == [60, 120]


def test_an_exchange_that_does_not_work_yet_is_asked_for_every_minute(tmp_path: Path, node: FakeNode) -> None:
    """It costs the node nothing, and the plugin knows by itself when not to ask."""
    node.exchange = DENIED
    pod = Pod(node, make_bundle(tmp_path), settings_folder=make_settings(tmp_path))
    rounds = Rounds(pod)
    pod.tick(60)
    assert set(rounds.pauses) == {60}
    node.exchange = Ran(0, CREDENTIAL)
    pod.tick(8)
    assert pod.situation.ready


# --- a bundle that fails its self-test --------------------------------------------------------------------------------


@pytest.fixture
def failing(tmp_path: Path, node: FakeNode) -> Pod:
    """A pod whose bundle the node does not run, after its second try."""
    node.test_result = DENIED
    pod = Pod(node, make_bundle(tmp_path), settings_folder=make_settings(tmp_path))
    pod.tick(10)
    assert staged(pod, "1.0.0") == 2
    return pod


def test_a_bundle_that_failed_twice_is_not_staged_again_for_an_hour(failing: Pod, node: FakeNode) -> None:
    failing.tick(340)
    assert staged(failing, "1.0.0") == 2
    assert failing.situation.code == "self-test-failed"
    failing.tick(80)
    assert staged(failing, "1.0.0") == 3
    node.test_result = None
    failing.tick(390)
    assert failing.situation.ready


def test_one_failure_may_be_the_moments(tmp_path: Path, node: FakeNode) -> None:
    node.test_result = DENIED
    pod = Pod(node, make_bundle(tmp_path), settings_folder=make_settings(tmp_path))
    pod.tick(2)
    assert pod.situation.code == "self-test-failed"
    node.test_result = None
    pod.tick(6)
    assert pod.situation.ready


@pytest.mark.parametrize("change", ["settings", "kubelet", "bundle"])
def test_what_may_make_the_difference_is_tried(tmp_path: Path, node: FakeNode, failing: Pod, change: str) -> None:
    node.test_result = None
    if change == "settings":
        folder = Path(failing.loop._options.settings_folder or "")
        other = Path(make_settings(tmp_path, "other", scopes=["https://www.googleapis.com/auth/cloud-platform"]))
        (folder / "..data").rename(folder / "old")
        (other / "..data").rename(folder / "..data")
    elif change == "kubelet":
        node.patch += 1
    else:
        bundle = make_bundle(tmp_path, "1.0.1")
        failing.loop._bundle = lambda: bundle
    failing.tick(31)
    assert failing.situation.ready


@pytest.mark.parametrize(("retry", "tried"), [(True, 1), (False, 0)])
def test_an_order_to_retry_counts(failing: Pod, node: FakeNode, retry: bool, tried: int) -> None:
    node.test_result = None
    failing.loop._retry = retry
    failing.tick(31)
    assert failing.situation.ready == bool(tried)


def test_other_refusals_are_not_remembered() -> None:
    patience = Patience()
    for _ in range(5):
        patience.note("a", Refusal("node-disk", "full", "free some"), 0.0)
    patience.refuse_known("a", 1.0)


def test_the_config_is_never_touched_by_a_bundle_that_fails(failing: Pod) -> None:
    assert changed(failing, CONFIG) == 0
    assert changed(failing, LINK) == 0
