"""A token cache whose clock and exchange a test scripts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from credprovider.deadline import Deadline
from credprovider.errors import ProviderError
from credprovider.secret import Secret
from credprovider.state import StateDirectory
from credprovider.token_cache import Answered, Grant, TokenCache
from tests.unit.core.making import Clock, make_world

HOUR = 3600.0


def failure(family: str = "google", **more: Any) -> ProviderError:
    return ProviderError("sts-refused", family, "sts", "Google refused the token.", "see there", **more)


class Node:
    """A cache of one key, an exchange that a test scripts, and a clock that it turns."""

    def __init__(self, folder: Path, *, with_state: bool = True, chance: float = 0.5) -> None:
        self.folder = folder
        self.clock = Clock(wall=time.time())  # a sweep compares it with the files' times
        self.chance = chance
        self.with_state = with_state
        self.life: float = HOUR
        self.fails: ProviderError | None = None
        self.calls = 0

    def world(self, **changes: Any) -> Any:
        return make_world(self.folder, self.clock, **{"chance": lambda: self.chance, **changes})

    def exchange(self) -> Grant:
        self.calls += 1
        if self.fails is not None:
            raise self.fails
        return Grant(Secret(f"ya29.{self.calls}"), self.clock.now + self.life)

    def ask(self, exchange: Callable[[], Grant] | None = None, key: str = "key", **changes: Any) -> Answered:
        world = self.world(**changes)
        state = StateDirectory.open(world.state_directory, os.geteuid()) if self.with_state else None
        return TokenCache(world, state, key).token(exchange or self.exchange, Deadline(4, self.clock.boottime))

    def refused(self, **changes: Any) -> ProviderError:
        with pytest.raises(ProviderError) as caught:
            self.ask(**changes)
        return caught.value

    def record(self, kind: str) -> Path:
        return self.folder / "state" / f"{kind}-key.json"


def text(answered: Answered) -> str:
    return answered.grant.token.reveal()
