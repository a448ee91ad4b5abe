"""strict_json accepts what the standard library's json accepts, minus what two readers could understand in two ways."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any, NoReturn

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from credprovider.strict_json import dumps, loads
from tests.unit.core.making import EXAMPLES

REFUSED = {
    "empty": "",
    "white space": " \t\r\n",
    "two values": "{}{}",
    "two values apart": "1 2",
    "comma after": "{},",
    "bare word": "credential",
    "cut object": '{"a":',
    "cut string": '"abc',
    "cut escape": '"\\u12',
    "cut number": "-",
    "leading zero": "01",
    "leading plus": "+1",
    "hexadecimal": "0x1f",
    "single quotes": "{'a':1}",
    "comment": "{} // no",
    "trailing comma": '{"a":1,}',
    "trailing comma in list": "[1,]",
    "key without quotes": "{a:1}",
    "number as key": '{"a":1,2:3}',
    "control character in string": '"a\nb"',
    "NaN": "NaN",
    "Infinity": "[Infinity]",
    "minus Infinity": '{"a":-Infinity}',
    "duplicate key": '{"a":1,"a":1}',
    "duplicate key inside": '[{"b":{"a":1,"c":2,"a":3}}]',
    "duplicate key by escape": '{"a":1,"\\u0061":2}',
    "no-break space around": "\u00a01",
    "form feed around": "\f1",
    "byte order mark": "\ufeff{}",
    "nested too deeply": "[" * 100_000,
    "number of too many digits": "9" * 5000,
}


@pytest.mark.parametrize("document", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("form", [str, str.encode], ids=["text", "bytes"])
def test_refuses(document: str, form: Any) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        loads(form(document))
    assert type(caught.value) is ValueError
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("document", [b"\xff\xfe{\x00}\x00", b'"\xc3"', b'"\xed\xa0\x80"', b"\x80"])
def test_refuses_what_is_not_utf8(document: bytes) -> None:
    with pytest.raises(ValueError, match="not UTF-8"):
        loads(document)


SECRET = "eyJcanary"


@pytest.mark.parametrize("document", [f'"{SECRET}', f'{{"{SECRET}":1,"{SECRET}":2}}', f'["{SECRET}"] {SECRET}', SECRET])
def test_reasons_quote_nothing_of_the_document(document: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        loads(document)
    error: BaseException | None = caught.value
    assert SECRET not in str(error)
    assert error is not None
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    assert not hasattr(error, "doc")


@pytest.mark.parametrize("document", ["", "{", "nonsense", '{"a":nonsense}', '"cut'])
def test_refuses_in_a_process_that_never_loaded_json(document: str) -> None:
    """Up to CPython 3.12 the scanner fails without an exception where json.decoder is absent."""
    program = (
        "import sys; from credprovider.strict_json import loads\n"
        "assert not {'json', 'json.decoder', 're'} & set(sys.modules), 'this test would prove nothing'\n"
        f"try: loads({document!r})\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "import sys; sys.path.insert(0, '.')\n" + program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "not JSON\n", "")


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (b" \t\r\n{} \n", {}),
        ('{"a":[1,-2.5,1e3,true,false,null,"\\u00e4\\n"]}', {"a": [1, -2.5, 1000.0, True, False, None, "\u00e4\n"]}),
        ('"\u00e4"'.encode(), "\u00e4"),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ("-0", 0),
    ],
    ids=["space around", "all types", "UTF-8", "surrogate pair", "minus zero"],
)
def test_reads(document: bytes | str, value: object) -> None:
    assert loads(document) == value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError
    return dict(pairs)


def _no_constant(_name: str) -> NoReturn:
    raise ValueError


def _oracle(document: str) -> tuple[bool, object]:
    try:
        return True, json.loads(document, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return False, None


def _ours(document: str | bytes) -> tuple[bool, object]:
    try:
        return True, loads(document)
    except ValueError:
        return False, None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def almost_json(draw: st.DrawFn) -> str:
    """A document with one stretch of it replaced, or words of JSON's alphabet in any order."""
    if draw(st.booleans()):
        words = [
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            '"',
            '"a"',
            "1",
            "-",
            ".",
            "e",
            "0",
            "null",
            "true",
            "NaN",
            " ",
            "\n",
            "\\",
            "\\u00",
            "é",
        ]
        return "".join(draw(st.lists(st.sampled_from(words), max_size=20)))
    text = json.dumps(draw(VALUES), ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    start = draw(st.integers(0, len(text)))
    return text[:start] + draw(st.text(max_size=3)) + text[draw(st.integers(start, min(len(text), start + 3))) :]


@EXAMPLES
@given(almost_json())
@example("[]]")
@example('{"":0,"":0}')
def test_agrees_with_the_standard_library(document: str) -> None:
    assert _ours(document) == _oracle(document)
    assert repr(_ours(document)) == repr(_oracle(document))


@EXAMPLES
@given(st.binary(max_size=64))
def test_any_bytes_give_a_value_or_a_value_error(document: bytes) -> None:
    _ours(document)


@pytest.mark.parametrize("value", [b"x", {1}, object(), {"a": [1, {2}]}], ids=["bytes", "set", "object", "set inside"])
def test_does_not_write_other_types(value: object) -> None:
    with pytest.raises(TypeError) as caught:
        dumps(value)
    assert str(caught.value) in {"bytes", "set", "object"}


@EXAMPLES
@given(VALUES)
def test_writes_what_it_reads(value: object) -> None:
    written = dumps(value)
    assert written.isascii()
    assert "\n" not in written
    assert loads(written) == value == json.loads(written)
    assert written == json.dumps(value, sort_keys=True, separators=(",", ":"))


@EXAMPLES
@given(st.dictionaries(st.text(), st.integers()))
def test_writing_does_not_depend_on_order(document: dict[str, int]) -> None:
    assert dumps(document) == dumps(dict(reversed(document.items())))


def test_an_overflowing_number_is_infinite_as_for_the_standard_library() -> None:
    assert loads("1e999") == json.loads("1e999") == math.inf
