"""Damage to bytes, such as editors, shells, truncated writes and other encodings do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.kubelet.choices import Choices

#: What is put in somewhere: structure, white space of other alphabets, controls, broken UTF-8.
PIECES = (
    b" ", b"\n", b"\t", b"\r", b"\x0b", b"\x0c", b"\x00", b"\x1f", b"\x7f", b'"', b"'", b"\\", b"{", b"}", b"[",
    b"]", b",", b":", b"#", b"-", b"&a ", b"*a", b"!", b"|", b">", b"%", b"@", b"`", b"0", b"-1", b"1e5", b"null",
    b"true", b"~", b"\\u0000", b"\\ud800", b"\\x41", b"\\/", b"\\'",
    *("\ufeff\u2028\x85\xa0\ufffdÄ💥\ufffe".encode()[at : at + 3] for at in range(0, 18, 3)), b"\xff", b"\xc0\x80",
    b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82",
)  # fmt: skip


def damaged(choices: Choices, data: bytes) -> bytes:
    """One stroke at any place."""
    at = choices.below(len(data) + 1)
    length = 1 + choices.below(8)
    stroke = choices.below(5)
    if stroke == 0:
        return data[:at] + data[at + length :]
    if stroke == 1:
        return data[:at] + choices.pick(PIECES) + data[at:]
    if stroke == 2:
        return data[:at] + choices.pick(PIECES) + data[at + 1 :]
    if stroke == 3:
        return data[: at + length] + data[at:]
    return data[:at]
