"""Generated cases put to our code and to the kubelet's: the smallest one on which the two differ, if there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tests.kubelet.choices import Choices, shrink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Case = TypeVar("Case")
Verdict = TypeVar("Verdict")


def compare(
    made: Sequence[Choices],
    make: Callable[[Choices], Case],
    ask: Callable[[Sequence[Case]], Sequence[Verdict]],
    difference: Callable[[Case, Verdict], str],
    good: Callable[[Verdict], bool],
    *,
    share: tuple[float, float] = (0.2, 0.8),
) -> None:
    """Fail with the smallest case found on which the two differ.

    Args:
        made: choices for each case.
        make: the case of some choices.
        ask: the kubelet's verdicts on cases.
        difference: how our verdict differs from the kubelet's; empty if it does not.
        good: is this a verdict of those that a good case gets?
        share: of good verdicts, from and to: where nearly all cases are alike, nothing is compared.
    """
    cases = [make(choices) for choices in made]
    verdicts = ask(cases)
    for choices, case, verdict in zip(made, cases, verdicts, strict=True):
        if difference(case, verdict):
            raise AssertionError(_told(choices, make, ask, difference))
    assert share[0] < sum(map(good, verdicts)) / len(verdicts) < share[1]


def _told(
    choices: Choices,
    make: Callable[[Choices], Case],
    ask: Callable[[Sequence[Case]], Sequence[Verdict]],
    difference: Callable[[Case, Verdict], str],
) -> str:
    def differ(simpler: Sequence[int]) -> str:
        case = make(Choices(simpler))
        return difference(case, ask([case])[0])

    smallest = shrink(choices.made, lambda simpler: bool(differ(simpler)))
    return f"of choices {choices.source!r}: {make(Choices(smallest))!r}\n{differ(smallest)}"
