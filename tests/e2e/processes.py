"""Long-running programs with a log file each."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class Processes:
    """Programs that run until told otherwise.

    Attributes:
        environ: all that is in their environment.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self.environ = dict(environ)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, program: Path, flags: Mapping[str, object]) -> subprocess.Popen[bytes]:
        """Start a program in the root folder, with ``--flag=value`` for each flag."""
        command = [str(program), *(f"--{flag}={value}" for flag, value in flags.items())]
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                command, env=self.environ, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._running[name] = process
        return process

    def stop(self, name: str) -> None:
        """Terminate one and wait for its end."""
        process = self._running.pop(name)
        process.terminate()
        process.wait(60)

    def log(self, name: str) -> Path:
        """Both its outputs, of all its lives."""
        return self._folder / f"{name}.log"

    def tails(self) -> str:
        """The ends of all logs, for a failure's message."""
        return "\n".join(f"--- {log.name}\n{log.read_text()[-6000:]}" for log in sorted(self._folder.glob("*.log")))

    def close(self) -> None:
        """Kill all, last started first: what they would save is thrown away anyway."""
        for process in reversed(self._running.values()):
            process.kill()
            process.wait()
        self._running.clear()


def until(holds: Callable[[], bool], what: str, explain: Callable[[], str], seconds: float = 120) -> None:
    """Wait for something; a failure says what was waited for and what `explain` knows."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}\n{explain()}")
        time.sleep(0.1)
