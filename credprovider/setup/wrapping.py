"""Lines of Markdown of one length, after values of any length were put in; pure."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 110


def wrapped(text: str) -> str:
    """The same page with its paragraphs and list items filled anew; blocks, tables and headings stay as they are."""
    return "\n".join(_lines(text.split("\n")))


def _lines(lines: list[str]) -> Iterator[str]:
    words: list[str] = []
    is_block = False
    for line in lines:
        is_fence = line.startswith("```")
        is_block ^= is_fence
        if is_block or is_fence or not line or line.startswith(("|", "#", "    ")):
            yield from _filled(words)
            words = []
            yield line
        elif line.startswith("- "):
            yield from _filled(words)
            words = [line]
        else:
            words.append(line.strip())
    yield from _filled(words)


def _filled(lines: list[str]) -> list[str]:
    """One paragraph or item; what stands in one word, such as a link, is never broken."""
    text = " ".join(lines)
    mark = "- " if text.startswith("- ") else ""
    return textwrap.wrap(
        text.removeprefix(mark),
        _WIDTH,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )
