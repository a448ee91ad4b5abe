"""Patterns and auth keys cover the images that the kubelet lets them cover, in its order of trial."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credprovider.kubelet.glob import BadPatternError, glob_match
from credprovider.kubelet.match import file_keys, lookup, match_image, normalise_auth_key, split_host
from credprovider.kubelet.url import UrlError, parse_schemeless
from tests.unit.kubelet.vectors import each


@each("match")
def test_match_vector(row: dict[str, Any]) -> None:
    assert match_image(row["pattern"], row["image"]) is row["matches"]


@each("match", having="parse_error")
def test_unparsable_pattern_is_told_in_go_s_words(row: dict[str, Any]) -> None:
    with pytest.raises(UrlError) as caught:
        parse_schemeless(row["pattern"])
    assert str(caught.value) == row["parse_error"]


@each("auth_lookup")
def test_auth_lookup_vector(row: dict[str, Any]) -> None:
    filed = {entry.key: entry.filed.decode() if entry.filed else None for entry in file_keys(row["auth_keys"])}
    believed = {key: None if value == "unparsable: skipped" else value for key, value in row["normalized"].items()}
    assert filed == believed
    tried = lookup(row["auth_keys"], row["image"])
    assert [filed[key] for key in tried] == row["tried_in_order"]
    assert (not tried) is row["anonymous"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a b.dev", id="space in host"),
        pytest.param("a\tb", id="control character"),
        pytest.param("a\x7fb", id="delete"),
        pytest.param("a|b", id="pipe"),
        pytest.param("a^b", id="caret"),
        pytest.param("a`b", id="backtick"),
        pytest.param("a{b}", id="brace"),
        pytest.param("h:x", id="port not a number"),
        pytest.param("h:-1", id="port negative"),
        pytest.param("a[b", id="bracket inside"),
        pytest.param("[::1", id="bracket open"),
        pytest.param("[::1]x", id="text after bracket"),
        pytest.param("[1.2.3.4]", id="IPv4 in brackets"),
        pytest.param("[]", id="empty brackets"),
        pytest.param("[fe80::1%25]", id="empty zone"),
        pytest.param("[fe80::1%en0]", id="zone not escaped"),
        pytest.param("[::1%2541%zz]", id="bad escape in zone"),
        pytest.param("a%41", id="ASCII escaped in host"),
        pytest.param("a%zz", id="bad escape in host"),
        pytest.param("h/%zz", id="bad escape in path"),
        pytest.param("h/%4", id="cut escape in path"),
        pytest.param("h#%", id="bad escape in fragment"),
        pytest.param("u|x@h", id="bad user"),
        pytest.param("%zz@h", id="bad escape in user"),
        pytest.param("a:b:443", id="two colons"),
    ],
)
def test_text_that_does_not_parse(text: str) -> None:
    with pytest.raises(UrlError):
        parse_schemeless(text)
    assert not match_image(text, "us-docker.pkg.dev/p/r")


@pytest.mark.parametrize(
    ("text", "host", "path"),
    [
        ("", b"", b""),
        ("h/a%2Fb%ff", b"h", b"/a/b\xff"),
        ("h%C3%A9/", "hé".encode(), b"/"),
        ("h%25x", b"h%x", b""),
        ("é.dev", "é.dev".encode(), b""),
        ("user:pa%20ss@h:1/p?q=1#f", b"h:1", b"/p"),
        ("a@b@h", b"h", b""),
        ("h?", b"h", b""),
        ("h:", b"h:", b""),
        ("[::1]:5000/p", b"[::1]:5000", b"/p"),
        ("[fe80::1%25en%200]", b"[fe80::1%en 0]", b""),
        ("h/a b", b"h", b"/a b"),
        ("h#\t", b"h", b""),
        ("a\"<>&'()*+,;=!$~_h", b"a\"<>&'()*+,;=!$~_h", b""),
    ],
)
def test_text_that_parses(text: str, host: bytes, path: bytes) -> None:
    url = parse_schemeless(text)
    assert (url.host, url.path) == (host, path)


def test_two_colons_parse_up_to_kubelet_1_35() -> None:
    url = parse_schemeless("a:b:443", strict_colons=False)
    assert split_host(url.host) == ([b"a:b:443"], b"")


@pytest.mark.parametrize(
    ("host", "labels", "port"),
    [
        (b"a.b:443", [b"a", b"b"], b"443"),
        (b"a.b:", [b"a", b"b"], b""),
        (b"[::1]:5000", [b"::1"], b"5000"),
        (b"[::1]", [b"[::1]"], b""),
        (b"", [b""], b""),
        (b"a..b.", [b"a", b"", b"b", b""], b""),
    ],
)
def test_host_is_split(host: bytes, labels: list[bytes], port: bytes) -> None:
    assert split_host(host) == (labels, port)


@pytest.mark.parametrize(
    ("pattern", "image"),
    [
        pytest.param("us-docker.pkg.dev", "us-docker.pkg.dev:/p", id="empty port is no port"),
        pytest.param("us-docker.pkg.dev/p%2Fr", "us-docker.pkg.dev/p/r", id="escaped slash in a path"),
        pytest.param("[::1]:5000", "[::1]:5000/foo", id="IPv6 with a port"),
    ],
)
def test_covered_against_first_sight(pattern: str, image: str) -> None:
    assert match_image(pattern, image)


@pytest.mark.parametrize(
    ("pattern", "image"),
    [
        pytest.param("[::1]", "[::1]/foo", id="IPv6 without a port is a character class"),
        pytest.param("docker.io", "index.docker.io/library/nginx", id="alias is for keys only"),
        pytest.param("us-docker.pkg.dev/\u00c3", "us-docker.pkg.dev/\u00e9", id="half of a character"),
    ],
)
def test_not_covered_against_first_sight(pattern: str, image: str) -> None:
    assert not match_image(pattern, image)


@pytest.mark.parametrize(
    ("key", "filed"),
    [
        ("https://us-docker.pkg.dev/v2/p", b"us-docker.pkg.dev/p"),
        ("http://us-docker.pkg.dev/", b"us-docker.pkg.dev"),
        ("us-docker.pkg.dev/v1", b"us-docker.pkg.dev/v1"),
        ("us-docker.pkg.dev/v1/", b"us-docker.pkg.dev"),
        ("HTTPS://us-docker.pkg.dev", b"HTTPS:" + b"//us-docker.pkg.dev"),
        ("user@us-docker.pkg.dev?x", b"us-docker.pkg.dev"),
        ("us-docker.pkg.dev/v1/v2/x", b"us-docker.pkg.dev/v2/x"),
    ],
)
def test_auth_key_is_filed(key: str, filed: bytes) -> None:
    assert normalise_auth_key(key) == filed


@pytest.mark.parametrize(
    ("keys", "image", "tried"),
    [
        pytest.param(["index.docker.io"], "docker.io/library/nginx", ["index.docker.io"], id="last resort"),
        pytest.param(["docker.io", "index.docker.io"], "docker.io/library/nginx", ["docker.io"], id="not needed"),
        pytest.param(["index.docker.io"], "quay.io/x", [], id="not for others"),
        pytest.param(["index.docker.io"], "/x", [], id="not for an empty host"),
        pytest.param(
            ["a.dev", "a.dev/p", "a.dev/p/r"], "a.dev/p/r", ["a.dev/p/r", "a.dev/p", "a.dev"], id="longest first"
        ),
        pytest.param(["é.dev", "*.dev"], "é.dev/x", ["é.dev", "*.dev"], id="byte order, not alphabet"),
        pytest.param(["%zz", "a.dev"], "a.dev/x", ["a.dev"], id="unparsable skipped"),
    ],
)
def test_keys_are_tried(keys: list[str], image: str, tried: list[str]) -> None:
    assert lookup(keys, image) == tried


@pytest.mark.parametrize(
    ("pattern", "name"),
    [(b"[", b"a"), (b"[]", b"a"), (b"[]a]", b"]"), (b"[a", b"a"), (b"[a-]", b"a"), (b"[-a]", b"-"), (b"a\\", b"a"),
     (b"[\\", b"a"), (b"[\xff]", b"a"), (b"[^", b"a"), (b"*[", b""), (b"[a]*[", b"ab"), (b"a[", b"b")],
)  # fmt: skip
def test_malformed_glob_even_after_a_mismatch(pattern: bytes, name: bytes) -> None:
    with pytest.raises(BadPatternError):
        glob_match(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        (b"", b"", True),
        (b"", b"a", False),
        (b"*", b"", True),
        (b"*", b"a/b", False),
        (b"**a", b"ba", True),
        (b"a*b*c", b"axxbxxc", True),
        (b"a*b*c", b"axxbxx", False),
        (b"?", "é".encode(), True),
        (b"?", b"/", False),
        (b"?", b"", False),
        (b"[a-c]", b"b", True),
        (b"[^a-c]", b"b", False),
        (b"[\\]]", b"]", True),
        ("[é]".encode(), "é".encode(), True),
        (b"\\*", b"*", True),
        (b"[*]x", b"*x", True),
    ],
)
def test_glob(pattern: bytes, name: bytes, *, matches: bool) -> None:
    assert glob_match(pattern, name) is matches


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_any_bytes_match_or_not(pattern: bytes, name: bytes) -> None:
    try:
        assert glob_match(pattern, name) in {True, False}
    except BadPatternError:
        return


@given(st.text(max_size=20))
def test_any_text_parses_or_not(text: str) -> None:
    try:
        found = parse_schemeless(text).host.decode("utf-8", "replace")
    except UrlError as error:
        found = str(error)
    assert found.isascii() <= found.isprintable()


@given(st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]{1,5}){1,3}", fullmatch=True))
def test_plain_image_name_covers_itself(image: str) -> None:
    assert match_image(image, image)
    assert match_image(image, image + "-other")  # no segment boundary
