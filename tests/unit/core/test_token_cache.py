"""One exchange for all: hits, refreshing, and failures remembered, for how long and how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from credprovider.state import StateDirectory
from credprovider.token_cache import Grant, is_presentable
from tests.unit.core.caching import HOUR, Node, failure, text


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


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


@pytest.mark.parametrize("token", ["", " ", "a b", "a\n", "\ta", "ä", "a\x7f", "a\0", "\ud800"])
def test_what_cannot_be_a_token(token: str) -> None:
    assert not is_presentable(token)


def test_what_can_be_a_token() -> None:
    assert is_presentable("ya29.c.b0Aaekm1-_~+/=")
