"""What one hop comes to, and how a hop says so; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from credprovider.errors import ProviderError

Pairs = tuple[tuple[str, str], ...]


class Status(Enum):
    """How a hop ended.

    OK; FAILED, with an error; NOT_REACHED, as something before it failed or was not given; SKIPPED, as it does not
    apply to these settings or this machine.
    """

    OK = "ok"
    FAILED = "failed"
    NOT_REACHED = "not-reached"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Outcome:
    """What a hop found.

    Attributes:
        summary: one sentence or less, for people.
        facts: names and values worth showing, none of them secret.
        details: more of them, for ``--verbose`` and machines.
        warnings: what works and may surprise.
        error: of a failed hop.
        remedy: what makes a hop that was not reached, or was skipped, possible; empty where nothing does.
    """

    status: Status
    summary: str
    facts: Pairs = ()
    details: Pairs = ()
    warnings: tuple[str, ...] = ()
    error: ProviderError | None = None
    remedy: str = ""


def good(summary: str, *, facts: Pairs = (), details: Pairs = (), warnings: tuple[str, ...] = ()) -> Outcome:
    """The hop works."""
    return Outcome(Status.OK, summary, facts, details, warnings)


def skipped(reason: str, remedy: str = "") -> Outcome:
    """The hop does not apply here."""
    return Outcome(Status.SKIPPED, reason, remedy=remedy)


def not_reached(reason: str, remedy: str = "") -> Outcome:
    """Something that only a person can give is missing."""
    return Outcome(Status.NOT_REACHED, reason, remedy=remedy)


def failed(error: ProviderError, *, facts: Pairs = (), warnings: tuple[str, ...] = ()) -> Outcome:
    """The hop does not work."""
    return Outcome(Status.FAILED, error.code, facts, warnings=warnings, error=error)


@dataclass(frozen=True)
class Result:
    """One line of the whole picture.

    Attributes:
        hop: stable name, e.g. ``sts``.
        because: name of the hop that kept this one from being reached, if one did.
        seconds: that it took.
    """

    hop: str
    outcome: Outcome
    because: str | None = None
    seconds: float = field(default=0.0, compare=False)

    @property
    def status(self) -> Status:
        """How it ended."""
        return self.outcome.status

    @property
    def error(self) -> ProviderError | None:
        """Why it failed."""
        return self.outcome.error


def exit_code(results: list[Result]) -> int:
    """The exit code of the first failing hop's family; 0 when none failed."""
    return next((result.error.exit_code for result in results if result.error is not None), 0)
