"""The same as azure.sh and google.sh in Terraform: fixed HCL, with every value of the user's in a JSON file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from credprovider.setup.google import account_project
from credprovider.setup.template import fill

if TYPE_CHECKING:
    from credprovider.setup.plan import Plan

_ENVIRONMENTS = {"public": "public", "usgov": "usgovernment", "china": "china"}
_IDENTITY = "azurerm_user_assigned_identity.pull"
_CLUSTER = "data.azurerm_kubernetes_cluster.this"
_TYPES: dict[type, str] = {str: "string", list: "list(string)", dict: "map(string)"}


def terraform(plan: Plan) -> dict[str, str]:
    """Files of the folder ``terraform``, by name."""
    variables = _azure_variables(plan)
    files = {"azure.tf": _azure(plan)}
    if _has_google(plan):
        variables |= _google_variables(plan)
        files["google.tf"] = _google(plan)
    files["variables.tf"] = "\n".join(_variable(name, value) for name, value in variables.items())
    files["terraform.tfvars.json"] = json.dumps(variables, indent=2) + "\n"
    return files


def _has_google(plan: Plan) -> bool:
    """Is the Google side the user's, and is all known that it is to trust?"""
    return plan.owns_google and plan.allowed_audience is not None


def _variable(name: str, value: Any) -> str:
    default = "" if value is not None else "\n  default = null"
    kind = "string" if value is None else _TYPES[type(value)]
    return f'variable "{name}" {{\n  type{"   " if default else ""} = {kind}{default}\n}}\n'


def _azure(plan: Plan) -> str:
    own = plan["identity"] == "own"
    parts = ["versions-both" if _has_google(plan) else "versions-azure"]
    parts.append("cluster-issuer" if plan.mode.needs_issuer else "cluster")
    if own:
        parts += ["identity", "federations" if plan.mode.entra else "assign"]
    text = "".join(fill(f"terraform/{part}.tf") for part in [*parts, "outputs-head"])
    outputs = {}
    if plan.through_entra:
        outputs["clientId"] = f"{_IDENTITY}.client_id" if own else f"{_CLUSTER}.kubelet_identity[0].client_id"
        outputs["principalId"] = _principal(plan)
    if plan.mode.needs_issuer:
        outputs["oidcIssuerUrl"] = f"{_CLUSTER}.oidc_issuer_url"
    return text + "".join(f"    {name.ljust(14)} = {value}\n" for name, value in outputs.items()) + "  }\n}\n"


def _principal(plan: Plan) -> str:
    return f"{_IDENTITY}.principal_id" if plan["identity"] == "own" else f"{_CLUSTER}.kubelet_identity[0].object_id"


def _azure_variables(plan: Plan) -> dict[str, Any]:
    variables: dict[str, Any] = {
        "subscription": plan["subscription"],
        "tenant": plan["tenant"],
        "environment": _ENVIRONMENTS[plan["cloud"]],
        "cluster": plan["cluster"],
        "resource_group": plan["resourceGroup"],
    }
    if plan["identity"] == "own":
        variables["identity_name"] = plan["identityName"]
        variables["identity_resource_group"] = plan["identityResourceGroup"]
        variables["location"] = plan["location"]
    if plan.mode.entra:
        variables["federation_audience"] = plan.federation_audience
        variables["federations"] = {plan.federated_credential(each): each for each in plan.kubernetes_subjects}
    return variables


def _google(plan: Plan) -> str:
    trust = plan.trust
    issuer = "var.issuer" if plan.through_entra else f"{_CLUSTER}.oidc_issuer_url"
    subjects = f"[{_principal(plan)}]" if plan.through_entra else "var.subjects"
    grants = "google-impersonated" if trust and trust.service_account else "google-direct"
    return fill("terraform/google.tf", issuer=issuer, subjects=subjects) + fill(f"terraform/{grants}.tf")


def _google_variables(plan: Plan) -> dict[str, Any]:
    trust, repository = plan.trust, plan.repository
    if trust is None or repository is None:
        raise ValueError("google.tf without its pool or repository")
    variables: dict[str, Any] = {
        "google_project": plan["googleProject"],
        "google_project_number": trust.project_number,
        "google_iam_host": f"iam.{trust.universe}",
        "google_pool": trust.pool,
        "google_provider": trust.provider,
        "attribute_mapping": plan.attribute_mapping,
        "subject_prefix": "system:serviceaccount:" if plan.shortens_subjects else "",
        "allowed_audience": plan.allowed_audience,
        "repository": repository.name,
        "repository_location": repository.location,
        "repository_project": repository.project,
    }
    variables |= {"issuer": plan.issuer} if plan.through_entra else {"subjects": plan.kubernetes_subjects}
    if trust.service_account:
        variables["google_service_account"] = trust.service_account
        variables["google_service_account_project"] = account_project(trust.service_account)
    return variables
