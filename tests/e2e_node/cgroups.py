"""A cgroup of its own for each machine: two in one would take each other's services for their own."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


class Cgroup:
    """At the root of every hierarchy that a systemd uses: one of version 2, or a hybrid's two.

    tests/e2e/enter takes away what is named so and holds no process any more.
    """

    def __init__(self) -> None:
        roots = [_ROOT] if (_ROOT / "cgroup.controllers").exists() else [_ROOT / "systemd", _ROOT / "unified"]
        name = f"azure-gar-e2e-node-{secrets.token_hex(4)}"
        self._folders = [root / name for root in roots if root.is_dir()]
        for folder in self._folders:
            folder.mkdir()

    def start(self, command: list[str]) -> list[str]:
        """A command line that moves itself in before it becomes the one that is given."""
        moves = [f'echo $$ >"{folder}/cgroup.procs"' for folder in self._folders]
        return ["/bin/sh", "-ec", "\n".join([*moves, 'exec "$@"']), "sh", *command]

    def remove(self) -> None:
        """Take away what is empty; the kernel may still be letting go of the rest."""
        for folder in self._folders:
            for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
                with contextlib.suppress(OSError):
                    path.rmdir()
            with contextlib.suppress(OSError):
                folder.rmdir()
