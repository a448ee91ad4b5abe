"""Configurations that start a kubelet and surprise are told; sound ones are not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credprovider.kubelet.config import lint_text
from credprovider.kubelet.match import match_image
from tests.unit.kubelet.configs import document, provider


def warnings(text: str) -> list[str]:
    report = lint_text(text)
    assert report.starts, report.text()
    return [finding.rule for finding in report.warnings]


@pytest.mark.parametrize(
    ("pattern", "rules"),
    [
        ("", ["pattern-empty"]),
        ("https://us-docker.pkg.dev", ["pattern-scheme"]),
        ("*", ["pattern-lone-star"]),
        ("us-docker.pkg.dev.", ["pattern-empty-label"]),
        ("us-docker.pkg.dev:443", ["pattern-port"]),
        ("*:5000", ["pattern-lone-star", "pattern-port"]),
        ("us-docker.pkg.dev/my-proj", ["pattern-missing-slash"]),
        ("*-docker.pkg.dev/*", ["pattern-path-star"]),
        ("us-docker.pkg.dev/p/r/i:v1", ["pattern-tag"]),
        ("us-docker.pkg.dev/p/r/i@sha256:00", ["pattern-tag"]),
        ("us-docker.pkg.dev/P/", ["pattern-path-impossible"]),
        ("us-docker.pkg.dev//p/", ["pattern-path-impossible"]),
        ("us-docker.pkg.dev/p r/", ["pattern-path-impossible"]),
        ("US-docker.pkg.dev", ["pattern-upper-case"]),
        ("us-docker?.pkg.dev", ["pattern-cut"]),
        ("us-docker.pkg.dev#x", ["pattern-cut"]),
        ("me@us-docker.pkg.dev", ["pattern-user"]),
    ],
)
def test_pattern_is_told(pattern: str, rules: list[str]) -> None:
    assert warnings(document(provider(matchImages=[pattern]))) == rules


@pytest.mark.parametrize(
    "pattern", ["*-docker.pkg.dev", "gcr.io", "*.*.azurecr.io", "us-docker.pkg.dev/p/", "10.0.0.*"]
)
def test_pattern_is_sound(pattern: str) -> None:
    assert warnings(document(provider(matchImages=[pattern]))) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["*.pkg.dev"], ["*-docker.pkg.dev"]),
        (["gcr.io", "quay.io"], ["x.dev", "quay.io"]),
        (["a*.dev"], ["*b.dev"]),
        (["*a*.dev"], ["b*c.dev"]),
        (["gcr.io/a/"], ["gcr.io/a/b/"]),
        (["gcr.io"], ["gcr.io/a/"]),
    ],
)
def test_overlapping_providers_are_told(first: list[str], second: list[str]) -> None:
    text = document(provider(name="a", matchImages=first), provider(name="b", matchImages=second))
    assert warnings(text) == ["providers-overlap"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("*.pkg.dev", "pkg.dev"),
        ("a*.dev", "b*.dev"),
        ("*a.dev", "*b.dev"),
        ("gcr.io/a/", "gcr.io/b/"),
        ("ab.dev", "a.dev"),
        ("us-*.pkg.dev", "eu-*.pkg.dev"),
    ],
)
def test_providers_side_by_side_are_sound(first: str, second: str) -> None:
    text = document(provider(name="a", matchImages=[first]), provider(name="b", matchImages=[second]))
    assert warnings(text) == []


def test_unparsable_pattern_spoils_no_comparison() -> None:
    text = document(
        provider(name="a", matchImages=["%zz", "gcr.io"]), provider(name="b", matchImages=["%zz", "gcr.io"])
    )
    assert [finding.rule for finding in lint_text(text).warnings] == ["providers-overlap"]


def test_port_keeps_providers_apart() -> None:
    text = document(provider(name="a", matchImages=["a.dev:1"]), provider(name="b", matchImages=["a.dev:2"]))
    assert warnings(text) == ["pattern-port", "pattern-port"]


@pytest.mark.parametrize(("duration", "rules"), [("1h", []), ("1h0m1s", ["default-cache-duration-long"])])
def test_long_default_is_told(duration: str, rules: list[str]) -> None:
    assert warnings(document(provider(defaultCacheDuration=duration))) == rules


def test_further_documents_are_told() -> None:
    assert warnings("---\n" + document() + "\n---\n" + document()) == ["document-ignored"]


_GLOB = st.text(alphabet="ab*", min_size=1, max_size=6)


@given(_GLOB, _GLOB, st.lists(st.text(alphabet="ab", max_size=6), max_size=8))
def test_whatever_two_patterns_share_is_an_overlap(first: str, second: str, labels: list[str]) -> None:
    shared = [
        label for label in labels if all(match_image(f"{glob}.dev", f"{label}.dev/x") for glob in (first, second))
    ]
    told = _overlaps(first, second)
    assert told or not shared
    assert told is _overlaps(second, first)


def _overlaps(first: str, second: str) -> bool:
    text: Any = document(
        provider(name="a", matchImages=[f"{first}.dev"]), provider(name="b", matchImages=[f"{second}.dev"])
    )
    return "providers-overlap" in warnings(text)
