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
#: A DNS subdomain (RFC 1123).
_NODE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
#: AKS names it after the cluster's resource group, the cluster and the region; names with _ cannot be told apart.
_NODE_RESOURCE_GROUP = re.compile(r"MC_(?P<resource_group>[^_]+)_(?P<cluster>[^_]+)_[a-z0-9]+")
_IDENTITY = "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{}"
_IDENTITY_ID = re.compile(
    _IDENTITY.format("(?P<subscription>[^/]+)", "(?P<identity_resource_group>[^/]+)", "(?P<identity_name>[^/]+)"),
    re.IGNORECASE,
)
#: AKS gives the kubelet an identity of this name, and puts it into the nodes' resource group.
_KUBELETS_OWN = "{}-agentpool"


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


def node_name(hostname: bytes) -> str:
    """Name of the Node, from what its machine calls itself; empty where that is none."""
    name = hostname.decode("ascii", "replace").strip().lower()
    return name if _NODE_NAME.fullmatch(name) else ""


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
    known = {**known, **_identity(known, node.get("client_id")), **_texts(given)}
    parts = [known.get(name) for name in ("subscription", "identity_resource_group", "identity_name")]
    if all(parts):
        known.setdefault("identity_id", _IDENTITY.format(*parts))
    return known


def _identity(known: Mapping[str, str], kubelets: str | None) -> dict[str, str]:
    """Where the managed identity lies: as its resource id says; the kubelet's own with the nodes, any other as given.

    Without a word on it the cluster's group counts, as `setup` puts the identity there.

    Args:
        known: all else.
        kubelets: client id of the kubelet's identity, where azure.json tells it.
    """
    client_id = known.get("client_id")
    if by_id := _IDENTITY_ID.fullmatch(client_id or ""):  # IMDS was asked by resource id
        return {**by_id.groupdict(), "identity_id": by_id[0]}
    own = _KUBELETS_OWN.format(known["cluster"]) if "cluster" in known else None
    is_kubelets = kubelets is not None and client_id == kubelets
    # A kubelet may have got an identity from elsewhere (az aks create --assign-kubelet-identity), of another name.
    if known.get("identity_name", own if is_kubelets else "") == own:
        return _texts({"identity_name": own, "identity_resource_group": known.get("node_resource_group")})
    return _texts({"identity_resource_group": known.get("resource_group")})


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: value for name, value in values.items() if isinstance(value, str) and value}
