"""Objects as YAML for people: keys in the order given, texts of several lines as blocks; quoting is the library's."""

from __future__ import annotations

from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Lists are indented below their key, as Kubernetes' own examples have it."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002 - yaml's form
        del indentless
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def dump(*documents: Any, comment: str = "") -> str:
    """One or several documents.

    Args:
        documents: of JSON's types.
        comment: stands above them, line by line.
    """
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    return head + "---\n".join(
        yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True) for document in documents
    )
