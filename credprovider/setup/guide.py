"""The README of the written folder: what was decided, what is still to come, and the steps in order of work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credprovider.errors import PROGRAM
from credprovider.setup.modes import picture, recommended_trust
from credprovider.setup.plan import AZURE, VENDOR
from credprovider.setup.template import fill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from credprovider.setup.plan import Plan

_CHART = "node-config/helm/azure-gar-credential-provider"
_WAITS = {
    AZURE: f"azure.sh has run (step 1), then `{PROGRAM} setup --again .`",
    VENDOR: "the registry's owner has sent the credential file (step 3), then"
    f" `{PROGRAM} setup --again . --vendor-file FILE`",
}


def readme(plan: Plan, waiting: Mapping[str, tuple[str, ...]]) -> str:
    """The text.

    Args:
        plan: of the run.
        waiting: file that could not be written yet -> what it waits for.
    """
    return fill(
        "readme.md",
        program=PROGRAM,
        title=f"Pulls from {plan['image'].partition('/')[0]} on {plan['cluster']}",
        mode=plan.mode.name,
        reason=plan.row.reason,
        table=picture(plan.row),
        trusted=_trusted(plan),
        trust_reason=_trust_reason(plan),
        state=_state(waiting),
        azure_does=_azure_does(plan),
        google=_google(plan),
        nodes=_nodes(plan),
        terraform_note=" && bash ../azure.sh"
        if plan.mode.name == "managed-identity" and plan["identity"] == "own"
        else "",
        namespaces=_namespaces(plan),
        image=plan["image"],
        doctor_note=" (it needs a pod's token in this mode: `--service-account-token`)"
        if plan.mode.source == "service-account"
        else "",
    )


def _trusted(plan: Plan) -> str:
    return "Entra ID, your tenant" if plan.through_entra else "the cluster's own issuer"


def _trust_reason(plan: Plan) -> str:
    choice, reason = recommended_trust(plan.answers)
    return reason if choice == plan["trust"] else "as answered"


def _state(waiting: Mapping[str, tuple[str, ...]]) -> str:
    if not waiting:
        return "Everything is written; nothing in this folder is left to be filled in.\n"
    rows = "".join(
        f"| `{file}` | {'; and '.join(_WAITS[reason] for reason in reasons)} |\n" for file, reasons in waiting.items()
    )
    return (
        "**Not written yet**, as not everything in them is known. No file here has a place to be filled in by hand.\n\n"
        f"| file | is written when |\n|---|---|\n{rows}"
    )


def _azure_does(plan: Plan) -> str:
    done = []
    if plan.mode.needs_issuer:
        done.append("switches on the cluster's OIDC issuer where it is off")
    if plan["identity"] == "own":
        done.append(f"makes the managed identity `{plan['identityName']}`")
    if plan.mode.entra:
        done.append("has Entra ID take the tokens of " + ", ".join(f"`{each}`" for each in plan.kubernetes_subjects))
    elif plan["identity"] == "own":
        done.append(
            "gives it to the scale set of every node pool (a change beside AKS: may get lost when a pool is made anew;"
            " clusters with locked node groups, AKS Automatic and node auto-provisioning refuse it; mode"
            " token-file-entra needs none of this)"
        )
    if plan["identity"] == "kubelet":
        done.append("reads which identity the kubelets have; it changes nothing")
    return f"It {', '.join(done)}."


def _google(plan: Plan) -> str:
    if plan.owns_google:
        return (
            "```sh\nbash google.sh\n```\n\nIt makes pool and provider, compares them if they are there, and grants the"
            " least that a pull\nneeds. With Terraform this was part of step 1."
        )
    text = "Send `message-to-registry-owner.md`: it holds exactly what they must trust. They must say when it is done"
    if plan.vendor_content is None:
        return (
            f"{text}, and the credential file (`external_account`, JSON). With it:\n\n"
            f"```sh\n{PROGRAM} setup --again . --vendor-file FILE\n```"
        )
    return f"{text}; their credential file is here already, unedited."


def _nodes(plan: Plan) -> str:
    instance = f" --instance {plan['instance']}" if plan["instance"] else ""
    helm = (
        "With Helm, from a checkout of the product:\n\n"
        f"```sh\nhelm upgrade --install {plan.object_name} {_CHART} --values helm-values.yaml\n"
        f"kubectl -n {plan.object_name} rollout status daemonset/{plan.object_name} --timeout=30m\n```\n\n"
    )
    kustomize = (
        f"Or with Kustomize, its base expected at `{plan['kustomizeBase']}` (the product's `node-config/kustomize`,"
        " copied there):\n\n```sh\nkubectl apply -k .\n```\n\n"
        if not plan["instance"]
        else ""
    )
    rbac = (
        "\n\nWithout chart and overlay the nodes also need `kubectl apply -f rbac.yaml`."
        if plan.mode.source == "service-account"
        else "\n\nThe token file must then come from something of yours."
        if plan.mode.source == "token-file"
        else ""
    )
    return (
        f"{helm}{kustomize}Or on a node, or into a node's image, as root:\n\n"
        f"```sh\n{PROGRAM} node install --settings .{instance}\n```\n\n"
        "`credential-provider-entry.yaml` shows what any of them adds to the kubelet's configuration." + rbac
    )


def _namespaces(plan: Plan) -> str:
    names = sorted({namespace for namespace, _ in plan.workloads} - {"default"})
    return "".join(f"kubectl create namespace {name}      # unless it is there\n" for name in names)
