"""Durations are read and written as Go does it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from credprovider.kubelet.codec import Decoder
from credprovider.kubelet.duration import DurationError, format_duration, parse_duration
from credprovider.kubelet.json_text import parse_json
from tests.unit.kubelet.vectors import each


@each("duration")
def test_vector(row: dict[str, Any]) -> None:
    decoder = Decoder()
    duration = decoder.duration(parse_json(row["json"].encode()), "cacheDuration")
    assert (not decoder.problems) is row["accepted"]
    assert duration == row.get("nanoseconds")
    if duration is not None:
        assert format_duration(duration) == row["canonical"]


@each("duration", having="error_gist")
def test_refusal_has_go_s_words(row: dict[str, Any]) -> None:
    value = json.loads(row["json"])
    if not isinstance(value, str):
        assert "of type string" in row["error_gist"]
        return
    with pytest.raises(DurationError) as caught:
        parse_duration(value)
    assert str(caught.value) == row["error_gist"]


@pytest.mark.parametrize(
    "text",
    ["", "+", "-", ".", "s", ".s", "1", "1.5", "3000000h", "1h-5m", "1 h", "٣s", "9223372036854775808ns", "1µ", "1hs"],
)
def test_refused(text: str) -> None:
    with pytest.raises(DurationError):
        parse_duration(text)


def test_reason_never_holds_the_text() -> None:
    for text in ("ya29.secret", "5secret", "5"):
        with pytest.raises(DurationError) as caught:
            parse_duration(text)
        assert caught.value.reason in {"invalid", "missing unit", "unknown unit"}


@pytest.mark.parametrize(
    ("text", "nanoseconds", "canonical"),
    [
        ("+0", 0, "0s"),
        ("1m1m", 120_000_000_000, "2m0s"),
        ("0.100000000000000000000h", 360_000_000_000, "6m0s"),
        ("0.830103483285477580700h", 2_988_372_539_827, "49m48.372539827s"),
        ("0.3333333333333333333h", 1_200_000_000_000, "20m0s"),
        ("-9223372036854775808ns", -(1 << 63), "-2562047h47m16.854775808s"),
        ("1.000000001s", 1_000_000_001, "1.000000001s"),
        ("1500\u03bcs", 1_500_000, "1.5ms"),
        ("2562047h47m16.854775807s", (1 << 63) - 1, "2562047h47m16.854775807s"),
    ],
)
def test_taken(text: str, nanoseconds: int, canonical: str) -> None:
    assert parse_duration(text) == nanoseconds
    assert format_duration(nanoseconds) == canonical


@given(st.integers(min_value=-(1 << 63), max_value=(1 << 63) - 1))
@example(1)
@example(999)
@example(-60_000_000_000)
def test_canonical_text_reads_back(nanoseconds: int) -> None:
    assert parse_duration(format_duration(nanoseconds)) == nanoseconds


@given(st.text(alphabet="0123456789.+-hmsnuµ xd"))
def test_any_text_is_taken_or_refused(text: str) -> None:
    try:
        duration = parse_duration(text)
    except DurationError:
        return
    assert -(1 << 63) <= duration < 1 << 63
