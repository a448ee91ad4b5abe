"""Builds the harness around the kubelet's code, once per Kubernetes minor, and reuses what is built.

    python tests/kubelet/build.py

Go is taken from $GO, the PATH, or (where those have none new enough) a wheel that go.txt pins. Modules come from the Go
module proxy, checked against the go.sum of each minor. Built files lie in .cache/kubelet, or in $KUBELET_CACHE.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_HERE = Path(__file__).resolve().parent
_SOURCES = _HERE / "harness"
#: One module file per Kubernetes minor, newest first. Each has its .sum beside it.
_MODULE_FILES = ("go.mod", "kubelet-1.34.mod")
_PLUGIN = "scripted-plugin"


class MissingGoError(Exception):
    """No Go on this machine that can build the kubelet's code; the text says what to do."""


@dataclass(frozen=True)
class Harness:
    """A built harness.

    Attributes:
        version: of k8s.io/kubernetes, e.g. ``1.37.2``.
        executable: the harness itself.
        plugin: a credential provider that does what its arguments say.
    """

    version: str
    executable: Path
    plugin: Path

    @property
    def minor(self) -> str:
        """E.g. ``1.37``."""
        return self.version.rpartition(".")[0]


def versions() -> dict[str, str]:
    """The Kubernetes versions to build, newest first, and the module file of each."""
    found = {}
    for name in _MODULE_FILES:
        required = re.search(r"^\s*k8s\.io/kubernetes v(\S+)$", (_SOURCES / name).read_text(), re.MULTILINE)
        if required is None:
            raise ValueError(f"{name} does not require k8s.io/kubernetes")
        found[required[1]] = name
    return found


def cache_folder() -> Path:
    """Where built files and, if need be, Go itself lie."""
    return Path(os.environ.get("KUBELET_CACHE") or _HERE.parent.parent / ".cache" / "kubelet")


def built() -> list[Harness]:
    """The harnesses of these sources, newest minor first.

    Raises:
        FileNotFoundError: not built yet, or built of other sources.
        MissingGoError: no Go, so it cannot be known whether they are current.
    """
    folder = cache_folder() / _stamp(_find_go())
    if not folder.is_dir():
        raise FileNotFoundError("the kubelet harness is not built: run `python tests/kubelet/build.py` (needs network)")
    return [Harness(version, folder / f"harness-{version}", folder / _PLUGIN) for version in versions()]


def build() -> list[Harness]:
    """Build what is not built yet; may fetch Go and modules.

    Raises:
        MissingGoError: no Go and no way to get it.
        subprocess.CalledProcessError: the build failed; Go has said why.
    """
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            go = _find_go()
        except MissingGoError:
            _install_go()
            go = _find_go()
        folder = cache / _stamp(go)
        if not folder.is_dir():
            _build_into(folder, go)
    return built()


def _build_into(folder: Path, go: str) -> None:
    for old in folder.parent.glob("built-*"):
        shutil.rmtree(old)
    unfinished = folder.with_name("unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for version, module_file in versions().items():
        print(f"==> building the kubelet {version} harness (the first time takes minutes)", file=sys.stderr)
        _compile(go, module_file, ".", unfinished / f"harness-{version}")
    _compile(go, _MODULE_FILES[0], f"./{_PLUGIN}", unfinished / _PLUGIN)
    unfinished.rename(folder)


def _compile(go: str, module_file: str, package: str, output: Path) -> None:
    flags = ["-mod=readonly", f"-modfile={module_file}", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"]
    command = ["nice", go, "build", *flags, "-o", str(output), package]
    subprocess.run(command, cwd=_SOURCES, env=_environment(), check=True)


def _environment() -> Mapping[str, str]:
    # Static, so that the scripted plugin runs in any namespace; local, so that Go never fetches another Go.
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}


def _stamp(go: str) -> str:
    digest = hashlib.sha256(_version_line(go).encode())
    for path in sorted(_SOURCES.rglob("*")):
        if path.suffix in {".go", ".mod", ".sum"}:
            digest.update(f"\0{path.relative_to(_SOURCES)}\0".encode() + path.read_bytes())
    return f"built-{digest.hexdigest()[:16]}"


def _find_go() -> str:
    wanted = _wanted_go()
    wheel = cache_folder() / "go" / "go" / "bin" / "go"
    for candidate in (os.environ.get("GO"), shutil.which("go"), str(wheel)):
        if candidate and os.access(candidate, os.X_OK) and _go_version(candidate) >= wanted:
            return candidate
    needed = ".".join(map(str, wanted))
    raise MissingGoError(f"Go {needed} or newer is missing: put it on the PATH, or run tests/kubelet/build.py")


def _wanted_go() -> tuple[int, ...]:
    """The newest `go` line of all module files."""
    lines = [re.search(r"^go (\S+)$", (_SOURCES / name).read_text(), re.MULTILINE) for name in _MODULE_FILES]
    return max(_numbers(line[1]) for line in lines if line is not None)


def _go_version(go: str) -> tuple[int, ...]:
    found = re.search(r"go(\d+(?:\.\d+)+)", _version_line(go))
    return _numbers(found[1]) if found else ()


def _version_line(go: str) -> str:
    return subprocess.run([go, "version"], env=_environment(), capture_output=True, text=True, check=True).stdout


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _install_go() -> None:
    print("==> no Go new enough here: installing the one that tests/kubelet/go.txt pins", file=sys.stderr)
    target = cache_folder() / "go"
    shutil.rmtree(target, ignore_errors=True)
    flags = ["--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--target", str(target)]
    command = [sys.executable, "-m", "pip", "install", *flags, "-r", str(_HERE / "go.txt")]
    if subprocess.run(command, check=False).returncode != 0:
        shutil.rmtree(target, ignore_errors=True)
        raise MissingGoError("Go is missing and could not be installed with pip: put Go on the PATH and try again")


def main() -> int:
    """Build, and say where it is."""
    try:
        for harness in build():
            print(harness.executable)
    except (MissingGoError, subprocess.CalledProcessError) as error:
        print(f"tests/kubelet/build.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
