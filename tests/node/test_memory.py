"""What is remembered on a node: rations of restarts, and a memory that somebody has damaged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from credprovider.node.memory import Memory, Record
from credprovider.node.places import Places
from credprovider.node.uninstall import uninstall
from tests.node.acts import record, run, shot, site_of
from tests.node.fake_node import FakeNode
from tests.node.pods import Pod, metric
from tests.node.trees import BIN_DIR, CONFIG, HOME, PROGRAM, make_bundle, make_goal, make_settings

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = PROGRAM, f"{PROGRAM}.acme"
MINUTE, DAY = 60.0, 24 * 3600.0


@pytest.fixture
def memory(node: FakeNode) -> Memory:
    return Memory(node.host(), Places(BIN_DIR, CONFIG, is_folder=False, instance=None))


# --- rations ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("restarts", "asked", "wait"),
    [
        pytest.param([], (FIRST, "a"), 0, id="none yet"),
        pytest.param([(-1, FIRST, "a")], (FIRST, "a"), 9, id="the same a minute ago"),
        pytest.param([(-10, FIRST, "a")], (FIRST, "a"), 0, id="the same ten minutes ago"),
        pytest.param([(-1, FIRST, "a")], (FIRST, "b"), 0, id="another combination is somebody's wish"),
        pytest.param([(-1, FIRST, "a")], (SECOND, "a"), 0, id="another instance is another vendor's"),
        pytest.param([(-3, FIRST, "a"), (-1, FIRST, "b")], (FIRST, "a"), 7, id="there and back"),
        pytest.param([(-40, FIRST, "a"), (-30, FIRST, "a"), (-20, FIRST, "a")], (FIRST, "a"), 1400, id="three a day"),
        pytest.param([(-40 - 60 * n, FIRST, f"{n}") for n in range(9)], (FIRST, "new"), 0, id="nine wishes"),
        pytest.param([(-40 - 60 * n, FIRST, f"{n}") for n in range(10)], (FIRST, "new"), 860, id="ten wishes"),
        pytest.param([(-40 - 60 * n, FIRST, f"{n}") for n in range(10)], (SECOND, "new"), 0, id="ten of the other"),
        pytest.param([(-1441, FIRST, "a")] * 3, (FIRST, "a"), 0, id="yesterday"),
        pytest.param([(5, FIRST, "a")], (FIRST, "a"), 0, id="a clock that was set back"),
    ],
)
def test_restarts_are_rationed_by_combination_and_instance(
    memory: Memory, restarts: list[tuple[float, str, str]], asked: tuple[str, str], wait: float
) -> None:
    """Times in minutes."""
    now = 1e9
    for at, provider, key in sorted(restarts):
        memory.note_restart(provider, key, now + at * MINUTE)
    assert memory.wait_for_budget(*asked, now) == pytest.approx(wait * MINUTE)


def test_a_second_instance_does_not_wait_for_the_rations_of_the_first(tmp_path: Path, node: FakeNode) -> None:
    bundle = make_bundle(tmp_path)
    first = Pod(node, bundle, settings_folder=make_settings(tmp_path, "a", registries=["us-docker.pkg.dev/a/"]))
    folder = make_settings(tmp_path, "b", registries=["us-docker.pkg.dev/b/"])
    second = Pod(node, bundle, instance="acme", settings_folder=folder)
    first.tick()
    began = node.now
    second.tick()
    assert second.situation.ready
    assert node.now - began < 2 * MINUTE
    assert second.log == [f"{PROGRAM}: installed: {SECOND} 1.0.0 changed bundle, settings, config; kubelet restarted\n"]


def test_a_restart_that_was_not_taken_is_not_counted(memory: Memory) -> None:
    memory.note_restart(FIRST, "a", 1e9)
    memory.take_back_restart(FIRST)
    assert memory.of(FIRST) == Record()
    assert memory.wait_for_budget(FIRST, "a", 1e9) == 0


# --- damage -----------------------------------------------------------------------------------------------------------


def _record(**fields: Any) -> dict[str, Any]:
    return {"format": 1, "restarts": [], "providers": {PROGRAM: fields}}


DAMAGES = [
    pytest.param(_record(loaded=None), id="loaded null"),
    pytest.param(_record(loaded=[1, 2, 3, 4, 5]), id="loaded of numbers"),
    pytest.param(_record(loaded=["boot"]), id="loaded cut short"),
    pytest.param(_record(version=None), id="version null"),
    pytest.param(_record(settings=["config.json"]), id="settings a list"),
    pytest.param(_record(settings={"config.json": None}), id="settings of null"),
    pytest.param(_record(rejected={"key": "x"}), id="rejected without a reason"),
    pytest.param(_record(rejected={"key": "x", "reason": 1}), id="rejected for a number"),
    pytest.param(_record(interrupted={"x": "1"}), id="interrupted a text"),
    pytest.param(_record(restarts="many"), id="many restarts"),
    pytest.param(_record(restarts=-1), id="fewer than no restarts"),
    pytest.param(_record(restarts=True), id="restarts true"),
    pytest.param(_record(rollbacks=10**400), id="more rollbacks than a float can tell"),
    pytest.param(_record(token=["/"]), id="token a list"),
    pytest.param(_record(colour="red"), id="a field of tomorrow"),
    pytest.param({"format": 1, "restarts": [], "providers": {PROGRAM: None}}, id="record null"),
    pytest.param({"format": 1, "restarts": [], "providers": []}, id="no providers"),
    pytest.param({"format": 1, "restarts": None, "providers": {}}, id="restarts null"),
    pytest.param({"format": 1, "restarts": [1, 2], "providers": {}}, id="restarts of numbers"),
    pytest.param({"format": 1, "restarts": [["now", "x"]], "providers": {}}, id="restarts at a text"),
    pytest.param({"format": 1, "restarts": [[1e9]], "providers": {}}, id="restarts without a key"),
    pytest.param({"format": 1, "restarts": [[10**400, "x"]], "providers": {}}, id="restarts beyond all time"),
    pytest.param({"format": 2}, id="another format"),
    pytest.param([], id="a list"),
    pytest.param(None, id="null"),
]


@pytest.mark.parametrize("content", DAMAGES)
def test_a_damaged_memory_counts_as_none(tmp_path: Path, node: FakeNode, content: object) -> None:
    pod = Pod(node, make_bundle(tmp_path), settings_folder=make_settings(tmp_path))
    pod.tick()
    pid = node.pid
    _write(node, json.dumps(content).encode())
    pod.tick(32)
    assert pod.situation.ready
    assert node.pid == pid
    assert record(node)["version"] == "1.0.0"
    assert metric(pod, "kubelet_restarts_total") == "1"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff", id="no text"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b" " * (2 << 20), id="large"),
        pytest.param(b'{"format": 1, "restarts": [[NaN, "x"]], "providers": {}}', id="no number"),
    ],
)
def test_a_memory_that_is_none_counts_as_none(tmp_path: Path, node: FakeNode, content: bytes) -> None:
    goal = make_goal(tmp_path)
    run(node, goal)
    _write(node, content)
    assert run(node, goal).changed == ()
    assert record(node)["version"] == "1.0.0"


def _write(node: FakeNode, content: bytes) -> None:
    (node.tree / HOME[1:] / "state.json").write_bytes(content)


@pytest.mark.parametrize("how", ["lost", "damaged"])
def test_uninstall_leaves_nothing_though_the_memory_was_lost_in_between(
    tmp_path: Path, node: FakeNode, how: str
) -> None:
    before = shot(node)
    goal = make_goal(tmp_path)
    run(node, goal)
    if how == "lost":
        (node.tree / HOME[1:] / "state.json").unlink()
    else:
        _write(node, b"{")
    assert run(node, goal).changed == ()
    assert sorted(record(node)["settings"]) == ["config.json", "credential-config.json"]
    uninstall(site_of(node))
    assert shot(node) == before
