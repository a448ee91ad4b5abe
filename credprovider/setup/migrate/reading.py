"""Manifests from files, folders and stdin: the objects in them, and what could not be read; looks at files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from credprovider.kubelet.tree import DocumentError
from credprovider.setup.migrate.documents import SIZE_LIMIT, read_documents
from credprovider.setup.migrate.resources import RefusedNameError, Resource, read_resources
from credprovider.setup.migrate.survey import Look

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_EXTENSIONS = (".json", ".yaml", ".yml")


class Manifests:
    """Objects of texts.

    Args:
        namespace: of objects that name none.

    Attributes:
        resources: what was read.
        troubles: texts, or parts of them, that could not be used.
        texts: how many were read.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self.resources: list[Resource] = []
        self.troubles: list[Look] = []
        self.texts = 0

    def add_stream(self, stream: BinaryIO) -> None:
        """Take what kubectl writes."""
        self._add(stream.read(SIZE_LIMIT + 1), "stdin")

    def add_path(self, path: str) -> None:
        """Take a file, or all manifests in a folder and below.

        Raises:
            OSError: it is not there, or may not be read.
        """
        if not Path(path).is_dir():
            self._add(_content(path), path)
            return
        for file in _files(path):
            try:
                self._add(_content(file), file)
            except OSError as error:
                why = f"cannot be read: {os.strerror(error.errno or 0)}"
                self.troubles.append(Look(file, why, "look at it by hand"))

    def _add(self, data: bytes, source: str) -> None:
        self.texts += 1
        try:
            for document in read_documents(data):
                self.resources += read_resources(document, source, self._namespace)
        except DocumentError as error:
            then = "give what `helm template` makes of it" if b"{{" in data else "mend it, or look at it by hand"
            where = f"{source}, line {error.place.line}"
            self.troubles.append(Look(where, f"cannot be understood: {error}", then))
        except RefusedNameError as error:
            self.troubles.append(Look(source, str(error), "look at it by hand; nothing of it stands in the plan"))


def _content(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(SIZE_LIMIT + 1)


def _files(folder: str) -> Iterator[str]:
    """Manifests in the order of their names; hidden folders and links to folders are left alone."""
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(here, name) for name in sorted(files) if name.lower().endswith(_EXTENSIONS))
