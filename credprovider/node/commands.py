"""The node's own programs, run in the node's namespaces; the one place that starts processes."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: All that a program of the node gets: PyInstaller's LD_LIBRARY_PATH would have it load our libraries.
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}

#: Leads from a pod with hostPID into every namespace of the node's init.
INTO_THE_NODE = ("nsenter", "-t", "1", "-m", "-u", "-i", "-n", "-p", "--")

#: Exit codes that a shell would give for a program that is missing, cannot be run, or took too long.
MISSING, NOT_EXECUTABLE, TIMED_OUT = 127, 126, 124


class Ran(NamedTuple):
    """How a program ended: exit code (negative for a signal) and what it wrote."""

    code: int
    stdout: bytes = b""
    stderr: bytes = b""


class Commands:
    """Starts programs of the node.

    Args:
        prefix: words in front of every command line, e.g. `INTO_THE_NODE`.
    """

    def __init__(self, prefix: Sequence[str] = ()) -> None:
        self._prefix = tuple(prefix)

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        environ: Mapping[str, str] | None = None,
        timeout: float = 30.0,
    ) -> Ran:
        """Run a program to its end, from the root folder; a program that cannot be started is an exit code too.

        Args:
            argv: the command line.
            stdin: its input, whole.
            environ: its environment; PATH and LC_ALL alone without it.
            timeout: seconds, after which it is killed.
        """
        way, inherited = list(self._prefix), _ENVIRONMENT if environ is None else dict(environ)
        if way and environ is not None:
            # Set on the node: neither may PATH say which program leads there, nor LD_PRELOAD what it loads.
            way += ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in environ.items())]
            inherited = _ENVIRONMENT
        try:
            done = subprocess.run(  # noqa: S603 - fixed command lines, no shell
                [*way, *argv],
                input=stdin,
                capture_output=True,
                env=inherited,
                cwd="/",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Ran(TIMED_OUT, b"", f"{argv[0]} took longer than {timeout:.0f} s".encode())
        except FileNotFoundError:
            return Ran(MISSING, b"", f"{argv[0]} not found".encode())
        except OSError as error:
            return Ran(NOT_EXECUTABLE, b"", f"{argv[0]}: {error.strerror}".encode())
        return Ran(done.returncode, done.stdout, done.stderr)
