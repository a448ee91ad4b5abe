"""Chooses the Debian 13 packages of the image's root anew: newest version a mirror has, its path and its digest.

Writes image/root.amd64.lock and image/root.arm64.lock, or into the folder given. The mirror's indices are read as
they are: run by maintainers, who look at the difference; every later build compares digests.
"""

from __future__ import annotations

import lzma
import os
import subprocess
import sys
import urllib.error
import urllib.request
from typing import NamedTuple

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "image")
MIRROR = "http://deb.debian.org"
ARCHITECTURES = ("amd64", "arm64")
#: Folder of the archive, suite.
SUITES = (("debian", "trixie"), ("debian", "trixie-updates"), ("debian-security", "trixie-security"))


class Found(NamedTuple):
    """One version of a package: where it is, what it has to be."""

    version: str
    archive: str
    path: str
    digest: str


def wanted() -> list[str]:
    """The packages that root.files names, and the CA certificates."""
    with open(os.path.join(HERE, "root.files"), encoding="ascii") as file:
        return sorted({line.split()[0] for line in file if not line.startswith("#")} | {"ca-certificates"})


def index(archive: str, suite: str, architecture: str) -> str:
    """A suite's list of packages."""
    url = f"{MIRROR}/{archive}/dists/{suite}/main/binary-{architecture}/Packages.xz"
    with urllib.request.urlopen(url, timeout=120) as answer:  # noqa: S310 - the mirror above
        return lzma.decompress(answer.read()).decode()


def candidates(architecture: str, names: list[str]) -> dict[str, list[Found]]:
    """All versions of the wanted packages, in no order."""
    found: dict[str, list[Found]] = {name: [] for name in names}
    for archive, suite in SUITES:
        for paragraph in index(archive, suite, architecture).split("\n\n"):
            name = paragraph.partition("\n")[0].removeprefix("Package: ")
            if name in found:
                fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
                found[name].append(Found(fields["Version"], archive, fields["Filename"], fields["SHA256"]))
    return found


def is_there(found: Found) -> bool:
    """Does the mirror hand the file out? An index can be ahead of the files."""
    request = urllib.request.Request(f"{MIRROR}/{found.archive}/{found.path}", method="HEAD")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60):  # noqa: S310
            return True
    except urllib.error.HTTPError:
        return False


def newest(versions: list[Found]) -> Found:
    """The newest that is there, by Debian's order of versions.

    Raises:
        LookupError: none is.
    """
    best: Found | None = None
    for found in versions:
        newer = best is None or _is_newer(found.version, best.version)
        if newer and is_there(found):
            best = found
    if best is None:
        raise LookupError("no version is to be had")
    return best


def _is_newer(one: str, other: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", one, "gt", other], check=False).returncode == 0  # noqa: S607


def write(folder: str) -> None:
    """Both lists, sorted by package."""
    names = wanted()
    for architecture in ARCHITECTURES:
        lines = ["# Debian 13 packages of the image's root, chosen by lock.py: sha256, archive, path.\n"]
        for name, versions in sorted(candidates(architecture, names).items()):
            found = newest(versions)
            lines.append(f"{found.digest} {found.archive} {found.path}\n")
            print(f"{architecture} {name} {found.version}", flush=True)
        with open(os.path.join(folder, f"root.{architecture}.lock"), "w", encoding="ascii") as file:
            file.writelines(lines)


if __name__ == "__main__":
    write(sys.argv[1] if len(sys.argv) > 1 else HERE)
