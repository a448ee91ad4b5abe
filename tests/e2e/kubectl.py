"""Builds the kubectl that people use, for the test that carries out a migration: `python -m tests.e2e.kubectl`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.kubelet import golang

_FOLDER = Path(__file__).resolve().parent / "components" / "kubectl"
_MODULE = "k8s.io/kubectl"


def _recipe() -> golang.Recipe:
    version = golang.Recipe("", _FOLDER, {}).version_of(_MODULE)
    told = {"k8s.io/component-base/version.gitVersion": f"v1.{version.partition('.')[2]}"}
    return golang.Recipe(f"kubectl-{version}", _FOLDER, {"kubectl": "."}, variables=told)


def built_kubectl() -> Path:
    """The folder with it; raises as `golang.built`."""
    return golang.built(_recipe())


def main() -> int:
    """Build it if it is missing."""
    try:
        print(golang.build(_recipe()))
    except (golang.MissingGoError, subprocess.CalledProcessError) as error:
        print(f"tests.e2e.kubectl: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
