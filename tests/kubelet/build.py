"""Builds what judges here: the kubelet's code of each minor, Prometheus's once: `python -m tests.kubelet.build`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.kubelet import golang, kubernetes, prometheus

_SOURCES = Path(__file__).resolve().parent / "harness"
#: One module file per Kubernetes minor, newest first.
_MODULE_FILES = ("go.mod", "kubelet-1.34.mod")


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


def _recipes() -> dict[str, golang.Recipe]:
    programs = {"harness": ".", "scripted-plugin": "./scripted-plugin"}
    return {
        version: golang.Recipe(f"harness-{version}", _SOURCES, programs, module_file)
        for version, module_file in kubernetes.module_files(_SOURCES, _MODULE_FILES).items()
    }


def versions() -> list[str]:
    """The Kubernetes versions whose kubelet judges, newest first, or in the order asked for."""
    return list(_recipes())


def built(version: str) -> Harness:
    """The harness of a version; raises as `golang.built`."""
    return _harness(version, golang.built(_recipes()[version]))


def build() -> list[Harness]:
    """All harnesses, built where they are not yet; raises as `golang.build`."""
    return [_harness(version, kubernetes.build(version, recipe)) for version, recipe in _recipes().items()]


def _harness(version: str, folder: Path) -> Harness:
    return Harness(version, folder / "harness", folder / "scripted-plugin")


def main() -> int:
    """Build, and say where it is."""
    try:
        for harness in build():
            print(harness.executable)
        print(golang.build(prometheus.recipe()))
    except (golang.MissingGoError, subprocess.CalledProcessError) as error:
        print(f"tests.kubelet.build: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
