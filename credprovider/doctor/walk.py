"""Runs hops in order; one whose needs did not work out is not run, and says because of which hop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from credprovider.doctor.result import Outcome, Result, Status, failed
from credprovider.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from credprovider.doctor.case import Case


@dataclass(frozen=True)
class Hop:
    """One thing to look at.

    Attributes:
        name: stable, kebab-case.
        needs: names of hops before it; one of them that failed or was not reached stops this one, a skipped one does
            not.
        look: does it; may raise what the product's own code raises.
        waits_for: whom it asks, shown while it waits.
    """

    name: str
    needs: tuple[str, ...]
    look: Callable[[Case], Outcome]
    waits_for: Callable[[Case], str] = lambda _: ""


def walk(hops: Sequence[Hop], case: Case, before: Callable[[Hop], None] = lambda _: None) -> Iterator[Result]:
    """The result of each hop as soon as it is there.

    Args:
        hops: in order.
        case: what is examined; hops leave in it what later ones need.
        before: told of each hop that is about to run.
    """
    done: dict[str, Result] = {}
    for hop in hops:
        result = _stopped(hop, done)
        if result is None:
            before(hop)
            start = case.world.boottime()
            outcome = _look(hop, case)
            result = Result(hop.name, outcome, seconds=max(0.0, case.world.boottime() - start))
        done[hop.name] = result
        yield result


def _stopped(hop: Hop, done: dict[str, Result]) -> Result | None:
    """The result of a hop that cannot be run: it names the one where the trouble began."""
    for need in hop.needs:
        before = done[need]
        if before.status in (Status.FAILED, Status.NOT_REACHED):
            cause = before.because or need
            return Result(hop.name, Outcome(Status.NOT_REACHED, f"because of {cause}"), cause)
    return None


def _look(hop: Hop, case: Case) -> Outcome:
    try:
        return hop.look(case)
    except ProviderError as error:
        return failed(error)
