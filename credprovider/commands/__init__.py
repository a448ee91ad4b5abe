"""People's commands, one module each; run by `__main__` alone, and nothing that the plugin loads may import them.

A command's module has ``run(argv, stdin, stdout, stderr) -> int``: what follows the command's name, three streams (the
first two of bytes), and the exit code.
"""

from __future__ import annotations

import argparse
import importlib
import sys

from credprovider.errors import PROGRAM, one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO, NoReturn, Protocol, TextIO

    class _Writer(Protocol):
        def write(self, text: str, /) -> object: ...


#: Command -> what it does, as `--help` lists them; a command's module is named after it.
COMMANDS: Mapping[str, str] = {
    "request": "print the request that the kubelet would send for an image",
    "check-response": "judge a response as strictly as the kubelet",
    "lint": "judge a CredentialProviderConfig by the kubelet's rules",
    "doctor": "walk every hop, and say what fails and what mends it",
    "setup": "write all that a cluster and the registry's owner need; `setup migrate` clears the CronJob way",
    "node": "install on the node this runs on, keep it there, or take it away",
    "--version": "what is in this build",
}

_USAGE = f"""\
usage: {PROGRAM} [--config FILE]        the plugin: a request on stdin, a response on stdout
       {PROGRAM} COMMAND [ARG...]

commands (COMMAND --help tells more):
"""


def run(arguments: list[str]) -> int:
    """Run a person's command and return its exit code: 0 good, 1 negative verdict, 2 usage."""
    name, *rest = arguments
    if name in {"-h", "--help", "help"}:
        sys.stdout.write(_help())
        return 0
    if name not in COMMANDS:
        sys.stderr.write(f"{PROGRAM}: there is no command {name!r}\n{_help()}")
        return 2
    module = importlib.import_module(f"credprovider.commands.{name.removeprefix('--').replace('-', '_')}")
    code: int = module.run(rest, sys.stdin.buffer, sys.stdout.buffer, sys.stderr)
    return code


def _help() -> str:
    return _USAGE + "".join(f"  {name:<16}{purpose}\n" for name, purpose in COMMANDS.items())


class CommandParser(argparse.ArgumentParser):
    """Reads a command's arguments; help and complaints go to the command's own streams."""

    def __init__(self, name: str, description: str, stdout: BinaryIO, stderr: TextIO) -> None:
        super().__init__(prog=f"{PROGRAM} {name}", description=description)
        self._streams = stdout, stderr

    def read(self, argv: list[str]) -> tuple[argparse.Namespace, int | None]:
        """The options, and the exit code if there is nothing left to do: 0 after help, 2 after a usage error."""
        try:
            return self.parse_args(argv), None
        except SystemExit as stop:
            return argparse.Namespace(), int(stop.code or 0)

    def refuse(self, message: str) -> int:
        """Complain about an argument, and return the exit code."""
        self._streams[1].write(self._complaint(message))
        return 2

    def error(self, message: str) -> NoReturn:
        """The same for what argparse itself has found; its own way shows the usage first, half a screen of it."""
        self.exit(2, self._complaint(message))

    def _complaint(self, message: str) -> str:
        return f"{self.prog}: error: {one_line(message)}; --help tells more\n"

    def _print_message(self, message: str, file: _Writer | None = None) -> None:
        if file is sys.stdout:
            self._streams[0].write(message.encode())
        else:
            self._streams[1].write(message)
