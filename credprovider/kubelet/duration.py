"""Go's `time.ParseDuration` and `Duration.String`, which rule ``cacheDuration`` and ``defaultCacheDuration``; pure.

Durations are int nanoseconds, as in Go. Source: Go ``src/time/format.go`` and ``src/time/time.go``.
"""

from __future__ import annotations

NANOSECOND = 1
MICROSECOND = 1_000 * NANOSECOND
MILLISECOND = 1_000 * MICROSECOND
SECOND = 1_000 * MILLISECOND
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

#: Both micro signs count: U+00B5 and the Greek letter U+03BC.
_UNITS = {
    "ns": NANOSECOND,
    "us": MICROSECOND,
    "\u00b5s": MICROSECOND,
    "\u03bcs": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "m": MINUTE,
    "h": HOUR,
}

_INT64_MAX = (1 << 63) - 1
_DIGITS = frozenset("0123456789")


class DurationError(ValueError):
    """A text that Go refuses as a duration.

    Attributes:
        reason: ``invalid``, ``missing unit`` or ``unknown unit``; free of the refused text, so it may go into any log.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"time: {message}")
        self.reason = reason


def parse_duration(text: str) -> int:
    """Nanoseconds of a Go duration such as ``1h30m``, ``300ms``, ``-1.5h`` or ``0``.

    Raises:
        DurationError: wherever `time.ParseDuration` refuses, overflow beyond 64 bits included.
    """
    invalid = DurationError("invalid", f'invalid duration "{text}"')
    negative = text.startswith("-")
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    if not rest:
        raise invalid
    total = 0
    while rest:
        part, rest = _part(rest, text, invalid)
        total += part
        if total > 1 << 63:
            raise invalid
    if not negative and total > _INT64_MAX:
        raise invalid
    return -total if negative else total


def _part(rest: str, text: str, invalid: DurationError) -> tuple[int, str]:
    """One number with its unit: nanoseconds and what follows."""
    whole, rest = _span(rest, _DIGITS, inside=True)
    fraction = ""
    if rest.startswith("."):
        fraction, rest = _span(rest[1:], _DIGITS, inside=True)
    if not whole and not fraction:
        raise invalid
    value = int(whole or "0")
    if value > 1 << 63:
        raise invalid
    name, rest = _span(rest, _DIGITS | {"."}, inside=False)
    if not name:
        raise DurationError("missing unit", f'missing unit in duration "{text}"')
    unit = _UNITS.get(name)
    if unit is None:
        raise DurationError("unknown unit", f'unknown unit "{name}" in duration "{text}"')
    if value > (1 << 63) // unit:
        raise invalid
    nanoseconds = value * unit + _fraction(fraction, unit)
    if nanoseconds > 1 << 63:
        raise invalid
    return nanoseconds, rest


def _span(text: str, characters: frozenset[str], *, inside: bool) -> tuple[str, str]:
    """The longest start of the text that lies within (or without) the characters, and the rest."""
    length = next((index for index, character in enumerate(text) if (character in characters) != inside), len(text))
    return text[:length], text[length:]


def _fraction(digits: str, unit: int) -> int:
    """The fraction's nanoseconds in Go's own floating point: digits beyond 64 bits are dropped."""
    value, scale = 0, 1.0
    for digit in digits:
        if value > _INT64_MAX // 10 or value * 10 + int(digit) > 1 << 63:
            break
        value = value * 10 + int(digit)
        scale *= 10
    return int(float(value) * (float(unit) / scale)) if value else 0


def format_duration(nanoseconds: int) -> str:
    """The canonical text of a duration, e.g. ``1h30m0s``, ``55m0s``, ``1.5ms``, ``0s``."""
    if nanoseconds == 0:
        return "0s"
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if rest < SECOND:
        for size, name in ((MILLISECOND, "ms"), (MICROSECOND, "\u00b5s"), (NANOSECOND, "ns")):
            if rest >= size:
                return f"{sign}{_decimal(rest, size)}{name}"
    minutes, seconds = divmod(rest, MINUTE)
    text = f"{_decimal(seconds, SECOND)}s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        text = f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
    return sign + text


def _decimal(value: int, unit: int) -> str:
    whole, fraction = divmod(value, unit)
    if not fraction:
        return str(whole)
    return f"{whole}.{fraction:0{len(str(unit)) - 1}d}".rstrip("0")
