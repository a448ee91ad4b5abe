"""The list of a bundle's files with digests, as `sha256sum` writes it: made by the build, checked on every node."""

from __future__ import annotations

import hashlib
import os

#: Lies beside the executable and lists every other file of the bundle.
MANIFEST = "SHA256SUMS"

_PIECE = 1 << 20


def make_manifest(folder: str) -> str:
    """The list for a folder, sorted by path.

    Raises:
        ValueError: the folder holds something that is neither file nor folder.
    """
    return "".join(f"{digest_of(os.path.join(folder, path))}  {path}\n" for path in files_of(folder))


def files_of(folder: str) -> list[str]:
    """Paths of all files below a folder, the manifest itself left out.

    Raises:
        ValueError: there is a link or a device; a bundle has none.
    """
    found: list[str] = []
    for place, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = os.path.join(place, name)
            if os.path.islink(path) or not (os.path.isfile(path) or os.path.isdir(path)):
                raise ValueError(os.path.relpath(path, folder))
        found += [os.path.relpath(os.path.join(place, name), folder) for name in names]
    return sorted(path for path in found if path != MANIFEST)


def read_manifest(text: str) -> dict[str, str]:
    """Digest by path.

    Raises:
        ValueError: a line that is none, or a path that leads out of the folder.
    """
    files: dict[str, str] = {}
    for line in text.splitlines():
        digest, separator, path = line.partition("  ")
        if not separator or len(digest) != 64 or path != os.path.normpath(path) or path.startswith(("/", "../")):
            raise ValueError("not a line of digest and path")
        files[path] = digest
    if not files:
        raise ValueError("no files")
    return files


def digest_of(path: str) -> str:
    """SHA-256 of a file, in hex.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
