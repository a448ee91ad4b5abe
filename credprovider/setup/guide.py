"""The README of the written folder: what was decided, what is still to come, and the steps in order of work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credprovider import __version__
from credprovider.errors import PROGRAM
from credprovider.node.places import provider_name
from credprovider.setup.checkout import BASE, CHART, EXECUTABLE
from credprovider.setup.cluster_files import deployment_name
from credprovider.setup.forms import split_image
from credprovider.setup.modes import picture, recommended_trust
from credprovider.setup.plan import AUDIENCE, AZURE, VENDOR
from credprovider.setup.template import fill
from credprovider.setup.wrapping import wrapped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from credprovider.setup.plan import Plan

_WAITS = {
    AZURE: 'azure.sh has run (step 1), then `"$p" setup --again .`',
    VENDOR: "the registry's owner has sent the credential file (step 3), then"
    ' `"$p" setup --again . --vendor-file FILE`',
    AUDIENCE: "a node has shown which `aud` this cloud's tokens have (step 3)",
}
#: The kubelet's folder of plugins on AKS.
_BIN_DIR = "/var/lib/kubelet/credential-provider"


def readme(plan: Plan, waiting: Mapping[str, tuple[str, ...]], checkout: str) -> str:
    """The text.

    Args:
        plan: of the run.
        waiting: file that could not be written yet -> what it waits for.
        checkout: place of the product's checkout, as a word of a shell.
    """
    page = fill(
        "readme.md",
        program=PROGRAM,
        checkout=checkout,
        executable=EXECUTABLE,
        title=f"Pulls from {plan['image'].partition('/')[0]} on {plan['cluster']}",
        mode=plan.mode.name,
        reason=plan.row.reason,
        table=picture(plan.row),
        trusted=_trusted(plan),
        trust_reason=_trust_reason(plan),
        state=_state(waiting),
        azure_does=_azure_does(plan),
        terraform=_terraform(plan),
        google=_google(plan, waiting),
        nodes=_nodes(plan),
        before=_before_workload(plan),
        after=_after_workload(plan),
        pod_doctor=_pod_doctor(plan),
        doctor=_doctor(plan),
        doctor_note=_doctor_note(plan),
    )
    return wrapped(page)


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
        "**Not written yet**, as not everything in them is known; the files that are here are whole.\n\n"
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


def _terraform(plan: Plan) -> str:
    lines = [
        "terraform -chdir=terraform init",
        "terraform -chdir=terraform apply",
        "terraform -chdir=terraform output -json azure_outputs >azure-outputs.json",
    ]
    if plan.mode.name == "managed-identity" and plan["identity"] == "own":
        lines.append("bash azure.sh      # gives the identity to the nodes' machines, which Terraform does not know")
    return "\n".join(lines)


def _google(plan: Plan, waiting: Mapping[str, tuple[str, ...]]) -> str:
    lacks_audience = any(AUDIENCE in reasons for reasons in waiting.values())
    first = _audience(plan) if lacks_audience else ""
    if plan.owns_google:
        return (
            f"{first}```sh\nbash google.sh\n```\n\nIt makes pool and provider, compares them if they are there, and"
            " grants the least that a pull needs. With Terraform this was part of step 1."
        )
    send = "Send `message-to-registry-owner.md`: it holds exactly what they must trust. They must say when it is done"
    if plan.vendor_content is not None:
        return f"{first}{send}; their credential file is here already, unedited."
    again = '```sh\n"$p" setup --again . --vendor-file FILE\n```'
    if lacks_audience:
        ask = "Ask the registry's owner for the credential file (`external_account`, JSON) first; `aud` is not in it."
        return f"{ask} With it:\n\n{again}\n\n{first}{send}."
    return f"{send}, and the credential file (`external_account`, JSON). With it:\n\n{again}"


def _audience(plan: Plan) -> str:
    """How to see what nobody has published."""
    hop = "entra" if plan.mode.entra else "first-token"
    return fill("google-audience.md", hop=hop, doctor=_doctor(plan), doctor_note=_doctor_note(plan))


def _nodes(plan: Plan) -> str:
    name = plan.object_name
    rollout = f"kubectl -n {name} rollout status daemonset/{name} --timeout=30m"
    one_pool = " \\\n  --set 'nodeSelector.kubernetes\\.azure\\.com/agentpool=POOL'"
    built = "The installer's image has to be in your registry. Build it in the checkout, and copy it there:"
    first = (
        "A first installation is not one node after the other: it changes all nodes that it matches at once. So begin"
        " with one pool, and put its name in place of POOL. With Helm:"
    )
    then = "See that its pods are ready, and do step 5 there. Then the same for all nodes:"
    parts = [
        f"{built}\n\n```sh\n{_image_copy(plan)}```",
        f"{first}\n\n```sh\n{_helm(name)}{one_pool}\n{rollout}\n```",
        f"{then}\n\n```sh\n{_helm(name)}\n{rollout}\n```",
    ]
    if not plan["instance"]:
        parts.append(
            f"Or with Kustomize, which takes all nodes at once:\n\n```sh\n{_copy_of_base(plan)}kubectl apply -k .\n```"
        )
    instance = f" --instance {plan['instance']}" if plan["instance"] else ""
    parts.append(
        f"Or on a node, or into a node's image, as root in a copy of this folder, with the checkout's `dist/{PROGRAM}`"
        f" copied to `/opt`:\n\n```sh\n/opt/{PROGRAM}/{PROGRAM} node install --settings .{instance}\n```"
    )
    parts.append("`credential-provider-entry.yaml` shows what any of them adds to the kubelet's configuration.")
    if plan.mode.source == "service-account":
        parts.append("Without chart and overlay the nodes also need `kubectl apply -f rbac.yaml`.")
    elif plan.mode.source == "token-file":
        parts.append("Without chart and overlay the token file must come from something of yours.")
    return "\n\n".join(parts)


def _image_copy(plan: Plan) -> str:
    """Builds the image, and copies it to where it was said to be."""
    repository, tag, _ = split_image(plan["installerImage"])
    return (
        '(cd "$CHECKOUT" && sudo ./dev image)\n'
        f'skopeo copy "oci:$CHECKOUT/dist/image/oci:{__version__}" \\\n  docker://{repository}:{tag or __version__}\n'
    )


def _helm(name: str) -> str:
    return f'helm upgrade --install {name} "$CHECKOUT/{CHART}" \\\n  --namespace default --values helm-values.yaml'


def _copy_of_base(plan: Plan) -> str:
    """Brings the product's base to where the overlay expects it; another place than the usual is the user's own."""
    if plan["kustomizeBase"] != "./base":
        return ""
    return f'mkdir -p base\ncp -R "$CHECKOUT/{BASE}/." base\n'


def _doctor(plan: Plan) -> str:
    instance = f" --instance {plan['instance']}" if plan["instance"] else ""
    return f"{_BIN_DIR}/{provider_name(plan['instance'])} doctor{instance} {plan['image']}"


def _doctor_note(plan: Plan) -> str:
    is_pods = plan.mode.source == "service-account"
    return " (it needs a pod's token in this mode: `--service-account-token`)" if is_pods else ""


def _pod_doctor(plan: Plan) -> str:
    """The same in the DaemonSet's pod of a node."""
    instance = f" --instance {plan['instance']}" if plan["instance"] else ""
    namespace = f"kubectl -n {plan.object_name}"
    return (
        f"pod=$({namespace} get pods -o name --field-selector spec.nodeName=NODE_NAME)\n"
        f'{namespace} exec "$pod" -- \\\n  /opt/{PROGRAM}/{PROGRAM} doctor{instance} {plan["image"]}'
    )


def _before_workload(plan: Plan) -> str:
    """Makes what is not there, and leaves what is there as it is."""
    namespaces = sorted({namespace for namespace, _ in plan.workloads} - {"default"})
    lines = [f"kubectl get namespace {name} || kubectl create namespace {name}\n" for name in namespaces]
    for namespace, account in plan.workloads:
        if account != "default":
            there, name = f"kubectl -n {namespace}", f"serviceaccount {account}"
            lines.append(f"{there} get {name} ||\n  {there} create {name}\n")
    return "".join(lines)


def _after_workload(plan: Plan) -> str:
    """Shows what was pulled."""
    rows = [(namespace, deployment_name(account)) for namespace, account in plan.workloads]
    lines = [f"kubectl -n {namespace} rollout status deployment/{name} --timeout=5m\n" for namespace, name in rows]
    events = "kubectl -n {} get events --field-selector reason=Pulled\n"
    return "".join(lines + [events.format(namespace) for namespace in sorted({namespace for namespace, _ in rows})])
