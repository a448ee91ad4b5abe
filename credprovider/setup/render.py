"""All files of one run: each is whole or not there at all, so that no gap can reach a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credprovider.setup import cluster_files, google, node_files
from credprovider.setup.azure import azure_script
from credprovider.setup.guide import readme
from credprovider.setup.outputs import FILE as OUTPUTS_FILE
from credprovider.setup.plan import AUDIENCE, AZURE, VENDOR
from credprovider.setup.terraform import terraform
from credprovider.setup.values import write_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from credprovider.setup.plan import Plan

#: Every name that any run may write; what a later run does not write any more is taken away, and nothing else is.
OURS = (
    "README.md",
    "azure.sh",
    "config.json",
    "credential-config.json",
    "credential-provider-entry.yaml",
    "google.sh",
    "helm-values.yaml",
    "kustomization.yaml",
    "message-to-registry-owner.md",
    "rbac.yaml",
    "terraform/azure.tf",
    "terraform/google.tf",
    "terraform/terraform.tfvars.json",
    "terraform/variables.tf",
    "values.yaml",
    "workload.yaml",
)


def render(plan: Plan, outputs: bytes | None, checkout: str) -> tuple[dict[str, bytes], dict[str, tuple[str, ...]]]:
    """Contents by name, and what each file that is not among them waits for.

    Args:
        plan: checked.
        outputs: the azure-outputs.json that the plan has read, which goes along.
        checkout: place of the product's checkout, as a word of a shell in the folder.

    Raises:
        ProviderError: family ``settings``: the vendor's file and the answers do not fit together.
    """
    files: dict[str, bytes] = {}
    waiting: dict[str, tuple[str, ...]] = {}
    for name, (make, needs) in _makers(plan).items():
        lacking = tuple(need for need in needs if _lacks(plan, need))
        if lacking:
            waiting[name] = lacking
        else:
            content = make(plan)
            files[name] = content if isinstance(content, bytes) else content.encode("utf-8")
    if plan.owns_google and _lacks(plan, AUDIENCE):
        waiting["terraform/google.tf"] = (AUDIENCE,)
    files |= {f"terraform/{name}": text.encode("utf-8") for name, text in terraform(plan).items()}
    values = dict(plan.answers)
    if plan.vendor_content is not None:
        values["vendorFile"] = node_files.CREDENTIAL_CONFIG
    files["values.yaml"] = write_values(values).encode("utf-8")
    if outputs is not None:
        files[OUTPUTS_FILE] = outputs
    files["README.md"] = readme(plan, waiting, checkout).encode("utf-8")
    return files, waiting


def _makers(plan: Plan) -> dict[str, tuple[Callable[[Plan], str | bytes], tuple[str, ...]]]:
    vendor = () if plan.owns_google else (VENDOR,)
    client = (AZURE,) if plan.names_client else ()
    audience = vendor if plan.mode.source != "managed-identity" and not plan.mode.entra else ()
    found: dict[str, tuple[Callable[[Plan], str | bytes], tuple[str, ...]]] = {
        "azure.sh": (azure_script, ()),
        "config.json": (node_files.config_text, (*client, *audience)),
        "credential-config.json": (node_files.credential_config, vendor),
        "credential-provider-entry.yaml": (node_files.entry, (*client, *vendor)),
        "helm-values.yaml": (cluster_files.helm_values, (*client, *vendor)),
        "workload.yaml": (cluster_files.workload, ()),
    }
    if plan.owns_google:
        found["google.sh"] = (google.google_script, (AZURE, AUDIENCE))
    else:
        found["message-to-registry-owner.md"] = (google.message, (AZURE, AUDIENCE))
    if plan.mode.source == "service-account":
        found["rbac.yaml"] = (cluster_files.rbac, audience)
    if not plan["instance"]:
        found["kustomization.yaml"] = (cluster_files.kustomization, (*client, *vendor))
    return found


def _lacks(plan: Plan, need: str) -> bool:
    if need == AUDIENCE:
        return plan.through_entra and plan.allowed_audience is None
    return not plan.knows_azure if need == AZURE else plan.vendor_content is None
