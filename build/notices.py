"""Licences and copyright of everybody whose work is in a bundle, as one text that travels with it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contents import Owner

#: Name of the file in the bundle.
NOTICES = "THIRD-PARTY-NOTICES"

_OPENING = """\
This program contains the works listed below, each under its own licence.
What was changed: stripped of symbols; Python modules compiled and put into archives.
"""
_RULE = "=" * 100
_COMMON = "/usr/share/common-licenses/"
_MENTIONED = re.compile(rf"{_COMMON}([A-Za-z]+[-.A-Za-z0-9]*[A-Za-z0-9])")


def notices(owners: list[Owner]) -> str:
    """The text: one part per owner, then the licences that Debian's texts only point to.

    Raises:
        LookupError: an owner came without any text.
    """
    names: dict[str, list[str]] = {}
    for owner in owners:
        if owner.kind == "ours":
            continue
        text = "\n".join(_read(path) for path in owner.texts)
        if not text and owner.kind not in {"elsewhere", "linked"}:
            raise LookupError(f"{owner.kind} {owner.name} has no licence text on this system")
        names.setdefault(text, []).append(f"{owner.name} {owner.version}")
    # Debian's texts point to the licences that many packages share; a name may stand for its newest version.
    for name in sorted({name for text in names for name in _MENTIONED.findall(text)}):
        if os.path.exists(_COMMON + name):
            names.setdefault(_read(_COMMON + name), []).append(_COMMON + name)
    return "\n".join([_OPENING, *(_part(whose, text) for text, whose in names.items())])


def _part(names: list[str], text: str) -> str:
    return "\n".join([_RULE, *names, _RULE, "", text])


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
