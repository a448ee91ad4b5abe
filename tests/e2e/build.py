"""Builds what the end-to-end test runs: kubelets, containerd, what its images hold: `python -m tests.e2e.build`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kubelet import golang, kubernetes

if TYPE_CHECKING:
    from collections.abc import Callable

_COMPONENTS = Path(__file__).resolve().parent / "components"
_KUBERNETES = _COMPONENTS / "kubernetes"
_VERSION = "k8s.io/component-base/version"
#: One module file per Kubernetes minor, newest first; the same versions as tests/kubelet/harness has.
_MODULE_FILES = ("go.mod", "kubernetes-1.34.mod")


def _kubernetes(program: str, version: str, module_file: str) -> golang.Recipe:
    """A program of Kubernetes."""
    programs = {program: f"{kubernetes.MODULE}/cmd/{program}"}
    major, minor, _ = version.split(".")
    told = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    variables = {f"{_VERSION}.{name}": value for name, value in told.items()}
    return golang.Recipe(f"{program}-{version}", _KUBERNETES, programs, module_file, variables=variables)


def _kubelets() -> dict[str, golang.Recipe]:
    files = kubernetes.module_files(_KUBERNETES, _MODULE_FILES)
    return {version: _kubernetes("kubelet", version, module_file) for version, module_file in files.items()}


def _of_control_plane(program: str) -> golang.Recipe:
    """Of the newest pinned version, whatever kubelets are asked for: a control plane is never older than its nodes."""
    version = golang.Recipe("", _KUBERNETES, {}).version_of(kubernetes.MODULE)
    return _kubernetes(program, version, _MODULE_FILES[0])


def _etcd() -> golang.Recipe:
    folder, module = _COMPONENTS / "etcd", "go.etcd.io/etcd/server/v3"
    version = golang.Recipe("", folder, {}).version_of(module)
    return golang.Recipe(f"etcd-{version}", folder, {"etcd": module})


def versions() -> list[str]:
    """The Kubernetes versions whose kubelets run, newest first, or in the order asked for."""
    return list(_kubelets())


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
    return Programs(version, how(_kubelets()[version]), how(_containerd()), how(_guest()))


def built(version: str) -> Programs:
    """What is built for a version; raises as `golang.built`."""
    return _programs(version, golang.built)


@dataclass(frozen=True)
class ControlPlanePrograms:
    """Executables, all but etcd of the newest minor."""

    apiserver: Path
    controller_manager: Path
    scheduler: Path
    etcd: Path


def _control_plane(how: Callable[[golang.Recipe], Path]) -> ControlPlanePrograms:
    def kubernetes_program(name: str) -> Path:
        return how(_of_control_plane(name)) / name

    return ControlPlanePrograms(
        kubernetes_program("kube-apiserver"),
        kubernetes_program("kube-controller-manager"),
        kubernetes_program("kube-scheduler"),
        how(_etcd()) / "etcd",
    )


def built_control_plane() -> ControlPlanePrograms:
    """What is built of it; raises as `golang.built`."""
    return _control_plane(golang.built)


def main(arguments: list[str]) -> int:
    """Build what is missing; the control plane only with ``--cluster``."""
    try:
        for version, recipe in _kubelets().items():
            kubernetes.build(version, recipe)
            print(_programs(version, golang.build).kubernetes)
        if "--cluster" in arguments:
            print(_control_plane(golang.build).apiserver)
    except (golang.MissingGoError, subprocess.CalledProcessError) as error:
        print(f"tests.e2e.build: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
