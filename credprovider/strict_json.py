"""JSON without the `json` package: one value, no duplicate keys, no NaN, canonical output; for any module.

`import json` compiles regular expressions and costs a third of the whole time of a cached answer. The C scanner
behind it (`_json`, CPython's own accelerator since 2.6) does the parsing in both cases; what `json` adds is white
space and error texts. A test compares both on generated documents.
"""

from __future__ import annotations

from _json import encode_basestring_ascii as quote
from _json import make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["dumps", "loads", "quote"]

_WHITE_SPACE = " \t\n\r"


def loads(document: bytes | str) -> object:
    """Parse one JSON value.

    Args:
        document: UTF-8 bytes (no byte order mark) or text.

    Raises:
        ValueError: with a short reason that quotes nothing of the document.
    """
    text = document if isinstance(document, str) else _decode(document)
    start = _skip_white_space(text, 0)
    try:
        value, end = _SCAN(text, start)
    except (StopIteration, SystemError):
        # SystemError: up to CPython 3.12 the scanner looks for json.decoder's exception class among the modules
        # already loaded, finds none, and returns without having set an error (_json.c, raise_errmsg).
        raise ValueError("not JSON") from None
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    except ValueError as error:
        # JSONDecodeError's own text may hold nothing of the document, but its `doc` attribute holds all of it.
        raise ValueError(str(error) if type(error) is ValueError else "not JSON") from None
    if _skip_white_space(text, end) != len(text):
        raise ValueError("more than one JSON value")
    return value


def _decode(document: bytes) -> str:
    try:
        return document.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None


def _skip_white_space(text: str, index: int) -> int:
    while index < len(text) and text[index] in _WHITE_SPACE:
        index += 1
    return index


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key in JSON object")
    return result


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


class _Rules:
    """What `_json.make_scanner` asks of its context object (see CPython's Modules/_json.c, scanner_new)."""

    strict = True
    object_hook = None
    object_pairs_hook = staticmethod(_unique)
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_refuse_constant)


_SCAN = make_scanner(_Rules())  # type: ignore[arg-type]  # typeshed asks for what it returns


def dumps(value: object) -> str:
    """Canonical JSON of plain values (str, int, float, bool, None, list, tuple, dict): keys sorted, no spaces, ASCII.

    Raises:
        TypeError: for any other type; it names the type only.
    """
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{quote(key)}:{dumps(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(dumps, value)) + "]"
    raise TypeError(type(value).__name__)
