"""Puts our entry into the text of a kubelet's config file, or takes it out; every other byte stays; pure.

The result is read again by the kubelet's rules and must mean the old providers plus ours, nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credprovider.kubelet.tree import DocumentError, Kind, Node
from credprovider.kubelet.yaml_text import parse_yaml
from credprovider.node.entry import Entry
from credprovider.node.layout import not_editable, read_layout
from credprovider.node.refusal import Refusal

if TYPE_CHECKING:
    from credprovider.node.layout import Item, Layout

#: Stands for every number; no YAML gives a tuple.
_NUMBER = ("number",)


def with_entry(content: bytes, entry: Entry) -> bytes:
    """The file with the entry appended, or in place of an entry of its name; unchanged if it says the same already.

    Raises:
        Refusal: ``config-not-editable``, and nothing is known of what the file may be.
    """
    layout = read_layout(content)
    if not layout.items:
        raise not_editable("has an empty list of providers")
    block = entry.text(layout.dash, layout.key, layout.nested, layout.line_end)
    own = _own(layout, entry.name)
    before = _providers(content)
    if own is None:
        edited = _append(layout, block)
    elif _named(before, entry.name) == [entry.fields]:
        return content
    else:
        edited = _replace(layout, own, block)
    result = edited.encode()
    _check(content, result, entry.name, [entry.fields])
    return result


def without_entry(content: bytes, name: str) -> bytes:
    """The file without the entry of that name, as it would be had we never been there; unchanged if there is none.

    Raises:
        Refusal: ``config-only-entry`` if no other is left, ``config-not-editable``.
    """
    if name.encode() not in content:
        return content
    layout = read_layout(content)
    own = _own(layout, name)
    if own is None:
        return content
    if len(layout.items) == 1:
        raise Refusal(
            "config-only-entry",
            "ours is the only entry in the kubelet's credential provider config, and without any it does not start",
            "take the kubelet's two --image-credential-provider flags away first, or leave the entry",
        )
    result = _replace(layout, own, "").encode()
    _check(content, result, name, [])
    return result


def entry_of(content: bytes, name: str) -> Entry | None:
    """Our entry as a file has it; None when there is none or the file cannot be read."""
    try:
        found = _named(_providers(content), name)
    except Refusal:
        return None
    return Entry(name, found[0]) if found else None


def with_entry_of(content: bytes, other: bytes, name: str) -> bytes:
    """The file with our entry as another file has it, or without one if that has none.

    Raises:
        Refusal: as `with_entry` and `without_entry`.
    """
    entry = entry_of(other, name)
    return without_entry(content, name) if entry is None else with_entry(content, entry)


def says(content: bytes | None, entry: Entry) -> bool:
    """Does this file, all ours, hold the entry and nothing else, however it is written?"""
    try:
        return content is not None and _providers(content) == [entry.fields]
    except Refusal:
        return False


def _own(layout: Layout, name: str) -> Item | None:
    found = [item for item in layout.items if item.name == name]
    if len(found) > 1:
        raise not_editable(f"lists {name} more than once")
    return found[0] if found else None


def _append(layout: Layout, block: str) -> str:
    end = layout.items[-1].end
    if layout.text[:end].endswith("\n"):
        return layout.text[:end] + block + layout.text[end:]
    # No line end at the end of the file: ours has none either, so that taking it out gives the same file again.
    return layout.text[:end] + layout.line_end + block.removesuffix(layout.line_end)


def _replace(layout: Layout, own: Item, block: str) -> str:
    head, tail = layout.text[: own.start], layout.text[own.end :]
    if layout.text[: own.end].endswith("\n"):
        return head + block + tail
    return (head + block).removesuffix(layout.line_end)


def _check(before: bytes, after: bytes, name: str, own: list[Any]) -> None:
    """Places are found by one reader and meaning by another; they must agree.

    Raises:
        Refusal: the edit would change more than our entry.
    """
    old, new = _meaning(before), _meaning(after)
    others = [
        [provider for provider in _providers(content) if not _is_named(provider, name)] for content in (before, after)
    ]
    rest = [{key: value for key, value in document.items() if key != "providers"} for document in (old, new)]
    if others[0] != others[1] or rest[0] != rest[1] or _named(_providers(after), name) != own:
        raise not_editable("is written in a way that cannot be edited safely")


def _is_named(provider: Any, name: str) -> bool:
    return isinstance(provider, dict) and provider.get("name") == name


def _named(providers: list[Any], name: str) -> list[Any]:
    return [provider for provider in providers if _is_named(provider, name)]


def _providers(content: bytes) -> list[Any]:
    providers = _meaning(content).get("providers")
    return providers if isinstance(providers, list) else []


def _meaning(content: bytes) -> dict[str, Any]:
    try:
        document = _plain(parse_yaml(content).root)
    except DocumentError as error:
        raise not_editable(f"cannot be read (line {error.place.line})") from None
    if not isinstance(document, dict):
        raise not_editable("is no mapping")
    return document


def _plain(node: Node) -> Any:
    """A tree as dicts, lists and scalars, to compare and to write as JSON; all numbers count as one."""
    if node.kind is Kind.OBJECT:
        return {member.name: _plain(member.value) for member in node.members}
    if node.kind is Kind.LIST:
        return [_plain(item) for item in node.items]
    if node.kind is Kind.BOOL:
        return node.text == "true"
    return {Kind.STRING: node.text, Kind.NULL: None, Kind.NUMBER: _NUMBER}[node.kind]
