"""Where the items of a block-style ``providers:`` list begin and end in the text of a file; pure.

Only places are taken from here; what the file means to the kubelet is `credprovider.kubelet`'s business. Whatever makes
places doubtful (aliases, tags, several documents, flow style) is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from credprovider.node.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

_REMEDY = "add the entry by hand, or have the file written in block style as AKS does; `node install` adopts it then"


@dataclass(frozen=True)
class Item:
    """One item of the list.

    Attributes:
        name: of the provider, or empty.
        start: offset of the first character of the line with its dash.
        end: offset behind its last line that is no comment, line end included.
    """

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class Layout:
    """The list and its style.

    Attributes:
        text: the file.
        line_end: a line feed, or that with a carriage return before it.
        dash: column of the items' dashes.
        key: column of the items' keys.
        nested: how many columns lists inside an item are indented against their key.
    """

    text: str
    line_end: str
    items: tuple[Item, ...]
    dash: int
    key: int
    nested: int


def not_editable(reason: str) -> Refusal:
    """The file is left alone."""
    return Refusal("config-not-editable", f"the kubelet's credential provider config {reason}", _REMEDY)


def read_layout(content: bytes) -> Layout:
    """Find the items.

    Raises:
        Refusal: ``config-not-editable``, with the reason.
    """
    try:
        text = content.decode()
        events = list(yaml.parse(text, Loader=yaml.SafeLoader))
        dashes = [token.start_mark for token in yaml.scan(text, Loader=yaml.SafeLoader) if _is_dash(token)]
    except UnicodeDecodeError:
        raise not_editable("is not UTF-8") from None
    except (yaml.YAMLError, RecursionError):
        raise not_editable("cannot be read as YAML to its end") from None
    if not text.strip():
        raise not_editable("is empty")
    if text.startswith("\ufeff") or "\r" in text.replace("\r\n", ""):
        raise not_editable("starts with a byte order mark or has line ends of its own kind")
    _refuse_exotic(events)
    spans, sequence, style = _walk(events)
    column = _column(sequence)
    lines = [mark.index - mark.column for mark in dashes if mark.column == column and mark.index >= _start(sequence)]
    items = tuple(_item(text, lines, *span) for span in spans)
    for item in items:
        if text[item.start : item.start + column].strip(" ") or text[item.start + column] != "-":
            raise not_editable("has an item that does not begin on a line of its own")
    line_end = "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"
    return Layout(text, line_end, items, column, *_style(style, column))


def _is_dash(token: yaml.Token) -> bool:
    return isinstance(token, yaml.BlockEntryToken)


# Marks are None only in events that no parser made.
def _start(event: Event) -> int:
    index: int = event.start_mark.index  # type: ignore[union-attr]
    return index


def _end(event: Event) -> int:
    index: int = event.end_mark.index  # type: ignore[union-attr]
    return index


def _column(event: Event) -> int:
    column: int = event.start_mark.column  # type: ignore[union-attr]
    return column


def _refuse_exotic(events: list[Event]) -> None:
    for event in events:
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            raise not_editable("uses anchors or aliases")
        if isinstance(event, CollectionStartEvent | ScalarEvent) and event.tag:
            raise not_editable("uses tags")
        if isinstance(event, DocumentStartEvent) and (event.version or event.tags):
            raise not_editable("uses directives")
        if isinstance(event, DocumentEndEvent) and event.explicit:
            raise not_editable("marks the end of the document")
    if sum(isinstance(event, DocumentStartEvent) for event in events) != 1:
        raise not_editable("holds several documents")


_Span = tuple[str, int, int]


def _walk(events: list[Event]) -> tuple[list[_Span], SequenceStartEvent, tuple[int, int]]:
    """Name, first offset and last offset of each item; the list's own event; columns of keys and of nested dashes."""
    stream = iter(events)
    for event in stream:
        if isinstance(event, CollectionStartEvent | ScalarEvent):
            if not isinstance(event, MappingStartEvent) or event.flow_style:
                raise not_editable("is written in flow style (JSON)" if _is_flow(event) else "is no mapping")
            break
    for key in stream:
        if not isinstance(key, ScalarEvent):
            break
        value = next(stream)
        if key.value == "providers":
            return _walk_list(value, stream)
        _skip(value, stream)
    raise not_editable("has no list of providers")


def _is_flow(event: Event) -> bool:
    return isinstance(event, CollectionStartEvent) and bool(event.flow_style)


def _walk_list(value: Event, stream: Iterator[Event]) -> tuple[list[_Span], SequenceStartEvent, tuple[int, int]]:
    if not isinstance(value, SequenceStartEvent):
        raise not_editable("has providers that are no list" if _text(value) else "has a list of providers that is null")
    if value.flow_style:
        raise not_editable("has its list of providers in flow style")
    spans: list[_Span] = []
    style = (0, 0)
    for event in stream:
        if isinstance(event, CollectionEndEvent):
            break
        name, end, nested = _walk_item(event, stream)
        spans.append((name, _start(event), end))
        if isinstance(event, MappingStartEvent) and not event.flow_style:
            style = (_column(event), nested)
    return spans, value, style


def _text(event: Event) -> str:
    return event.value if isinstance(event, ScalarEvent) else "?"


def _walk_item(first: Event, stream: Iterator[Event]) -> tuple[str, int, int]:
    """Name, last offset, and the column of dashes in a block list inside (0 when there is none)."""
    if not isinstance(first, MappingStartEvent):
        return "", _skip(first, stream), 0
    name, end, nested = "", _start(first), 0
    for key in stream:
        if isinstance(key, CollectionEndEvent):
            end = _end(key) if first.flow_style else end
            break
        _skip(key, stream)
        value = next(stream)
        if _text(key) == "name" and isinstance(value, ScalarEvent):
            name = value.value
        if isinstance(value, SequenceStartEvent) and not value.flow_style:
            nested = _column(value) - _column(first) + 1
        end = _skip(value, stream)
    return name, end, nested


def _skip(first: Event, stream: Iterator[Event]) -> int:
    """Pass over one value; the offset behind its last character.

    A block collection's own end is told only by what follows it, so that of its last scalar counts.
    """
    end = _end(first)
    flows = [_is_flow(first)] if isinstance(first, CollectionStartEvent) else []
    while flows:
        event = next(stream)
        if isinstance(event, CollectionStartEvent):
            flows.append(_is_flow(event))
        if not isinstance(event, CollectionEndEvent) or flows.pop():
            end = _end(event)
    return end


def _item(text: str, lines: list[int], name: str, first: int, last: int) -> Item:
    start = max(line for line in lines if line <= first)
    if last > first and text[last - 1] == "\n":  # a block scalar ends behind its line end
        return Item(name, start, last)
    newline = text.find("\n", last)
    return Item(name, start, len(text) if newline < 0 else newline + 1)


def _style(found: tuple[int, int], dash: int) -> tuple[int, int]:
    """Columns of keys, and of nested dashes against their key; as AKS has them where the file does not say."""
    key, nested = found
    return (key if key > dash else dash + 2), (nested - 1 if nested else 2)
