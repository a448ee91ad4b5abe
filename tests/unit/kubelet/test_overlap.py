"""Overlapping patterns are found without comparing each with each, and none is missed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credprovider.kubelet import config_surprises, overlap
from credprovider.kubelet.config import lint_text
from credprovider.kubelet.match import split_host
from credprovider.kubelet.overlap import Pattern, globs_meet, overlaps
from credprovider.kubelet.url import parse_schemeless
from tests.unit.kubelet.configs import document, provider

if TYPE_CHECKING:
    from collections.abc import Sequence

_LABEL = st.text(alphabet="ab*", min_size=1, max_size=3)
_PATTERN = st.builds(
    lambda labels, rest: ".".join(labels) + rest,
    st.lists(_LABEL, min_size=1, max_size=3),
    st.sampled_from(["", "", ":1", ":2", "/", "/a", "/a/", "/ab/", ":1/a"]),
)


def _patterns(texts: Sequence[Sequence[str]]) -> list[list[Pattern]]:
    return [
        [Pattern(number, position, parse_schemeless(text)) for position, text in enumerate(each)]
        for number, each in enumerate(texts)
    ]


def _overlap(first: Pattern, second: Pattern) -> bool:
    """By the kubelet's rules of a match, label by label."""
    labels, port = split_host(first.url.host)
    other_labels, other_port = split_host(second.url.host)
    one, other = first.url.path, second.url.path
    return (
        (port, len(labels)) == (other_port, len(other_labels))
        and (one.startswith(other) or other.startswith(one))
        and all(globs_meet(*pair) for pair in zip(labels, other_labels, strict=True))
    )


@given(st.lists(st.lists(_PATTERN, max_size=4), max_size=4))
def test_finds_what_comparing_each_with_each_finds(texts: list[list[str]]) -> None:
    providers = _patterns(texts)
    expected = []
    for number, ours in enumerate(providers):
        for earlier in providers[:number]:
            pairs = ((theirs, our) for our in ours for theirs in earlier if _overlap(theirs, our))
            expected += [pair for pair, _ in zip(pairs, range(1), strict=False)]
    assert sorted(overlaps(providers), key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(
    "form",
    ["r{0}-{1}.example.com", "*.r{0}-{1}.azurecr.io", "x{0}y{1}-*.dev", "*-x{0}y{1}.dev", "us.pkg.dev/p{0}-{1}/"],
)
def test_many_patterns_are_parsed_once_and_compared_with_few(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    providers, patterns = 60, 20
    text = document(
        *(
            provider(name=f"p{number}", matchImages=[form.format(number, each) for each in range(patterns)])
            for number in range(providers)
        )
    )
    parse, compare = Mock(wraps=parse_schemeless), Mock(wraps=globs_meet)
    monkeypatch.setattr(config_surprises, "parse_schemeless", parse)
    monkeypatch.setattr(overlap, "globs_meet", compare)
    assert lint_text(text).findings == ()
    assert parse.call_count == providers * patterns
    assert compare.call_count <= 4 * providers * patterns


def test_providers_that_all_overlap_are_told_pair_by_pair() -> None:
    text = document(*(provider(name=f"p{number}", matchImages=["*.pkg.dev"] * 3) for number in range(5)))
    assert [finding.rule for finding in lint_text(text).findings] == ["providers-overlap"] * 10
