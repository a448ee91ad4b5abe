"""Go's `filepath.Match` on Unix, which compares one label of a host name with one label of a pattern; pure.

Works on bytes as Go does. Source: Go ``src/path/filepath/match.go``.
"""

from __future__ import annotations


class BadPatternError(ValueError):
    """The pattern is malformed (Go's ErrBadPattern); to the kubelet that is a pattern that matches nothing."""


def glob_match(pattern: bytes, name: bytes) -> bool:
    """Does the whole name match? ``*`` stands for any bytes but ``/``; ``?``, classes and escapes are Go's.

    Raises:
        BadPatternError: when Go notices that the pattern is malformed; it does not look behind the first mismatch.
    """
    while pattern:
        star, chunk, pattern = _next_chunk(pattern)
        if star and not chunk:
            return b"/" not in name
        rest = _match_chunk(chunk, name)
        if rest is not None and (not rest or pattern):
            name = rest
            continue
        found = _match_later(chunk, name, last=not pattern) if star else None
        if found is None:
            return False
        name = found
    return not name


def _match_later(chunk: bytes, name: bytes, *, last: bool) -> bytes | None:
    """What a star before the chunk may skip: the rest after the first place where the chunk matches."""
    for index, byte in enumerate(name):
        if byte == ord("/"):
            return None
        rest = _match_chunk(chunk, name[index + 1 :])
        if rest is not None and not (last and rest):
            return rest
    return None


def _next_chunk(pattern: bytes) -> tuple[bool, bytes, bytes]:
    """Is there a leading star, the star-free piece after it, and what follows that piece."""
    stripped = pattern.lstrip(b"*")
    star = stripped != pattern
    in_class = False
    index = 0
    while index < len(stripped):
        byte = stripped[index : index + 1]
        if byte == b"\\":
            index += 1
        elif byte == b"[":
            in_class = True
        elif byte == b"]":
            in_class = False
        elif byte == b"*" and not in_class:
            break
        index += 1
    return star, stripped[:index], stripped[index:]


def _match_chunk(chunk: bytes, text: bytes) -> bytes | None:
    """What remains of the text after the chunk, or None; the chunk is checked to its end even when it has failed."""
    failed = False
    while chunk:
        failed = failed or not text
        first = chunk[:1]
        if first == b"[":
            matched, chunk, text = _match_class(chunk[1:], text, failed=failed)
            failed = failed or not matched
        elif first == b"?":
            if not failed:
                failed = text[:1] == b"/"
                text = text[_decode(text)[1] :]
            chunk = chunk[1:]
        else:
            if first == b"\\":
                chunk = chunk[1:]
                if not chunk:
                    raise BadPatternError("pattern ends in a backslash")
            if not failed:
                failed = chunk[:1] != text[:1]
                text = text[1:]
            chunk = chunk[1:]
    return None if failed else text


def _match_class(chunk: bytes, text: bytes, *, failed: bool) -> tuple[bool, bytes, bytes]:
    """Match one character against ``...]``; returns the outcome and what remains of chunk and text."""
    rune = 0
    if not failed:
        rune, width = _decode(text)
        text = text[width:]
    negated = chunk[:1] == b"^"
    chunk = chunk[1:] if negated else chunk
    matched = False
    ranges = 0
    while not (chunk[:1] == b"]" and ranges):
        low, chunk = _class_character(chunk)
        high = low
        if chunk[:1] == b"-":
            high, chunk = _class_character(chunk[1:])
        matched = matched or low <= rune <= high
        ranges += 1
    return matched != negated, chunk[1:], text


def _class_character(chunk: bytes) -> tuple[int, bytes]:
    if chunk[:1] in (b"", b"-", b"]"):
        raise BadPatternError("character class is empty or unclosed")
    if chunk[:1] == b"\\":
        chunk = chunk[1:]
        if not chunk:
            raise BadPatternError("pattern ends in a backslash")
    rune, width = _decode(chunk)
    if rune == _RUNE_ERROR and width == 1:
        raise BadPatternError("character class is not UTF-8")
    if width == len(chunk):
        raise BadPatternError("character class is unclosed")
    return rune, chunk[width:]


_RUNE_ERROR = 0xFFFD


def _decode(text: bytes) -> tuple[int, int]:
    """First character and its width in bytes; U+FFFD of width 1 where the bytes are not UTF-8 (Go's DecodeRune)."""
    for width in range(1, min(4, len(text)) + 1):
        try:
            return ord(text[:width].decode()), width
        except UnicodeDecodeError:
            continue
    return _RUNE_ERROR, min(1, len(text))
