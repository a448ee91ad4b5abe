"""Seeded choices that can be replayed, and a shrinker that looks for a smaller case among simpler choices.

A generator draws everything from a `Choices`. The first option is the plainest, so that fewer and lower choices make a
plainer case: shrinking works on the list of numbers and knows nothing of what they make.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")


class Choices:
    """A source of choices: random by seed, or a recorded list, after whose end everything is the first option.

    Attributes:
        source: the seed, or the list.
        made: the choices so far, for a replay.
    """

    def __init__(self, source: str | Sequence[int]) -> None:
        self.source = source
        self._random = random.Random(source) if isinstance(source, str) else None  # noqa: S311 - no secret
        self._recorded = () if isinstance(source, str) else tuple(source)
        self.made: list[int] = []

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        if self._random is not None:
            choice = self._random.randrange(limit)
        else:
            at = len(self.made)
            choice = self._recorded[at] % limit if at < len(self._recorded) else 0
        self.made.append(choice)
        return choice

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.below(len(options))]

    def seldom(self, one_in: int) -> bool:
        """True in one of so many cases."""
        return self.below(one_in) == one_in - 1

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in any order; the given one is the plainest."""
        out: list[T] = []
        for item in reversed(items):
            out.insert(self.below(len(out) + 1), item)
        return out


def shrink(made: Sequence[int], fails: Callable[[Sequence[int]], bool], *, tries: int = 400) -> list[int]:
    """The shortest and lowest choices found that still fail.

    Args:
        made: choices that fail.
        fails: does the case of these choices still fail?
        tries: how often that may be asked.
    """
    best, left, again = list(made), tries, True
    while again:
        again = False
        for simpler in _simpler(best):
            if left == 0:
                return best
            left -= 1
            if fails(simpler):
                best, again = list(simpler), True
                break
    return best


def _simpler(made: Sequence[int]) -> Iterator[list[int]]:
    """Pieces left out, largest first; then single choices lowered."""
    size = len(made) // 2
    while size:
        for start in range(0, len(made), size):
            yield [*made[:start], *made[start + size :]]
        size //= 2
    for at, choice in enumerate(made):
        for lower in sorted({0, choice // 2, choice - 1} - {choice, -1}):
            yield [*made[:at], lower, *made[at + 1 :]]
