"""A YAML stream as the kubelet sees it: its first document, turned into JSON's kinds of values by goyaml's rules.

YAML 1.1 with goyaml's reading of plain scalars (``yes`` is a bool, ``1_000`` a number, ``2001-01-01`` a string), merge
keys and limits. Sources: go.yaml.in/yaml/v2 v2.4.4 ``{decode,resolve}.go``, sigs.k8s.io/yaml v1.6.0 ``yaml.go``.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    StreamEndEvent,
)

from credprovider.kubelet.tree import DocumentError, Kind, Member, Node, Place
from credprovider.kubelet.yaml_scalar import Oddity, Scalar, TagMismatchError, resolve
from credprovider.kubelet.yaml_scanner import GoScanner

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Far beyond what any configuration needs, and every deeper one is refused later at the latest.
_DEPTH_LIMIT = 200

#: Of up to 400,000 decoding steps, so many may come from aliases.
_ALIAS_RATIO = 0.99

_MERGE_TAG = "tag:yaml.org,2002:merge"


@dataclass(frozen=True)
class YamlDocument:
    """The first document.

    Attributes:
        root: its value; a null for an empty stream.
        duplicates: keys that are set a second time, merges included; refused by kubelets from 1.32.
        ignored: where a further document with content begins, which the kubelet never looks at.
    """

    root: Node
    duplicates: tuple[Member, ...]
    ignored: Place | None


def parse_yaml(data: bytes) -> YamlDocument:
    """Read the first document of a stream.

    Raises:
        DocumentError: where goyaml, or the conversion to JSON, fails.
    """
    with _trouble_told(data):
        scanner = GoScanner(data)
        raw = _compose(scanner)
        decoder = _Decoder()
        root = decoder.value(raw, 0) if raw else Node(Kind.NULL, Place(1, 1))
        return YamlDocument(root, tuple(decoder.duplicates), _ignored(scanner))


def parse_yaml_stream(data: bytes, *, alias_limit: int) -> Iterator[YamlDocument]:
    """Read all documents of a stream, as kubectl does.

    Args:
        data: the stream.
        alias_limit: how many values of one document may come from aliases; goyaml's own limit lets a document of a
            few hundred kilobytes grow to millions.

    Raises:
        DocumentError: as `parse_yaml`, when the document in question is asked for.
    """
    with _trouble_told(data):
        scanner = GoScanner(data)
        while (raw := _compose(scanner)) is not None:
            decoder = _Decoder(alias_limit)
            yield YamlDocument(decoder.value(raw, 0), tuple(decoder.duplicates), None)


@contextmanager
def _trouble_told(data: bytes) -> Iterator[None]:
    """Turn what the scanner raises into a `DocumentError` with its place."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        context = f"{error.context}: " if error.context else ""
        raise DocumentError(f"{context}{error.problem}", _place(mark)) from None
    except yaml.reader.ReaderError as error:
        line = data[: error.position].count(b"\n") + 1
        raise DocumentError(f"not readable as text: {error.reason}", Place(line, 1)) from None


@dataclass
class _Raw:
    """A node before its meaning is known; an alias has a target."""

    place: Place
    scalar: ScalarEvent | None = None
    is_map: bool = False
    children: list[_Raw] = field(default_factory=list)
    target: _Raw | None = None
    name: str = ""


class _Mark(Protocol):
    """Where PyYAML saw something, counted from 0."""

    line: int
    column: int


def _place(mark: _Mark | None) -> Place:
    return Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)


def _compose(scanner: GoScanner) -> _Raw | None:
    """The tree of the first document; events behind its end are left alone."""
    root: _Raw | None = None
    open_: list[_Raw] = []
    anchors: dict[str, _Raw] = {}
    while True:
        event = scanner.next_event()
        if event is None or isinstance(event, (DocumentEndEvent, StreamEndEvent)):
            return root
        if isinstance(event, CollectionEndEvent):
            open_.pop()
        if not isinstance(event, NodeEvent):
            continue
        raw = _node(event, anchors)
        if open_:
            open_[-1].children.append(raw)
        else:
            root = raw
        if isinstance(event, CollectionStartEvent):
            open_.append(raw)
            if len(open_) > _DEPTH_LIMIT:
                raise DocumentError(f"nested deeper than {_DEPTH_LIMIT} levels", raw.place)


def _node(event: NodeEvent, anchors: dict[str, _Raw]) -> _Raw:
    place = _place(event.start_mark)
    if isinstance(event, AliasEvent):
        name = event.anchor or ""
        if name not in anchors:
            raise DocumentError(f"unknown anchor '{name}' referenced", place)
        return _Raw(place, target=anchors[name], name=name)
    scalar = event if isinstance(event, ScalarEvent) else None
    raw = _Raw(place, scalar, isinstance(event, MappingStartEvent))
    if event.anchor is not None:
        anchors[event.anchor] = raw
    return raw


