"""A small Debian system for the node, made once by debootstrap and kept: `python -m tests.e2e_node.system_tree`."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

_CACHE = Path(__file__).resolve().parent.parent.parent / ".cache" / "node"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_MIRROR = "http://deb.debian.org/debian"

#: Suites with their C library, oldest first: what was built on this machine has to run there.
_SUITES = (("bookworm", (2, 36)), ("trixie", (2, 41)))
#: What a node has beyond Debian's smallest system.
_PACKAGES = ("ca-certificates", "dbus", "iproute2", "procps", "runc", "systemd-sysv", "util-linux")

#: Not for a machine that lives for minutes: who logs in, what is fetched daily.
_MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "systemd-logind.service",
    "systemd-timesyncd.service",
)


class NoTreeError(Exception):
    """The tree is not there; the text says what to do."""


def suite() -> str:
    """The oldest that runs what this machine builds."""
    ours = tuple(int(part) for part in (os.confstr("CS_GNU_LIBC_VERSION") or "").split()[-1].split(".")[:2])
    return next((name for name, libc in _SUITES if libc >= ours), _SUITES[-1][0])


def _place() -> Path:
    digest = hashlib.sha256(repr((suite(), _PACKAGES, _MASKED)).encode()).hexdigest()[:12]
    return _CACHE / f"debian-{suite()}-{digest}"


def system_tree() -> Path:
    """Where it lies.

    Raises:
        NoTreeError: it was not made yet.
    """
    if not _place().is_dir():
        raise NoTreeError(f"{_place()} is missing: run `python -m tests.e2e_node.system_tree` as root (needs network)")
    return _place()


def make() -> Path:
    """Make it, if it is not there; needs root, debootstrap, network, and a minute."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _place().is_dir():
            _make_into(_place())
    return _place()


def _make_into(place: Path) -> None:
    for old in (*place.parent.glob("debian-*"), place.parent / "unfinished"):
        shutil.rmtree(old, ignore_errors=True)
    unfinished = place.parent / "unfinished"
    print(f"==> a Debian {suite()} system by debootstrap (a minute, the first time)", file=sys.stderr, flush=True)
    options = ["--variant=minbase", f"--include={','.join(_PACKAGES)}", f"--keyring={_KEYRING}"]
    log = place.parent / "debootstrap.log"
    with log.open("wb") as out:
        command = ["nice", "debootstrap", *options, suite(), str(unfinished), _MIRROR]
        if subprocess.run(command, stdout=out, stderr=out, check=False).returncode != 0:
            raise NoTreeError(f"debootstrap failed:\n{log.read_text()[-2000:]}")
    for folder in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(unfinished / folder, ignore_errors=True)
    units = unfinished / "etc/systemd/system"
    for unit in _MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    (unfinished / "etc/machine-id").write_text("")
    unfinished.rename(place)


if __name__ == "__main__":
    try:
        print(make())
    except NoTreeError as error:
        sys.exit(f"tests.e2e_node.system_tree: {error}")
