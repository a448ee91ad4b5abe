"""``--help`` of each command, as the program prints it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache

from credprovider.errors import PROGRAM

_COLUMNS = "100"


def ask(arguments: list[str]) -> str:
    """What the program says to ``ARGUMENTS --help``.

    Raises:
        subprocess.CalledProcessError: it does not know the command.
    """
    return _ask(tuple(arguments))


@cache
def _ask(arguments: tuple[str, ...]) -> str:
    # Colours of newer Pythons, and the reader's own terminal, have no place in a page.
    environ = {**os.environ, "COLUMNS": _COLUMNS, "NO_COLOR": "1", "TERM": "dumb", "PYTHON_COLORS": "0"}
    command = [sys.executable, "-m", "credprovider", *arguments, "--help"]
    return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout  # noqa: S603


def shown(command: str) -> str:
    """The help of a command as a block of a page."""
    return f"```text\n{ask(command.split()).strip()}\n```"


def actions(arguments: list[str]) -> list[str]:
    """The sub-commands that a command's usage lists, e.g. those of ``node``."""
    usage = ask(arguments).partition("\n\n")[0]
    found = re.search(r"(?<![-\w] )(?<!\w)\{([a-z,-]+)\}", " ".join(usage.split()).replace(f"{PROGRAM} ", "", 1))
    return found[1].split(",") if found else []
