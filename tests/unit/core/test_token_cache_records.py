"""Records of the cache that are not believed, whatever is in them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credprovider.errors import ProviderError
from credprovider.token_cache import JITTER, LONGEST_LIFE
from tests.unit.core.caching import HOUR, Node, failure, text
from tests.unit.core.making import EXAMPLES, disown, write


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


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
