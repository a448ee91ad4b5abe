"""`lint`: judges a CredentialProviderConfig, file or directory, by the kubelet's rules."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from credprovider.commands import CommandParser
from credprovider.kubelet.config import UNREADABLE, lint_path
from credprovider.kubelet.versions import NEWEST, parse_version

if TYPE_CHECKING:
    from typing import BinaryIO, TextIO


def run(argv: list[str], stdin: BinaryIO, stdout: BinaryIO, stderr: TextIO) -> int:  # noqa: ARG001 - one form for all
    """Write the findings to stdout.

    Args:
        argv: what follows ``lint``.
        stdin: not read.
        stdout: takes the findings, as text or as JSON.
        stderr: takes complaints.

    Returns:
        0 if the kubelet would start, with or without warnings, 1 if not, 2 for a usage error and where PATH itself
        cannot be read, so that nothing was judged.
    """
    parser = CommandParser(
        "lint",
        "Judge a CredentialProviderConfig by the kubelet's rules. Errors: the kubelet would not start. Warnings: it"
        " starts, but something is probably not as meant.",
        stdout,
        stderr,
    )
    parser.add_argument("path", metavar="PATH", help="file, or (kubelet 1.34 and newer) directory")
    parser.add_argument("--bin-dir", metavar="DIR", help="also judge the executables, which are in this folder")
    parser.add_argument(
        "--kubelet-version", metavar="X.Y", default=str(NEWEST), help=f"whose rules count; {NEWEST} by default"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    options, code = parser.read(argv)
    if code is not None:
        return code
    try:
        version = parse_version(options.kubelet_version)
    except ValueError as error:
        return parser.refuse(f"--kubelet-version {options.kubelet_version!r}: {error}")
    report = lint_path(options.path, kubelet_version=version, bin_dir=options.bin_dir)
    unread = [each for each in report.errors if each.rule == UNREADABLE and each.file == options.path]
    if unread:
        return parser.refuse(f"{options.path!r} {unread[0].message}")
    text = report.text() if options.format == "text" else json.dumps(report.to_json(), indent=2) + "\n"
    stdout.write(text.encode("utf-8", "backslashreplace"))
    return 0 if report.starts else 1
