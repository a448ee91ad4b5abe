"""A state folder or lock that is foreign, open to others, linked or full is not used; and pulls go on."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.plugin import obstacles
from tests.plugin.damage import IN_PLACE, Damage, assert_exchanged, plant, record_of, shift
from tests.plugin.obstacles import Obstacles, fill
from tests.plugin.settings import edit

if TYPE_CHECKING:
    from tests.cloud.control import CloudProcess
    from tests.plugin.runner import Frozen, InProcess, Runner
    from tests.plugin.settings import Setting, SettingsFactory


@pytest.fixture
def obstacle() -> Iterator[Obstacles]:
    made = Obstacles()
    yield made
    made.close()


@pytest.fixture
def setting(settings: SettingsFactory) -> Setting:
    return settings("managed-identity-direct")


# Locks.


LOCKS = {name: put for name, (put, _) in IN_PLACE.items() if name != "linked-to-an-endless-file"}


@pytest.mark.parametrize("put", list(LOCKS.values()), ids=list(LOCKS))
def test_what_stands_in_a_locks_place_is_neither_followed_nor_waited_for(
    ask: Runner, setting: Setting, cloud: CloudProcess, put: Damage
) -> None:
    ask(setting.request, setting.config)
    for lock in list(ask.state.glob("lock-*")):
        put(lock)
    names = {path.name for path in ask.state.iterdir()}
    for kind in ("token", "plan"):
        record_of(ask.state, kind).unlink()
    assert_exchanged(ask, setting, cloud)
    assert {path.name for path in ask.state.iterdir()} == names


def test_another_users_locks_are_no_obstacle(
    ask: Runner, setting: Setting, cloud: CloudProcess, obstacle: Obstacles
) -> None:
    ask(setting.request, setting.config)
    for lock in list(ask.state.glob("lock-*")):
        obstacle.give_away(lock)
    for kind in ("token", "plan"):
        record_of(ask.state, kind).unlink()
    assert_exchanged(ask, setting, cloud)


# The folder.


def _refused(ask: Runner, setting: Setting, cloud: CloudProcess) -> None:
    """Served twice by an exchange each: nothing was believed, nothing was kept."""
    assert_exchanged(ask, setting, cloud)
    assert_exchanged(ask, setting, cloud)


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o702, 0o1777], ids=oct)
def test_a_folder_open_to_others_is_not_used(
    in_process: InProcess, setting: Setting, cloud: CloudProcess, mode: int
) -> None:
    _open_folder(in_process, setting, cloud, mode)


def test_a_folder_open_to_others_is_not_used_by_the_executable(
    frozen: Frozen, setting: Setting, cloud: CloudProcess
) -> None:
    _open_folder(frozen, setting, cloud, 0o755)


def _open_folder(ask: Runner, setting: Setting, cloud: CloudProcess, mode: int) -> None:
    ask(setting.request, setting.config)
    plant(record_of(ask.state, "token"))
    before = {path: path.read_bytes() for path in ask.state.iterdir()}
    ask.state.chmod(mode)
    _refused(ask, setting, cloud)
    assert {path: path.read_bytes() for path in ask.state.iterdir()} == before


def test_another_users_folder_is_not_used(
    ask: Runner, setting: Setting, cloud: CloudProcess, obstacle: Obstacles
) -> None:
    ask(setting.request, setting.config)
    plant(record_of(ask.state, "token"))
    obstacle.give_away(ask.state)
    before = sorted(os.listdir(ask.state))
    _refused(ask, setting, cloud)
    assert sorted(os.listdir(ask.state)) == before


@pytest.mark.parametrize(
    "put",
    [
        obstacles.put_pipe,
        obstacles.put_socket,
        obstacles.put_link_to_nothing,
        obstacles.put_link_to_itself,
        lambda path: path.write_text("a file"),
    ],
    ids=["pipe", "socket", "linked-to-nothing", "linked-to-itself", "file"],
)
def test_what_stands_in_the_folders_place_is_left_alone(
    ask: Runner, setting: Setting, cloud: CloudProcess, put: Damage
) -> None:
    ask.state.touch()
    put(ask.state)
    kind = stat.S_IFMT(ask.state.lstat().st_mode)
    _refused(ask, setting, cloud)
    assert stat.S_IFMT(ask.state.lstat().st_mode) == kind
    ask.state.unlink()


def test_a_linked_folder_is_not_followed(ask: Runner, setting: Setting, cloud: CloudProcess, tmp_path: Path) -> None:
    ask(setting.request, setting.config)
    plant(record_of(ask.state, "token"))
    target = ask.state.rename(tmp_path / "elsewhere") if ask.name == "in-process" else _moved(ask.state)
    before = sorted(os.listdir(target))
    ask.state.symlink_to(target)
    _refused(ask, setting, cloud)
    assert sorted(os.listdir(target)) == before
    ask.state.unlink()


def _moved(folder: Path) -> Path:
    return folder.rename(folder.with_name("elsewhere"))


def test_without_a_place_for_the_folder_pulls_go_on(
    in_process: InProcess, setting: Setting, cloud: CloudProcess, tmp_path: Path
) -> None:
    in_process.state = tmp_path / "no" / "such" / "place"
    _refused(in_process, setting, cloud)
    assert not (tmp_path / "no").exists()


def test_on_a_read_only_run_pulls_go_on(
    frozen: Frozen, setting: Setting, cloud: CloudProcess, obstacle: Obstacles
) -> None:
    with obstacle.read_only(Path("/run")):
        _refused(frozen, setting, cloud)
    assert not frozen.state.exists()


def test_on_a_run_that_became_read_only_what_was_there_still_serves(
    frozen: Frozen, setting: Setting, cloud: CloudProcess, obstacle: Obstacles
) -> None:
    token = frozen(setting.request, setting.config).password
    with obstacle.read_only(Path("/run")):
        assert frozen(setting.request, setting.config).password == token
        record_of(frozen.state, "plan")  # still there
        edit(setting.config, scopes=["https://www.googleapis.com/auth/cloud-platform"])
        _refused(frozen, setting, cloud)


@pytest.mark.parametrize("with_files", [False, True], ids=["no-space-left", "no-inodes-left"])
def test_on_a_full_disk_pulls_go_on(
    ask: Runner, setting: Setting, cloud: CloudProcess, obstacle: Obstacles, with_files: bool
) -> None:
    ask.state.mkdir(mode=0o700)
    obstacle.small_disk(ask.state)
    filling = fill(ask.state, with_files=with_files)
    _refused(ask, setting, cloud)
    assert [name for name in sorted(os.listdir(ask.state)) if not name.startswith("lock-")] == filling


def test_on_a_disk_that_fills_up_the_old_record_serves_and_a_refresh_leaves_no_half(
    ask: Runner, setting: Setting, cloud: CloudProcess, obstacle: Obstacles
) -> None:
    ask.state.mkdir(mode=0o700)
    obstacle.small_disk(ask.state)
    token = ask(setting.request, setting.config).password
    names = {*os.listdir(ask.state), *fill(ask.state)}
    assert ask(setting.request, setting.config).password == token
    shift(expires_at=-3000)(record_of(ask.state, "token"))
    assert_exchanged(ask, setting, cloud)
    assert set(os.listdir(ask.state)) == names


def test_on_a_full_disk_nobody_waits_for_what_nobody_can_leave(
    frozen: Frozen, setting: Setting, cloud: CloudProcess, obstacle: Obstacles
) -> None:
    frozen.state.mkdir(mode=0o700)
    obstacle.small_disk(frozen.state)
    fill(frozen.state)
    cloud.fault("sts", "hang", times=1)
    slow = frozen.start(setting.request, setting.config)
    try:
        while not cloud.calls("sts"):
            time.sleep(0.01)
        assert_exchanged(frozen, setting, cloud)
        assert slow.poll() is None
    finally:
        slow.kill()
        slow.communicate()
