"""JSON is read as Go reads it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credprovider.kubelet.json_text import parse_json
from credprovider.kubelet.tree import DocumentError, Kind, Node, Place


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "unexpected end of JSON input"),
        (b"{", "unexpected end of JSON input"),
        (b'"abc', "unexpected end of JSON input"),
        (b"[1,", "unexpected end of JSON input"),
        (b"\xef\xbb\xbf{}", "invalid character 'ï' looking for beginning of value"),
        (b"\xa0{}", "invalid character '\\u00a0' looking for beginning of value"),
        (b"'a'", "invalid character '\\'' looking for beginning of value"),
        (b"[1,]", "invalid character ']' looking for beginning of value"),
        (b"{,}", "invalid character ',' looking for beginning of object key string"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b"{a: b}", "invalid character 'a' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"{} {}", "invalid character '{' after top-level value"),
        (b"01", "invalid character '1' after top-level value"),
        (b"nul", "invalid character ' ' in literal null (expecting 'l')"),
        (b"trux", "invalid character 'x' in literal true (expecting 'e')"),
        (b"-x", "invalid character 'x' in numeric literal"),
        (b"1.x", "invalid character 'x' after decimal point in numeric literal"),
        (b"1e+", "invalid character ' ' in exponent of numeric literal"),
        (b'"\n"', "invalid character '\\n' in string literal"),
        (b'"\x00"', "invalid character '\\x00' in string literal"),
        (b'"\\x"', "invalid character 'x' in string escape code"),
        (b'"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
        (b"NaN", "invalid character 'N' looking for beginning of value"),
        (b"[" * 10_001, "invalid character '[' exceeded max depth"),
    ],
)
def test_refused_in_go_s_words(data: bytes, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_json(data)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'"\\/\\b\\u00e9"', "/\bé"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\ud800"', "\ufffd"),
        (b'"\\udc00\\ud800x"', "\ufffd\ufffdx"),
        (b'"\\ud800\\u0041"', "\ufffdA"),
        (b'"\\ud800\\ud83d\\ude00"', "\ufffd\U0001f600"),
        (b'"a\xffb"', "a\ufffdb"),
        (b'"\xe2\x82"', "\ufffd\ufffd"),
        (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
        (b'"\x7f\xc2\xa0"', "\x7f\xa0"),
    ],
)
def test_broken_text_is_repaired_as_go_does(data: bytes, text: str) -> None:
    assert parse_json(data).text == text


def test_depth_limit_is_reached_without_recursion() -> None:
    node = parse_json(b"[" * 10_000 + b"]" * 10_000)
    depth = 1
    while node.items:
        node, depth = node.items[0], depth + 1
    assert depth == 10_000


def test_values_know_their_place() -> None:
    node = parse_json('{\n  "é": [1,\n "ü", 3]}'.encode())
    member = node.members[0]
    assert (node.place, member.place) == (Place(1, 1), Place(2, 3))
    assert [item.place for item in member.value.items] == [Place(2, 9), Place(3, 2), Place(3, 7)]


def test_error_knows_its_place() -> None:
    with pytest.raises(DocumentError) as caught:
        parse_json(b'{\n  "a": x}')
    assert caught.value.place == Place(2, 8)


def test_duplicates_are_kept() -> None:
    assert [member.name for member in parse_json(b'{"a":1,"a":2}').members] == ["a", "a"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(_JSON, st.sampled_from([None, 1]), st.booleans())
def test_reads_what_json_writes(value: object, indent: int | None, ascii_only: bool) -> None:
    written = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    assert _plain(parse_json(written)) == _without_numbers(value)


@given(st.binary(max_size=30))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse_json(data)
        refused = None
    except DocumentError as error:
        refused = error
    assert refused is None or (str(refused).isprintable() and refused.place >= (1, 1))


def _plain(node: Node) -> object:
    if node.kind is Kind.OBJECT:
        return {member.name: _plain(member.value) for member in node.members}
    if node.kind is Kind.LIST:
        return [_plain(item) for item in node.items]
    return {Kind.NULL: None, Kind.BOOL: node.text == "true", Kind.NUMBER: 0, Kind.STRING: node.text}[node.kind]


def _without_numbers(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_numbers(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_numbers(inner) for inner in value]
    return 0 if isinstance(value, (int, float)) and not isinstance(value, bool) else value
