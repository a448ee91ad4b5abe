"""Go's decoding of a tree into types, as apimachinery's codec does it: what fits, and what does not, and where; pure.

Sources: sigs.k8s.io/json (UnmarshalStrict), apimachinery ``pkg/runtime/serializer/json`` (Interpret), metav1.Duration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from credprovider.kubelet.duration import DurationError, parse_duration
from credprovider.kubelet.tree import Kind, Member, Node, Place

if TYPE_CHECKING:
    from collections.abc import Collection

UNKNOWN_FIELD = "unknown-field"
DUPLICATE_FIELD = "duplicate-field"
WRONG_TYPE = "wrong-type"
BAD_DURATION = "bad-duration"

_GO_TYPE = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'

#: Letters outside ASCII that Go folds onto ASCII ones when it compares names without regard to case.
_FOLDS = str.maketrans({"\u017f": "s", "\u212a": "k"})


class TypeMetaError(ValueError):
    """`read_type_meta` could not tell what the document is; the message is the kubelet's."""


class TypeMeta(NamedTuple):
    """Group with version as the kubelet compares it, and kind; empty where the document says nothing."""

    api_version: str
    kind: str


def read_type_meta(document: Node) -> TypeMeta:
    """What the document says it is. Names count in any case and the last one wins: this stage is not strict.

    Raises:
        TypeMetaError: not an object, a field of the wrong type, or an apiVersion with two slashes.
    """
    prefix = "couldn't get version/kind; json parse error: json: cannot unmarshal"
    if document.kind not in (Kind.OBJECT, Kind.NULL):
        raise TypeMetaError(f"{prefix} {document.kind.value} into Go value of type {_GO_TYPE}")
    found = {"apiversion": "", "kind": ""}
    for member in document.members:
        name = member.name.translate(_FOLDS).lower()
        if name not in found or member.value.kind is Kind.NULL:
            continue
        if member.value.kind is not Kind.STRING:
            field = "apiVersion" if name == "apiversion" else "kind"
            raise TypeMetaError(f"{prefix} {member.value.kind.value} into Go struct field .{field} of type string")
        found[name] = member.value.text
    version = found["apiversion"]
    if version.count("/") > 1:
        raise TypeMetaError("unexpected GroupVersion string")
    return TypeMeta("" if version == "/" else version.removeprefix("/"), found["kind"])


@dataclass(frozen=True)
class Problem:
    """Why a document does not fit its type.

    Attributes:
        kind: one of the constants of this module.
        path: as Go writes it, e.g. ``providers[0].matchImages``.
        detail: what was found or is known, e.g. ``number where string is wanted``; never a value of the document.
    """

    kind: str
    path: str
    place: Place
    detail: str


class Decoder:
    """Takes values out of a tree and collects the problems; a null is everywhere as good as nothing."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def struct(self, node: Node | None, fields: Collection[str], path: str) -> dict[str, Member]:
        """The known fields of an object by name, exact case; of duplicates the last."""
        known: dict[str, Member] = {}
        for member in self._members(node, path):
            here = f"{path}.{member.name}" if path else member.name
            if member.name not in fields:
                self._note(UNKNOWN_FIELD, here, member.place, f"known here: {', '.join(sorted(fields))}")
            elif member.name in known:
                self._note(DUPLICATE_FIELD, here, member.place, "written twice")
            if member.name in fields:
                known[member.name] = member
        return known

    def mapping(self, node: Node | None, path: str) -> dict[str, Member]:
        """All members of an object by name; of duplicates the last."""
        found: dict[str, Member] = {}
        for member in self._members(node, path):
            if member.name in found:
                self._note(DUPLICATE_FIELD, f"{path}.{member.name}", member.place, "written twice")
            found[member.name] = member
        return found

    def items(self, node: Node | None, path: str) -> list[Node]:
        """The values of a list."""
        if node is None or node.kind is Kind.NULL:
            return []
        return node.items if self._is(node, Kind.LIST, path) else []

    def text(self, node: Node | None, path: str) -> str:
        """A string; empty without one."""
        if node is None or node.kind is Kind.NULL:
            return ""
        return node.text if self._is(node, Kind.STRING, path) else ""

    def flag(self, node: Node | None, path: str) -> bool | None:
        """A bool; None without one."""
        if node is None or node.kind is Kind.NULL or not self._is(node, Kind.BOOL, path):
            return None
        return node.text == "true"

    def duration(self, node: Node | None, path: str) -> int | None:
        """A duration in nanoseconds; None without one."""
        if node is None or node.kind is Kind.NULL or not self._is(node, Kind.STRING, path):
            return None
        try:
            return parse_duration(node.text)
        except DurationError as error:
            self._note(BAD_DURATION, path, node.place, f"{error.reason}; write e.g. 10m, 1h30m or 0s")
            return None

    def _members(self, node: Node | None, path: str) -> list[Member]:
        if node is None or node.kind is Kind.NULL:
            return []
        return node.members if self._is(node, Kind.OBJECT, path) else []

    def _is(self, node: Node, wanted: Kind, path: str) -> bool:
        if node.kind is not wanted:
            self._note(WRONG_TYPE, path, node.place, f"{node.kind.value} where {wanted.value} is wanted")
        return node.kind is wanted

    def _note(self, kind: str, path: str, place: Place, detail: str) -> None:
        self.problems.append(Problem(kind, path, place, detail))
