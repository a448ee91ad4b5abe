"""Builds what the end-to-end test runs: kubelets, containerd, what its images hold: `python -m tests.e2e.build`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kubelet import golang

if TYPE_CHECKING:
    from collections.abc import Callable

_COMPONENTS = Path(__file__).resolve().parent / "components"
_VERSION = "k8s.io/component-base/version"
#: One module file per Kubernetes minor, newest first; the same versions as tests/kubelet/harness has.
_MODULE_FILES = ("go.mod", "kubernetes-1.34.mod")


def _kubernetes() -> dict[str, golang.Recipe]:
    folder = _COMPONENTS / "kubernetes"
    programs = {"kubelet": "k8s.io/kubernetes/cmd/kubelet"}
    recipes = {}
    for module_file in _MODULE_FILES:
        version = golang.Recipe("", folder, programs, module_file).version_of("k8s.io/kubernetes")
        major, minor, _ = version.split(".")
        told = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
        variables = {f"{_VERSION}.{name}": value for name, value in told.items()}
        recipes[version] = golang.Recipe(f"kubernetes-{version}", folder, programs, module_file, variables=variables)
    return recipes


def versions() -> list[str]:
    """The Kubernetes versions whose kubelets run, newest first."""
    return list(_kubernetes())


def _containerd() -> golang.Recipe:
    folder, module = _COMPONENTS / "containerd", "github.com/containerd/containerd/v2"
    version = golang.Recipe("", folder, {}).version_of(module)
    programs = {name: f"{module}/cmd/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")}
    tags = ("no_btrfs", "no_devmapper", "no_tracing", "no_zfs")
    variables = {f"{module}/version.Version": version}
    return golang.Recipe(f"containerd-{version}", folder, programs, tags=tags, variables=variables)


def _guest() -> golang.Recipe:
    return golang.Recipe("guest", _COMPONENTS / "guest", {"guest": "."})


@dataclass(frozen=True)
class Programs:
    """Folders with what was built.

    Attributes:
        version: of Kubernetes, e.g. ``1.37.2``.
        kubernetes: kubelet.
        containerd: containerd, its shim, ctr.
        guest: guest.
    """

    version: str
    kubernetes: Path
    containerd: Path
    guest: Path

    @property
    def minor(self) -> str:
        """E.g. ``1.37``."""
        return self.version.rpartition(".")[0]


def _programs(version: str, how: Callable[[golang.Recipe], Path]) -> Programs:
    return Programs(version, how(_kubernetes()[version]), how(_containerd()), how(_guest()))


def built(version: str) -> Programs:
    """What is built for a version; raises as `golang.built`."""
    return _programs(version, golang.built)


def main() -> int:
    """Build what is missing."""
    try:
        for version in versions():
            print(_programs(version, golang.build).kubernetes)
    except (golang.MissingGoError, subprocess.CalledProcessError) as error:
        print(f"tests.e2e.build: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
