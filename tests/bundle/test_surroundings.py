"""The executable answers wherever and however a kubelet may start it: one process, nothing left behind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.plugin.runner import FROZEN_STATE, Frozen

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi
    from tests.cloud.modes import Setting

#: Flags of statvfs(3) that a remount in a user namespace has to repeat, and their names for mount(8).
_LOCKED = {os.ST_NOSUID: "nosuid", os.ST_NODEV: "nodev", os.ST_NOEXEC: "noexec"}
_NO_ENVIRONMENT: dict[str, str] = {}
_C_LIBRARY = {"ld-linux-x86-64", "ld-linux-aarch64", "libc", "libdl", "libm", "libpthread", "libresolv", "librt"}


def _mount_options(folder: Path, *wanted: str) -> str:
    flags = os.statvfs(folder).f_flag
    kept = [name for flag, name in _LOCKED.items() if flags & flag]
    return ",".join(["remount", "bind", *wanted, *kept])


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def _read_only(folder: Path) -> None:
    """Bind-mount a folder onto itself and take the right to write away, from root as well."""
    _mount("--bind", str(folder), str(folder))
    _mount("-o", _mount_options(folder, "ro"), str(folder))


def test_a_copy_elsewhere_answers_with_no_environment_at_all(installed: Path, setting: Setting) -> None:
    outcome = Frozen(_NO_ENVIRONMENT, installed)(setting.request, setting.config)

    assert outcome.password.startswith("ya29.")


def test_a_link_in_the_kubelets_folder_answers(installed: Path, setting: Setting, node: Path) -> None:
    link = node / "credential-provider" / installed.name
    link.parent.mkdir()
    link.symlink_to(installed)

    outcome = Frozen(_NO_ENVIRONMENT, link)(setting.request, setting.config)

    assert outcome.password.startswith("ya29.")


def test_a_link_to_a_link_of_its_folder_answers(installed: Path, setting: Setting, node: Path) -> None:
    current = node / "current"
    current.symlink_to(installed.parent)
    link = node / installed.name
    link.symlink_to(current / installed.name)

    outcome = Frozen(_NO_ENVIRONMENT, link)(setting.request, setting.config)

    assert outcome.password.startswith("ya29.")


def test_a_read_only_mount_answers(installed: Path, setting: Setting) -> None:
    _read_only(installed.parent)
    try:
        with pytest.raises(OSError, match="Read-only"):
            (installed.parent / "written").touch()
        outcome = Frozen(_NO_ENVIRONMENT, installed)(setting.request, setting.config)
    finally:
        subprocess.run(["umount", str(installed.parent)], check=True)

    assert outcome.password.startswith("ya29.")


def test_a_tmp_that_forbids_execution_does_not_matter_and_stays_empty(
    installed: Path, setting: Setting, node: Path
) -> None:
    witness = node / "witness"
    script = (
        'mount -t tmpfs -o noexec,nosuid,nodev tmpfs /tmp || exit 99; "$0" "$1"; code=$?; ls -A /tmp >"$2"; exit $code'
    )
    command = ["unshare", "-m", "sh", "-c", script, str(installed), f"--config={setting.config}", str(witness)]
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

    done = subprocess.run(command, input=setting.request, env=path, capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
    assert b"ya29." in done.stdout
    assert witness.read_text() == ""


def test_nothing_is_written_but_its_own_state(installed: Path, setting: Setting, node: Path) -> None:
    before = _times(node)
    run_before = set(os.listdir("/run"))

    Frozen(_NO_ENVIRONMENT, installed)(setting.request, setting.config)

    assert _times(node) == before
    assert set(os.listdir("/run")) - run_before == {FROZEN_STATE.name}


def _times(folder: Path) -> dict[str, float]:
    return {str(path): path.lstat().st_mtime for path in folder.rglob("*")}


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONPATH": "{node}", "PYTHONHOME": "{node}", "PYTHONSTARTUP": "{node}/sitecustomize.py"},
        {"PYTHONVERBOSE": "1", "PYTHONINSPECT": "1", "PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"},
        {"LC_ALL": "xx_XX.ISO-8859-1", "LANG": "C", "TZ": "Mars/Olympus"},
        {"HOME": "/nonexistent", "TMPDIR": "/nonexistent", "XDG_RUNTIME_DIR": "/nonexistent", "PATH": ""},
        {"OPENSSL_CONF": "{node}/sitecustomize.py", "SSL_CERT_DIR": "/nonexistent", "NETRC": "/nonexistent"},
        {"LD_LIBRARY_PATH": "/nonexistent"},
    ],
    ids="+".join,
)
def test_what_the_kubelets_environment_holds_does_not_matter(
    installed: Path, setting: Setting, node: Path, variables: dict[str, str]
) -> None:
    (node / "sitecustomize.py").write_text("raise SystemExit(99)\n")
    environ = {name: value.format(node=node) for name, value in variables.items()}

    outcome = Frozen(environ, installed)(setting.request, setting.config)

    assert outcome.password.startswith("ya29.")


def test_only_the_c_library_is_the_nodes_all_else_is_its_own(
    installed: Path, setting: Setting, cloud: CloudApi
) -> None:
    cloud.fault("sts", "hang")
    process = Frozen(_NO_ENVIRONMENT, installed).start(setting.request, setting.config)
    try:
        cloud.wait_for_calls("sts")
        maps = Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")
        threads = os.listdir(f"/proc/{process.pid}/task")
        children = [Path(f"/proc/{process.pid}/task/{thread}/children").read_text() for thread in threads]
    finally:
        process.kill()
        process.communicate()

    loaded = {line.split(maxsplit=5)[5].strip() for line in maps.splitlines() if ".so" in line}
    foreign = {
        os.path.basename(path).partition(".")[0] for path in loaded if not path.startswith(str(installed.parent))
    }
    assert foreign <= _C_LIBRARY
    assert set(children) == {""}
