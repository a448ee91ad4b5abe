"""The folder where processes meet: what is trusted in it, how records get there, and what becomes of leftovers."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credprovider.state import StateDirectory, digest
from tests.unit.core.making import EXAMPLES, disown, write

EUID = os.geteuid()
RECORD = {"token": "ya29.x", "expires_at": 12.5, "list": [1, None, True], "inside": {"b": "\u00e4", "a": -1}}


def opened(path: Path) -> StateDirectory:
    state = StateDirectory.open(str(path), EUID)
    assert state is not None
    return state


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def state(folder: Path) -> StateDirectory:
    return opened(folder)


class TestFolder:
    @pytest.mark.parametrize("mode", [0o755, 0o770, 0o701, 0o777, 0o1777, 0o710], ids=oct)
    def test_open_to_others_is_refused(self, folder: Path, mode: int) -> None:
        folder.mkdir()
        folder.chmod(mode)
        assert StateDirectory.open(str(folder), EUID) is None

    def test_of_somebody_else_is_refused(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir(mode=0o700)
        disown(folder, monkeypatch)
        assert StateDirectory.open(str(folder), EUID) is None

    def test_of_root_is_somebody_elses_to_others(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        assert StateDirectory.open(str(folder), EUID + 1) is None

    def test_a_link_is_refused_whatever_it_points_to(self, folder: Path) -> None:
        folder.with_name("real").mkdir(mode=0o700)
        folder.symlink_to("real")
        assert StateDirectory.open(str(folder), EUID) is None

    def test_a_dangling_link_is_refused_and_not_followed(self, folder: Path) -> None:
        folder.symlink_to("elsewhere")
        assert StateDirectory.open(str(folder), EUID) is None
        assert not folder.with_name("elsewhere").exists()

    def test_a_file_is_refused(self, folder: Path) -> None:
        write(folder, b"")
        assert StateDirectory.open(str(folder), EUID) is None

    def test_where_it_cannot_be_made_there_is_none(self) -> None:
        assert StateDirectory.open("/proc/self/nowhere/state", EUID) is None

    def test_two_levels_missing_is_one_too_many(self, tmp_path: Path) -> None:
        assert StateDirectory.open(str(tmp_path / "a" / "b" / "c"), EUID) is None

    def test_no_place_is_no_folder(self) -> None:
        assert StateDirectory.open(None, EUID) is None

    @pytest.mark.parametrize("umask", [0, 0o022, 0o077], ids=oct)
    def test_is_made_for_us_alone(self, tmp_path: Path, umask: int) -> None:
        with _umask(umask):
            opened(tmp_path / "parent" / "state")
        for path in (tmp_path / "parent", tmp_path / "parent" / "state"):
            assert path.stat().st_mode & 0o777 == 0o700

    def test_is_used_again(self, folder: Path) -> None:
        opened(folder).write("token-a.json", RECORD)
        assert opened(folder).read("token-a.json") == RECORD

    def test_cannot_be_swapped_once_it_is_open(self, folder: Path, state: StateDirectory) -> None:
        folder.rename(folder.with_name("moved"))
        folder.mkdir(mode=0o700)
        write(folder / "token-a.json", {"token": "planted"})
        assert state.write("token-b.json", RECORD)
        assert state.read("token-a.json") is None
        assert os.listdir(folder) == ["token-a.json"]

    def test_its_descriptor_is_not_inherited(self, state: StateDirectory) -> None:
        assert not os.get_inheritable(state._descriptor)

    def test_its_descriptor_is_closed_in_the_end(self, folder: Path) -> None:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            opened(folder)
        assert len(os.listdir("/proc/self/fd")) == before


@contextlib.contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _symlink(path: Path) -> None:
    write(path.with_name("target"), RECORD)
    path.symlink_to("target")


def _hard_link(path: Path) -> None:
    write(path, RECORD)
    path.with_name("second").hardlink_to(path)


def _fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


def _folder(path: Path) -> None:
    path.mkdir()


def _content(content: bytes | str, mode: int = 0o600) -> Any:
    return lambda path: write(path, content, mode)


WHOLE = json.dumps(RECORD)
UNTRUSTED = {
    "symbolic link": _symlink,
    "hard link": _hard_link,
    "named pipe": _fifo,
    "folder": _folder,
    "readable by the group": _content(WHOLE, 0o640),
    "readable by all": _content(WHOLE, 0o604),
    "writable by all": _content(WHOLE, 0o666),
    "executable by all": _content(WHOLE, 0o711),
    "empty": _content(b""),
    "torn": _content(WHOLE[:-1]),
    "not JSON": _content(b"\x00\xff\x00"),
    "not UTF-8": _content(b'{"token":"\xff"}'),
    "two records": _content(WHOLE + WHOLE),
    "duplicate key": _content(b'{"token":"a","token":"b"}'),
    "NaN": _content(b'{"expires_at":NaN}'),
    "list": _content(b"[]"),
    "number": _content(b"1"),
    "null": _content(b"null"),
    "nested too deeply": _content(b"[" * 60_000),
    "oversize": _content('{"a":"' + "x" * (64 << 10) + '"}'),
}


class TestReading:
    @pytest.mark.parametrize("make", UNTRUSTED.values(), ids=UNTRUSTED.keys())
    def test_passes_over_what_we_cannot_have_written(self, folder: Path, state: StateDirectory, make: Any) -> None:
        make(folder / "token-a.json")
        before = os.listdir("/proc/self/fd")
        assert state.read("token-a.json") is None
        assert os.listdir("/proc/self/fd") == before

    @pytest.mark.parametrize("make", [case for name, case in UNTRUSTED.items() if name != "folder"],
                             ids=[name for name in UNTRUSTED if name != "folder"])  # fmt: skip
    def test_and_puts_a_good_record_in_its_place(self, folder: Path, state: StateDirectory, make: Any) -> None:
        make(folder / "token-a.json")
        assert state.write("token-a.json", RECORD)
        assert state.read("token-a.json") == RECORD
        target = folder / "target"
        assert not target.exists() or json.loads(target.read_text()) == RECORD

    def test_passes_over_what_belongs_to_somebody_else(
        self, folder: Path, state: StateDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        disown(write(folder / "token-a.json", RECORD), monkeypatch)
        assert state.read("token-a.json") is None

    def test_passes_over_what_cannot_be_read(
        self, folder: Path, state: StateDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(folder / "token-a.json", RECORD)
        monkeypatch.setattr(os, "read", _failing(errno.EIO))
        assert state.read("token-a.json") is None

    def test_what_is_absent_is_none(self, state: StateDirectory) -> None:
        assert state.read("token-a.json") is None


def _failing(number: int) -> Any:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


class TestWriting:
    @EXAMPLES
    @given(st.dictionaries(st.text(max_size=9), JSON_VALUES, max_size=4))
    def test_what_is_written_is_read(self, tmp_path: Path, record: dict[str, Any]) -> None:
        state = opened(tmp_path / "state")
        assert state.write("token-a.json", record)
        assert state.read("token-a.json") == record

    @pytest.mark.parametrize("umask", [0, 0o022, 0o077], ids=oct)
    def test_files_are_for_us_alone_from_the_first_moment(
        self, folder: Path, state: StateDirectory, monkeypatch: pytest.MonkeyPatch, umask: int
    ) -> None:
        modes = []
        real = os.write

        def look(descriptor: int, content: bytes) -> int:
            modes.append(os.fstat(descriptor).st_mode & 0o777)
            return real(descriptor, content)

        monkeypatch.setattr(os, "write", look)
        with _umask(umask):
            assert state.write("token-a.json", RECORD)
        assert set(modes) == {0o600}
        assert (folder / "token-a.json").stat().st_mode & 0o777 == 0o600

    def test_nobody_sees_half_a_record(
        self, folder: Path, state: StateDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each byte is written by itself; the old record stands until all are there."""
        state.write("token-a.json", {"token": "old"})
        seen = []
        real = os.write

        def one_byte(descriptor: int, content: bytes) -> int:
            seen.append(state.read("token-a.json"))
            return real(descriptor, content[:1])

        monkeypatch.setattr(os, "write", one_byte)
        state.write("token-a.json", RECORD)
        assert len(seen) > 20
        assert all(record == {"token": "old"} for record in seen)
        assert state.read("token-a.json") == RECORD
        assert os.listdir(folder) == ["token-a.json"]

    FAILURES = (("open", errno.ENOSPC), ("open", errno.EROFS), ("open", errno.EMFILE), ("write", errno.ENOSPC),
                ("write", errno.EDQUOT), ("fsync", errno.EIO), ("rename", errno.ENOSPC))  # fmt: skip

    @pytest.mark.parametrize(("call", "number"), FAILURES, ids=lambda value: errno.errorcode.get(value, value))
    def test_a_folder_that_takes_no_more_is_told_and_keeps_what_it_has(
        self, folder: Path, state: StateDirectory, monkeypatch: pytest.MonkeyPatch, call: str, number: int
    ) -> None:
        state.write("token-a.json", {"token": "old"})
        with monkeypatch.context() as patch:
            patch.setattr(os, call, _failing(number))
            assert state.write("token-a.json", RECORD) is False
            assert state.has_room() is False
        assert state.read("token-a.json") == {"token": "old"}
        assert os.listdir(folder) == ["token-a.json"]

    def test_a_full_disk(self, tmp_path: Path) -> None:
        with _tiny_tmpfs(tmp_path / "full") as disk:
            state = opened(disk / "state")
            assert state.has_room()
            assert state.write("token-a.json", {"token": "old"})
            write(disk / "ballast", b"")
            with contextlib.suppress(OSError), (disk / "ballast").open("wb") as ballast:
                ballast.write(b"x" * (1 << 20))
            assert state.write("token-b.json", {"big": "x" * 8000}) is False
            assert state.has_room() is False
            assert state.read("token-a.json") == {"token": "old"}
            assert os.listdir(disk / "state") == ["token-a.json"]

    def test_room_leaves_nothing_behind(self, folder: Path, state: StateDirectory) -> None:
        assert state.has_room() is True
        assert os.listdir(folder) == []

    def test_what_is_removed_is_gone_and_may_be_gone_already(self, state: StateDirectory) -> None:
        state.write("token-a.json", RECORD)
        state.remove("token-a.json")
        state.remove("token-a.json")
        assert state.read("token-a.json") is None


@contextlib.contextmanager
def _tiny_tmpfs(path: Path) -> Iterator[Path]:
    """A disk of 16 KiB."""
    path.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", str(path).encode(), b"tmpfs", 0, b"size=16k,mode=700") != 0:
        pytest.skip(f"cannot mount here: {os.strerror(ctypes.get_errno())}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_digest_is_a_name_of_128_bits() -> None:
    assert digest("a") == digest(b"a") != digest("b")
    assert len(digest("")) == 32
    assert digest("\udcff")  # an environment may hold bytes that are no UTF-8
