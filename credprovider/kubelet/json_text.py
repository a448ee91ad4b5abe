"""JSON as Go's encoding/json reads it: same grammar, same messages, same repair of broken text; pure.

Source: Go ``src/encoding/json/{scanner,decode}.go``; sigs.k8s.io/json is a fork with the same grammar.
"""

from __future__ import annotations

import re
from typing import Final

from credprovider.kubelet.tree import DocumentError, Kind, Member, Node, Place

_DEPTH_LIMIT: Final = 10_000
_SPACE = re.compile(rb"[ \t\r\n]*")
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_HEX = re.compile(rb"[0-9a-fA-F]")
_ESCAPES = {b'"': '"', b"\\": "\\", b"/": "/", b"b": "\b", b"f": "\f", b"n": "\n", b"r": "\r", b"t": "\t"}
_LITERALS = {b"t": b"true", b"f": b"false", b"n": b"null"}
_UNDECODABLE = re.compile("[\ud800-\udfff]")

_VALUE = "looking for beginning of value"
_KEY = "looking for beginning of object key string"


def parse_json(data: bytes) -> Node:
    """Exactly one JSON value.

    Raises:
        DocumentError: with Go's own message, e.g. ``invalid character 'k' looking for beginning of value``.
    """
    return _Reader(data).document()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._marked, self._mark = 0, Place(1, 1)

    def document(self) -> Node:
        """Read without recursion: a container waits on the stack until its closing bracket."""
        stack: list[Node] = []
        pending: list[tuple[str, Place]] = []
        while True:
            node = self._open_value(len(stack))
            if node.kind in (Kind.OBJECT, Kind.LIST) and not self._closes_at_once(node):
                stack.append(node)
                if node.kind is Kind.OBJECT:
                    pending.append(self._key())
                continue
            while stack and not self._attach(stack[-1], node, pending):
                node = stack.pop()
            if not stack:
                self._space()
                if self._at < len(self._data):
                    raise self._unexpected("after top-level value")
                return node

    def _open_value(self, depth: int) -> Node:
        """A scalar, or a container of which only the opening bracket is read."""
        self._space()
        place, first = self._place(), self._peek()
        if first == b'"':
            return Node(Kind.STRING, place, self._string())
        if first in (b"{", b"["):
            if depth >= _DEPTH_LIMIT:
                raise self._unexpected("exceeded max depth")
            self._at += 1
            return Node(Kind.OBJECT if first == b"{" else Kind.LIST, place)
        if first in _LITERALS:
            return self._literal(_LITERALS[first], place)
        if first == b"-" or first.isdigit():
            self._number()
            return Node(Kind.NUMBER, place)
        raise self._unexpected(_VALUE)

    def _closes_at_once(self, container: Node) -> bool:
        self._space()
        if self._peek() != (b"}" if container.kind is Kind.OBJECT else b"]"):
            return False
        self._at += 1
        return True

    def _attach(self, container: Node, node: Node, pending: list[tuple[str, Place]]) -> bool:
        """Put a finished value into its container; True when another value follows, False when the container ends."""
        if container.kind is Kind.OBJECT:
            container.members.append(Member(*pending.pop(), node))
            closing, otherwise = b"}", "after object key:value pair"
        else:
            container.items.append(node)
            closing, otherwise = b"]", "after array element"
        self._space()
        following = self._peek()
        if following not in (b",", closing):
            raise self._unexpected(otherwise)
        self._at += 1
        if following == b"," and container.kind is Kind.OBJECT:
            self._space()
            pending.append(self._key())
        return following == b","

    def _key(self) -> tuple[str, Place]:
        place = self._place()
        if self._peek() != b'"':
            raise self._unexpected(_KEY)
        name = self._string()
        self._space()
        if self._peek() != b":":
            raise self._unexpected("after object key")
        self._at += 1
        return name, place

    def _literal(self, word: bytes, place: Place) -> Node:
        for expected in word:
            if self._inside() != bytes([expected]):
                raise self._unexpected(f"in literal {word.decode()} (expecting {_quote(expected)})")
            self._at += 1
        return Node(Kind.NULL, place) if word == b"null" else Node(Kind.BOOL, place, word.decode())

    def _number(self) -> None:
        match = _NUMBER.match(self._data, self._at)
        if match is None:
            self._at += 1
            raise self._unexpected("in numeric literal")
        self._at = match.end()
        rest = self._data[self._at : self._at + 2]
        if rest[:1] == b"." and b"." not in match[0] and b"e" not in match[0].lower():
            self._at += 1
            raise self._unexpected("after decimal point in numeric literal")
        if rest[:1] in (b"e", b"E") and b"e" not in match[0].lower():
            self._at += 2 if rest[1:] in (b"+", b"-") else 1
            raise self._unexpected("in exponent of numeric literal")

    def _string(self) -> str:
        self._at += 1
        pieces: list[str] = []
        while True:
            match = _PLAIN.match(self._data, self._at)
            if match is not None:
                # A byte that is not UTF-8 becomes one surrogate, and below one replacement character, as in Go.
                pieces.append(_UNDECODABLE.sub("\ufffd", match[0].decode("utf-8", "surrogateescape")))
                self._at = match.end()
            first = self._peek()
            if first == b'"':
                self._at += 1
                return "".join(pieces)
            if first != b"\\":
                raise self._unexpected("in string literal")
            self._at += 1
            pieces.append(self._escape())

    def _escape(self) -> str:
        first = self._inside()
        if first != b"u":
            if first not in _ESCAPES:
                raise self._unexpected("in string escape code")
            self._at += 1
            return _ESCAPES[first]
        unit = self._unit()
        if not 0xD800 <= unit <= 0xDFFF:
            return chr(unit)
        start = self._at
        if unit < 0xDC00 and self._data[start : start + 2] == b"\\u":
            self._at += 1
            low = self._unit()
            if 0xDC00 <= low <= 0xDFFF:
                return chr(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
            self._at = start
        return "\ufffd"

    def _unit(self) -> int:
        """The four hexadecimal digits after ``u``."""
        start = self._at + 1
        for self._at in range(start, start + 4):
            if not _HEX.fullmatch(self._inside()):
                raise self._unexpected("in \\u hexadecimal character escape")
        self._at += 1
        return int(self._data[start : start + 4], 16)

    def _space(self) -> None:
        match = _SPACE.match(self._data, self._at)
        self._at = match.end() if match else self._at

    def _peek(self) -> bytes:
        """The next byte; the end of the input is an error wherever this is asked."""
        if self._at >= len(self._data):
            raise DocumentError("unexpected end of JSON input", self._place())
        return self._data[self._at : self._at + 1]

    def _inside(self) -> bytes:
        """The next byte of a literal, a number or an escape, at whose end Go's scanner sees a space."""
        return self._data[self._at : self._at + 1] or b" "

    def _unexpected(self, context: str) -> DocumentError:
        return DocumentError(f"invalid character {_quote(self._inside()[0])} {context}", self._place())

    def _place(self) -> Place:
        """Where the reader stands; counted on from the last place asked for, as reading never goes back."""
        passed = self._data[self._marked : self._at]
        line, column = self._mark
        if b"\n" in passed:
            line, column = line + passed.count(b"\n"), 1
            passed = passed[passed.rindex(b"\n") + 1 :]
        self._marked, self._mark = self._at, Place(line, column + len(passed.decode("utf-8", "replace")))
        return self._mark


def _quote(byte: int) -> str:
    """A byte as Go's scanner shows it: as the Latin-1 character of that number, in single quotes."""
    special = {0x27: "'\\''", 0x22: "'\"'", 0x5C: "'\\\\'", 0x07: "'\\a'", 0x0B: "'\\v'"}
    character = chr(byte)
    short = {"\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    if byte in special:
        return special[byte]
    if short:
        return f"'{short}'"
    if character.isprintable() and byte != 0xAD:
        return f"'{character}'"
    return f"'\\u{byte:04x}'" if byte >= 0x80 else f"'\\x{byte:02x}'"
