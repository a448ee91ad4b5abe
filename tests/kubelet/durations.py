"""Generated durations, as JSON texts: Go's grammar, its edges, and what other programs write."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.kubelet.choices import Choices

_PLAIN = ("5m", "2931s", "0s", "55m0s", "0", "12h", "-5m", "1h1h", "1.5h", "100ms")
_EDGES = (
    "2562047h47m16.854775807s", "2562047h47m16.854775808s", "-2562047h47m16.854775808s",
    "-2562047h47m16.854775809s", "9223372036854775807ns", "9223372036854775808ns", "-9223372036854775808ns",
    "2562048h", "0.9223372036854775808h", "3000000000000h", "10000000000000000000ns", "0.3333333333333333333h",
    "1.00000000000000000000000000001h", "00000001s", ".s", ".", "s", "1.s", ".5s", "-.5s", "+.s", "+5s", "--5s",
    "+-5s", "-0", "+0", "00", "0.0", "-", "+", "1", "300", "1d", "1w", "PT5M", "5min", "5 m", " 5m", "5m ",
    "5m\\n", "0:55:00", "1e3s", "1_0s", "5M", "5H", "1us", "1\u00b5s", "1\u03bcs", "1\\u00b5s", "1mss", "1m.s",
    "1h-1m", "1h+1m", "\u0665m", "1\u2009s", "", "infinity", "0x1s", "1,5h", "1s\\u0000",
)  # fmt: skip
_UNITS = ("s", "m", "h", "ms", "us", "ns", "\u00b5s", "\u03bcs", "d", "S", "")


def duration(choices: Choices) -> str:
    """A JSON text."""
    kind = choices.below(12)
    if kind < 6:
        return f'"{choices.pick(_PLAIN)}"'
    if kind < 9:
        return f'"{choices.pick(_EDGES)}"'
    if kind < 11:
        return f'"{_composed(choices)}"'
    return choices.pick(("null", "300", "0", "1.5", "true", "[]", "{}", "-1", "1e3"))


def _composed(choices: Choices) -> str:
    parts = []
    for _ in range(1 + choices.below(3)):
        digits = "".join(str(choices.below(10)) for _ in range(choices.below(4)))
        fraction = "." + "".join(str(choices.below(10)) for _ in range(choices.below(4))) if choices.seldom(3) else ""
        parts.append(digits + fraction + (choices.pick(_UNITS) if choices.seldom(3) else choices.pick(_UNITS[:6])))
    return choices.pick(("", "-", "+")) + "".join(parts)
