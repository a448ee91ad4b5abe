"""A token cannot be printed by accident; an error owns one line that a log can take."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credprovider.errors import EXIT_CODES, LINE_LIMIT, ProviderError, one_line
from credprovider.secret import Secret
from tests.unit.core.making import EXAMPLES, PROGRAM

CANARY = "eyJcanary"

WAYS_TO_PRINT = {
    "str": str,
    "repr": repr,
    "format": "{}".format,
    "format with a width": "{:>40}".format,
    "format with conversion": "{!r}".format,
    "percent": lambda secret: "%s" % secret,  # noqa: UP031 - a way that somebody may take
    "in a list": lambda secret: str([secret]),
    "in a dictionary": lambda secret: repr({"token": secret}),
    "in an exception": lambda secret: str(ValueError(secret)),
    "its attributes": lambda secret: str(getattr(secret, "__dict__", {})),
}


@pytest.mark.parametrize("way", WAYS_TO_PRINT.values(), ids=WAYS_TO_PRINT.keys())
def test_a_secret_is_masked(way: Any) -> None:
    assert "canary" not in way(Secret(CANARY))


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps], ids=lambda way: way.__name__)
def test_a_secret_is_not_serialised(way: Any) -> None:
    with pytest.raises(TypeError) as caught:
        way(Secret(CANARY))
    assert "canary" not in str(caught.value)


def test_a_secret_compares_by_its_text() -> None:
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len(Secret("abc")) == 3
    assert Secret(CANARY).reveal() == CANARY


def _error(**changes: Any) -> ProviderError:
    arguments = {
        "code": "sts-refused",
        "family": "google",
        "hop": "sts",
        "cause": "Google refused the token",
        "remedy": "see there",
    }
    return ProviderError(**{**arguments, **changes})


@pytest.mark.parametrize(("family", "code"), EXIT_CODES.items(), ids=EXIT_CODES.keys())
def test_each_family_has_its_exit_code(family: str, code: int) -> None:
    assert _error(family=family).exit_code == code != 0


def test_the_exit_codes_are_those_of_the_contract() -> None:
    plugin = {name: EXIT_CODES[name] for name in ("request", "settings", "azure", "google", "deadline", "bug")}
    assert plugin == {"request": 2, "settings": 3, "azure": 4, "google": 5, "deadline": 7, "bug": 70}
    assert (EXIT_CODES["node"], EXIT_CODES["registry"]) == (6, 8)


def test_the_line_says_code_hop_status_cause_claims_trace_and_remedy() -> None:
    error = _error(
        status=400,
        service_error="invalid_grant",
        claims={"iss": "https://i", "aud": "a", "sub": "s"},
        trace={"trace_id": "t"},
    )
    assert error.line() == (
        f"{PROGRAM}: sts-refused [sts HTTP 400 invalid_grant]: Google refused the token."
        " Token sent: iss=https://i, aud=a, sub=s. trace_id=t. Fix: see there"
    )


def test_the_line_without_more() -> None:
    assert _error(cause="It failed.").line() == f"{PROGRAM}: sts-refused [sts]: It failed. Fix: see there"


def test_an_exception_text_shows_the_code_alone() -> None:
    error = _error(cause=CANARY, remedy=CANARY, claims={"sub": CANARY})
    assert str(error) == "sts-refused"
    assert "canary" not in "".join(traceback.format_exception(error))


UNPRINTABLE = {
    "newline": "a\nb",
    "carriage return": "a\rb",
    "tab": "a\tb",
    "terminal escape": "a\x1b]0;x\x07b",
    "line separator": "a\u2028b",
    "next line": "a\x85b",
    "right-to-left override": "a\u202eb",
    "lone surrogate": "a\ud800b",
    "NUL": "a\0b",
}


@pytest.mark.parametrize("text", UNPRINTABLE.values(), ids=UNPRINTABLE.keys())
@pytest.mark.parametrize("part", ["hop", "cause", "remedy", "service_error"])
def test_the_line_is_printable_whatever_is_in_it(part: str, text: str) -> None:
    line = _error(**{part: text}).line()
    assert line.isprintable()
    assert text not in line
    line.encode()


@EXAMPLES
@given(st.text(), st.integers(10, 100))
def test_one_line_of_anything(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert line.isprintable()
    assert len(line) <= limit
    line.encode()


def test_a_long_line_is_cut_visibly() -> None:
    line = _error(remedy="a" * 5000).line()
    assert len(line) == LINE_LIMIT
    assert line.endswith("a...")


def test_a_long_cause_does_not_push_the_remedy_out() -> None:
    claims = dict.fromkeys(("iss", "aud", "sub", "azp"), "c" * 200)
    line = _error(cause="a" * 5000, claims=claims).line()
    assert "aaa... Token sent: " in line
    assert line.endswith("Fix: see there")
