"""What a person has beside our folders: programs on the PATH, and a checkout of the product with its executable."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from credprovider.setup.checkout import EXECUTABLE

_ROOT = Path(__file__).parent.parent.parent
_HELM = Path(__file__).parent / "pretended_helm.py"

#: Writes what a later command needs, and takes no file that is not there.
_SETUP = """\
echo "$*" >>"{calls}"
case "$1 $2" in
'setup --out') out=$3 ;;
*) exit 0 ;;
esac
while [ $# -gt 0 ]; do
    [ "$1" != --vendor-file ] || test -f "$2" || exit 2
    shift
done
mkdir "$out" && : >"$out/helm-values.yaml"
"""


class Programs:
    """Stand-ins, in a folder of their own.

    Attributes:
        checkout: a checkout whose executable is one of them.
        environment: for a shell that is to find them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / "bin"
        self.path.mkdir()
        self._releases = folder / "releases.json"
        self._calls = folder / "program-calls"
        self.checkout = folder / "the checkout"
        (self.checkout / EXECUTABLE).parent.mkdir(parents=True)
        (self.checkout / "node-config").symlink_to(_ROOT / "node-config")
        self.program(_SETUP.format(calls=self._calls))
        self.add("helm", f'exec {sys.executable} -I -S {_HELM} "$@"')
        self.environment = {"PATH": f"{self.path}:/usr/bin:/bin", "RELEASES": str(self._releases)}

    def add(self, name: str, script: str) -> None:
        """A program of one's own on the PATH."""
        _write(self.path / name, script)

    def program(self, script: str) -> None:
        """Another executable in the checkout."""
        _write(self.checkout / EXECUTABLE, script)

    def real_program(self, *answers: str) -> None:
        """The product itself, from its sources.

        Args:
            answers: flags that stand for what a person would answer to `setup --out`.
        """
        flags = " ".join(f"'{each}'" for each in answers)
        more = f'[ "$1 $2" != "setup --out" ] || set -- "$@" --no-input {flags}\n'
        self.program(f'export PYTHONPATH={_ROOT}\n{more}exec {sys.executable} -m credprovider "$@"')

    @property
    def releases(self) -> dict[str, dict[str, str]]:
        """What helm has installed, by ``NAMESPACE/NAME``."""
        found: dict[str, dict[str, str]] = json.loads(self._releases.read_text()) if self._releases.exists() else {}
        return found

    @property
    def calls(self) -> list[str]:
        """How the executable was called."""
        return self._calls.read_text().splitlines() if self._calls.exists() else []


def _write(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
