"""JSON as text, with what a dict cannot hold: duplicate members, odd numbers, broken strings, any white space."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.kubelet.choices import Choices

_VALUES = (
    '""', '"x"', "null", "true", "false", "{}", "[]", "0", "1", "-1", "300", "1.5", "1e3", "-0", "1E+2", '"0"',
    '"true"', '"null"', '"\\u0041"', '"\\ud83d\\ude00"', '"\\ud800"', '"\\udc00x"', '"\\n"', '"\u2028"', '"Ä"',
    "[1, 2]", '{"a": 1}', '{"a": 1, "a": 2}', '[{"a": null}]', '{"": {}}', "[[[]]]", "9223372036854775807",
    "9223372036854775808", "1e400", "123456789012345678901234567890", "0.1e-400", "[" * 9990 + "]" * 9990,
)  # fmt: skip
_BROKEN = (
    "[" * 10001 + "]" * 10001, "01", "+1", ".5", "1.", "1e", "0x10", "NaN", "Infinity", "-", "True", "None", "nul",
    "'x'", "x", "/* */ 1", "[1,]", '"\\x"', '"\\u12"', '"\t"', '"\n"', '"\x00"', '"', '"\\', "{", "[", '{"a"}',
    '{"a" 1}', "{a: 1}", "{1: 1}", "",
)  # fmt: skip
_SPACES = ("", " ", "\n", "\t", "\r\n", "  \n\t")
_NO_SPACES = ("\x0b", "\x0c", "\xa0", "\ufeff", "\u2028", "#\n", "//\n")


def value(choices: Choices) -> str:
    """Any value as it would be written; one in eight is no JSON."""
    return choices.pick(_BROKEN) if choices.seldom(8) else choices.pick(_VALUES)


def space(choices: Choices) -> str:
    """What stands between tokens; one in eight is no white space in JSON."""
    return choices.pick(_NO_SPACES) if choices.seldom(8) else choices.pick(_SPACES)


@dataclass
class Text:
    """A value as it stands in the text."""

    text: str


@dataclass
class Object:
    """Members in order, duplicates included; a name is a text with its quotes."""

    members: list[tuple[str, Text | Object]] = field(default_factory=list)

    def set(self, name: str, item: Text | Object) -> None:
        """Add or replace a member."""
        self.remove(name)
        self.members.append((quoted(name), item))

    def remove(self, name: str) -> None:
        """Take all members of this name away."""
        self.members = [member for member in self.members if member[0] != quoted(name)]


def quoted(text: str) -> str:
    """A JSON string."""
    return json.dumps(text, ensure_ascii=False)


def text_of(item: Text | Object, gap: str = "") -> str:
    """The value written out, with this between its tokens."""
    if isinstance(item, Text):
        return item.text
    members = f"{gap},{gap}".join(f"{name}{gap}:{gap}{text_of(each, gap)}" for name, each in item.members)
    return f"{{{gap}{members}{gap}}}"


def odd_name(choices: Choices, name: str) -> str:
    """Another spelling of a member's name, with quotes."""
    letter = choices.below(len(name))
    spellings = (
        quoted(name.lower()),
        quoted(name.upper()),
        quoted(name[0].upper() + name[1:]),
        quoted(name[:letter] + name[letter].swapcase() + name[letter + 1 :]),
        quoted(name[:letter] + name[letter + 1 :]),
        quoted(name + " "),
        quoted(name.replace("k", "\u212a").replace("s", "\u017f")),  # fold to k and s where case is ignored
        f'"{name[:letter]}\\u{ord(name[letter]):04x}{name[letter + 1 :]}"',
        f'"{name}\\u0000"',
        f"'{name}'",
        name,
        '""',
    )
    return choices.pick(spellings)


def spoil(choices: Choices, target: Object) -> None:
    """Make one member odd: its value, its name, its number."""
    if not target.members:
        target.members.append((quoted("added"), Text(value(choices))))
        return
    at = choices.below(len(target.members))
    name, member = target.members[at]
    stroke = choices.below(6)
    if stroke == 0:
        target.members[at] = (name, Text(value(choices)))
    elif stroke == 1:
        del target.members[at]
    elif stroke == 2:
        target.members.append((name, member))
    elif stroke == 3:
        target.members.append((name, Text(value(choices))))
    elif stroke == 4:
        target.members.append((choices.pick((quoted("metadata"), quoted("x"), quoted(""))), Text(value(choices))))
    elif name.strip('"'):
        target.members[at] = (odd_name(choices, name.strip('"')), member)
