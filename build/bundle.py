"""Builds dist/azure-gar-credential-provider/ and judges it: size, C library, files, a first run; exit 1 if it fails.

Beside the folder it writes the bundle's bill of materials, azure-gar-credential-provider.cdx.json. With
``--for-this-machine`` a too new C library is told but forgiven. With ``--empty`` it builds build/work/empty/, the
program that does nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys

import checks
import contents
import elf
import notices
import sbom

NAME = "azure-gar-credential-provider"
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORK = os.path.join(ROOT, "build", "work")
DIST = os.path.join(ROOT, "dist")

#: Library -> symbol of glibc 2.36 that Debian 12's build imports, and that nothing in the bundle ever reaches.
#: libpython is linked to libexpat, so it has to be there; XML is not parsed, and without a parser no random salt is
#: drawn. Weak, the symbol no longer keeps the library from loading on glibc 2.35.
_WEAKENED = {"libexpat.so.1": "arc4random_buf"}


def build(distribution: str, *arguments: str) -> None:
    """Run PyInstaller's recipe into a folder, in place of what was there."""
    work = os.path.join(WORK, "pyinstaller-work", *arguments)
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    recipe = os.path.join(ROOT, "build", NAME + ".spec")
    options = ["--noconfirm", "--clean", "--log-level", "WARN", "--distpath", distribution, "--workpath", work]
    command = [sys.executable, "-m", "PyInstaller", *options, recipe, "--", *arguments]
    subprocess.run(command, cwd=ROOT, check=True)


def loosen(folder: str, oldest_glibc: tuple[int, ...] = checks.GLIBC_FLOOR) -> None:
    """Weaken what `_WEAKENED` lists, where the nodes need it."""
    for library, symbol in _WEAKENED.items():
        path = os.path.join(folder, "_internal", library)
        if os.path.exists(path) and elf.glibc_needed(path) > oldest_glibc:
            elf.weaken(path, symbol)


def tell_origins(folder: str) -> None:
    """Put everybody's licences into the bundle, and its bill of materials beside it."""
    from credprovider import __version__  # noqa: PLC0415 - found by the path that `main` adds

    ours = contents.Owner("ours", NAME, __version__)
    owners = contents.owners(folder, os.path.join(WORK, "pyinstaller-work", NAME), ours)
    with open(os.path.join(folder, notices.NOTICES), "w", encoding="utf-8") as file:
        file.write(notices.notices(owners))
    ours.files.add(notices.NOTICES)
    with open(folder + ".cdx.json", "w", encoding="utf-8") as file:
        file.write(sbom.bundle_bom(owners, folder))


def seal(folder: str) -> None:
    """List every file with its digest, for the installer to compare on the node."""
    from credprovider.node.manifest import MANIFEST, make_manifest  # noqa: PLC0415 - found by the path that `main` adds

    manifest = make_manifest(folder)
    with open(os.path.join(folder, MANIFEST), "w", encoding="utf-8") as file:
        file.write(manifest)


def main() -> int:
    """Build what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--for-this-machine", action="store_true", help="forgive a C library newer than the nodes'")
    parser.add_argument("--empty", action="store_true", help="build the benchmark's empty program instead")
    parser.add_argument(
        "--oldest-glibc", type=_version, default=checks.GLIBC_FLOOR, metavar="X.Y", help="the nodes' oldest C library"
    )
    options = parser.parse_args()
    sys.path.insert(0, ROOT)
    if options.empty:
        build(WORK, "empty")
        loosen(os.path.join(WORK, "empty"))
        return 0
    folder = os.path.join(DIST, NAME)
    build(DIST)
    loosen(folder, options.oldest_glibc)
    tell_origins(folder)
    seal(folder)
    return report(checks.judge(folder, NAME, options.oldest_glibc), forgive_glibc=options.for_this_machine)


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def report(verdicts: list[checks.Verdict], *, forgive_glibc: bool) -> int:
    """Print the verdicts; 1 when one counts against the bundle."""
    code = 0
    for verdict in verdicts:
        forgiven = not verdict.good and verdict.name == "glibc" and forgive_glibc
        mark = "ok  " if verdict.good else "note" if forgiven else "FAIL"
        print(f"{mark} {verdict.name}: {verdict.text}", flush=True)
        if forgiven:
            print("     fine for tests on this machine; build what nodes run on Debian 12 or Ubuntu 22.04", flush=True)
        elif not verdict.good:
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
