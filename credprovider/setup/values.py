"""The values file: answers as YAML or JSON, read strictly, and written so that a run can be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from credprovider.errors import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIMIT = 256 << 10
_HEAD = f"""\
# The answers that this folder was made of, by `{PROGRAM} setup`; README.md, step 2, makes it again.
"""


class ValuesError(ValueError):
    """The file is no mapping of names to texts; the message says where, never what."""


def read_values(content: bytes) -> dict[str, object]:
    """The answers of a values file.

    Raises:
        ValuesError: no YAML or JSON, no mapping, a name twice, or too large.
    """
    if len(content) > _LIMIT:
        raise ValuesError(f"is larger than {_LIMIT} bytes")
    try:
        document = yaml.load(content, _Loader)  # noqa: S506 - a SafeLoader, see below
    except ValuesError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise ValuesError("is neither YAML nor JSON" + (f" (line {mark.line + 1})" if mark else "")) from None
    if not isinstance(document, dict):
        raise ValuesError("holds no mapping of names to answers")
    if not all(isinstance(name, str) for name in document):
        raise ValuesError("has a name that is no text")
    return {name: value for name, value in document.items() if value is not None}


def write_values(answers: Mapping[str, Any]) -> str:
    """The same answers as YAML; texts that YAML would take for something else are in quotes."""
    return _HEAD + yaml.safe_dump(dict(answers), sort_keys=False, width=1000)


class _Loader(yaml.SafeLoader):
    """Plain scalars stay texts, so that 1.30 is not 1.3; a name twice is an error, and so are anchors."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ValuesError("uses an alias")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - yaml's form
        names = [key.value for key, _ in node.value]
        if len(set(map(str, names))) != len(names):
            raise ValuesError("has a name twice")
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag in {"tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"}]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
