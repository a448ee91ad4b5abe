"""Our entry of the kubelet's CredentialProviderConfig: what it says, and its text in a file's own style; pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from credprovider.kubelet.request import V1

if TYPE_CHECKING:
    from credprovider.settings import Settings

CONFIG_API_VERSION = "kubelet.config.k8s.io/v1"

#: Indentation of a file that is all ours.
_OWN_STYLE = (2, 4, 2)


@dataclass(frozen=True)
class Entry:
    """One provider: `fields` in the order in which they are written, all values JSON's."""

    name: str
    fields: dict[str, Any]

    def text(self, dash: int, key: int, nested: int, line_end: str) -> str:
        """The item as block-style YAML.

        Args:
            dash: column of the dash.
            key: column of the keys.
            nested: columns between a key and the dashes of its list.
            line_end: ends every line.
        """
        lines = _mapping(self.fields, key, nested)
        lines[0] = " " * dash + "-" + " " * (key - dash - 1) + lines[0].lstrip(" ")
        return "".join(line + line_end for line in lines)

    def document(self) -> bytes:
        """A whole config file with this provider alone, for a kubelet that reads a folder of them."""
        head = f"apiVersion: {CONFIG_API_VERSION}\nkind: CredentialProviderConfig\nproviders:\n"
        return (head + self.text(*_OWN_STYLE, "\n")).encode("ascii")

    @property
    def digest(self) -> str:
        """Names what the entry says, however it is indented."""
        return hashlib.sha256(json.dumps(self.fields, sort_keys=True).encode()).hexdigest()[:16]


def make_entry(name: str, config: str, settings: Settings) -> Entry:
    """The entry that these settings need.

    Args:
        name: of the provider, which is that of the link in the bin dir.
        config: path of config.json on the node.
        settings: validated.
    """
    fields: dict[str, Any] = {
        "name": name,
        "matchImages": list(settings.registry_texts),
        "defaultCacheDuration": "0s",
        "apiVersion": V1,
    }
    if settings.source == "service-account":
        tokens: dict[str, Any] = {
            "serviceAccountTokenAudience": settings.token_audience,
            "requireServiceAccount": settings.require_service_account,
            "cacheType": settings.cache_type,
        }
        if settings.required_annotations:
            tokens["requiredServiceAccountAnnotationKeys"] = list(settings.required_annotations)
        if settings.optional_annotations:
            tokens["optionalServiceAccountAnnotationKeys"] = list(settings.optional_annotations)
        fields["tokenAttributes"] = tokens
    fields["args"] = [f"--config={config}"]
    return Entry(name, fields)


def _mapping(fields: dict[str, Any], column: int, nested: int) -> list[str]:
    """Lines of a mapping. Texts are quoted as JSON does, which YAML reads alike: no text turns into another type."""
    lines: list[str] = []
    for name, value in fields.items():
        if isinstance(value, dict):
            lines.append(f"{' ' * column}{name}:")
            lines.extend(_mapping(value, column + 2, nested))
        elif isinstance(value, list):
            lines.append(f"{' ' * column}{name}:")
            lines.extend(f"{' ' * (column + nested)}- {json.dumps(item)}" for item in value)
        else:
            lines.append(f"{' ' * column}{name}: {value if name == 'name' else json.dumps(value)}")
    return lines
