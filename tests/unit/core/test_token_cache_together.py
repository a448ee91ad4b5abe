"""Several processes at one cache (here: threads with folders of their own): who leads, who waits, who takes over."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
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
_ROOT = str(Path(__file__).parents[3])


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Herd:
    """Threads that all ask at once; the exchange is the test's."""

    def __init__(self, folder: Path, exchange: Callable[[], Grant]) -> None:
        self.folder = folder
        self._exchange = exchange
        self._guard = threading.Lock()
        self.calls = 0
        self.outcomes: list[Answered | BaseException] = []

    def exchange(self) -> Grant:
        with self._guard:
            self.calls += 1
        return self._exchange()

    def ask(self) -> None:
        world = make_world(self.folder, boottime=_boottime, wall=time.time, sleep=time.sleep)
        state = StateDirectory.open(world.state_directory, os.geteuid())
        try:
            outcome: Answered | BaseException = TokenCache(world, state, "key").token(self.exchange, Deadline(30))
        except (ProviderError, RuntimeError) as error:
            outcome = error
        with self._guard:
            self.outcomes.append(outcome)

    def run(self, count: int) -> None:
        threads = [threading.Thread(target=self.ask) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    def hows(self) -> list[str]:
        return sorted(outcome.how for outcome in self.outcomes if isinstance(outcome, Answered))


def _grant(life: float = HOUR) -> Grant:
    time.sleep(0.2)
    return Grant(Secret("ya29.x"), _boottime() + life)


def _refuse() -> Grant:
    time.sleep(0.2)
    raise ProviderError("sts-refused", "google", "sts", "cause", "remedy")


def test_one_exchange_for_all(tmp_path: Path) -> None:
    herd = Herd(tmp_path, _grant)
    herd.run(12)
    assert herd.calls == 1
    assert len(herd.outcomes) == 12
    assert herd.hows().count("exchange") == 1
    assert set(herd.hows()) <= {"exchange", "waited", "hit"}


def test_one_exchange_for_all_even_of_a_token_too_short_to_be_a_hit(tmp_path: Path) -> None:
    herd = Herd(tmp_path, lambda: _grant(400))
    herd.run(6)
    assert herd.calls == 1
    assert herd.hows() == ["exchange"] + ["waited"] * 5
    promises = {outcome.cache_seconds for outcome in herd.outcomes if isinstance(outcome, Answered)}
    assert max(promises) <= 100


def test_one_failure_for_all(tmp_path: Path) -> None:
    herd = Herd(tmp_path, _refuse)
    herd.run(12)
    assert herd.calls == 1
    assert [type(outcome) for outcome in herd.outcomes] == [ProviderError] * 12
    assert {outcome.code for outcome in herd.outcomes if isinstance(outcome, ProviderError)} == {"sts-refused"}


def test_when_refreshing_fails_all_keep_the_old_token(tmp_path: Path) -> None:
    Herd(tmp_path, lambda: _grant(500)).ask()
    herd = Herd(tmp_path, _refuse)
    herd.run(6)
    assert herd.calls == 1
    assert herd.hows() == ["kept"] * 6


def test_a_bug_of_the_leaders_is_its_own(tmp_path: Path) -> None:
    """The next one tries itself, one after the other."""
    first = threading.Event()

    def exchange() -> Grant:
        if first.is_set():
            return _grant()
        first.set()
        time.sleep(0.2)
        raise RuntimeError

    herd = Herd(tmp_path, exchange)
    herd.run(5)
    assert herd.calls == 2
    assert [type(outcome) for outcome in herd.outcomes].count(RuntimeError) == 1
    assert len(herd.hows()) == 4


_LEADER = """
import os, sys, time
sys.path.insert(0, {root!r})
from credprovider.state import StateDirectory
lock = StateDirectory.open({folder!r}, os.geteuid()).try_lock("lock-key")
print("leading", flush=True)
time.sleep(60)
"""


def test_when_the_leader_is_killed_one_takes_over(tmp_path: Path) -> None:
    leader = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _LEADER.format(root=_ROOT, folder=str(tmp_path / "state"))],
        stdout=subprocess.PIPE,
    )
    with leader:
        assert leader.stdout is not None
        assert leader.stdout.readline() == b"leading\n"
        herd = Herd(tmp_path, _grant)
        asking = threading.Thread(target=herd.run, args=(5,))
        asking.start()
        time.sleep(0.2)
        assert (herd.calls, herd.outcomes) == (0, [])
        leader.kill()
        asking.join(60)
    assert herd.calls == 1
    assert herd.hows() == ["exchange"] + ["waited"] * 4


