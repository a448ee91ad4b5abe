"""How goyaml takes in bytes: what of them it can read, and where its buffer begins while it scans; pure.

Source: go.yaml.in/yaml/v2 v2.4.4 ``readerc.go``.
"""

from __future__ import annotations

import codecs
import re

from yaml.reader import ReaderError

MARK = "\ufeff"

#: goyaml reads in pieces of this many bytes; what is wrong in a piece that it does not need goes unnoticed.
_PIECE = 512

_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONTROL = "control characters are not allowed"


def decode(data: bytes) -> tuple[str, ReaderError | None]:
    """The readable start of the data, and what is wrong behind it."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        read = codecs.utf_16_le_decode if data.startswith(codecs.BOM_UTF16_LE) else codecs.utf_16_be_decode
        try:
            text, _ = read(data[2:], "strict", True)
        except UnicodeDecodeError as error:
            return "", ReaderError("", error.start, 0, "utf-16", error.reason)
        bad = _UNREADABLE.search(text)
        if bad:
            return "", ReaderError("", bad.start(), ord(bad[0]), "utf-16", _CONTROL)
        return text, None
    trouble = None
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        text = data[: error.start].decode()
        trouble = ReaderError("", error.start, data[error.start], "utf-8", error.reason)
    bad = _UNREADABLE.search(text)
    if bad:
        start = len(text[: bad.start()].encode())
        trouble = ReaderError("", start, ord(bad[0]), "unicode", _CONTROL)
    if trouble:
        text = data[: _readable(data, trouble.position)].decode()
    return text.removeprefix(MARK), trouble


def _readable(data: bytes, bad: int) -> int:
    """Where the piece begins that holds the bad byte; pieces never end inside a character."""
    start = 0
    while True:
        end = start + _PIECE
        while start < end < len(data) and 0x80 <= data[end] < 0xC0:
            end -= 1
        if bad < end or end <= start:
            return start
        start = end


class Buffer:
    """What lies in goyaml's buffer while it scans a text that holds a byte order mark.

    goyaml means to skip a mark that begins a line. But it looks for one at the start of its buffer, not where it reads
    (is_bom in ``yamlprivateh.go``): while a mark lies there, the first character of each line is skipped, whatever it
    is. The buffer is refilled, and then begins where goyaml reads, when it holds fewer characters than a step needs.

    Args:
        data: the content, undecoded.
        text: the same as goyaml decodes it, without the mark that tells the encoding.
    """

    def __init__(self, data: bytes, text: str) -> None:
        self._text = text
        self._pieces = _pieces(data, text)
        self._start = 0
        self._end = 0

    def need(self, position: int, count: int) -> None:
        """A step of goyaml's needs so many characters from there on."""
        if self._end - position >= count:
            return
        self._start = position
        while self._end - position < count:
            if not self._pieces:
                self._end += 1  # the NUL that stands for the end
                return
            self._end += self._pieces.pop()

    @property
    def spoils_lines(self) -> bool:
        """Does it begin with a mark?"""
        return self._text.startswith(MARK, self._start)


def _pieces(data: bytes, text: str) -> list[int]:
    """How many characters each piece holds, last piece first; a character that a piece cuts counts for the next."""
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF8)
    mark = next((mark for mark in marks if data.startswith(mark)), b"")
    encoding = "utf-16-le" if len(mark) == 2 else "utf-8"
    counts: list[int] = []
    room, count = _PIECE - len(mark), 0
    for character in text:
        width = len(character.encode(encoding))
        if width > room:
            counts.append(count)
            room, count = _PIECE, 0
        room -= width
        count += 1
    return [count, *reversed(counts)]
