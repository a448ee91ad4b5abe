"""What a kubelet is started with, as files: a configuration, file or folder, and the bin dir beside it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Entry:
    """One thing in a folder: a file, unless it is a link or a folder.

    Attributes:
        link: where it leads.
    """

    content: bytes = b"#!/bin/sh\n"
    mode: int = 0o755
    link: str = ""
    folder: bool = False


@dataclass(frozen=True)
class ConfigCase:
    """A CredentialProviderConfig and a bin dir, each one file's bytes, or a folder, or None: there is nothing."""

    config: bytes | Mapping[str, Entry] | None
    bin_dir: bytes | Mapping[str, Entry] | None = field(default_factory=dict)
    feature_gates: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Tree:
    """A case as files."""

    config: str
    bin_dir: str
    feature_gates: Mapping[str, bool]


def executables(*names: str) -> dict[str, Entry]:
    """A bin dir with these, all sound."""
    return dict.fromkeys(names, Entry())


@contextlib.contextmanager
def laid_out(cases: Sequence[ConfigCase]) -> Iterator[list[Tree]]:
    """The cases as files while the context lasts; a bin dir that many have is made once."""
    with tempfile.TemporaryDirectory(prefix="kubelet-") as name:
        folder = Path(name)
        bin_dirs: dict[object, Path] = {}
        trees = []
        for number, case in enumerate(cases):
            config = folder / f"config-{number}"
            _make(config, case.config)
            content = frozenset(case.bin_dir.items()) if isinstance(case.bin_dir, Mapping) else case.bin_dir
            if content not in bin_dirs:
                bin_dirs[content] = folder / f"bin-{number}"
                _make(bin_dirs[content], case.bin_dir)
            trees.append(Tree(str(config), str(bin_dirs[content]), case.feature_gates))
        yield trees


def _make(path: Path, content: bytes | Mapping[str, Entry] | None) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.mkdir()
        for name, entry in content.items():
            _put(path / name, entry)


def _put(path: Path, entry: Entry) -> None:
    if entry.link:
        os.symlink(entry.link, path)
    elif entry.folder:
        path.mkdir(entry.mode)
    else:
        path.write_bytes(entry.content)
        path.chmod(entry.mode)
