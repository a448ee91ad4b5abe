"""azure.sh: the commands of `az` for a mode, to be run as often as one likes; text only."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from credprovider.errors import PROGRAM
from credprovider.setup.template import fill

if TYPE_CHECKING:
    from credprovider.setup.plan import Plan

#: `az cloud list`'s names.
CLOUD_NAMES = {"public": "AzureCloud", "usgov": "AzureUSGovernment", "china": "AzureChinaCloud"}

_GUID = "^[0-9a-fA-F-]{36}$"


def azure_script(plan: Plan) -> str:
    """The script."""
    values = {
        "program": PROGRAM,
        "mode": plan.mode.name,
        "subscription": plan["subscription"],
        "tenant": plan["tenant"],
        "resource_group": plan["resourceGroup"],
        "cluster": plan["cluster"],
        "azure_cloud": CLOUD_NAMES[plan["cloud"]],
        "identity": plan["identityName"] or "",
        "identity_group": plan["identityResourceGroup"] or "",
        "federation_audience": plan.federation_audience,
    }
    quoted = {name: shlex.quote(value) for name, value in values.items()} | {"program": PROGRAM, "mode": plan.mode.name}
    quoted["location"] = f" --location {shlex.quote(plan['location'])}" if plan["location"] else ""
    quoted["federations"] = "\n".join(
        f"federate {shlex.quote(plan.federated_credential(subject))} {shlex.quote(subject)}"
        for subject in plan.kubernetes_subjects
    )
    quoted |= _outputs(plan)
    return "".join(fill(f"azure/{part}.sh", **quoted) for part in _parts(plan))


def _parts(plan: Plan) -> list[str]:
    parts = ["head"]
    if plan.mode.needs_issuer:
        parts.append("issuer")
    if plan.through_entra:
        parts.append("identity" if plan["identity"] == "own" else "kubelet")
    if plan.mode.entra:
        parts.append("federate")
    elif plan["identity"] == "own":
        parts.append("assign")
    return [*parts, "outputs"]


def _outputs(plan: Plan) -> dict[str, str]:
    fields = {"subscriptionId": "$SUBSCRIPTION", "tenantId": "$TENANT"}
    guards = ""
    if plan.through_entra:
        fields |= {"clientId": "$CLIENT_ID", "principalId": "$PRINCIPAL_ID"}
        guards = (
            f"[[ $CLIENT_ID =~ {_GUID} && $PRINCIPAL_ID =~ {_GUID} ]] ||"
            ' die "the identity shows no client id and object id"\n'
        )
    if plan.mode.needs_issuer:
        fields["oidcIssuerUrl"] = "$ISSUER"
    return {"fields": ",\n".join(f'  "{name}": "{value}"' for name, value in fields.items()), "guards": guards}
