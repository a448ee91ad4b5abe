"""The bundles that nodes get: the one that was built, the same with a changed file, and one of an older version.

`python -m tests.e2e_node.bundles` builds the last, which takes half a minute the first time.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from credprovider import __version__
from tests.node.trees import PROGRAM, seal

_ROOT = Path(__file__).resolve().parent.parent.parent
_CACHE = _ROOT / ".cache" / "node"

CURRENT = _ROOT / "dist" / PROGRAM
OLDER_VERSION = "0.0.9"


class NotBuiltError(Exception):
    """A bundle is missing; the text says what to do."""


def _sources() -> list[Path]:
    files = [path for folder in ("credprovider", "build/hooks") for path in (_ROOT / folder).rglob("*")]
    files += [*(_ROOT / "build").glob("*.py"), *(_ROOT / "build").glob("*.spec"), _ROOT / "requirements/runtime.txt"]
    return sorted(path for path in files if path.is_file() and path.suffix != ".pyc")


def _place() -> Path:
    digest = hashlib.sha256(f"{sys.version}{os.confstr('CS_GNU_LIBC_VERSION')}".encode())
    for path in _sources():
        digest.update(f"\0{path.relative_to(_ROOT)}\0".encode() + path.read_bytes())
    return _CACHE / f"older-{digest.hexdigest()[:12]}"


def older() -> Path:
    """The folder of the older one.

    Raises:
        NotBuiltError: it was not built of these sources yet.
    """
    if not _place().is_dir():
        raise NotBuiltError(f"{_place()} is missing: run `python -m tests.e2e_node.bundles`")
    return _place() / "dist" / PROGRAM


def build_older() -> Path:
    """Build today's sources under an older version, if that was not done yet."""
    place = _place()
    if not place.is_dir():
        _CACHE.mkdir(parents=True, exist_ok=True)
        for old in _CACHE.glob("older-*"):
            shutil.rmtree(old, ignore_errors=True)
        print(f"==> building version {OLDER_VERSION} of the bundle, to be upgraded", file=sys.stderr, flush=True)
        unfinished = _CACHE / "older-unfinished"
        for path in _sources():
            copy = unfinished / path.relative_to(_ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        module = unfinished / "credprovider" / "__init__.py"
        module.write_text(re.sub(rf'"{re.escape(__version__)}"', f'"{OLDER_VERSION}"', module.read_text()))
        environ = {**os.environ, "PYINSTALLER_CONFIG_DIR": str(unfinished / "pyinstaller")}
        command = ["nice", sys.executable, str(unfinished / "build/bundle.py"), "--for-this-machine"]
        subprocess.run(command, env=environ, check=True, stdout=sys.stderr)
        unfinished.rename(place)
    return older()


def put_renewed(place: Path) -> None:
    """The current one with another content: as a build with newer libraries would be."""
    shutil.copytree(CURRENT, place, symlinks=True)
    (place / "_internal" / "renewed").write_text("of another build\n")
    seal(place)


if __name__ == "__main__":
    print(build_older())
