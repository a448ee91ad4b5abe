"""What a run leaves behind, whatever became of it and whoever ran it: private files, swept later, and nothing else."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.plugin import obstacles
from tests.plugin.damage import assert_exchanged, is_private_file, record_of, with_fields
from tests.plugin.obstacles import Obstacles
from tests.plugin.runner import PROGRAM, Outcome
from tests.plugin.verdict import judge

if TYPE_CHECKING:
    from tests.cloud.control import CloudProcess
    from tests.plugin.runner import Frozen, Runner
    from tests.plugin.settings import Setting, SettingsFactory


@pytest.fixture
def obstacle() -> Iterator[Obstacles]:
    made = Obstacles()
    yield made
    made.close()


@pytest.fixture
def setting(settings: SettingsFactory) -> Setting:
    return settings("managed-identity-direct")


# What is left behind.


@pytest.mark.parametrize("mask", [0, 0o22, 0o777], ids=oct)
def test_whatever_the_umask_no_file_is_open_to_others(ask: Runner, setting: Setting, mask: int) -> None:
    old = os.umask(mask)
    try:
        assert judge(ask(setting.request, setting.config))
    finally:
        os.umask(old)
    assert stat.S_IMODE(ask.state.stat().st_mode) == 0o700 & ~mask
    assert {stat.S_IMODE(path.stat().st_mode) for path in ask.state.iterdir()} == {0o600 & ~mask}


def test_only_the_tokens_record_holds_a_token(ask: Runner, settings: SettingsFactory, cloud: CloudProcess) -> None:
    setting = settings("token-file-entra-impersonated")
    token = ask(setting.request, setting.config).password
    for path in ask.state.iterdir():
        content = path.read_text()
        assert (token in content) == path.name.startswith("token-")
        assert not [other for other in cloud.issued() if other != token and other in content]


def test_a_successful_exchange_sweeps_what_the_dead_left_and_nothing_else(
    ask: Runner, setting: Setting, cloud: CloudProcess
) -> None:
    ask(setting.request, setting.config)
    day, now = 24 * 3600, time.time()
    swept = {
        ".token-x.json.1.2": 600,
        ".plan-x.json.1.2": 600,
        "token-x.json": day,
        "failure-x.json": day,
        "lock-x": day,
    }
    kept = {".token-x.json.3.4": 10, "token-y.json": 3600, "azure-identity-token": day, "notes": day}
    for name, age in {**swept, **kept}.items():
        (ask.state / name).touch(mode=0o600)
        os.utime(ask.state / name, (now - age, now - age))
    (ask.state / "token-folder.json").mkdir()
    os.utime(ask.state / "token-folder.json", (now - day, now - day))
    with_fields(token="")(next(path for path in ask.state.glob("token-*") if path.is_file() and path.stat().st_size))
    assert_exchanged(ask, setting, cloud)
    names = set(os.listdir(ask.state))
    assert not names & set(swept)
    assert names >= {*kept, "token-folder.json"}


def test_killed_at_any_moment_it_leaves_nothing_that_the_next_one_trips_over(
    frozen: Frozen, setting: Setting, cloud: CloudProcess
) -> None:
    served = frozen(setting.request, setting.config)
    assert judge(served)
    kinds = set()
    for step in range(24):
        for path in [*frozen.state.glob("token-*"), *(frozen.state.glob("plan-*") if step % 2 else ())]:
            path.unlink()
        process = frozen.start(setting.request, setting.config)
        time.sleep(step * 0.012)
        os.kill(process.pid, signal.SIGKILL)  # not Popen.kill, which takes the end away from `finish`
        kinds.add(frozen.finish(process).code)
        for path in frozen.state.iterdir():
            assert is_private_file(path)
    assert -signal.SIGKILL in kinds
    for path in frozen.state.glob(".*"):
        os.utime(path, (0, 0))
    for path in frozen.state.glob("token-*"):
        path.unlink()
    assert_exchanged(frozen, setting, cloud)
    assert not list(frozen.state.glob(".*"))
    asked = len(cloud.calls())
    assert judge(frozen(setting.request, setting.config))
    assert len(cloud.calls()) == asked


# Not root.


def _as_stranger(frozen: Frozen, setting: Setting, **environ: str) -> Outcome:
    """Runs as a user that is not root: this process's own one, under another number and without its powers."""
    command = ["unshare", "--user", f"--map-user={obstacles.STRANGER}", f"--map-group={obstacles.STRANGER}"]
    done = subprocess.run(
        [*command, frozen.executable, f"--config={setting.config}"],
        input=setting.request,
        capture_output=True,
        env={**frozen.environ, **environ, "PATH": os.environ["PATH"]},
        cwd="/",
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr.decode())


def test_without_root_and_without_a_runtime_folder_each_answer_is_exchanged(
    frozen: Frozen, setting: Setting, cloud: CloudProcess
) -> None:
    for _ in range(2):
        assert judge(_as_stranger(frozen, setting))
    assert len(cloud.calls("sts")) == 2
    assert not frozen.state.exists()


def test_without_root_the_users_runtime_folder_holds_the_token(
    frozen: Frozen, setting: Setting, cloud: CloudProcess, tmp_path: Path
) -> None:
    first, second = (_as_stranger(frozen, setting, XDG_RUNTIME_DIR=str(tmp_path)) for _ in range(2))
    assert first.password == second.password
    assert len(cloud.calls("sts")) == 1
    assert is_private_file(record_of(tmp_path / PROGRAM, "token"))
    assert not frozen.state.exists()


@pytest.mark.parametrize("kind", ["far-from-there", "relative", "a-file", "not-writable", "read-only"])
def test_without_root_and_with_a_useless_runtime_folder_each_answer_is_exchanged(
    frozen: Frozen, setting: Setting, cloud: CloudProcess, tmp_path: Path, obstacle: Obstacles, kind: str
) -> None:
    folder = tmp_path / ("no/such/place" if kind == "far-from-there" else "runtime")
    if kind == "a-file":
        folder.touch()
    elif kind != "far-from-there":
        folder.mkdir(mode=0o500)
    if kind == "read-only":
        obstacle.small_disk(folder)
    with obstacle.read_only(folder) if kind == "read-only" else nullcontext():
        for _ in range(2):
            assert judge(
                _as_stranger(frozen, setting, XDG_RUNTIME_DIR="runtime" if kind == "relative" else str(folder))
            )
    assert len(cloud.calls("sts")) == 2
    assert not folder.is_dir() or not list(folder.iterdir())
