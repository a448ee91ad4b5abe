"""A remedy taken apart: commands to copy, prose between them, and what in it still has to be filled in; pure."""

from __future__ import annotations

import re

from credprovider.catalogue import placeholders

_WORD = re.compile(r"[A-Z]+(?:_[A-Z]+)*")


def split(text: str) -> list[tuple[str, bool]]:
    """The pieces in order, each with: is it a command? Commands stand between backticks."""
    pieces = []
    for number, piece in enumerate(text.split("`")):
        is_command = number % 2 == 1
        stripped = piece if is_command else piece.strip().lstrip(",;.").strip()
        if stripped:
            pieces.append((stripped, is_command))
    return pieces


def commands_of(text: str) -> list[str]:
    """The commands alone."""
    return [piece for piece, is_command in split(text) if is_command]


def unknown_in(text: str) -> dict[str, str]:
    """Placeholders that were not known and stand there in capitals, with their meaning."""
    words = {word for command in commands_of(text) for word in _WORD.findall(command)}
    return {name.upper(): meaning for name, meaning in placeholders().items() if name.upper() in words}
