"""The startup taint: it goes when pulls work, and in any case when the Node has had its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from credprovider.node.commands import Ran
from tests.node.fake_node import CREDENTIAL, FakeNode
from tests.node.pods import Pod
from tests.node.trees import make_bundle, make_settings

if TYPE_CHECKING:
    from pathlib import Path

KEY = "example.com/pulls"
REFUSED = Ran(4, b"", b"azure-gar-credential-provider: imds-no-identity [imds HTTP 400]: none. Fix: az vm identity\n")


@pytest.fixture
def pod(tmp_path: Path, node: FakeNode) -> Pod:
    settings = make_settings(tmp_path, "tainted")
    return Pod(node, make_bundle(tmp_path), settings_folder=settings, startup_taint=KEY)


def told(pod: Pod) -> list[str]:
    return [line for line in pod.log if "taint" in line]


def test_the_taint_goes_after_an_exchange_and_is_watched_for_a_minute(pod: Pod) -> None:
    pod.tick(30)
    assert 6 <= len(pod.cluster.removals) <= 8
    assert set(pod.cluster.removals) == {KEY}
    assert told(pod) == [f"azure-gar-credential-provider: took the taint {KEY} off the Node\n"]


def test_a_taint_that_is_put_back_is_taken_off_again_and_watched_anew(pod: Pod) -> None:
    pod.cluster.answers[:] = ["removed", "absent", "absent", "removed", "absent"]
    pod.tick(30)
    assert 9 <= len(pod.cluster.removals) <= 11
    assert len(told(pod)) == 1


def test_of_a_taint_that_never_was_nothing_is_told(pod: Pod) -> None:
    pod.cluster.answers[:] = ["absent"]
    pod.tick(30)
    assert 6 <= len(pod.cluster.removals) <= 8
    assert told(pod) == []


def test_the_taint_goes_after_a_while_even_if_nothing_works(pod: Pod, node: FakeNode) -> None:
    node.exchange = REFUSED
    pod.tick(20)
    assert pod.cluster.removals == []
    pod.tick(60)
    assert pod.cluster.removals
    assert "though pulls may fail" in "".join(pod.log)


@pytest.mark.parametrize(("age", "goes"), [(500, False), (601, True)])
def test_the_while_is_counted_from_the_nodes_birth_and_not_from_the_pods(
    pod: Pod, node: FakeNode, age: float, goes: bool
) -> None:
    pod.cluster.birth.append(node.now - age)
    node.exchange = REFUSED
    pod.tick()
    assert bool(pod.cluster.removals) == goes


def test_a_pod_that_ends_in_every_round_lets_pods_in_too(pod: Pod, node: FakeNode) -> None:
    def mistaken() -> None:
        raise KeyError("mistake")

    pod.loop._bundle = mistaken  # type: ignore[assignment]
    pod.cluster.birth.append(node.now - 601)
    with pytest.raises(KeyError):
        pod.tick()
    assert pod.cluster.removals == [KEY]


def test_a_clock_that_lags_behind_the_nodes_birth_costs_no_more_than_the_pods_own_while(
    pod: Pod, node: FakeNode
) -> None:
    pod.cluster.birth.append(node.now + 1e6)
    node.exchange = REFUSED
    pod.tick(80)
    assert pod.cluster.removals


def test_a_denial_is_told_once_and_asked_again_every_minute(pod: Pod) -> None:
    pod.cluster.answers[:] = ["forbidden"]
    pod.tick(31)
    assert 5 <= len(pod.cluster.removals) <= 6
    assert len(told(pod)) == 1
    assert "lacks get or patch on nodes" in told(pod)[0]
    pod.cluster.answers[:] = ["removed", "absent"]
    pod.tick(8)
    assert "took the taint" in told(pod)[1]


def test_what_fails_is_told_once_and_tried_at_every_look(pod: Pod) -> None:
    pod.cluster.answers[:] = ["failed"]
    pod.tick(10)
    assert len(pod.cluster.removals) >= 10
    assert len(told(pod)) == 1
    assert "could not take" in told(pod)[0]


def test_a_cluster_that_cannot_be_asked_is_told_once_an_hour(pod: Pod) -> None:
    pod.cluster.refused["GET /api/v1/nodes/node-1"] = "its certificate was refused: Missing Authority Key Identifier"
    pod.tick(60)
    lines = [line for line in pod.log if "API server" in line]
    assert len(lines) == 1
    assert "GET /api/v1/nodes/node-1: its certificate was refused" in lines[0]


def test_pulls_that_work_again_after_the_while_change_nothing(pod: Pod, node: FakeNode) -> None:
    node.exchange = REFUSED
    pod.tick(80)
    asked = len(pod.cluster.removals)
    node.exchange = Ran(0, CREDENTIAL)
    pod.tick(20)
    assert len(pod.cluster.removals) == asked
