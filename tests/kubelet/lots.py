"""How many cases are generated, and of which seeds: the same ones in each run, and some that no run has seen yet.

$KUBELET_CASES is the number of the former, 2,000 if it is not set; the others are an eighth as many. $KUBELET_SEED is
the latter's seed, chosen by chance if it is not set, and told by pytest's header and by every failure.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass

from tests.kubelet.choices import Choices

CASES = int(os.environ.get("KUBELET_CASES", "2000"))
NEW_SEED = os.environ.get("KUBELET_SEED") or secrets.token_hex(4)


@dataclass(frozen=True)
class Lot:
    """Cases of one seed.

    Attributes:
        cases: how many a test takes that takes no other share of them.
    """

    seed: str
    cases: int

    def choices(self, name: str, *, times: float = 1) -> list[Choices]:
        """For each case of a test its choices.

        Args:
            name: of the test, so that no two draw alike.
            times: its share of the cases.
        """
        return [Choices(f"{name} {self.seed} {number}") for number in range(max(1, int(self.cases * times)))]


LOTS = {"known seed": Lot("1", CASES), "new seed": Lot(NEW_SEED, CASES // 8)}
