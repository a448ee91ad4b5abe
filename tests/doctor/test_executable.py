"""The built program: its own bundle, its own run as the plugin, a terminal, a user without root, a bare environment."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugin.canaries import Secrets
from tests.plugin.runner import EXECUTABLE, FROZEN_STATE, clear

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cloud.api import CloudApi
    from tests.cloud.modes import Setting
    from tests.plugin.settings import SettingsFactory

_NOBODY = 65534


@pytest.fixture
def executable() -> Iterator[Path]:
    """As `./dev build` made it; fails where that knows no `doctor` yet."""
    path = EXECUTABLE
    if not os.access(path, os.X_OK):
        pytest.fail(f"{path} is not built: run `./dev build`, or `./dev test`, which does", pytrace=False)
    clear(FROZEN_STATE)
    yield path
    clear(FROZEN_STATE)


def _run(executable: Path, cloud: CloudApi, setting: Setting, *more: str, **options: Any) -> Any:
    argv = [str(executable), "doctor", cloud.world.image, "--config", str(setting.config), *more]
    environ = {"SSL_CERT_FILE": str(cloud.ca_file)}
    return subprocess.run(argv, capture_output=True, env=environ, cwd="/", timeout=120, check=False, **options)


def test_is_green_and_shows_no_token(executable: Path, cloud: CloudApi, settings: SettingsFactory) -> None:
    setting = settings("managed-identity-impersonated")
    done = _run(executable, cloud, setting, "--format", "json", "--verbose")
    assert (done.returncode, done.stderr) == (0, b"")
    found = json.loads(done.stdout)
    hops = {each["hop"]: each for each in found["hops"]}
    assert (found["ok"], found["complete"]) == (True, True)
    assert hops["bundle"]["status"] == "ok"
    assert str(executable) in hops["plugin"]["facts"]["run as"]
    secrets = Secrets()
    secrets.issued(cloud)
    assert secrets.seen_in(done.stdout) == []


def test_fails_with_the_family_of_the_first_failing_hop(
    executable: Path, cloud: CloudApi, settings: SettingsFactory
) -> None:
    cloud.unbind()
    done = _run(executable, cloud, settings("managed-identity-impersonated"))
    assert done.returncode == 5
    assert b"iam-subject-not-bound, HTTP 403, PERMISSION_DENIED" in done.stdout
    assert b"\x1b" not in done.stdout


def test_altered_bundle_is_noticed(
    executable: Path, cloud: CloudApi, settings: SettingsFactory, tmp_path: Path
) -> None:
    shutil.copytree(executable.parent, tmp_path / "copy", symlinks=True)
    victim = tmp_path / "copy/_internal/credprovider/schemas/config.schema.json"
    victim.write_text(victim.read_text() + "\n")
    done = _run(tmp_path / "copy" / executable.name, cloud, settings(), "--format", "json")
    assert (done.returncode, json.loads(done.stdout)["firstFailure"]) == (6, "bundle")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_user_without_root_gets_as_far_as_files_allow(
    executable: Path, cloud: CloudApi, settings: SettingsFactory, tmp_path: Path
) -> None:
    setting = settings()
    shutil.copytree(executable.parent, tmp_path / "copy", symlinks=True)
    authority = tmp_path / "ca.pem"
    shutil.copyfile(cloud.ca_file, authority)
    for path in (tmp_path, *tmp_path.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    argv = [str(tmp_path / "copy" / executable.name), "doctor", cloud.world.image, "--config", str(setting.config)]
    done = subprocess.run(
        [*argv, "--format", "json"],
        capture_output=True,
        env={"SSL_CERT_FILE": str(authority)},
        cwd="/",
        user=_NOBODY,
        group=_NOBODY,
        extra_groups=[],
        timeout=120,
        check=False,
    )
    found = json.loads(done.stdout)
    assert (done.returncode, found["complete"]) == (0, True), found


def test_terminal_gets_colour_and_a_clean_picture(executable: Path, cloud: CloudApi, settings: SettingsFactory) -> None:
    setting = settings()
    ours, theirs = pty.openpty()
    argv = [str(executable), "doctor", "--config", str(setting.config)]
    environ = {"SSL_CERT_FILE": str(cloud.ca_file), "TERM": "xterm"}
    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, cwd="/") as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 65536):
                shown += piece
        assert process.wait(120) == 0, shown
    os.close(ours)
    assert b"\x1b[32mok" in shown
    assert shown.endswith(b"everything works\x1b[0m\r\n")


def test_help_is_among_the_commands(executable: Path) -> None:
    done = subprocess.run([str(executable), "--help"], capture_output=True, timeout=60, check=False)
    assert b"  doctor          walk every hop" in done.stdout


def test_reader_that_has_seen_enough_is_no_bug(executable: Path, cloud: CloudApi, settings: SettingsFactory) -> None:
    setting = settings()
    argv = [str(executable), "doctor", cloud.world.image, "--config", str(setting.config)]
    environ = {"SSL_CERT_FILE": str(cloud.ca_file)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, cwd="/") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(120) == 1
