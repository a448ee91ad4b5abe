"""A document as a tree in which every value knows its place; the JSON and YAML readers make it, the codec reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class Place(NamedTuple):
    """Line and column in a document, both counted from 1, columns in characters."""

    line: int
    column: int


class Kind(Enum):
    """JSON's kinds of values; the text is what Go calls them in messages."""

    NULL = "null"
    BOOL = "bool"
    NUMBER = "number"
    STRING = "string"
    LIST = "array"
    OBJECT = "object"


@dataclass
class Node:
    """One value.

    Attributes:
        text: of a string; ``true`` or ``false`` of a bool.
        items: of a list.
        members: of an object, in order, duplicates included.
    """

    kind: Kind
    place: Place
    text: str = ""
    items: list[Node] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)


@dataclass
class Member:
    """One name of an object with its value; the place is the name's."""

    name: str
    place: Place
    value: Node


class DocumentError(ValueError):
    """A text that is no document.

    Attributes:
        place: where it was noticed.
    """

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place
