"""Writes the folder: a new one by one rename; into one that is there file by file, keeping what is not ours."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from credprovider.setup.render import OURS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class FolderError(Exception):
    """Nothing was written, or less than all; the message says why."""


def check_folder(out: Path, *, force: bool) -> None:
    """Refuse a place that must not be written to.

    Raises:
        FolderError: it is no folder, or holds something and `force` is not given.
    """
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise FolderError(f"{out} is there and is no folder")
    if any(out.iterdir()) and not force:
        raise FolderError(f"{out} is not empty; --force replaces the files of an earlier run and keeps all others")


def write_folder(out: Path, files: Mapping[str, bytes], *, force: bool, outdated: Collection[str] = ()) -> None:
    """Write all files.

    Args:
        out: the folder.
        files: contents by path below it; those ending in ``.sh`` become executable.
        force: replace what an earlier run has written there.
        outdated: names of what another program has made there of answers that no longer count; it is taken away.

    Raises:
        FolderError: as `check_folder`, or as the disk says.
    """
    check_folder(out, force=force)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # Beside the folder or in it, so that every rename stays on one disk.
        place = out if out.is_dir() else out.parent
        aside = Path(tempfile.mkdtemp(prefix=".setup.", dir=place))
        try:
            _write_all(aside, files)
            if out.is_dir():
                _move_in(aside, out, files, outdated)
            else:
                aside.chmod(0o755)
                aside.rename(out)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise FolderError(f"{out}: {os.strerror(error.errno or 0)}") from None


def _write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.parent.chmod(0o755)
        path.write_bytes(content)
        path.chmod(0o755 if name.endswith(".sh") else 0o644)


def _move_in(aside: Path, out: Path, files: Mapping[str, bytes], outdated: Collection[str]) -> None:
    # README last: it says what is there.
    for name in sorted(files, key=lambda name: name == "README.md"):
        (out / name).parent.mkdir(exist_ok=True)
        (aside / name).replace(out / name)
    for name in (*OURS, *outdated):
        if name not in files:
            (out / name).unlink(missing_ok=True)
