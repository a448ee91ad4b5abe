"""What is known of the user's own world, by the names of the catalogue's placeholders: so that commands are exact."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from credprovider.facts import facts_of
from credprovider.strict_json import loads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from credprovider.settings import Settings

#: Field of AKS's /etc/kubernetes/azure.json -> placeholder.
_AZURE_JSON = {
    "tenantId": "tenant",
    "subscriptionId": "subscription",
    "resourceGroup": "node_resource_group",
    "primaryScaleSetName": "vmss",
    "userAssignedIdentityID": "client_id",
}
#: AKS names it after the cluster's resource group, the cluster and the region; names with _ cannot be told apart.
_NODE_RESOURCE_GROUP = re.compile(r"MC_(?P<resource_group>[^_]+)_(?P<cluster>[^_]+)_[a-z0-9]+")
_IDENTITY = "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{}"
_IDENTITY_ID = re.compile(
    _IDENTITY.format("(?P<subscription>[^/]+)", "[^/]+", "(?P<identity_name>[^/]+)"), re.IGNORECASE
)


def facts_of_node(content: bytes | None) -> dict[str, str]:
    """Placeholder -> value, from azure.json; nothing where it is absent or odd."""
    try:
        document = loads(content or b"")
    except ValueError:
        return {}
    found = document if isinstance(document, dict) else {}
    known = {place: found.get(field) for field, place in _AZURE_JSON.items()}
    group = _NODE_RESOURCE_GROUP.fullmatch(str(known["node_resource_group"]))
    return {**(group.groupdict() if group else {}), **_texts(known)}


def facts_for(
    settings: Settings, image: str, *, node: Mapping[str, str], given: Mapping[str, str | None]
) -> dict[str, str]:
    """Everything together; what a person gave wins over settings, and these over the node's own.

    Args:
        settings: validated.
        image: repository name.
        node: of `facts_of_node`.
        given: by options of the command.
    """
    known = {**node, **facts_of(settings, image), **_texts(given)}
    identity = _IDENTITY_ID.fullmatch(known.get("client_id", ""))
    if identity:  # IMDS was asked by resource id
        known = {**identity.groupdict(), **known, "identity_id": known["client_id"]}
    parts = [known.get(name) for name in ("subscription", "resource_group", "identity_name")]
    if all(parts):
        known.setdefault("identity_id", _IDENTITY.format(*parts))
    return known


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: value for name, value in values.items() if isinstance(value, str) and value}
