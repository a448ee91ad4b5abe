"""`--version`: which build this is, with its Python, OpenSSL and libraries; for people and their bug reports."""

from __future__ import annotations

import argparse
import json
import os
import ssl
import sys

from credprovider import __version__
from credprovider.errors import PROGRAM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, TextIO

#: Written by the build beside this package's data: a frozen program has no package metadata to ask.
_RECORD = "bundle.json"
_LIBRARIES = ("certifi", "google-auth", "pydantic", "pydantic-core", "PyYAML")


def run(argv: list[str], stdin: BinaryIO, stdout: BinaryIO, stderr: TextIO) -> int:  # noqa: ARG001 - one form for all
    """Print versions to stdout.

    Args:
        argv: what follows ``--version``: nothing, or ``--format json``.
        stdin: not read.
        stdout: takes the versions.
        stderr: not written to.

    Returns:
        0; argparse exits with 2 on anything else.
    """
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} --version", description="What is in this build.")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    options = parser.parse_args(argv)
    found = versions()
    if options.format == "json":
        text = json.dumps(found, indent=2) + "\n"
    else:
        libraries = "".join(f"{name} {version}\n" for name, version in found["libraries"].items())
        text = f"{PROGRAM} {found['version']}\nPython {found['python']}, {found['openssl']}\n{libraries}"
    stdout.write(text.encode())
    return 0


def versions() -> dict[str, Any]:
    """``version``, ``python``, ``openssl`` (as it runs now), ``libraries`` by name, ``frozen``."""
    return {
        "version": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "openssl": ssl.OPENSSL_VERSION,
        "libraries": _libraries(),
        "frozen": bool(getattr(sys, "frozen", False)),
    }


def _libraries() -> dict[str, str]:
    path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), _RECORD)
    if os.path.exists(path):
        with open(path, encoding="ascii") as record:
            libraries: dict[str, str] = json.load(record)["libraries"]
        return libraries
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - from a checkout only

    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
