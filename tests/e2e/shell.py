"""A cluster's administrator at a prompt."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.control_plane import ControlPlane


class Shell:
    """Runs what is pasted into it.

    Args:
        folder: its home, and where it stands.
        programs: what the administrator has beside the system's own.
        control_plane: of the cluster that the kubeconfig leads to.
    """

    def __init__(self, folder: Path, programs: list[Path], control_plane: ControlPlane) -> None:
        self._folder = folder
        certificate = control_plane.pki.client("admin", "system:masters")
        self.kubeconfig = control_plane.pki.kubeconfig(certificate, control_plane.server)
        bin_ = folder / "bin"
        bin_.mkdir()
        for program in programs:
            (bin_ / program.name).symlink_to(program)
        self.environment = {"PATH": f"{bin_}:/usr/bin:/bin", "HOME": str(folder), "KUBECONFIG": str(self.kubeconfig)}

    def run(self, command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """To its end, whatever that is."""
        return subprocess.run(
            ["sh", "-ec", command],
            cwd=self._folder,
            env=self.environment,
            input=stdin,
            text=True,
            capture_output=True,
            check=False,
        )

    def good(self, command: str, stdin: str = "") -> str:
        """The same; it has to end well. What it printed."""
        done = self.run(command, stdin)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def write(self, name: str, text: str) -> None:
        """A file where it stands."""
        (self._folder / name).write_text(text)