class Alone:
    """One that asks while another process has the lock, which a test plays."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.clock = Clock(wall=time.time())
        self.world = make_world(folder, self.clock, **changes)
        self.state = StateDirectory.open(self.world.state_directory, os.geteuid())
        self.calls = 0

    def exchange(self) -> Grant:
        self.calls += 1
        return Grant(Secret(f"ya29.{self.calls}"), self.clock.now + HOUR)

    def ask(self, seconds: float = 4.0) -> Answered:
        return TokenCache(self.world, self.state, "key").token(self.exchange, Deadline(seconds, self.clock.boottime))

    def hold(self) -> Any:
        assert self.state is not None
        return self.state.try_lock("lock-key")


def test_waiting_ends_at_the_deadline(tmp_path: Path) -> None:
    alone = Alone(tmp_path)
    lock = alone.hold()
    with pytest.raises(ProviderError) as caught:
        alone.ask()
    assert (caught.value.code, caught.value.exit_code) == ("deadline-waiting", 7)
    assert alone.calls == 0
    assert sum(alone.clock.slept) == pytest.approx(4, abs=0.1)
    assert not list((tmp_path / "state").glob("failure-*")), "waiting in vain is no failure of the cloud's"
    lock.release()


def test_at_the_deadline_an_old_token_is_still_good(tmp_path: Path) -> None:
    alone = Alone(tmp_path)
    alone.ask()
    alone.clock.now += HOUR - 200
    lock = alone.hold()
    answered = alone.ask()
    assert (answered.how, answered.cache_seconds, alone.calls) == ("kept", 0, 1)
    assert answered.failure is not None
    assert answered.failure.code == "deadline-waiting"
    lock.release()


@pytest.mark.parametrize(
    ("life", "patience"), [(200.0, 10), (61.0, 10), (60.0, 45), (None, 45)], ids=["old", "last", "too old", "none"]
)
def test_a_pull_that_an_old_token_serves_is_not_held_up_for_long(
    tmp_path: Path, life: float | None, patience: float
) -> None:
    """Neither by the exchange nor by another process's."""
    alone = Alone(tmp_path)
    if life is not None:
        alone.ask()
        alone.clock.now += HOUR - life
    end = Deadline(45, alone.clock.boottime)
    found: list[float] = []

    def exchange() -> Grant:
        found.append(end.left())
        raise ProviderError("c", "request", "sts", "x", "y")

    cache = TokenCache(alone.world, alone.state, "key")
    if patience == 10:
        assert cache.token(exchange, end).how == "kept"
    else:
        with pytest.raises(ProviderError):
            cache.token(exchange, end)
    assert found == [patience]


def test_the_lock_is_free_after_success_failure_and_bug(tmp_path: Path) -> None:
    alone = Alone(tmp_path)
    for error in (None, ProviderError("c", "google", "sts", "x", "y"), RuntimeError()):
        alone.clock.now += 2 * HOUR

        def exchange(error: Exception | None = error) -> Grant:
            assert alone.hold() is None, "exchanging without the lock"
            if error is not None:
                raise error
            return alone.exchange()

        cache = TokenCache(alone.world, alone.state, "key")
        if error is None:
            cache.token(exchange, Deadline(4, alone.clock.boottime))
        else:
            with pytest.raises(type(error)):
                cache.token(exchange, Deadline(4, alone.clock.boottime))
        lock = alone.hold()
        assert lock is not None
        lock.release()


def test_where_locks_cannot_be_had_everybody_exchanges(tmp_path: Path) -> None:
    alone = Alone(tmp_path)
    (tmp_path / "state" / "lock-key").mkdir()
    assert alone.ask().how == "exchange"
    assert alone.ask().how == "hit"


def test_where_nothing_can_be_kept_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk the others would find nothing, and would exchange one after the other."""
    monkeypatch.setattr(StateDirectory, "write", lambda *_: False)
    herd = Herd(tmp_path, _grant)
    herd.run(4)
    assert herd.calls == 4
    assert herd.hows() == ["exchange"] * 4


def test_who_finds_a_new_token_behind_the_lock_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process was done between our look and our lock."""
    alone, other = Alone(tmp_path), Alone(tmp_path)
    real = StateDirectory.try_lock

    def late(state: StateDirectory, name: str) -> Any:
        monkeypatch.setattr(StateDirectory, "try_lock", real)
        other.ask()
        return real(state, name)

    monkeypatch.setattr(StateDirectory, "try_lock", late)
    answered = alone.ask()
    assert (answered.how, alone.calls, other.calls) == ("waited", 0, 1)
    assert answered.grant.token.reveal() == "ya29.1"
