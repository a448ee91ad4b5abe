"""The build stage without a container engine: a Debian 11 tree, made by debootstrap, in which the image's scripts run.

Needs root. What takes minutes is kept: the bare tree, and the tree with the compiled toolchain, each under a name that
tells what it was made from.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUITE = "bullseye"
MIRROR = "http://deb.debian.org"
SOURCES = f"""\
deb {MIRROR}/debian {SUITE} main
deb {MIRROR}/debian {SUITE}-updates main
deb {MIRROR}/debian-security {SUITE}-security main
"""
TOOLCHAIN = "/src/build/image/toolchain.sh"
#: What toolchain.sh reads: all that the Dockerfile copies before it, so that other changes cost no new toolchain.
TOOLCHAIN_FILES = ("fetch.sh", "packages", "sources", "toolchain.sh")

#: This machine's, for package indexes behind a proxy that signs with its own.
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_HANDED_ON = ("http_proxy", "https_proxy", "no_proxy", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "JOBS")

#: In new mount and process namespaces: the file systems that programs expect, then the program in the tree.
_ENTER = """
set -e
tree=$1
shift
mount --make-rprivate /
mount -t proc proc "$tree/proc"
mount --rbind /dev "$tree/dev"
mount -t tmpfs tmpfs "$tree/run"
cp -L /etc/resolv.conf "$tree/run/resolv.conf"
[ ! -f "$AUTHORITIES" ] || cp -L "$AUTHORITIES" "$tree/run/authorities.crt"
unset AUTHORITIES
exec chroot "$tree" "$@"
"""


class Stage:
    """A tree in which the image is built.

    Args:
        cache: folder of all trees, made if missing.
    """

    def __init__(self, cache: str) -> None:
        self._cache = os.path.abspath(cache)
        self.base = os.path.join(self._cache, f"base-{_digest([SUITE, SOURCES])}")
        made_from = [os.path.basename(self.base), *(_text_of("build/image/" + name) for name in TOOLCHAIN_FILES)]
        self.tree = os.path.join(self._cache, f"stage-{_digest(made_from)}")

    def prepare(self) -> None:
        """Make what is missing: first the bare tree, then the toolchain in a copy of it."""
        os.makedirs(self._cache, exist_ok=True)
        # Held until the process ends: one build at a time in one cache.
        self._lock = os.open(os.path.join(self._cache, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        for folder, make in ((self.base, self._bootstrap), (self.tree, self._compile)):
            if not os.path.isdir(folder):
                for old in glob.glob(folder.rpartition("-")[0] + "-*"):
                    shutil.rmtree(old)
                make(folder + ".new")
                os.rename(folder + ".new", folder)

    def _bootstrap(self, folder: str) -> None:
        say(f"making a Debian 11 tree with debootstrap: {folder}")
        command = ["debootstrap", "--variant=minbase", SUITE, folder, f"{MIRROR}/debian"]
        self._logged("debootstrap", lambda log: subprocess.run(command, stdout=log, stderr=log, check=False).returncode)
        with open(os.path.join(folder, "etc/apt/sources.list"), "w", encoding="ascii") as file:
            file.write(SOURCES)
        os.remove(os.path.join(folder, "etc/resolv.conf"))
        os.symlink("../run/resolv.conf", os.path.join(folder, "etc/resolv.conf"))

    def _compile(self, folder: str) -> None:
        say("compiling zlib, OpenSSL and Python in it, which takes minutes, once")
        subprocess.run(["cp", "-a", "--reflink=auto", self.base, folder], check=True)  # noqa: S607
        place = os.path.join(folder, "src/build/image")
        os.makedirs(place)
        for name in TOOLCHAIN_FILES:
            shutil.copy(os.path.join(ROOT, "build/image", name), place)
        self._logged("toolchain", lambda log: enter(folder, [TOOLCHAIN], {}, stdout=log).returncode)

    def _logged(self, name: str, step: Callable[[IO[bytes]], int]) -> None:
        path = os.path.join(self._cache, name + ".log")
        with open(path, "wb") as log:
            code = step(log)
        if code:
            sys.exit(f"{name} failed with {code}; its output is in {path}")

    def fill(self, copies: Sequence[Sequence[str]]) -> None:
        """Put this checkout's sources into the stage, as COPY instructions say (sources, then the folder)."""
        shutil.rmtree(os.path.join(self.tree, "src"))
        for *sources, target in copies:
            into = os.path.join(self.tree, target.strip("/"))
            for path in sorted(found for source in sources for found in glob.glob(os.path.join(ROOT, source))):
                if os.path.isdir(path):
                    shutil.copytree(path, into, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
                else:
                    os.makedirs(into, exist_ok=True)
                    shutil.copy(path, into)

    def run(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Run a program in the stage, its output to be seen; a failure ends everything."""
        code = enter(self.tree, command, environ).returncode
        if code:
            sys.exit(f"{command[0]} failed with {code}")


def enter(
    tree: str,
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    stdin: bytes = b"",
    stdout: int | IO[bytes] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program with a tree as its root, in namespaces of its own."""
    kept = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
    path = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
    certificates = {"AUTHORITIES": _AUTHORITIES, "PIP_CERT": "/run/authorities.crt"}
    return subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "sh", "-c", _ENTER, "enter", tree, *command],  # noqa: S607
        env={**kept, **path, **certificates, **environ},
        input=stdin,
        stdout=stdout,
        stderr=stdout,
        check=False,
    )


def say(text: str) -> None:
    """Tell a person what is going on."""
    print(f"==> {text}", file=sys.stderr, flush=True)


def _text_of(path: str) -> str:
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
