"""YAML as text in every style that an author or a template engine might use, and in some that neither should."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kubelet.choices import Choices


@dataclass
class Raw:
    """A scalar that stands in the text as it is, whatever it then means."""

    text: str


@dataclass
class Mapping:
    """Pairs in order, duplicates included."""

    pairs: list[tuple[str | Raw, Item]] = field(default_factory=list)

    def set(self, name: str, item: Item | None) -> None:
        """Add or replace a pair; None takes it out."""
        self.pairs = [pair for pair in self.pairs if pair[0] != name]
        if item is not None:
            self.pairs.append((name, item))


@dataclass
class Sequence:
    """Items in order."""

    items: list[Item] = field(default_factory=list)


Item = Raw | str | Mapping | Sequence
Pair = tuple[str | Raw, Item]

#: Plain scalars whose type is YAML's own idea, and values that do not end where they seem to.
RAW = (
    "null", "~", "Null", "NULL", "", "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "y", "Y", "n", "no",
    "off", "false", "0", "1", "-1", "+1", "017", "0o17", "0x1F", "0b11", "1_000", "1e3", "1.5", ".5", "1.", "-.5",
    "+.5", "1e400", "1E-400", ".inf", "-.INF", ".nan", "190:20:30", "2001-12-14", "2001-12-14t21:59:43.10-05:00",
    "0.0", "-0", "99999999999999999999", "=", "<<", "5m", "0s", "300s", "a b", "a: b", "a:b", "a #b", "a#b", "-a",
    "- a", "?a", ":a", "a:", "#a", "*a", "&a", "&a x", "@a", "`a`", "%a", "!a", "!!str 5", "!!int 5", "!!str",
    "!!bool yes", "!!null x", "!!float 5", "!!binary aGk=", "! 5", "!<tag> x", "'it''s'",
    '"\\x41\\u00e9\\U0001F600"', '"\\q"', '"a\\\n  b"', "'a\n  b'", "a\n  b", "a\n\n  b", "|\n  text\n",
    ">-\n  te\n  xt", "|2\n  x", "{a: b}", "[a, b]", "{}", "[]", "{a}", "[a: b]", "{? a : b}", "[a,]", "[,]",
    "{a: b,}", '"a" b', "'a' : b", "[a", "{a", '"a', "'a", "\u00e9", "\u2028", "\u00a0", "\ufeff", "\x07", "\x7f",
    "\u0085x", "\ud7ff", "\ufffe", "\U0001f600", "\tx", "x\t", "x\ty",
)  # fmt: skip
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./-_")


def yaml_of(choices: Choices, item: Item, indent: int = 0) -> str:
    """A node in block style where it can be, from its first line on; collections begin on a new line."""
    if isinstance(item, Mapping) and item.pairs and not choices.seldom(6 if indent else 60):
        return "".join(_pair(choices, name, each, indent) for name, each in item.pairs)
    if isinstance(item, Sequence) and item.items and not choices.seldom(4 if indent else 8):
        return "".join(_entry(choices, each, indent) for each in item.items)
    return flow_of(choices, item) + _end(choices)


def _pair(choices: Choices, name: str | Raw, item: Item, indent: int) -> str:
    key = " " * indent + _key(choices, name)
    gap = choices.pick((" ", "  ", "\t")) if choices.seldom(40) else " "
    if not _is_block(item):
        return f"{key}:{gap}{flow_of(choices, item)}{_end(choices)}"
    # Sequences may stand as deep as their key; mappings must stand deeper.
    deeper = choices.pick((2, 0, 4, 1) if isinstance(item, Sequence) else (2, 2, 4, 1))
    value = yaml_of(choices, item, indent + deeper)
    begins_here = value.startswith(("{", "["))  # it came out in flow style
    return f"{key}:{gap}{value}" if begins_here else f"{key}:{_properties(choices)}{_end(choices)}{value}"


def _entry(choices: Choices, item: Item, indent: int) -> str:
    margin = " " * indent
    if _is_block(item):
        block = yaml_of(choices, item, indent + 2)
        if choices.seldom(6):
            return f"{margin}-{_end(choices)}{block}" if block.startswith(" ") else f"{margin}- {block}"
        return f"{margin}- {block.lstrip(' ')}"
    return f"{margin}- {flow_of(choices, item)}{_end(choices)}"


def _is_block(item: Item) -> bool:
    return (isinstance(item, Mapping) and bool(item.pairs)) or (isinstance(item, Sequence) and bool(item.items))


def _properties(choices: Choices) -> str:
    return choices.pick((" &x", " !!map", " !!seq", " !custom", " &x !!map")) if choices.seldom(40) else ""


def _end(choices: Choices) -> str:
    if not choices.seldom(20):
        return "\n"
    return choices.pick((" # why\n", "\n\n", "\n# why\n", " \n", "\n  # in\n", "\r\n", "\t\n", "#no\n", "\r"))


def flow_of(choices: Choices, item: Item) -> str:
    """A node on one line."""
    if isinstance(item, Mapping):
        pairs = (f"{_key(choices, name)}: {flow_of(choices, each)}" for name, each in item.pairs)
        return "{" + ", ".join(pairs) + "}"
    if isinstance(item, Sequence):
        return "[" + ", ".join(flow_of(choices, each) for each in item.items) + "]"
    return item.text if isinstance(item, Raw) else scalar_of(choices, item)


def _key(choices: Choices, name: str | Raw) -> str:
    if isinstance(name, Raw):
        return name.text
    if choices.seldom(25):
        return choices.pick((f'"{name}"', f"'{name}'", f"!!str {name}", f"&k {name}", f"{name} "))
    return name


def scalar_of(choices: Choices, text: str) -> str:
    """A string in one of YAML's styles, plain only where that is safe, or seldom where it is not."""
    styles: list[Callable[[], str]] = [
        lambda: json.dumps(text, ensure_ascii=False),
        lambda: "'" + text.replace("'", "''") + "'",
        lambda: json.dumps(text),
    ]
    if text and _PLAIN.issuperset(text) and text[0].isalpha() and text not in RAW:
        styles.insert(0, lambda: text)
    elif choices.seldom(100):
        styles = [lambda: text]
    if choices.seldom(150):
        styles = [lambda: f"!!str {json.dumps(text)}", lambda: f"&s {json.dumps(text)}", lambda: f">-\n      {text}"]
    return choices.pick(styles)() if choices.seldom(2) else styles[0]()
