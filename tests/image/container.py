"""The image run by runc, as the DaemonSet runs it: privileged, in the host's process namespace, its root read-only."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_ALL = [
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_CHROOT", "SYS_PTRACE", "MKNOD", "SETFCAP", "LINUX_IMMUTABLE"),
]


class Image:
    """An unpacked image.

    Args:
        bundle: umoci's folder: config.json and rootfs.
        scratch: for the specifications of runs.
    """

    def __init__(self, bundle: Path, scratch: Path) -> None:
        self.root = bundle / "rootfs"
        self._template = json.loads((bundle / "config.json").read_text())
        self._scratch = scratch

    @property
    def process(self) -> dict[str, Any]:
        """What the image itself says about its process."""
        process: dict[str, Any] = self._template["process"]
        return process

    def run(
        self,
        *arguments: str,
        entrypoint: Sequence[str] | None = None,
        stdin: bytes = b"",
        mounts: Sequence[tuple[Path, str]] = (),
        node: Sequence[str] = (),
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the image's entry point, or another program in it, to its end.

        Args:
            arguments: behind the entry point.
            entrypoint: instead of the image's.
            stdin: its input.
            mounts: folders of this machine, and where they are in the container.
            node: a command that starts the runtime, in place of this machine.
        """
        place = self._scratch / uuid.uuid4().hex
        place.mkdir()
        command = [*(self._entrypoint() if entrypoint is None else entrypoint), *arguments]
        (place / "config.json").write_text(json.dumps(self._specification(command, mounts)))
        return subprocess.run(
            [*node, "runc", "--root", str(place / "state"), "run", "--bundle", str(place), place.name],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=60,
        )

    def _entrypoint(self) -> list[str]:
        return list(self._template["process"]["args"])

    def _specification(self, command: list[str], mounts: Sequence[tuple[Path, str]]) -> dict[str, Any]:
        specification: dict[str, Any] = json.loads(json.dumps(self._template))
        specification["root"] = {"path": str(self.root), "readonly": True}
        capabilities = [f"CAP_{name}" for name in _ALL]
        specification["process"].update(
            args=command,
            terminal=False,
            noNewPrivileges=False,
            capabilities=dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
        )
        # A privileged pod with hostPID and hostNetwork: own mounts and nothing else.
        del specification["hostname"]
        specification["linux"] = {"namespaces": [{"type": "mount"}]}
        specification["mounts"] = [
            {"destination": "/proc", "type": "bind", "source": "/proc", "options": ["rbind"]},
            {"destination": "/dev", "type": "bind", "source": "/dev", "options": ["rbind"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]},  # noqa: S108
            *({"destination": to, "type": "bind", "source": str(of), "options": ["rbind"]} for of, to in mounts),
        ]
        return specification
