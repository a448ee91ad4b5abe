"""YAML is read as goyaml v2 reads it; the verdicts of all cases here came from goyaml."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from credprovider.kubelet.tree import DocumentError, Kind, Node, Place
from credprovider.kubelet.yaml_text import parse_yaml


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("- *-docker.pkg.dev", id="star unquoted"),
        pytest.param("- *pkg", id="unknown anchor"),
        pytest.param("a:\n\t- b", id="tab as indentation"),
        pytest.param("a: |\n\tx", id="tab in a block scalar's indentation"),
        pytest.param("a: x\n\t y\n b", id="tab in a plain scalar's indentation"),
        pytest.param('"\\/"', id="escaped slash"),
        pytest.param('"\\ud800"', id="surrogate"),
        pytest.param('"\\U00110000"', id="beyond Unicode"),
        pytest.param('"\\x4"', id="short escape"),
        pytest.param("%YAML 1.2\n---\na: b", id="YAML 1.2"),
        pytest.param("%FOO bar\n---\na: b", id="unknown directive"),
        pytest.param("%TAG foo x\n---\na: b", id="malformed %TAG"),
        pytest.param("a: b: c", id="two colons"),
        pytest.param("a: b\nc", id="no colon"),
        pytest.param("[a, b", id="unclosed"),
        pytest.param("'a", id="unclosed quote"),
        pytest.param("a: 'b\n---\n'", id="document marker in quotes"),
        pytest.param("@a", id="reserved character"),
        pytest.param("!x!y z", id="undefined tag handle"),
        pytest.param("!! a", id="empty tag"),
        pytest.param("!<x a", id="unclosed tag"),
        pytest.param("!a%zz b", id="bad escape in a tag"),
        pytest.param("|0\n a", id="indentation indicator 0"),
        pytest.param("| x\n a", id="text after a block indicator"),
        pytest.param("{? : }: x\nnull: y", id="null as a key"),
        pytest.param("[a]: b", id="list as a key"),
        pytest.param("&a [x]: b", id="anchored list as a key"),
        pytest.param("18446744073709551615: x", id="unsigned key"),
        pytest.param("a: &a [*a]", id="anchor in itself"),
        pytest.param("a: &a\n  <<: *a", id="merge of itself"),
        pytest.param("<<: x", id="merge of a scalar"),
        pytest.param("<<: [x]", id="merge of a list of scalars"),
        pytest.param("a: &a [x]\nb:\n  <<: *a", id="merge of an alias to a list"),
        pytest.param("a: .inf", id="infinity"),
        pytest.param("a: .NaN", id="not a number"),
        pytest.param("!!int no", id="tag against value"),
        pytest.param("!!null x", id="null that is none"),
        pytest.param("!!float 18446744073709551615", id="unsigned as a float"),
        pytest.param("!!timestamp soon", id="timestamp that is none"),
        pytest.param("!!binary a", id="broken base64"),
        pytest.param("a: " + "[" * 201 + "]" * 201, id="too deep"),
        pytest.param("x" * 1025 + ": y", id="key too long"),
        pytest.param("a: b\x01", id="control character"),
        pytest.param("a: b\x7f", id="delete"),
        pytest.param("...\na: b", id="document end first"),
        pytest.param("\ufeff\ufeffa: b\nc: d", id="two marks: the second line begins a column deeper, and late"),
        pytest.param("#" + "x" * 502 + "\nk: \ufeff\nxa: b", id="mark at a piece's end is as bad as a second one"),
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(DocumentError):
        parse_yaml(text.encode())


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"a: \xff", id="not UTF-8"),
        pytest.param(b"a: \xed\xa0\x80", id="surrogate in UTF-8"),
        pytest.param("\ufeffa".encode("utf-16-le") + b"x", id="UTF-16 cut"),
        pytest.param(b"\xff\xfe\x00\xd8a\x00", id="UTF-16 half a pair"),
        pytest.param("\ufeffa\x01".encode("utf-16-be"), id="UTF-16 control character"),
    ],
)
def test_unreadable_bytes(data: bytes) -> None:
    with pytest.raises(DocumentError, match="not readable as text"):
        parse_yaml(data)


def test_alias_bomb_is_stopped() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(DocumentError, match="excessive aliasing"):
        parse_yaml("\n".join(lines).encode())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("", None, id="nothing"),
        pytest.param("# only a comment\n", None, id="comment"),
        pytest.param("---\n", None, id="marker alone"),
        pytest.param("yes", True, id="yes is a bool"),
        pytest.param("[y, N, on, Off, TRUE]", [True, False, True, False, True], id="bools"),
        pytest.param("[yEs, nO, '~', \"null\"]", ["yEs", "nO", "~", "null"], id="not bools, not null"),
        pytest.param("[~, null, NULL, '']", [None, None, None, ""], id="nulls"),
        pytest.param("[0, -1, 1_000, 0x1F, 0b1, 0o7, 010, 08, 1., .5_0, 1e3, +1, 0b-1]", [0] * 13, id="numbers"),
        pytest.param("[1:30, 0x, 1e999, ._5, -, _1, 0xfffffffffffffffff]",
                     ["1:30", "0x", "1e999", "._5", "-", "_1", "0xfffffffffffffffff"], id="not numbers"),
        pytest.param("[2001-01-01, !!timestamp 2001-1-1]", ["2001-01-01", "2001-1-1"], id="dates are text"),
        pytest.param("[!!str 1, ! 1, !foo 1, !!float 1, !!binary aGk=]", ["1", "1", "1", 0, "hi"], id="tags"),
        pytest.param("%TAG ! tag:yaml.org,2002:\n---\n!str 1", "1", id="tag handle"),
        pytest.param("!<tag:yaml.org,2002:s%74r> 1", "1", id="verbatim tag with an escape"),
        pytest.param("a\tb", "a\tb", id="tab in a plain scalar"),
        pytest.param("a:\tb\t# c", {"a": "b"}, id="tabs between tokens"),
        pytest.param("{a:}", {"a:": None}, id="colon before a bracket"),
        pytest.param("[a:b, c#d]", ["a:b", "c#d"], id="colon and hash inside"),
        pytest.param("\"\\'\\e\\N\"", "'\x1b\x85", id="escapes"),
        pytest.param('"a\n\n  b\\\n  c"', "a\nbc", id="folded quotes"),
        pytest.param("a: |#c\n x\n", {"a": "x\n"}, id="comment right after a block indicator"),
        pytest.param("a: >-\n x\n y\n\n  z\n", {"a": "x y\n\n z"}, id="folded block"),
        pytest.param("a: |2-\n    x\n", {"a": "  x"}, id="indentation indicator"),
        pytest.param("a: b\r\nc:\r\n- d\r\n", {"a": "b", "c": ["d"]}, id="CRLF"),
        pytest.param("a: b\x85c: d", {"a": "b", "c": "d"}, id="next-line character"),
        pytest.param("a: &x {b: 1}\nc: *x", {"a": {"b": 0}, "c": {"b": 0}}, id="alias"),
        pytest.param("a: &x q\nb: &x r\nc: *x", {"a": "q", "b": "r", "c": "r"}, id="anchor anew"),
        pytest.param("<<: {a: q}\nb: r", {"a": "q", "b": "r"}, id="merge"),
        pytest.param("{a: q, <<: [{a: r}, {a: s}]}", {"a": "r"}, id="a later merge wins"),
        pytest.param("true: a\n1: b\n0x10: c", {"true": "a", "1": "b", "16": "c"}, id="keys become text"),
        pytest.param(" a: b\nc: d", {"a": "b"}, id="what is indented less goes unread"),
        pytest.param("{a: b} }", {"a": "b"}, id="a bracket too many goes unread"),
        pytest.param("a: b\n---\n\x01"[:9] + "x" * 600 + "\x01", {"a": "b"}, id="trouble that is never reached"),
        pytest.param("\ufeffa: b", {"a": "b"}, id="byte order mark"),
        pytest.param("\ufeff\ufeff{a: b}", {"a": "b"}, id="two marks"),
        pytest.param("\ufeff\ufeff\ufeffa: b", {"\ufeffa": "b"}, id="three marks"),
        pytest.param("\ufeff\ufeffa: b\nxc: d", {"a": "b", "c": "d"}, id="two marks swallow each line's first"),
        pytest.param("\ufeff\ufeffa: b\n\nxc: d", {"a": "b", "c": "d"}, id="two marks swallow an empty line's end"),
        pytest.param("\ufeff\ufeff#" + "x" * 509 + "\na: b\nc: d", {"a": "b", "c": "d"}, id="two marks forgotten"),
        pytest.param("#" + "x" * 490 + "\nk: \ufeff\nxa: b", {"k": "\ufeff", "xa": "b"}, id="mark inside a piece"),
        pytest.param("k: \ufeff\n", {"k": "\ufeff"}, id="mark at the end of all"),
    ],
)  # fmt: skip
def test_taken(text: str, value: object) -> None:
    assert _plain(parse_yaml(text.encode()).root) == value


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_with_a_mark_is_read(encoding: str) -> None:
    assert _plain(parse_yaml("\ufeffa: é".encode(encoding)).root) == {"a": "é"}
    assert _plain(parse_yaml("\ufeff\ufeffa: é\nxc: d".encode(encoding)).root) == {"a": "é", "c": "d"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: 1\nb: 2\na: 3", Place(3, 1)),
        ("{a: 1, 'a': 2}", Place(1, 8)),
        ("x: &x {a: 1}\ny:\n  <<: *x\n  a: 2", Place(4, 3)),
    ],
)
def test_duplicate_is_told_with_its_place(text: str, place: Place) -> None:
    duplicates = parse_yaml(text.encode()).duplicates
    assert [(member.name, member.place) for member in duplicates] == [("a", place)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: b\n", None),
        ("a: b\n---\n", None),
        ("a: b\n...\n---\n# nothing\n", None),
        ("a: b\n---\nc: d\n", Place(2, 1)),
        ("---\n---\na: b\n", Place(2, 1)),
        ("a: b\n---\n[", Place(2, 1)),
        ("{a: b} c", Place(1, 8)),
        (" a: b\nc: d", Place(2, 1)),
    ],
)
def test_unread_content_is_told(text: str, place: Place | None) -> None:
    assert parse_yaml(text.encode()).ignored == place


def test_places_count_from_one() -> None:
    root = parse_yaml("a: 1\nbé:\n  - c\n".encode()).root
    assert [member.place for member in root.members] == [Place(1, 1), Place(2, 1)]
    assert root.members[1].value.items[0].place == Place(3, 5)


_TEXT = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x7f", exclude_categories=("Cc", "Cs", "Cn")))
_YAML = st.recursive(
    st.none() | st.booleans() | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT.map(lambda text: "k" + text), inner, max_size=4),
    max_leaves=10,
)


@given(_YAML, st.sampled_from([True, False, None]), st.sampled_from(["'", '"']), st.booleans())
def test_reads_what_pyyaml_writes_in_quotes(value: object, flow: bool | None, quote: str, plain: bool) -> None:
    written = yaml.safe_dump(value, default_flow_style=flow, default_style=quote, allow_unicode=plain)
    assert _plain(parse_yaml(written.encode()).root) == value


@given(st.text(alphabet="ab:-?[]{},#&*!|>'\"%@\n\t \\.<~1\r\ufeffé", max_size=25))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        place = parse_yaml(text.encode()).root.place
    except DocumentError as error:
        place = error.place
    assert place >= (1, 1)


def _plain(node: Node) -> object:
    if node.kind is Kind.OBJECT:
        return {member.name: _plain(member.value) for member in node.members}
    if node.kind is Kind.LIST:
        return [_plain(item) for item in node.items]
    return {Kind.NULL: None, Kind.BOOL: node.text == "true", Kind.NUMBER: 0, Kind.STRING: node.text}[node.kind]
