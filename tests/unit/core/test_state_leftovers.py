"""What a sweep takes away and leaves, and where the folder is."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from credprovider.state import StateDirectory
from credprovider.world import state_directory
from tests.unit.core.making import write

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


def _failing(number: int) -> Any:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


class TestSweeping:
    HOUR = 3600.0

    def aged(self, folder: Path, name: str, age: float) -> Path:
        path = write(folder / name, RECORD)
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
        return path

    GONE = (
        ("token-a.json", 13.1),
        ("failure-a.json", 13.1),
        ("plan-a.json", 13.1),
        ("lock-a", 13.1),
        (".token-a.json.7.7", 0.1),
    )
    KEPT = (
        ("token-a.json", 12.9),
        ("lock-a", 12.9),
        (".token-a.json.7.7", 0.05),
        ("azure-identity-token", 100),
        ("note", 100),
    )

    @pytest.mark.parametrize(("name", "hours"), GONE)
    def test_takes_away_what_nobody_touched_for_long(
        self, folder: Path, state: StateDirectory, name: str, hours: float
    ) -> None:
        path = self.aged(folder, name, hours * self.HOUR)
        state.sweep(1_000_000)
        assert not path.exists()

    @pytest.mark.parametrize(("name", "hours"), KEPT)
    def test_leaves_the_rest(self, folder: Path, state: StateDirectory, name: str, hours: float) -> None:
        path = self.aged(folder, name, hours * self.HOUR)
        state.sweep(1_000_000)
        assert path.exists()

    def test_follows_no_link_and_removes_no_folder(self, folder: Path, state: StateDirectory) -> None:
        (folder / "token-folder").mkdir()
        target = write(folder.with_name("target"), b"x")
        os.utime(target, (0, 0))
        (folder / "token-link").symlink_to(target)
        state.sweep(1_000_000_000_000)
        assert target.exists()
        assert (folder / "token-folder").exists()

    def test_a_folder_that_cannot_be_listed_is_left(
        self, state: StateDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "listdir", _failing(errno.EIO))
        state.sweep(1_000_000)

    def test_a_file_that_goes_meanwhile_is_no_matter(
        self, folder: Path, state: StateDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "listdir", lambda _: ["token-gone.json", "token-a.json"])
        path = self.aged(folder, "token-a.json", 14 * self.HOUR)
        state.sweep(1_000_000)
        assert not path.exists()


class TestPlace:
    DEFAULT = "/etc/azure-gar-credential-provider/config.json"

    @pytest.mark.parametrize(
        ("config", "environ", "euid", "place"),
        [
            (DEFAULT, {}, 0, "/run/azure-gar-credential-provider"),
            (DEFAULT, {"XDG_RUNTIME_DIR": "/run/user/0"}, 0, "/run/azure-gar-credential-provider"),
            (
                "/etc/azure-gar-credential-provider/vendor-b/config.json",
                {},
                0,
                "/run/azure-gar-credential-provider/vendor-b",
            ),
            ("/home/me/config.json", {}, 0, "/run/azure-gar-credential-provider"),
            (DEFAULT, {"XDG_RUNTIME_DIR": "/run/user/7"}, 7, "/run/user/7/azure-gar-credential-provider"),
            (DEFAULT, {}, 7, None),
            (DEFAULT, {"XDG_RUNTIME_DIR": ""}, 7, None),
            (DEFAULT, {"XDG_RUNTIME_DIR": "relative"}, 7, None),
        ],
        ids=[
            "root",
            "root has no other",
            "second vendor",
            "root, own file",
            "user",
            "user without",
            "empty",
            "relative",
        ],
    )
    def test_where_it_is(self, config: str, environ: dict[str, str], euid: int, place: str | None) -> None:
        assert state_directory(config, environ, euid) == place
