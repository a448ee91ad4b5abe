"""When to try again what was refused, as each try brings a whole bundle to the node's disk and takes it away again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from credprovider.errors import ProviderError

FIRST, LONGEST = 60.0, 300.0

#: One failure may be the node's state of that moment; two are the bundle's or the node's own.
_TRIES = 2

#: A node may be mended without our noticing, such as a mount or a policy.
_UNTIL_TRIED_ANEW = 3600.0

SELF_TEST_FAILED = "self-test-failed"


class _Failure(NamedTuple):
    """A combination that did not pass its self-test: how often, when last, with which words."""

    combination: str
    times: int
    at: float
    error: ProviderError


class Patience:
    """One loop's; all times are those of `Clock.boottime`."""

    def __init__(self) -> None:
        self._refusals = 0
        self._failure: _Failure | None = None

    def refused(self) -> float:
        """Seconds until the next round: longer with each refusal in a row."""
        self._refusals += 1
        return min(FIRST * 2.0 ** (self._refusals - 1), LONGEST)

    def start_anew(self) -> None:
        """All is well, or something has changed."""
        self._refusals = 0

    def note(self, combination: str, error: ProviderError, now: float) -> None:
        """Remember a refusal, if it is that of a self-test."""
        if error.code != SELF_TEST_FAILED:
            return
        known = self._failure
        before = known.times if known is not None and known.combination == combination else 0
        self._failure = _Failure(combination, before + 1, now, error)

    def refuse_known(self, combination: str, now: float) -> None:
        """Do not stage again what failed often enough.

        Raises:
            ProviderError: what it was refused with.
        """
        known = self._failure
        if known is None or known.combination != combination or known.times < _TRIES:
            return
        if now - known.at < _UNTIL_TRIED_ANEW:
            raise known.error
