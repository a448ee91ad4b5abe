"""Text of manifests to plain values: YAML as kubectl reads it, or JSON; size, depth and aliases have limits; pure."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from credprovider.kubelet.tree import DocumentError, Kind, Node, Place
from credprovider.kubelet.yaml_text import parse_yaml_stream

#: Bytes of one file, or of stdin; a List of a few thousand Deployments stays below.
SIZE_LIMIT = 64 * 1024 * 1024

#: Values that one document may take from aliases: manifests use none, or a handful.
_ALIAS_LIMIT = 20_000


class Document(NamedTuple):
    """One document of a stream; the line is where its value begins, from 1."""

    value: Any
    line: int


def read_documents(data: bytes) -> list[Document]:
    """All documents of a text.

    Raises:
        DocumentError: too large, not readable, nested too deep, full of aliases, or with a key written twice.
    """
    if len(data) > SIZE_LIMIT:
        raise DocumentError(f"larger than {SIZE_LIMIT >> 20} MiB", Place(1, 1))
    if data.lstrip()[:1] in (b"{", b"["):
        return [Document(_read_json(data), 1)]
    found = []
    for document in parse_yaml_stream(data, alias_limit=_ALIAS_LIMIT):
        for member in document.duplicates:
            raise DocumentError("a key is written twice", member.place)
        found.append(Document(_plain(document.root), document.root.place.line))
    return found


def _read_json(data: bytes) -> Any:
    try:
        return json.loads(data, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise DocumentError(f"not JSON: {error.msg}", Place(error.lineno, error.colno)) from None
    except RecursionError:
        raise DocumentError("nested too deep", Place(1, 1)) from None
    except UnicodeDecodeError:
        raise DocumentError("not UTF-8", Place(1, 1)) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DocumentError("a key is written twice", Place(1, 1))
    return found


def _plain(node: Node) -> Any:
    if node.kind is Kind.OBJECT:
        return {member.name: _plain(member.value) for member in node.members}
    if node.kind is Kind.LIST:
        return [_plain(item) for item in node.items]
    if node.kind is Kind.BOOL:
        return node.text == "true"
    if node.kind is Kind.NUMBER:
        return int(node.text) if node.text.lstrip("-").isdigit() else float(node.text.replace("_", ""))
    return node.text if node.kind is Kind.STRING else None
