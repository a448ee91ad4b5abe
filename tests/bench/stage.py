"""What is measured: the executable in a world where it answers, and the empty program beside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cloud.modes import MODES_BY_NAME, kubelet_request, set_up
from tests.plugin.runner import EXECUTABLE, FROZEN_STATE, clear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.cloud.control import CloudProcess

ROOT = Path(__file__).parent.parent.parent
EMPTY = ROOT / "build" / "work" / "empty" / "empty"
#: The longest way that two exchanges allow, first token from the node itself, so that all waiting is for Google.
MODE = "managed-identity-impersonated"


@dataclass(frozen=True)
class Run:
    """One program's run: seconds from start to end, peak memory in KiB, exit code, seconds of processor time."""

    seconds: float
    peak: int
    code: int
    busy: float


class Stage:
    """Runs programs through `launch.py`."""

    def __init__(self, cloud: CloudProcess, folder: Path) -> None:
        self.cloud = cloud
        self._folder = folder
        # Copies: a build in the meantime must not change what is measured.
        self._product = shutil.copytree(EXECUTABLE.parent, folder / "product") / EXECUTABLE.name
        self._empty = shutil.copytree(EMPTY.parent, folder / "empty") / EMPTY.name
        self._setting = set_up(folder / "settings", cloud, MODES_BY_NAME[MODE])
        self._launcher = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def launcher_peak(self) -> int:
        """Peak memory of the launcher in KiB: no child measures less."""
        status = Path(f"/proc/{self._launcher.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])

    def close(self) -> None:
        """End the launcher."""
        self._launcher.communicate()

    def _launch(self, commands: Sequence[tuple[list[str], Path, Path]]) -> list[Run]:
        environ = {"SSL_CERT_FILE": str(self.cloud.ca_file)}
        order = [
            {"argv": argv, "environ": environ, "stdin": str(stdin), "stdout": str(stdout)}
            for argv, stdin, stdout in commands
        ]
        if self._launcher.stdin is None or self._launcher.stdout is None:
            raise RuntimeError("the launcher has no pipes")
        self._launcher.stdin.write(json.dumps(order) + "\n")
        self._launcher.stdin.flush()
        return [Run(*values) for values in json.loads(self._launcher.stdout.readline())]

    def empty(self, count: int = 1) -> list[Run]:
        """The program that does nothing, `count` times at once."""
        return self._checked(self._launch([([str(self._empty)], Path(os.devnull), Path(os.devnull))] * count))

    def ask(self, count: int = 1) -> list[Run]:
        """`count` kubelet requests at once, each for an image of its own; every answer must hold credentials."""
        commands = []
        for number in range(count):
            request = self._folder / f"request-{number}"
            if not request.exists():
                image = self.cloud.world.image.rpartition(":")[0]
                request.write_bytes(kubelet_request(f"{image}-{number}" if number else image))
            argv = [str(self._product), f"--config={self._setting.config}"]
            commands.append((argv, request, self._folder / f"answer-{number}"))
        runs = self._checked(self._launch(commands))
        for _, _, answer in commands:
            if not json.loads(answer.read_bytes())["auth"]:
                raise RuntimeError("an answer without credentials")
        return runs

    @staticmethod
    def _checked(runs: list[Run]) -> list[Run]:
        for run in runs:
            if run.code != 0:
                raise RuntimeError(f"a measured program ended with {run.code}; what it said stands above")
        return runs

    @staticmethod
    def forget() -> None:
        """As after a boot: no token, no settings read before."""
        clear(FROZEN_STATE)

    @staticmethod
    def forget_tokens() -> None:
        """As when a token has run out: the settings are still known."""
        for entry in FROZEN_STATE.iterdir():
            if not entry.name.startswith("plan-"):
                entry.unlink()
