"""Which providers are asked for the same images: pairs of patterns that one image can match both; pure.

Patterns are filed by port and host, label by label from the last, so that each meets only those that it may overlap.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from credprovider.kubelet.match import split_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from credprovider.kubelet.url import Url

Value = TypeVar("Value")


class Pattern(NamedTuple):
    """A pattern that parses: which provider's, the how manieth of theirs, and what it says."""

    provider: int
    position: int
    url: Url


def overlaps(providers: Sequence[Sequence[Pattern]]) -> Iterator[tuple[Pattern, Pattern]]:
    """For every two providers that are asked for some image one pair of patterns, the earlier provider's first.

    Args:
        providers: the patterns of each, in order.
    """
    filed = _Filed()
    for number, patterns in enumerate(providers):
        told: set[int] = set()
        for pattern in patterns:
            if len(told) == number:
                break
            found: dict[int, Pattern] = {}
            for earlier in filed.meeting(pattern.url):
                if earlier.provider not in told:
                    found[earlier.provider] = min(earlier, found.get(earlier.provider, earlier), key=_position)
            told.update(found)
            yield from ((found[provider], pattern) for provider in sorted(found))
        for pattern in patterns:
            filed.add(pattern)


def _position(pattern: Pattern) -> int:
    return pattern.position


class _Prefixes(Generic[Value]):
    """Values under keys, found by any key that begins theirs or begins with it."""

    def __init__(self, make: Callable[[], Value]) -> None:
        self._values: dict[bytes, Value] = defaultdict(make)
        self._sorted: list[bytes] = []
        self._lengths: set[int] = set()

    def at(self, key: bytes) -> Value:
        """The value of this very key, made if there is none."""
        if key not in self._values:
            insort(self._sorted, key)
            self._lengths.add(len(key))
        return self._values[key]

    def related(self, key: bytes) -> Iterator[Value]:
        """The values of all keys of which one begins the other."""
        for length in self._lengths:
            if length < len(key) and key[:length] in self._values:
                yield self._values[key[:length]]
        start = bisect_left(self._sorted, key)
        for longer in takewhile(lambda longer: longer.startswith(key), islice(self._sorted, start, None)):
            yield self._values[longer]


class _Label:
    """The patterns that are alike from the last label of their host to this one."""

    def __init__(self) -> None:
        self._before: _Prefixes[_Prefixes[dict[bytes, _Label]]] = _Prefixes(lambda: _Prefixes(dict))
        self.patterns: _Prefixes[list[Pattern]] = _Prefixes(list)

    def before(self, label: bytes) -> _Label:
        """Those of them with this label in front."""
        head, tail = _ends(label)
        return self._before.at(tail).at(head).setdefault(label, _Label())

    def meeting(self, label: bytes) -> Iterator[_Label]:
        """Those of them with a label in front that meets this one."""
        head, tail = _ends(label)
        for alike in self._before.related(tail):
            for near in alike.related(head):
                yield from (before for other, before in near.items() if globs_meet(label, other))


def _ends(label: bytes) -> tuple[bytes, bytes]:
    """What all labels that match begin with, and what they end in, read backwards."""
    return label.partition(b"*")[0], label[::-1].partition(b"*")[0]


class _Filed:
    """Patterns by port, number of labels, labels and path."""

    def __init__(self) -> None:
        self._hosts: dict[tuple[bytes, int], _Label] = defaultdict(_Label)

    def add(self, pattern: Pattern) -> None:
        """File a pattern."""
        labels, port = split_host(pattern.url.host)
        here = self._hosts[port, len(labels)]
        for label in reversed(labels):
            here = here.before(label)
        here.patterns.at(pattern.url.path).append(pattern)

    def meeting(self, url: Url) -> Iterator[Pattern]:
        """All patterns that some image matches as well as this one."""
        labels, port = split_host(url.host)
        found = [self._hosts[port, len(labels)]]
        for label in reversed(labels):
            found = [before for here in found for before in here.meeting(label)]
        for here in found:
            for patterns in here.patterns.related(url.path):
                yield from patterns


def globs_meet(first: bytes, second: bytes) -> bool:
    """Is there a label that both match? Stars only; of other glob characters hosts can have none.

    Walks the pairs of positions that one and the same text can reach in both patterns.
    """
    reached = {(0, 0)}
    frontier = [(0, 0)]
    while frontier:
        i, j = frontier.pop()
        if i == len(first) and j == len(second):
            return True
        a, b = first[i : i + 1], second[j : j + 1]
        steps = []
        if a == b"*":
            steps += [(i + 1, j), (i, j + 1)] if b else [(i + 1, j)]
        if b == b"*":
            steps += [(i, j + 1), (i + 1, j)] if a else [(i, j + 1)]
        if a == b and a:
            steps.append((i + 1, j + 1))
        frontier += [step for step in steps if step not in reached]
        reached.update(steps)
    return False
