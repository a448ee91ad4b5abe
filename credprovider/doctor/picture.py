"""The results as a picture for people: aligned lines, one for each hop, with what mends a failure below it; pure."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from credprovider.doctor.hops import HOPS
from credprovider.doctor.remedy import split, unknown_in
from credprovider.doctor.result import Status, exit_code
from credprovider.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from credprovider.doctor.result import Result
    from credprovider.errors import ProviderError

#: Widest word of a status and of a hop's name.
_STATUS_WIDTH = len("not reached")
_NAME_WIDTH = max(len(hop.name) for hop in HOPS)
#: Where a hop's summary begins, and below it what belongs to it.
_SUMMARY = _STATUS_WIDTH + _NAME_WIDTH + 4
_INDENT = _STATUS_WIDTH + 4
_LABEL_WIDTH = len("google.subject") + 2

_WORDS = {Status.OK: "ok", Status.FAILED: "FAILED", Status.NOT_REACHED: "not reached", Status.SKIPPED: "skipped"}
#: Select Graphic Rendition (ECMA-48): green, bold red, yellow, dim.
_COLOURS = {Status.OK: "32", Status.FAILED: "1;31", Status.NOT_REACHED: "33", Status.SKIPPED: "2"}
_COMMAND_COLOUR, _WARNING_COLOUR = "1", "33"


@dataclass(frozen=True)
class Style:
    """How to draw.

    Attributes:
        colour: may escape sequences be used?
        width: columns; prose is broken there, a command never is, so that it can be copied.
        verbose: show everything that is known of a hop.
    """

    colour: bool = False
    width: int = 100
    verbose: bool = False

    def paint(self, text: str, colour: str) -> str:
        """The text in a colour, where there are any."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour else text


def head(hop: str, style: Style) -> str:
    """What stands where a hop's line will be, while it waits; without a line end."""
    return style.paint("...".ljust(_STATUS_WIDTH), "2") + f"  {hop}"


def hop_text(result: Result, style: Style) -> str:
    """One hop; ends in a newline."""
    return "".join(f"{line}\n" for line in _lines(result, style))


def _lines(result: Result, style: Style) -> Iterator[str]:
    outcome = result.outcome
    word = style.paint(_WORDS[outcome.status].ljust(_STATUS_WIDTH), _COLOURS[outcome.status])
    first = f"{word}  {result.hop.ljust(_NAME_WIDTH)}  "
    summary = _status_line(outcome.error) if outcome.error is not None else outcome.summary
    broken = _wrap(summary, style.width - _SUMMARY)
    yield first + broken[0]
    yield from (" " * _SUMMARY + line for line in broken[1:])
    if outcome.status is not Status.NOT_REACHED or result.because is None:
        for name, value in (*outcome.facts, *(outcome.details if style.verbose else ())):
            yield from _labelled(name, value, style)
    for warning in outcome.warnings:
        yield from _labelled("careful", warning, style, _WARNING_COLOUR)
    if outcome.error is not None:
        yield from _failure(outcome.error, style)
    elif outcome.remedy:
        yield from _remedy("instead", outcome.remedy, style)


def _status_line(error: ProviderError) -> str:
    parts = [error.code]
    if error.status is not None:
        parts.append(f"HTTP {error.status}")
    if error.service_error:
        parts.append(error.service_error)
    return ", ".join(parts)


def _failure(error: ProviderError, style: Style) -> Iterator[str]:
    yield from _labelled("cause", error.cause, style)
    for name, value in error.claims.items():
        yield from _labelled(f"sent {name}", value, style)
    for name, value in error.trace.items():
        yield from _labelled(name.replace("_", " "), value, style)
    if error.remedy:
        yield from _remedy("fix", error.remedy, style)


def _remedy(label: str, text: str, style: Style) -> Iterator[str]:
    """Prose broken to the width, each command whole on a line of its own."""
    for piece, is_command in split(one_line(text)):
        if is_command:
            yield from _labelled(label, piece, style, _COMMAND_COLOUR, whole=True)
        else:
            yield from _labelled(label, piece, style)
        label = ""
    unknown = unknown_in(text)
    if unknown:
        told = "; ".join(f"{name}: {meaning}" for name, meaning in unknown.items())
        yield from _labelled("to fill in", told, style)


def _labelled(name: str, value: str, style: Style, colour: str = "", *, whole: bool = False) -> Iterator[str]:
    room = style.width - _INDENT - _LABEL_WIDTH
    lines = [one_line(value)] if whole else _wrap(value, room)
    for number, line in enumerate(lines):
        label = (one_line(name) if number == 0 else "").ljust(_LABEL_WIDTH)
        yield " " * _INDENT + label + (style.paint(line, colour) if colour else line)


def _wrap(text: str, room: int) -> list[str]:
    return textwrap.wrap(one_line(text), max(24, room), break_long_words=False, break_on_hyphens=False) or [""]


def title(image: str | None, config: str, where: str) -> str:
    """What is examined; ends in an empty line."""
    rows = (("image", image or "none given"), ("settings", config), ("on", where))
    return "".join(f"{name.ljust(10)}{one_line(value)}\n" for name, value in rows) + "\n"


def verdict(results: list[Result], style: Style) -> str:
    """The last line: what all of it comes to."""
    failing = [result.hop for result in results if result.error is not None]
    open_ends = [result for result in results if result.status is Status.NOT_REACHED]
    if failing:
        code = exit_code(results)
        more = f"; {len(failing) - 1} more failed" if len(failing) > 1 else ""
        return "\n" + style.paint(f"{failing[0]} is what to mend first (exit code {code}){more}", "1;31") + "\n"
    if open_ends:
        # Where the trouble began; what follows from it says so itself.
        first = open_ends[0].because or open_ends[0].hop
        text = f"nothing failed, but {len(open_ends)} hops were not reached, from {first} on"
        return "\n" + style.paint(text, "33") + "\n"
    return "\n" + style.paint("everything works", "32") + "\n"
