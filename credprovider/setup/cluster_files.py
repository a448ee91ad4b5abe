"""What the cluster gets: Helm values, a Kustomize overlay, the RBAC of the token audience, and the workload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credprovider import __version__
from credprovider.errors import PROGRAM
from credprovider.setup.forms import split_image
from credprovider.setup.node_files import CREDENTIAL_CONFIG, config, credential_config
from credprovider.setup.yaml_text import dump

if TYPE_CHECKING:
    from credprovider.setup.plan import Plan

_RBAC = "rbac.authorization.k8s.io"


def helm_values(plan: Plan) -> str:
    """Values of the chart, complete: the settings and the vendor's file are in it."""
    repository, tag, digest = split_image(plan["installerImage"])
    values: dict[str, Any] = {"image": {"repository": repository}}
    values["image"] |= {name: value for name, value in (("tag", tag), ("digest", digest)) if value}
    if plan["instance"]:
        values |= {"instance": plan["instance"], "metrics": {"port": int(plan["metricsPort"])}}
    values["settings"] = config(plan)
    values["credentialConfig"] = credential_config(plan).decode("utf-8")
    return dump(values, comment="Values of the chart azure-gar-credential-provider.")


def rbac(plan: Plan) -> str:
    """Lets kubelets ask for pods' tokens with one audience (KEP-4412)."""
    name = f"{plan.object_name}-token-audience"
    role = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [
            {
                "apiGroups": [""],
                "resources": [plan.token_audience],
                "verbs": ["request-serviceaccounts-token-audience"],
            }
        ],
    }
    binding = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": _RBAC, "kind": "Group", "name": "system:nodes"}],
    }
    comment = (
        "Lets the kubelets ask for ServiceAccount tokens with this audience. The chart has the same; apply this where\n"
        "nodes are set up without it."
    )
    return dump(role, binding, comment=comment)


def workload(plan: Plan) -> str:
    """A Deployment of the image without imagePullSecrets, for each ServiceAccount that will pull."""
    # No ServiceAccount: to apply a bare one over one that is there could take its annotations and labels away.
    documents = [_deployment(plan, namespace, account) for namespace, account in plan.workloads]
    comment = "The workload: it has no imagePullSecrets, and needs none. Put your own containers' settings in."
    return dump(*documents, comment=comment)


def deployment_name(account: str) -> str:
    """Of the workload of a ServiceAccount."""
    return f"pull-test-{account}".replace(".", "-")[:63].rstrip("-")


def _named(name: str, namespace: str) -> dict[str, Any]:
    return {"name": name, "namespace": namespace}


def _deployment(plan: Plan, namespace: str, account: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "pull-test"}
    pod = {"serviceAccountName": account, "containers": [{"name": "pull-test", "image": plan["image"]}]}
    name = deployment_name(account)
    labels["app.kubernetes.io/instance"] = name
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _named(name, namespace),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def kustomization(plan: Plan) -> str:
    """An overlay over the product's base."""
    repository, tag, digest = split_image(plan["installerImage"])
    pinned = {"digest": digest} if digest else {"newTag": tag or __version__}
    document: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [plan["kustomizeBase"]],
        "images": [{"name": PROGRAM, "newName": repository, **pinned}],
        # The name gets a hash of the content, so that new settings roll the pods, one node after the other.
        "configMapGenerator": [
            {
                "name": f"{PROGRAM}-settings",
                "namespace": PROGRAM,
                "files": ["config.json", CREDENTIAL_CONFIG],
                "options": {"immutable": True},
            }
        ],
    }
    if plan.mode.source == "service-account":
        document["resources"].append("rbac.yaml")
    if plan.mode.source == "token-file":
        document["components"] = [_below(plan["kustomizeBase"], "components/token-file")]
        document["patches"] = [_audience_patch(plan)]
    return dump(document, comment="Overlay over the product's Kustomize base.")


def _below(base: str, path: str) -> str:
    """A folder below a base, which may be a URL with a query."""
    place, mark, query = base.partition("?")
    return f"{place.rstrip('/')}/{path}{mark}{query}"


def _audience_patch(plan: Plan) -> dict[str, Any]:
    """The token that is relayed has the audience of the settings, whichever the component's is."""
    path = "/spec/template/spec/volumes/2/projected/sources/0/serviceAccountToken/audience"
    patch = dump([{"op": "replace", "path": path, "value": plan.token_audience}])
    return {"target": {"kind": "DaemonSet", "name": PROGRAM}, "patch": patch}
