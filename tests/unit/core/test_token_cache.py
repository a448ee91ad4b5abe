"""One exchange for all: hits, refreshing, failures remembered and for how long, and records that are not believed."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credprovider.deadline import Deadline
from credprovider.errors import ProviderError
from credprovider.secret import Secret
from credprovider.state import StateDirectory
from credprovider.token_cache import JITTER, LONGEST_LIFE, Answered, Grant, TokenCache, is_presentable
from tests.unit.core.making import EXAMPLES, Clock, disown, make_world, write

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


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def text(answered: Answered) -> str:
    return answered.grant.token.reveal()


class TestHits:
    def test_the_first_exchanges_and_the_next_finds(self, node: Node) -> None:
        first, second = node.ask(), node.ask()
        assert (first.how, second.how, node.calls) == ("exchange", "hit", 1)
        assert text(first) == text(second) == "ya29.1"
        assert first.cache_seconds == second.cache_seconds == int((HOUR - 300) * 0.95)

    def test_another_key_is_another_token(self, node: Node) -> None:
        assert text(node.ask()) != text(node.ask(key="other"))

    def test_the_promise_shrinks_with_the_life(self, node: Node) -> None:
        node.ask()
        node.clock.now += 1000
        assert node.ask().cache_seconds == int((HOUR - 1300) * 0.95)

    def test_a_hit_asks_for_no_lock_and_writes_nothing(self, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
        node.ask()
        for name in ("write", "try_lock", "has_room", "sweep", "remove"):
            monkeypatch.setattr(StateDirectory, name, lambda *_, name=name: pytest.fail(name))
        assert node.ask().how == "hit"

    @pytest.mark.parametrize(("left", "how"), [(631.0 + 300, "exchange"), (632.0 + 300, "hit")])
    def test_is_refreshed_when_the_promise_would_fall_below_ten_minutes(
        self, node: Node, left: float, how: str
    ) -> None:
        node.ask()
        node.clock.now += HOUR - left
        assert node.ask().how == how

    def test_a_token_of_short_life_is_exchanged_each_time(self, node: Node) -> None:
        node.life = 600
        assert [node.ask().how for _ in range(3)] == ["exchange"] * 3
        assert node.ask().cache_seconds == int(300 * 0.95)

    def test_a_token_that_is_nearly_over_is_promised_for_no_time(self, node: Node) -> None:
        node.life = 250
        assert node.ask().cache_seconds == 0

    def test_without_a_folder_everybody_exchanges(self, tmp_path: Path) -> None:
        node = Node(tmp_path, with_state=False)
        assert [node.ask().how, node.ask().how] == ["exchange", "exchange"]
        node.fails = failure()
        assert node.refused() is node.fails
        assert node.refused() is node.fails
        assert node.calls == 4


class TestRefreshing:
    def test_a_failure_keeps_the_old_token_and_promises_nothing(self, node: Node) -> None:
        node.ask()
        node.clock.now += HOUR - 61
        node.fails = failure()
        answered = node.ask()
        assert (answered.how, answered.cache_seconds, text(answered)) == ("kept", 0, "ya29.1")
        assert answered.failure is node.fails

    def test_a_minute_before_its_end_the_old_token_is_not_answered(self, node: Node) -> None:
        node.ask()
        node.clock.now += HOUR - 60
        node.fails = failure()
        assert node.refused() is node.fails

    def test_while_a_failure_is_remembered_the_old_token_is_kept_without_asking(self, node: Node) -> None:
        node.ask()
        node.clock.now += HOUR - 200
        node.fails = failure()
        node.ask()
        answered = node.ask()
        assert (answered.how, answered.cache_seconds, node.calls) == ("kept", 0, 2)
        assert answered.failure is not None
        assert answered.failure.code == "sts-refused"

    def test_a_success_replaces_token_and_failure(self, node: Node) -> None:
        node.ask()
        node.clock.now += HOUR - 200
        node.fails = failure()
        node.ask()
        node.clock.now += 11
        node.fails = None
        assert text(node.ask()) == "ya29.3"
        assert not node.record("failure").exists()

    @pytest.mark.parametrize("family", ["request", "settings"])
    def test_a_refusal_of_our_own_keeps_the_old_token_too(self, node: Node, family: str) -> None:
        node.ask()
        node.clock.now += HOUR - 200
        node.fails = failure(family)
        assert node.ask().how == "kept"


class TestFailureMemory:
    def pauses(self, node: Node, count: int, **more: Any) -> list[float]:
        """Seconds between an exchange and the next that is allowed, several times over."""
        node.fails = failure(**more)
        found = []
        for number in range(1, count + 1):
            node.refused()
            assert node.calls == number
            start = node.clock.now
            until = float(json.loads(node.record("failure").read_text())["until"])
            node.clock.now = until - 0.01
            node.refused()
            assert node.calls == number
            node.clock.now = until
            found.append(until - start)
        return found

    def test_ten_seconds_doubling_to_a_minute(self, node: Node) -> None:
        assert self.pauses(node, 5) == [10, 20, 40, 60, 60]

    @pytest.mark.parametrize("seconds", [1.0, 30.0, 120.0])
    def test_the_servers_retry_after_counts_instead(self, node: Node, seconds: float) -> None:
        assert self.pauses(node, 2, retry_after=seconds) == [seconds, seconds]

    def test_but_not_beyond_ten_minutes(self, node: Node) -> None:
        assert self.pauses(node, 1, retry_after=86400.0) == [600]

    @pytest.mark.parametrize("seconds", [0, 0.0, None])
    def test_no_retry_after_is_none(self, node: Node, seconds: float | None) -> None:
        assert self.pauses(node, 2, retry_after=seconds) == [10, 20]

    def test_a_failure_long_ago_is_forgotten(self, node: Node) -> None:
        node.fails = failure()
        node.refused()
        node.clock.now += 10
        node.refused()
        node.clock.now += 20 + 601
        node.refused()
        assert json.loads(node.record("failure").read_text())["pause"] == 10

    def test_success_resets_the_pause(self, node: Node) -> None:
        self.pauses(node, 3)
        node.fails = None
        node.life = 30
        node.ask()
        node.fails = failure()
        node.refused()
        assert json.loads(node.record("failure").read_text())["pause"] == 10

    @pytest.mark.parametrize("family", ["azure", "google", "deadline"])
    def test_the_clouds_failures_are_remembered(self, node: Node, family: str) -> None:
        node.fails = failure(family)
        node.refused()
        node.refused()
        assert node.calls == 1

    @pytest.mark.parametrize("family", ["request", "settings"])
    def test_our_own_refusals_are_not(self, node: Node, family: str) -> None:
        node.fails = failure(family)
        node.refused()
        node.refused()
        assert node.calls == 2

    def test_a_bug_is_not(self, node: Node) -> None:
        def bug() -> Grant:
            raise RuntimeError

        for _ in range(2):
            with pytest.raises(RuntimeError):
                node.ask(bug)
        assert node.ask().how == "exchange"

    def test_is_told_again_whole_with_its_age(self, node: Node) -> None:
        node.fails = failure(
            status=400, service_error="invalid_grant", claims={"iss": "i", "sub": "s"}, trace={"trace_id": "t"}
        )
        node.refused()
        node.clock.now += 4
        told = node.refused()
        assert told.cause == "Google refused the token (failed 4 s ago; asked again in 6 s)"
        same = ("code", "family", "hop", "remedy", "status", "service_error", "claims", "trace")
        assert {name: getattr(told, name) for name in same} == {name: getattr(node.fails, name) for name in same}
        assert "asked again in 6 s). Token sent: iss=i, sub=s." in told.line()

    def test_another_key_is_not_held_back(self, node: Node) -> None:
        node.fails = failure()
        node.refused()
        node.fails = None
        assert node.ask(key="other").how == "exchange"


def _change(**fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda record: record.update(fields)


def _without(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda record: record.pop(name)


TOKEN_RECORDS = {
    "of another boot": _change(boot="another-boot"),
    "of no boot": _without("boot"),
    "stored in the future": _change(stored_at=2000.0, expires_at=2000.0 + HOUR),
    "expired": _change(expires_at=999.0),
    "that lives too long": _change(expires_at=1000.0 + LONGEST_LIFE + 1),
    "that lives for ever": _change(expires_at=float(10**300)),
    "with a life too long for a float": _change(expires_at=10**400, stored_at=10**400),
    "stored before all time": _change(stored_at=-(10**400)),
    "with negative jitter": _change(jitter=-0.01),
    "with too much jitter": _change(jitter=JITTER + 0.01),
    "with jitter true": _change(jitter=True),
    "with a life in words": _change(expires_at="4600"),
    "with life true": _change(expires_at=True),
    "with life null": _change(expires_at=None),
    "without life": _without("expires_at"),
    "without token": _without("token"),
    "with an empty token": _change(token=""),
    "with a token of two lines": _change(token="ya29.a\nya29.b"),
    "with a space in the token": _change(token="ya29. a"),
    "with a token that is not ASCII": _change(token="ya29.\u00e4"),
    "with a number as token": _change(token=7),
}  # fmt: skip

FAILURE_RECORDS = {
    "of another boot": _change(boot="another-boot"),
    "from the future": _change(stored_at=2000.0, until=2010.0),
    "that is over": _change(until=1000.0),
    "that lasts for ever": _change(until=10.0**300),
    "with an end too long for a float": _change(until=10**400),
    "stored before all time": _change(stored_at=-(10**400)),
    "without an end": _without("until"),
    "with an end in words": _change(until="1010"),
    "without an error": _without("error"),
    "with an error in words": _change(error="sts-refused"),
    "with an error of too few fields": _change(error={"code": "sts-refused"}),
    "with an error of wrong types": lambda record: record.update(error={name: [1] for name in record["error"]}),
    "of a family that is not remembered": lambda record: record["error"].update(family="request"),
    "of an unknown family": lambda record: record["error"].update(family="weather"),
    "with claims a list": lambda record: record["error"].update(claims=[1]),
    "with a status in words": lambda record: record["error"].update(status="400"),
    "with a field more": lambda record: record["error"].update(more=1),
}  # fmt: skip


class TestRecordsThatAreNotBelieved:
    @pytest.mark.parametrize("change", TOKEN_RECORDS.values(), ids=TOKEN_RECORDS.keys())
    def test_tokens(self, node: Node, change: Callable[[dict[str, Any]], object]) -> None:
        node.ask()
        record = json.loads(node.record("token").read_text())
        change(record)
        write(node.record("token"), record)
        answered = node.ask()
        assert (answered.how, text(answered)) == ("exchange", "ya29.2")
        assert node.ask().how == "hit"

    @pytest.mark.parametrize("change", FAILURE_RECORDS.values(), ids=FAILURE_RECORDS.keys())
    def test_failures(self, node: Node, change: Callable[[dict[str, Any]], object]) -> None:
        node.fails = failure()
        node.refused()
        record = json.loads(node.record("failure").read_text())
        change(record)
        write(node.record("failure"), record)
        node.fails = None
        assert node.ask().how == "exchange"

    @pytest.mark.parametrize("kind", ["token", "failure"])
    @pytest.mark.parametrize("way", ["torn", "readable by all", "foreign"])
    def test_files(self, node: Node, monkeypatch: pytest.MonkeyPatch, kind: str, way: str) -> None:
        node.fails = failure() if kind == "failure" else None
        (node.refused if node.fails else node.ask)()
        path = node.record(kind)
        if way == "torn":
            os.truncate(path, 30)
        elif way == "foreign":
            disown(path, monkeypatch)
        else:
            path.chmod(0o644)
        node.fails = None
        assert node.ask().how == "exchange"

    def test_another_boots_failure_does_not_lengthen_the_pause(self, node: Node) -> None:
        node.fails = failure()
        node.refused()
        node.refused(boot_id="another-boot")
        assert json.loads(node.record("failure").read_text())["pause"] == 10

    JSON_VALUES = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
        max_leaves=4,
    )

    @EXAMPLES
    @given(
        st.sampled_from(["token", "failure"]),
        st.dictionaries(
            st.sampled_from(["token", "expires_at", "jitter", "stored_at", "until", "pause", "error", "boot"]),
            JSON_VALUES,
            max_size=8,
        ),
    )
    def test_any_record_is_believed_or_passed_over(self, tmp_path: Path, kind: str, fields: dict[str, Any]) -> None:
        node = Node(Path(tempfile.mkdtemp(dir=tmp_path)))
        node.ask()
        if kind == "failure":
            node.clock.now += HOUR
            node.fails = failure()
            node.refused()
        record = {**json.loads(node.record(kind).read_text()), **fields}
        write(node.record(kind), json.dumps(record).replace("Infinity", "1e999"))
        node.fails = failure()
        try:
            answered = node.ask()
        except ProviderError as error:
            refused = error
        else:
            assert answered.cache_seconds <= answered.grant.left(node.clock.now)
            return
        assert refused.line().isprintable()


class TestPromises:
    @EXAMPLES
    @given(
        life=st.floats(-100, 50_000),
        jitter=st.floats(0, 1, exclude_max=True),
        waits=st.lists(st.floats(0, 5000), max_size=6),
        skew=st.floats(-1e6, 1e6),
        fails=st.booleans(),
    )
    def test_never_exceed_what_is_left(
        self,
        tmp_path: Path,
        life: float,
        jitter: float,
        waits: list[float],
        skew: float,
        fails: bool,
    ) -> None:
        """Whatever life is granted, whatever the wall clock says, however long the process waited."""
        node = Node(Path(tempfile.mkdtemp(dir=tmp_path)), chance=jitter)
        node.life = life
        for number, wait in enumerate([0.0, *waits]):
            node.clock.now += wait
            node.clock.offset += skew
            node.fails = failure() if fails and number % 2 else None
            try:
                answered = node.ask()
            except ProviderError:
                continue
            left = answered.grant.left(node.clock.now)
            assert 0 <= answered.cache_seconds <= max(0.0, left - 300)
            assert answered.how == "exchange" or left > 60

    @EXAMPLES
    @given(st.floats(0, 43_200), st.floats(0, JITTER), st.floats(0, 43_200))
    def test_of_a_grant(self, life: float, jitter: float, now: float) -> None:
        grant = Grant(Secret("x"), life, jitter=jitter)
        assert 0 <= grant.cache_seconds(now) <= max(0.0, grant.left(now))
        assert grant.cache_seconds(now) >= int(max(0.0, (life - now - 300) * 0.89))

    def test_differ_between_nodes(self, tmp_path: Path) -> None:
        promises = set()
        for number in range(5):
            node = Node(tmp_path / str(number), chance=number / 5)
            node.folder.mkdir()
            promises.add(node.ask().cache_seconds)
        assert promises == {int(3300 * (1.0 - JITTER * (number / 5))) for number in range(5)}


@pytest.mark.parametrize("token", ["", " ", "a b", "a\n", "\ta", "ä", "a\x7f", "a\0", "\ud800"])
def test_what_cannot_be_a_token(token: str) -> None:
    assert not is_presentable(token)


def test_what_can_be_a_token() -> None:
    assert is_presentable("ya29.c.b0Aaekm1-_~+/=")