class _Decoder:
    """Turns nodes into values, follows aliases, merges, and stops alias bombs as goyaml does."""

    def __init__(self, alias_limit: int | None = None) -> None:
        self.duplicates: list[Member] = []
        self._alias_limit = alias_limit
        self._count = 0
        self._alias_count = 0
        self._followed: list[_Raw] = []

    def value(self, raw: _Raw, depth: int) -> Node:
        """The node's value with everything below it."""
        self._tick(raw, depth)
        if raw.target is not None:
            with self._following(raw):
                return self.value(raw.target, depth + 1)
        if raw.scalar is not None:
            return self._scalar(raw, raw.scalar)
        if raw.is_map:
            members: dict[str, Member] = {}
            self._fill(members, raw, depth)
            return Node(Kind.OBJECT, raw.place, members=list(members.values()))
        return Node(Kind.LIST, raw.place, items=[self.value(child, depth + 1) for child in raw.children])

    def _fill(self, members: dict[str, Member], raw: _Raw, depth: int) -> None:
        for key, value in zip(raw.children[::2], raw.children[1::2], strict=True):
            if _is_merge(key):
                self._merge(members, value, depth + 1)
                continue
            name = self._key(key, depth + 1)
            member = Member(name, key.place, self.value(value, depth + 1))
            if name in members:
                self.duplicates.append(member)
            members[name] = member

    def _merge(self, members: dict[str, Member], raw: _Raw, depth: int) -> None:
        """Take over the members of a map, of an alias to one, or of a list of those from its end."""
        is_list = raw.scalar is None and raw.target is None and not raw.is_map
        for source in reversed(raw.children) if is_list else (raw,):
            if not (source.target or source).is_map:
                raise DocumentError("map merge requires map or sequence of maps as the value", source.place)
            self._tick(source, depth)
            if source.target is None:
                self._fill(members, source, depth)
                continue
            with self._following(source):
                self._tick(source.target, depth)
                self._fill(members, source.target, depth)

    def _key(self, raw: _Raw, depth: int) -> str:
        if raw.scalar is not None:
            self._tick(raw, depth)
            scalar = self._resolve(raw, raw.scalar)
            if scalar.kind is Kind.NULL or scalar.oddity is Oddity.UNSIGNED:
                raise DocumentError("unsupported map key: null, or a number of 64 bits", raw.place)
            return scalar.text
        node = self.value(raw, depth)
        if node.kind in (Kind.LIST, Kind.OBJECT, Kind.NULL):
            raise DocumentError("invalid map key", raw.place)
        return node.text

    def _scalar(self, raw: _Raw, event: ScalarEvent) -> Node:
        scalar = self._resolve(raw, event)
        if scalar.oddity is Oddity.NOT_FINITE:
            raise DocumentError("infinity and not-a-number are no JSON", raw.place)
        return Node(scalar.kind, raw.place, scalar.text)

    def _resolve(self, raw: _Raw, event: ScalarEvent) -> Scalar:
        try:
            return resolve(event.value, event.tag or "", plain=event.implicit[0])
        except TagMismatchError as error:
            raise DocumentError(str(error), raw.place) from None

    def _tick(self, raw: _Raw, depth: int) -> None:
        """Count one step of decoding; goyaml's limits on aliases for documents of up to some 500 KB."""
        if depth > _DEPTH_LIMIT:
            raise DocumentError(f"nested deeper than {_DEPTH_LIMIT} levels", raw.place)
        self._count += 1
        self._alias_count += bool(self._followed)
        if self._alias_limit is not None and self._alias_count > self._alias_limit:
            raise DocumentError(f"more than {self._alias_limit} values come from aliases", raw.place)
        if self._alias_count > 100 and self._count > 1000 and self._alias_count > _ALIAS_RATIO * self._count:
            raise DocumentError("document contains excessive aliasing", raw.place)

    @contextmanager
    def _following(self, alias: _Raw) -> Iterator[None]:
        if any(alias is followed for followed in self._followed):
            raise DocumentError(f"anchor '{alias.name}' value contains itself", alias.place)
        self._followed.append(alias)
        yield
        self._followed.pop()


def _is_merge(raw: _Raw) -> bool:
    event = raw.scalar
    return event is not None and event.value == "<<" and (event.implicit[0] or event.tag == _MERGE_TAG)


def _ignored(scanner: GoScanner) -> Place | None:
    """Where content begins that no one reads; an empty document, or none, is no content."""
    place: Place | None = None
    try:
        while (event := scanner.next_event()) is not None and not isinstance(event, StreamEndEvent):
            if isinstance(event, DocumentStartEvent):
                place = _place(event.start_mark)
            elif isinstance(event, NodeEvent) and not (isinstance(event, ScalarEvent) and not event.value):
                return place
    except yaml.MarkedYAMLError as error:
        return place or _place(error.problem_mark)
    except yaml.YAMLError:
        return place or Place(scanner.line + 1, 1)
    return None
