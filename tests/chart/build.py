"""Builds what renders manifests, helm and kustomize, and gets Kubernetes' schemas: `python -m tests.chart.build`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chart import schemas
from tests.kubelet import golang

if TYPE_CHECKING:
    from collections.abc import Callable

_TOOLS = Path(__file__).resolve().parent / "tools"
#: Folder of the module file -> module, executable and package.
_MODULES = {
    "helm-4": ("helm.sh/helm/v4", "helm", "helm.sh/helm/v4/cmd/helm"),
    "kustomize": ("sigs.k8s.io/kustomize/kustomize/v5", "kustomize", "sigs.k8s.io/kustomize/kustomize/v5"),
}


@dataclass(frozen=True)
class Tools:
    """Executables, and the folder with a file of definitions per Kubernetes minor."""

    helm: Path
    kustomize: Path
    schemas: Path


def _recipe(name: str) -> golang.Recipe:
    module, program, package = _MODULES[name]
    folder = _TOOLS / name
    version = golang.Recipe("", folder, {}).version_of(module)
    return golang.Recipe(f"{name}-{version}", folder, {program: package})


def _tools(how: Callable[[golang.Recipe], Path], definitions: Path) -> Tools:
    programs = {name: how(_recipe(name)) / program for name, (_, program, _) in _MODULES.items()}
    return Tools(programs["helm-4"], programs["kustomize"], definitions)


def built() -> Tools:
    """What is built; raises as `golang.built`."""
    return _tools(golang.built, schemas.made())


def main() -> int:
    """Build what is missing, and say where it is."""
    try:
        tools = _tools(golang.build, schemas.make(_TOOLS / "kustomize"))
    except (golang.MissingGoError, subprocess.CalledProcessError) as error:
        print(f"tests.chart.build: {error}", file=sys.stderr)
        return 1
    for path in (tools.helm, tools.kustomize, tools.schemas):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
