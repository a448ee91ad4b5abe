"""Several processes at one plan: one validates, the others wait, but not for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from credprovider.settings import load_settings
from credprovider.state import StateDirectory
from tests.unit.core.making import make_world, write
from tests.unit.core.planning import CONFIG, Validation


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Validation:
    """Settings that have been validated once."""
    validation = Validation(tmp_path, monkeypatch)
    validation.load()
    assert validation.count == 1
    return validation


def _config(node: Validation) -> None:
    write(node.folder / "config.json", {**CONFIG, "registries": ["us-docker.pkg.dev"]})


def test_the_head_start_is_given_only_when_validation_comes(node: Validation) -> None:
    calls: list[int] = []
    world = make_world(node.folder)
    state = StateDirectory.open(world.state_directory, world.euid)
    load_settings(world, state, before_validation=lambda: calls.append(1))
    assert not calls
    _config(node)
    load_settings(world, state, before_validation=lambda: calls.append(1))
    assert calls == [1]


def test_waits_for_the_process_that_validates_and_takes_its_plan(node: Validation) -> None:
    """Its lock is held here; the wait ends when the plan is there."""
    world = make_world(node.folder)
    state = StateDirectory.open(world.state_directory, world.euid)
    assert state is not None
    record = node.record
    name = node.plan_file.name
    state.remove(name)
    lock = state.try_lock("lock-" + name.removesuffix(".json"))
    assert lock is not None
    clock_sleep = world.sleep
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        clock_sleep(seconds)
        naps.append(seconds)
        if len(naps) == 3:
            state.write(name, record)

    world.sleep = sleep
    load_settings(world, StateDirectory.open(world.state_directory, world.euid))
    assert (node.count, len(naps)) == (1, 3)
    lock.release()


def test_where_locks_cannot_be_had_everybody_validates(node: Validation) -> None:
    name = node.plan_file.name
    node.plan_file.unlink()
    lock = node.folder / "state" / ("lock-" + name.removesuffix(".json"))
    lock.unlink()
    lock.mkdir()
    node.load()
    assert node.count == 2


def test_does_not_wait_for_ever_for_a_process_that_validates(node: Validation) -> None:
    world = make_world(node.folder)
    state = StateDirectory.open(world.state_directory, world.euid)
    assert state is not None
    name = node.plan_file.name
    state.remove(name)
    lock = state.try_lock("lock-" + name.removesuffix(".json"))
    load_settings(world, state)
    assert node.count == 2
    assert lock is not None
    lock.release()
