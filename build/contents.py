"""Whose each file and module of a built bundle is: a Debian package's, a Python distribution's, or compiled here.

Read from what was built: PyInstaller's record of the files it collected, the archive inside the executable, and the
owner of each file on this system. A file or module without an owner is an error, not a gap.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import glob
import importlib.metadata
import os
import re
import subprocess
import sys

from PyInstaller.archive.readers import CArchiveReader

import elf

#: Left by image/toolchain.sh: a folder per source that it compiled, with version, files and licences.
COMPILED = "/usr/local/share/compiled"

#: What a zlib that is linked in leaves in a file: "inflate 1.3.1 Copyright 1995-2024 Mark Adler".
_ZLIB = re.compile(rb"inflate (\d+(?:\.\d+)+) Copyright")

#: The loader's own modules, which PyInstaller adds to every program.
_LOADER = ("pyimod", "pyiboot")


@dataclasses.dataclass
class Owner:
    """Somebody's work that is in the bundle.

    Attributes:
        kind: ``deb`` (a package of this system), ``compiled`` (Debian's source, compiled here), ``pypi``, ``linked``
            (known by its traces alone), ``elsewhere`` (an interpreter of unknown making) or ``ours``.
        name: as its kind calls it.
        version: as its kind counts.
        licence: as the owner states it; empty if only the texts tell.
        texts: files with licence and copyright.
        files: those of the bundle that are the owner's, relative to it.
        modules: top-level Python modules of the owner that are in the executable's archive.
        sboms: bills of materials that came along, of what was linked in before it got here.
    """

    kind: str
    name: str
    version: str
    licence: str = ""
    texts: list[str] = dataclasses.field(default_factory=list)
    files: set[str] = dataclasses.field(default_factory=set)
    modules: set[str] = dataclasses.field(default_factory=set)
    sboms: list[str] = dataclasses.field(default_factory=list)


def owners(folder: str, work: str, ours: Owner) -> list[Owner]:
    """Everybody whose work is in a bundle: us first, then by kind and name.

    Args:
        folder: the bundle; the executable has the product's name.
        work: PyInstaller's working folder of the same build.
        ours: the product, its files and modules not yet known.

    Raises:
        LookupError: something in the bundle has no known owner.
    """
    found = {(ours.kind, ours.name): ours}

    def known(owner: Owner) -> Owner:
        fresh = owner if owner is ours else dataclasses.replace(owner, files=set(), modules=set())
        return found.setdefault((owner.kind, owner.name), fresh)

    for target, source in collected(work):
        if os.path.basename(target) == "base_library.zip":
            known(standard_library()).files.add(target)
        elif source.startswith(work + os.sep) or target.startswith("_internal/credprovider/"):
            ours.files.add(target)
        else:
            known(of_file(source)).files.add(target)
    for module in modules(os.path.join(folder, ours.name)):
        known(ours if module in {"credprovider", "__main__"} else of_module(module)).modules.add(module)
    for version in linked_zlib(folder):
        known(compiled("zlib") or Owner("linked", "zlib", version, "Zlib"))
    return sorted(found.values(), key=lambda owner: (owner is not ours, owner.kind, owner.name))


def collected(work: str) -> list[tuple[str, str]]:
    """Every file of the bundle, as PyInstaller recorded it: path in the bundle, path it was taken from."""
    with open(os.path.join(work, "COLLECT-00.toc"), encoding="utf-8") as file:
        (entries,) = ast.literal_eval(file.read())
    return [(name if kind == "EXECUTABLE" else f"_internal/{name}", source) for name, source, kind in entries]


def modules(executable: str) -> set[str]:
    """Top-level names of everything in the executable's archives."""
    archive = CArchiveReader(executable)
    names = set(archive.toc) - {"PYZ.pyz"}
    return {name.partition(".")[0] for name in names | set(archive.open_embedded_archive("PYZ.pyz").toc)}


def linked_zlib(folder: str) -> set[str]:
    """Versions of zlib in files that are not zlib's own."""
    found: set[str] = set()
    for path in glob.glob(os.path.join(folder, "**"), recursive=True):
        if os.path.isfile(path) and elf.is_elf(path) and not os.path.basename(path).startswith("libz."):
            with open(path, "rb") as file:
                found.update(match.decode() for match in _ZLIB.findall(file.read()))
    return found


def of_module(name: str) -> Owner:
    """Who owns a top-level module.

    Raises:
        LookupError: nobody does.
    """
    if name.startswith(_LOADER):
        return distribution("pyinstaller")
    if name in sys.stdlib_module_names or name.startswith("_sysconfigdata"):
        return standard_library()
    try:
        return distribution(_distributions_of_modules()[name][0])
    except KeyError:
        raise LookupError(f"nobody is known to own the module {name}") from None


def standard_library() -> Owner:
    """Who owns the interpreter's modules."""
    return of_file(os.__file__)


def of_file(path: str) -> Owner:
    """Who owns a file of this system.

    Raises:
        LookupError: nobody does.
    """
    real = os.path.realpath(path)
    name = _distributions_of_files().get(real) or _distributions_of_files().get(path)
    if name:
        return distribution(name)
    source = compiled(_compiled_files().get(real, ""))
    if source:
        return source
    for place in (path, real, real.removeprefix("/usr"), "/usr" + real):
        owner = package(place)
        if owner:
            return owner
    if real.startswith(os.path.realpath(sys.base_prefix) + os.sep):
        return Owner("elsewhere", "python", ".".join(map(str, sys.version_info[:3])))
    raise LookupError(f"nobody is known to own {path}")


@functools.cache
def _distributions_of_modules() -> dict[str, list[str]]:
    return {name: list(owners) for name, owners in importlib.metadata.packages_distributions().items()}


@functools.cache
def _distributions_of_files() -> dict[str, str]:
    return {
        str(found.locate_file(file)): found.metadata["Name"]
        for found in importlib.metadata.distributions()
        for file in found.files or ()
    }


@functools.cache
def _compiled_files() -> dict[str, str]:
    files = {}
    for listing in glob.glob(os.path.join(COMPILED, "*", "files")):
        with open(listing, encoding="utf-8") as file:
            files.update(dict.fromkeys(file.read().splitlines(), os.path.basename(os.path.dirname(listing))))
    return files


@functools.cache
def distribution(name: str) -> Owner:
    """An installed Python distribution."""
    found = importlib.metadata.distribution(name)
    files = [str(found.locate_file(file)) for file in found.files or () if ".dist-info/" in str(file)]
    texts = [path for path in files if re.search(r"(?i)/(licenses/|licen[cs]e|copying|notice)[^/]*", path)]
    metadata = found.metadata
    stated = [metadata[name] for name in ("License-Expression", "License") if name in metadata]
    licence = stated[0] if stated else ""
    sboms = [path for path in files if "/sboms/" in path]
    return Owner("pypi", found.metadata["Name"], found.version, licence, sorted(texts), sboms=sorted(sboms))


@functools.cache
def package(path: str) -> Owner | None:
    """The Debian package that a file of this system is from."""
    try:
        done = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True, check=True)  # noqa: S607
    except (OSError, subprocess.CalledProcessError):
        return None
    name = done.stdout.partition(": ")[0].partition(",")[0]
    shown = ["dpkg-query", "-W", "-f=${Version}", name]
    version = subprocess.run(shown, capture_output=True, text=True, check=True).stdout
    name = name.partition(":")[0]
    text = f"/usr/share/doc/{name}/copyright"
    return Owner("deb", name, version, texts=[text] if os.path.exists(text) else [])


@functools.cache
def compiled(name: str) -> Owner | None:
    """What image/toolchain.sh compiled; None if it did not run here."""
    place = os.path.join(COMPILED, name)
    if not name or not os.path.isdir(place):
        return None
    with open(os.path.join(place, "version"), encoding="ascii") as file:
        return Owner("compiled", name, file.read().strip(), texts=[os.path.join(place, "copyright")])
