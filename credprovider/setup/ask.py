"""Asks a person: one question after the other, defaults in brackets; a wrong answer is explained and asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credprovider.setup.inputs import INPUTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from credprovider.setup.inputs import Answers, Input


#: In hints -> the answer that stands there once it is given.
_PLACEHOLDERS = {"CLUSTER": "cluster", "GROUP": "resourceGroup", "PROJECT": "googleProject"}


class Interrupted(Exception):
    """The person left; nothing was written."""


def ask_for(
    answers: Answers,
    read_line: Callable[[], str],
    write: Callable[[str], object],
    check: Callable[[Input, Any], None],
    *,
    everything: bool,
) -> Answers:
    """Answers, with those that a person gave.

    Args:
        answers: those that are given already; they are not asked again.
        read_line: the next line with its end; an empty text is the end of the input.
        write: shows a text.
        check: raises `ValueError` for an answer that has the right form and is wrong nevertheless.
        everything: also ask where there is a default.

    Raises:
        Interrupted: the input ended.
    """
    found: Answers = {}
    for entry in INPUTS:
        if not entry.applies(found):
            if entry.name in answers:
                found[entry.name] = answers[entry.name]  # told as a fault later
            continue
        default = entry.default_for(found)
        value = answers.get(entry.name)
        if value is None and len(entry.options(found)) != 1 and _is_asked(entry, default, found, everything=everything):
            value = _ask(entry, default, found, read_line, write, check)
        if value is None:
            value = default
        if value is not None:
            found[entry.name] = value
    return found


def _is_asked(entry: Input, default: str | None, found: Answers, *, everything: bool) -> bool:
    if default is None and not entry.may_stay_open(found):
        return True
    return everything and not entry.advanced


def _ask(
    entry: Input,
    default: str | None,
    found: Answers,
    read_line: Callable[[], str],
    write: Callable[[str], object],
    check: Callable[[Input, Any], None],
) -> Any:
    options = entry.options(found)
    choices = f" ({' | '.join(options)})" if options else ""
    hint = f"  ({_filled(entry.hint, found)})\n" if entry.hint else ""
    suffix = f" [{default}]" if default is not None else ""
    write(hint)
    while True:
        write(f"{entry.question}{choices}{suffix}: ")
        line = read_line()
        if not line:
            raise Interrupted
        text = line.strip()
        if not text:
            if default is not None or entry.may_stay_open(found):
                return None
            write("  an answer is needed\n")
            continue
        try:
            value = entry.read(text)
            check(entry, value)
        except ValueError as error:
            write(f"  {error}\n")
            continue
        return value


def _filled(hint: str, found: Answers) -> str:
    """A hint's command with what is known already; other placeholders stay as they are."""
    for placeholder, name in _PLACEHOLDERS.items():
        hint = hint.replace(placeholder, str(found.get(name, placeholder)))
    return hint
