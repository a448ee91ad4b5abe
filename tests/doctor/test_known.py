"""What is known of the user's own world: where the managed identity lies, and what a node calls itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from credprovider.doctor.known import facts_for, facts_of_node, node_name
from credprovider.settings import load_settings
from tests.unit.core.making import CLIENT_ID, GCLOUD, IMDS_URL, changed, identity, make_world, settings_files

if TYPE_CHECKING:
    from pathlib import Path

_NODES, _CLUSTERS = "MC_rg-demo_aks-demo_westeurope", "rg-demo"
_SUBSCRIPTION = "00000000-1111-2222-3333-444444444444"
_AZURE_JSON = {"subscriptionId": _SUBSCRIPTION, "resourceGroup": _NODES}
_KUBELETS = {**_AZURE_JSON, "userAssignedIdentityID": CLIENT_ID}
_ANOTHERS = {**_AZURE_JSON, "userAssignedIdentityID": "22222222-2222-4222-8222-0000000000ff"}


def _id(group: str, name: str, subscription: str = _SUBSCRIPTION) -> str:
    kind = "Microsoft.ManagedIdentity/userAssignedIdentities"
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind}/{name}"


_ELSEWHERE = _id("rg-identities", "puller", "66666666-6666-4666-8666-666666666666")


def _facts(folder: Path, azure_json: dict[str, str], given: dict[str, str], resource_id: str | None) -> dict[str, str]:
    if resource_id is None:
        settings_files(folder, identity("managed-identity", clientId=CLIENT_ID))
    else:
        url = f"{IMDS_URL}&msi_res_id={resource_id}"
        settings_files(folder, identity("managed-identity"), changed(GCLOUD, "credential_source", "url", to=url))
    settings = load_settings(make_world(folder), None)
    node = facts_of_node(json.dumps(azure_json).encode())
    return facts_for(settings, "us-docker.pkg.dev/p/r/i", node=node, given=given)


@pytest.mark.parametrize(
    ("azure_json", "given", "resource_id", "group", "name"),
    [
        pytest.param(_ANOTHERS, {}, None, _CLUSTERS, None, id="unknown: with the cluster"),
        pytest.param(_ANOTHERS, {"identity_name": "puller"}, None, _CLUSTERS, "puller", id="own: with the cluster"),
        pytest.param(
            _ANOTHERS,
            {"identity_name": "puller", "identity_resource_group": "rg-identities"},
            None,
            *("rg-identities", "puller"),
            id="own: as given",
        ),
        pytest.param(_KUBELETS, {}, None, _NODES, "aks-demo-agentpool", id="kubelet's: by client id"),
        pytest.param(
            *(_ANOTHERS, {"identity_name": "aks-demo-agentpool"}, None, _NODES, "aks-demo-agentpool"),
            id="kubelet's: by name",
        ),
        pytest.param(
            *(_KUBELETS, {"identity_name": "puller"}, None, _CLUSTERS, "puller"), id="kubelet's: brought along"
        ),
        pytest.param(
            _KUBELETS,
            {"identity_resource_group": "rg-identities"},
            None,
            *("rg-identities", "aks-demo-agentpool"),
            id="kubelet's: as given",
        ),
        pytest.param(_ANOTHERS, {}, _ELSEWHERE, "rg-identities", "puller", id="resource id"),
        pytest.param(
            *({}, {"identity_name": "aks-demo-agentpool", "cluster": "aks-demo"}, None, None, "aks-demo-agentpool"),
            id="kubelet's: away from nodes",
        ),
        pytest.param({}, {}, None, None, None, id="nothing known"),
    ],
)
def test_identity_is_looked_for_where_it_lies(
    tmp_path: Path,
    azure_json: dict[str, str],
    given: dict[str, str],
    resource_id: str | None,
    group: str | None,
    name: str | None,
) -> None:
    facts = _facts(tmp_path, azure_json, given, resource_id)
    assert (facts.get("identity_resource_group"), facts.get("identity_name")) == (group, name)
    known = resource_id or (_id(group, name) if group and name else None)
    assert facts.get("identity_id") == known
    assert facts.get("resource_group") == (_CLUSTERS if azure_json else None)


def test_resource_group_of_the_identity_is_in_the_commands(patient: Any, settings: Any, cloud: Any) -> None:
    cloud.unbind()
    cloud.bind(cloud.world.client_id)
    more = ("--granted-subject", cloud.world.client_id, "--identity-resource-group", "rg-identities")
    found = patient.examine(settings("managed-identity-impersonated"), *more)
    assert "az identity show -g rg-identities -n bifrost-pull-identity --query principalId -o tsv" in found.commands


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"aks-nodepool1-12345678-vmss000000\n", "aks-nodepool1-12345678-vmss000000"),
        (b"Node.Example\n", "node.example"),
        (b"", ""),
        (b"a b\n", ""),
        (b"-a", ""),
        (b"\xff", ""),
        (b"$(reboot)", ""),
        (b"a" * 254, ""),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_name_of_a_node_is_what_its_machine_calls_itself(content: bytes, name: str) -> None:
    assert node_name(content) == name
