"""PyYAML's scanner and parser bent to goyaml v2, the port of libyaml that the kubelet reads its configuration with.

Both descend from one author's algorithm; overridden here is where they have grown apart: tabs, tags, directives,
escapes, colons and brackets in flow style. Source: go.yaml.in/yaml/v2 v2.4.4 ``{scanner,parser,reader}c.go``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from yaml.parser import Parser, ParserError
from yaml.reader import Reader
from yaml.scanner import Scanner, ScannerError
from yaml.tokens import DirectiveToken, ScalarToken, TagToken

from credprovider.kubelet.yaml_buffer import MARK, Buffer, decode

if TYPE_CHECKING:
    from yaml.error import Mark
    from yaml.events import Event

_BREAKS = "\r\n\x85\u2028\u2029"
_BLANKS = " \t"
_END = "\0"
_STOPS = frozenset(_END + _BLANKS + _BREAKS)
_URI = r"[0-9A-Za-z_;/?:@&=+$,.!~*'()\[\]%-]"
_YAML_DIRECTIVE = re.compile(r"%YAML[ \t]+([0-9]{1,2})\.([0-9]{1,2})[ \t]*(?:#.*)?")
_TAG_DIRECTIVE = re.compile(rf"%TAG[ \t]+(!(?:[0-9A-Za-z_-]*!)?)[ \t]+({_URI}+)(?:[ \t]+(?:#.*)?)?")
_TAG_TEXT = re.compile(rf"!<({_URI}+)>|(![0-9A-Za-z_-]*!)({_URI}*)|!({_URI}*)")
_LINE = re.compile(rf"[^{_END}{_BREAKS}]*")
_BLOCK_HEADER = re.compile(r"(?:([+-])([0-9])?|([0-9])([+-])?)?")
_URI_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")
_SURROGATE = re.compile("[\ud800-\udfff]")


class GoScanner(Reader, Scanner, Parser):
    """Events of a document as goyaml would report them; raises yaml.YAMLError where goyaml fails."""

    ESCAPE_REPLACEMENTS = {**{k: v for k, v in Scanner.ESCAPE_REPLACEMENTS.items() if k != "/"}, "'": "'"}  # type: ignore[misc]  # noqa: RUF012

    def __init__(self, data: bytes) -> None:
        Reader.__init__(self, "")
        Scanner.__init__(self)
        Parser.__init__(self)
        text, self._trouble = decode(data)
        self.buffer = text if self._trouble else text + _END
        self._filled = Buffer(data, text) if MARK in text else None
        self._in_scalar = False

    def next_event(self) -> Event | None:
        """The next event; None behind the last."""
        event: Event | None = self.get_event()  # type: ignore[no-untyped-call]
        return event

    def update(self, length: int) -> None:  # noqa: ARG002 - PyYAML's signature
        """More is needed than could be read."""
        if self._trouble:
            raise self._trouble

    def forward(self, length: int = 1) -> None:
        """As PyYAML's, but a byte order mark counts as a column."""
        for _ in range(length):
            character = self.peek()
            if self._filled and (character != "\n" or self.buffer[self.pointer - 1] != "\r"):
                self._filled.need(self.pointer, 2 if character in _BREAKS or self._in_scalar else 1)
            self.pointer += 1
            self.index += 1
            if character in "\n\x85\u2028\u2029" or (character == "\r" and self.peek() != "\n"):
                self.line += 1
                self.column = 0
            else:
                self.column += 1

    def scan_to_next_token(self) -> None:
        """Skip blanks and comments: tabs count as blanks except where a block key may start."""
        while True:
            self._need(1)
            if self._filled and self._filled.spoils_lines and self.column == 0:
                self.pointer += self.peek() != _END
                self.index, self.column = self.index + 1, 1
            while self.peek() == " " or (self.peek() == "\t" and (self.flow_level or not self.allow_simple_key)):
                self.forward()
            if self.peek() == "#":
                self.forward(len(self._line()))
            if not self._skip_break():
                break
            if not self.flow_level:
                self.allow_simple_key = True
        self._need(1)
        self._need(4)

    def fetch_flow_collection_end(self, TokenClass: Any) -> None:  # noqa: N803 - PyYAML's signature
        """A closing bracket too many leaves the level at 0."""
        if not self.flow_level:
            self.remove_possible_simple_key()
            self.flow_level = 1
        super().fetch_flow_collection_end(TokenClass)

    def scan_directive(self) -> DirectiveToken:
        """Only %YAML and %TAG exist."""
        start, line = self.get_mark(), self._line()
        version, tag = _YAML_DIRECTIVE.fullmatch(line), _TAG_DIRECTIVE.fullmatch(line)
        value: tuple[int, int] | tuple[str, str]
        if version:
            name, value = "YAML", (int(version[1]), int(version[2]))
        elif tag:
            name, value = "TAG", (tag[1], self._unescape(tag[2], start))
        else:
            raise ScannerError("while scanning a directive", start, "found an unknown or malformed directive", start)
        self.forward(len(line))
        end = self.get_mark()
        self._skip_break()
        return DirectiveToken(name, value, start, end)

    def process_directives(self) -> Any:
        """Version 1.1 and no other."""
        value = super().process_directives()  # type: ignore[no-untyped-call]
        if self.yaml_version not in (None, (1, 1)):
            raise ParserError(None, None, "found incompatible YAML document (version 1.1 is required)", self.get_mark())
        return value

    def scan_tag(self) -> TagToken:
        """``!<uri>``, ``!handle!suffix``, ``!suffix`` or ``!``."""
        start = self.get_mark()
        match = _TAG_TEXT.match(self.buffer, self.pointer)
        if match is None or (match[2] and not match[3]) or (match[4] or "").startswith("<"):
            raise ScannerError("while parsing a tag", start, "did not find expected tag URI", start)
        self.forward(len(match[0]))
        if self.peek() not in _STOPS:
            raise ScannerError("while scanning a tag", start, "did not find expected whitespace", self.get_mark())
        handle, suffix = (None, match[1]) if match[1] else (match[2] or "!", match[3] or match[4] or "")
        if not suffix:
            handle, suffix = None, "!"
        return TagToken((handle, self._unescape(suffix, start)), start, self.get_mark())

    def scan_block_scalar_indicators(self, start_mark: Mark) -> tuple[bool | None, int | None]:
        """Chomping and indentation in either order; whatever follows is looked at by the next method."""
        match = _BLOCK_HEADER.match(self.buffer, self.pointer)
        sign, digit = (match[1] or match[4], match[2] or match[3]) if match else (None, None)
        if digit == "0":
            problem = "found an indentation indicator equal to 0"
            raise ScannerError("while scanning a block scalar", start_mark, problem, self.get_mark())
        self.forward(len(match[0]) if match else 0)
        return (sign == "+" if sign else None), (int(digit) if digit else None)

    def scan_block_scalar_ignored_line(self, start_mark: Mark) -> None:
        """Blanks, tabs among them, and a comment."""
        while self.peek() in _BLANKS:
            self.forward()
        if self.peek() == "#":
            self.forward(len(self._line()))
        if self.peek() not in _END + _BREAKS:
            problem = "did not find expected comment or line break"
            raise ScannerError("while scanning a block scalar", start_mark, problem, self.get_mark())
        self._skip_break()

    def scan_block_scalar_indentation(self) -> tuple[list[Any], int, Any]:
        """No tab may stand where indentation is looked for."""
        found = super().scan_block_scalar_indentation()
        self._refuse_tab()
        return found

    def scan_block_scalar_breaks(self, indent: int) -> tuple[list[Any], Any]:
        """No tab may stand where indentation is looked for."""
        found = super().scan_block_scalar_breaks(indent)
        if self.column < indent:
            self._refuse_tab()
        return found

    def scan_flow_scalar_non_spaces(self, double: Any, start_mark: Mark) -> list[str]:
        """As PyYAML's."""
        self._need(4)
        self._in_scalar = True
        pieces: list[str] = super().scan_flow_scalar_non_spaces(double, start_mark)
        self._in_scalar = False
        self._need(2)
        return pieces

    def scan_flow_scalar(self, style: str) -> ScalarToken:
        """Escapes must not stand for surrogates or numbers beyond Unicode."""
        start = self.get_mark()
        try:
            token = super().scan_flow_scalar(style)
        except (ValueError, OverflowError):
            token = None
        if token is None or _SURROGATE.search(token.value):
            problem = "found invalid Unicode character escape code"
            raise ScannerError("while parsing a quoted scalar", start, problem, self.get_mark())
        return token

    def scan_plain(self) -> ScalarToken:
        """Tabs count as blanks, and a colon ends the scalar in flow style, too, only before a blank."""
        start = end = self.get_mark()
        indent = self.indent + 1
        pieces: list[str] = []
        spaces = ""
        folded = False
        while not self._at_document_marker() and self.peek() != "#":
            self._need(4)
            length = self._plain_length()
            if length:
                pieces += spaces, self.prefix(length)
                spaces, folded = "", False
                self._in_scalar = True
                self.forward(length)
                self._in_scalar = False
                self._need(2)
                end = self.get_mark()
            if self.peek() not in _BLANKS + _BREAKS:
                break
            spaces, folded = self._plain_spaces(indent, start)
            if not self.flow_level and self.column < indent:
                break
        self.allow_simple_key = folded
        return ScalarToken("".join(pieces), True, start, end)

    def _plain_length(self) -> int:
        length = 0
        while (character := self.peek(length)) not in _STOPS:
            if character == ":" and self.peek(length + 1) in _STOPS:
                break
            if self.flow_level and character in ",?[]{}":
                break
            length += 1
        return length

    def _plain_spaces(self, indent: int, start: Mark) -> tuple[str, bool]:
        """What a run of blanks and breaks folds to, and whether it held a break."""
        blanks, first, breaks = "", "", ""
        while self.peek() in _BLANKS + _BREAKS:
            if self.peek() in _BREAKS:
                line_break = self._skip_break()
                first, breaks = (first, breaks + line_break) if first else (line_break, breaks)
                continue
            if first and self.column < indent and self.peek() == "\t":
                problem = "found a tab character that violates indentation"
                raise ScannerError("while scanning a plain scalar", start, problem, self.get_mark())
            blanks += self.peek()
            self.forward()
        if not first:
            return blanks, False
        return (breaks or " ") if first == "\n" else first + breaks, True

    def _at_document_marker(self) -> bool:
        return self.column == 0 and self.prefix(3) in ("---", "...") and self.peek(3) in _STOPS

    def _refuse_tab(self) -> None:
        if self.peek() == "\t":
            mark = self.get_mark()
            problem = "found a tab character where an indentation space is expected"
            raise ScannerError("while scanning a block scalar", mark, problem, mark)

    def _need(self, count: int) -> None:
        """So many characters are about to be looked at."""
        if self._filled:
            self._filled.need(self.pointer, count)

    def _line(self) -> str:
        """What is left of this line, its break excluded."""
        match = _LINE.match(self.buffer, self.pointer)
        line = match[0] if match else ""
        self.peek(len(line))
        return line

    def _skip_break(self) -> str:
        """The line break here as it counts in a scalar; empty without one."""
        line_break: str = self.scan_line_break()  # type: ignore[no-untyped-call]
        return line_break

    def _unescape(self, uri: str, start: Mark) -> str:
        def decode(match: re.Match[bytes]) -> bytes:
            if match[1] is None:
                raise ScannerError("while parsing a tag", start, "did not find URI escaped octet", start)
            return bytes([int(match[1], 16)])

        try:
            return _URI_ESCAPE.sub(decode, uri.encode()).decode()
        except UnicodeDecodeError:
            problem = "found an incorrect UTF-8 octet"
            raise ScannerError("while parsing a tag", start, problem, start) from None
