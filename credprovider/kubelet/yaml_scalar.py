"""What a YAML scalar means to goyaml v2: null, bool, number or string; pure.

Source: go.yaml.in/yaml/v2 v2.4.4 ``resolve.go`` and ``decode.go`` ((*decoder).scalar).
"""

from __future__ import annotations

import base64
import re
from enum import Enum
from typing import NamedTuple

from credprovider.kubelet.tree import Kind

_PREFIX = "tag:yaml.org,2002:"
_BINARY = f"{_PREFIX}binary"
_STR = f"{_PREFIX}str"
_TAGS = {f"{_PREFIX}{name}": kind for name, kind in {"bool": Kind.BOOL, "null": Kind.NULL, "str": Kind.STRING}.items()}
_INT, _FLOAT, _TIMESTAMP = f"{_PREFIX}int", f"{_PREFIX}float", f"{_PREFIX}timestamp"

_WORDS: dict[str, tuple[Kind, str]] = {
    word: (kind, text)
    for kind, text, words in (
        (Kind.BOOL, "true", "y Y yes Yes YES true True TRUE on On ON"),
        (Kind.BOOL, "false", "n N no No NO false False FALSE off Off OFF"),
        (Kind.NULL, "", "~ null Null NULL"),
        (Kind.NUMBER, "", ".nan .NaN .NAN .inf .Inf .INF +.inf +.Inf +.INF -.inf -.Inf -.INF"),
    )
    for word in words.split()
}
_WORDS[""] = (Kind.NULL, "")

_INTEGER = re.compile(r"([+-]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
#: By goyaml's own second attempt at binary numbers.
_SIGN_INSIDE = re.compile(r"0b([+-][01]+)")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_POINT_FIRST = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?")
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"(?:[Tt][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:[.,][0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})"
    r"| [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:[.,][0-9]+)?)?"
)
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


class Oddity(Enum):
    """Numbers with which goyaml's later steps cannot do everything."""

    NONE = "none"
    UNSIGNED = "an integer that needs all 64 bits"
    NOT_FINITE = "infinite or not a number"


class Scalar(NamedTuple):
    """A meaning: the text is a string's own, ``true`` or ``false`` of a bool, decimal of an integer."""

    kind: Kind
    text: str
    oddity: Oddity = Oddity.NONE


class TagMismatchError(ValueError):
    """An explicit tag does not fit its value."""


def resolve(value: str, tag: str, *, plain: bool) -> Scalar:
    """What a scalar means.

    Args:
        value: its text, folded and unescaped.
        tag: written out in full, ``!`` for the non-specific one, empty without one.
        plain: neither quoted nor tagged (or tagged ``!``).

    Raises:
        TagMismatchError: e.g. for ``!!int no``.
    """
    if tag == _BINARY:
        return Scalar(Kind.STRING, _binary(value))
    if tag in {"", _STR}:
        return _guess(value) if plain and not tag else Scalar(Kind.STRING, value)
    if tag == _TIMESTAMP and _DATE.fullmatch(value):
        return Scalar(Kind.STRING, value)
    if tag not in _TAGS and tag not in {_INT, _FLOAT, _TIMESTAMP}:
        return Scalar(Kind.STRING, value)
    scalar = _guess(value)
    if scalar.kind is Kind.NUMBER:
        is_integer = _integer(value) is not None
        fits = tag == (_INT if is_integer else _FLOAT) or (tag == _FLOAT and scalar.oddity is not Oddity.UNSIGNED)
    else:
        fits = _TAGS.get(tag) is scalar.kind
    if not fits:
        raise TagMismatchError(f"cannot decode a {scalar.kind.value} as a !!{tag.removeprefix(_PREFIX)}")
    return scalar


def _binary(value: str) -> str:
    packed = value.replace("\r", "").replace("\n", "")
    if not _BASE64.fullmatch(packed):
        raise TagMismatchError("!!binary value contains invalid base64 data")
    return base64.b64decode(packed).decode("utf-8", "replace")


def _guess(value: str) -> Scalar:
    """The meaning of a plain scalar."""
    if value in _WORDS:
        kind, text = _WORDS[value]
        return Scalar(kind, text or value, Oddity.NOT_FINITE if kind is Kind.NUMBER else Oddity.NONE)
    first = value[:1]
    if first == ".":
        return _number(value) if _POINT_FIRST.fullmatch(value) else Scalar(Kind.STRING, value)
    if first not in "+-0123456789":
        return Scalar(Kind.STRING, value)
    integer = _integer(value)
    if integer is not None:
        return Scalar(Kind.NUMBER, str(integer), Oddity.UNSIGNED if integer >= 1 << 63 else Oddity.NONE)
    return _number(value) if _DECIMAL.fullmatch(value.replace("_", "")) else Scalar(Kind.STRING, value)


def _number(value: str) -> Scalar:
    """A float, or a string if it is beyond the range of one."""
    finite = abs(float(value.replace("_", ""))) != float("inf")
    return Scalar(Kind.NUMBER if finite else Kind.STRING, value)


def _integer(value: str) -> int | None:
    """Go's ParseInt and ParseUint with base 0 after all underscores are taken out; None if neither takes it."""
    packed = value.replace("_", "")
    match = _INTEGER.fullmatch(packed)
    if match is not None:
        sign, *digits = match.groups()
        number = next(int(text, base) for text, base in zip(digits, (16, 2, 8, 10), strict=True) if text is not None)
        number = -number if sign == "-" else number
    elif signed := _SIGN_INSIDE.fullmatch(packed):
        sign, number = signed[1][0], int(signed[1], 2)
    else:
        return None
    if -(1 << 63) <= number < 1 << 63 or (number < 1 << 64 and number > 0 and not sign):
        return number
    return None
