"""Settings files are read only when nobody but root or the caller can have written them."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from credprovider import settings
from credprovider.errors import ProviderError
from credprovider.settings import read_trusted
from tests.unit.core.making import disown, write

EUID = os.geteuid()


def refusal(path: Path | str) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        read_trusted(str(path), EUID)
    assert (caught.value.family, caught.value.exit_code) == ("settings", 3)
    assert str(path) in caught.value.cause
    return caught.value


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o777, 0o622, 0o646], ids=oct)
def test_refuses_what_others_can_write(tmp_path: Path, mode: int) -> None:
    error = refusal(write(tmp_path / "config.json", {}, mode))
    assert error.code == "settings-unsafe-mode"
    assert error.remedy == f"chmod go-w {tmp_path}/config.json"


def test_refuses_what_belongs_to_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "config.json", {}, 0o644)
    disown(path, monkeypatch)
    error = refusal(path)
    assert error.code == "settings-unsafe-owner"
    assert "12345" in error.cause
    assert error.remedy == f"chown root {path}"


def test_refuses_a_link_to_what_belongs_to_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "theirs", {}, 0o644)
    disown(path, monkeypatch)
    (tmp_path / "config.json").symlink_to(path)
    assert refusal(tmp_path / "config.json").code == "settings-unsafe-owner"


def _folder(path: Path) -> None:
    path.mkdir()


def _fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def _oversize(path: Path) -> None:
    write(path, b" " * ((256 << 10) + 1))


def _absent(path: Path) -> None:
    assert not path.exists()


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


NO_FILES = {
    "absent": (_absent, "settings-unreadable", "it is not there"),
    "dangling link": (_dangling, "settings-unreadable", "it is not there"),
    "link to itself": (_loop, "settings-unreadable", "symbolic links"),
    "folder": (_folder, "settings-not-a-file", "regular file"),
    "named pipe": (_fifo, "settings-not-a-file", "regular file"),
    "device": (_device, "settings-not-a-file", "regular file"),
    "oversize": (_oversize, "settings-too-large", "262144"),
}


@pytest.mark.parametrize(("make", "code", "reason"), NO_FILES.values(), ids=NO_FILES.keys())
def test_refuses_what_is_no_file(tmp_path: Path, make: Any, code: str, reason: str) -> None:
    make(tmp_path / "config.json")
    error = refusal(tmp_path / "config.json")
    assert error.code == code
    assert reason in error.cause


def test_refuses_a_file_below_a_file(tmp_path: Path) -> None:
    write(tmp_path / "config.json", {})
    assert refusal(tmp_path / "config.json" / "more").code == "settings-unreadable"


def test_a_read_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "config.json", {})

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, "x")

    monkeypatch.setattr(os, "read", fail)
    error = refusal(path)
    assert (error.code, error.cause) == ("settings-unreadable", f"cannot read {path}: Input/output error")


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o400, 0o755], ids=oct)
def test_reads_what_only_its_owner_can_write(tmp_path: Path, mode: int) -> None:
    assert read_trusted(str(write(tmp_path / "config.json", b"content", mode)), EUID) == b"content"


def test_reads_a_file_of_exactly_the_limit(tmp_path: Path) -> None:
    path = write(tmp_path / "config.json", b"x" * (256 << 10))
    assert len(read_trusted(str(path), EUID)) == 256 << 10


def test_follows_a_link_to_a_file_in_order(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", b"content")
    (tmp_path / "config.json").symlink_to("elsewhere")
    assert read_trusted(str(tmp_path / "config.json"), EUID) == b"content"


def test_leaves_no_descriptor_open(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "good", b"x"), write(tmp_path / "bad", b"x", 0o666)
    before = os.listdir("/proc/self/fd")
    read_trusted(str(good), EUID)
    refusal(bad)
    assert os.listdir("/proc/self/fd") == before


class TestDefaultPath:
    """The folders above the default path are as much worth as the file; others' layouts are their own affair."""

    @pytest.fixture
    def etc(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder that stands where the product's own is; those of the test machine above it pass for root's."""
        folder = tmp_path / "etc" / "provider"
        folder.mkdir(parents=True)
        monkeypatch.setattr(settings, "DEFAULT_CONFIG", str(folder / "config.json"))
        real = os.stat

        def stat(path: Any, *args: Any, **keywords: Any) -> os.stat_result:
            found = real(path, *args, **keywords)
            above = isinstance(path, str) and str(tmp_path).startswith(path)
            return os.stat_result([0o40755, *found[1:4], 0, *found[5:]]) if above else found

        monkeypatch.setattr(os, "stat", stat)
        return folder

    @pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777], ids=oct)
    @pytest.mark.parametrize("depth", [0, 1], ids=["its folder", "the folder above"])
    def test_refuses_folders_that_others_can_write(self, etc: Path, depth: int, mode: int) -> None:
        path = write(etc / "config.json", b"x")
        folder = [etc, etc.parent][depth]
        folder.chmod(mode)
        with pytest.raises(ProviderError) as caught:
            read_trusted(str(path), EUID)
        assert caught.value.code == "settings-unsafe-parent"
        assert str(folder) in caught.value.cause
        assert caught.value.remedy == f"chown root {folder}; chmod go-w {folder}"

    def test_refuses_a_folder_of_somebody_else(self, etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write(etc / "config.json", b"x")
        disown(etc, monkeypatch)
        with pytest.raises(ProviderError) as caught:
            read_trusted(str(path), EUID)
        assert caught.value.code == "settings-unsafe-parent"

    def test_an_absent_folder_is_named(self, etc: Path) -> None:
        with pytest.raises(ProviderError) as caught:
            read_trusted(str(etc / "vendor-b" / "config.json"), EUID)
        assert caught.value.code == "settings-unreadable"
        assert f"{etc}/vendor-b" in caught.value.cause

    def test_a_second_vendors_folder_counts_as_well(self, etc: Path) -> None:
        (etc / "vendor-b").mkdir()
        (etc / "vendor-b").chmod(0o777)
        write(etc / "vendor-b" / "config.json", b"x")
        with pytest.raises(ProviderError) as caught:
            read_trusted(str(etc / "vendor-b" / "config.json"), EUID)
        assert caught.value.code == "settings-unsafe-parent"

    def test_reads_from_folders_in_order(self, etc: Path) -> None:
        assert read_trusted(str(write(etc / "config.json", b"x")), EUID) == b"x"

    def test_other_paths_may_lie_anywhere(self, etc: Path) -> None:
        elsewhere = etc.parent / "provider-two"
        elsewhere.mkdir()
        elsewhere.chmod(0o777)
        assert read_trusted(str(write(elsewhere / "config.json", b"x")), EUID) == b"x"
