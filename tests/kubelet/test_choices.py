"""The shrinker finds the plainest failing case, and a replay makes the same one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.kubelet.choices import Choices, shrink
from tests.kubelet.generated_configs import generated_config
from tests.kubelet.generated_responses import generated_response

if TYPE_CHECKING:
    from collections.abc import Sequence


def _numbers(choices: Choices) -> list[int]:
    return [choices.below(100) for _ in range(choices.below(20))]


def test_shrinks_to_the_smallest_failing_case() -> None:
    made = next(
        choices.made
        for choices in (Choices(f"seed {number}") for number in range(1000))
        if sum(_numbers(choices)) > 300
    )
    smallest = _numbers(Choices(shrink(made, lambda simpler: max(_numbers(Choices(simpler)), default=0) >= 50)))
    assert smallest == [50]


def test_gives_up_after_so_many_tries() -> None:
    asked = []

    def passes(simpler: Sequence[int]) -> bool:
        asked.append(simpler)
        return False

    shrink([9] * 100, passes, tries=7)
    assert len(asked) == 7


def test_replay_makes_the_same_case() -> None:
    for number in range(50):
        choices = Choices(f"seed {number}")
        config = generated_config(choices)
        assert generated_config(Choices(choices.made)) == config
        choices = Choices(f"seed {number}")
        response = generated_response(choices)
        assert generated_response(Choices(choices.made)) == response


def test_first_options_make_a_good_case() -> None:
    assert Choices([]).shuffled("abc") == ["a", "b", "c"]
    assert Choices([]).seldom(2) is False
