"""Templates beside the code: plain files with ``@{name}`` in them, and nothing else that means anything."""

from __future__ import annotations

import string
from pathlib import Path

_FOLDER = Path(__file__).parent / "templates"


class _Template(string.Template):
    """Shell, HCL and Markdown are full of dollars: only ``@{name}`` is a place to fill."""

    pattern = r"@\{(?P<braced>[a-z_]+)\}|(?P<escaped>(?!))|(?P<named>(?!))|(?P<invalid>(?!))"  # type: ignore[assignment]


def fill(name: str, **values: str) -> str:
    """A template with its places filled; a place without a value is an error of ours (`KeyError`).

    Args:
        name: path of the template below ``templates``.
        values: as they are to stand there: already quoted for the language of the template.
    """
    return _Template((_FOLDER / name).read_text("utf-8")).substitute(values)
