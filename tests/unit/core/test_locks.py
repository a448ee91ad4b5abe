"""Locks between processes: one holder, freed by its death, immune to a sweep."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from credprovider.state import StateDirectory
from tests.unit.core.making import disown

_ROOT = str(Path(__file__).parents[3])

_HOLDER = """
import os, sys
sys.path.insert(0, {root!r})
from credprovider.state import StateDirectory
lock = StateDirectory.open({folder!r}, os.geteuid()).try_lock("lock-a")
print("held" if lock is not None else "busy", flush=True)
sys.stdin.read()
"""


def _holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that has tried for the lock, and lives until its stdin ends."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _HOLDER.format(root=_ROOT, folder=str(folder))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _word(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def state(folder: Path) -> StateDirectory:
    opened = StateDirectory.open(str(folder), os.geteuid())
    assert opened is not None
    return opened


def test_a_lock_held_here_is_held_for_all(folder: Path, state: StateDirectory) -> None:
    lock = state.try_lock("lock-a")
    assert lock is not None
    assert state.try_lock("lock-a") is None
    with _holder(folder) as other:
        assert _word(other) == "busy"
        other.communicate()
    lock.release()
    with _holder(folder) as other:
        assert _word(other) == "held"
        other.communicate()


@pytest.mark.parametrize("end", ["kill", "exit"])
def test_a_lock_ends_with_its_holder(folder: Path, state: StateDirectory, end: str) -> None:
    with _holder(folder) as other:
        assert _word(other) == "held"
        assert state.try_lock("lock-a") is None
        if end == "kill":
            other.kill()
        other.communicate()
    assert state.try_lock("lock-a") is not None


def test_a_lock_is_not_inherited_by_children(state: StateDirectory) -> None:
    lock = state.try_lock("lock-a")
    assert lock is not None
    with subprocess.Popen(["/bin/sleep", "60"]) as child:
        lock.release()
        again = state.try_lock("lock-a")
        child.kill()
    assert again is not None


def test_other_names_are_other_locks(state: StateDirectory) -> None:
    assert state.try_lock("lock-a") is not None
    assert state.try_lock("lock-b") is not None


def test_trying_in_vain_leaves_no_descriptor(state: StateDirectory) -> None:
    lock = state.try_lock("lock-a")
    before = os.listdir("/proc/self/fd")
    for _ in range(5):
        assert state.try_lock("lock-a") is None
    assert os.listdir("/proc/self/fd") == before
    assert lock is not None


def test_after_a_sweep_there_is_one_holder_still(folder: Path, state: StateDirectory) -> None:
    """Who holds the swept inode keeps it; whoever comes later agrees on the new one."""
    old = state.try_lock("lock-a")
    (folder / "lock-a").unlink()
    first = state.try_lock("lock-a")
    assert old is not None
    assert first is not None
    assert state.try_lock("lock-a") is None


@pytest.mark.parametrize("replaced", [False, True], ids=["gone", "replaced"])
def test_a_lock_whose_file_is_swept_while_it_is_taken_is_taken_anew(
    folder: Path, state: StateDirectory, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    real = os.open
    opened = []

    def sweep_after_open(path: str, *args: int, **keywords: int) -> int:
        descriptor = real(path, *args, **keywords)
        opened.append(path)
        if len(opened) == 1:
            (folder / "lock-a").unlink()
            if replaced:
                (folder / "lock-a").touch(0o600)
        return descriptor

    monkeypatch.setattr(os, "open", sweep_after_open)
    lock = state.try_lock("lock-a")
    assert lock is not None
    assert opened.count("lock-a") == 2
    assert state.try_lock("lock-a") is None


def _link(path: Path) -> None:
    path.symlink_to("elsewhere")


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("make", [_link, _folder], ids=["link", "folder"])
def test_what_cannot_be_a_lock_is_an_error(folder: Path, state: StateDirectory, make: object) -> None:
    assert callable(make)
    make(folder / "lock-a")
    with pytest.raises(OSError, match=r"."):
        state.try_lock("lock-a")
    assert not (folder / "elsewhere").exists()


def test_a_folder_without_locks_is_an_error(state: StateDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(95, "not supported")

    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr("fcntl.flock", fail)
    with pytest.raises(OSError, match="not supported"):
        state.try_lock("lock-a")
    assert os.listdir("/proc/self/fd") == before


def test_a_lock_file_of_somebody_else_is_no_harm(
    folder: Path, state: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is read from it; who could hold it would need a way into the folder."""
    (folder / "lock-a").touch(0o600)
    disown(folder / "lock-a", monkeypatch)
    assert state.try_lock("lock-a") is not None
