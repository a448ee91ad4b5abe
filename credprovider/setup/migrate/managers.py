"""Who keeps an object as it is: what is patched behind a manager's back comes back with its next run; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credprovider.errors import one_line
from credprovider.setup.migrate.shape import text

if TYPE_CHECKING:
    from credprovider.setup.migrate.resources import Resource

#: Annotation or label -> who sets it; the value tells which release or application.
_MARKS = {
    "meta.helm.sh/release-name": "the Helm release",
    "argocd.argoproj.io/tracking-id": "the Argo CD application",
    "argocd.argoproj.io/instance": "the Argo CD application",
    "helm.toolkit.fluxcd.io/name": "the Flux HelmRelease",
    "kustomize.toolkit.fluxcd.io/name": "the Flux Kustomization",
    "fleet.cattle.io/bundle-id": "the Fleet bundle",
    "kapp.k14s.io/app": "the kapp application",
    "config.k8s.io/owning-inventory": "the inventory",
    "olm.owner": "the operator's ClusterServiceVersion",
}
_MANAGED_BY = "app.kubernetes.io/managed-by"
#: What people's own tools put there without coming back to change an object.
_NO_MANAGER = {"", "kubectl", "kustomize", "manual"}


def manager_of(resource: Resource) -> str:
    """Who would undo a patch, e.g. ``the Helm release bifrost``; empty if nobody is known to."""
    marks = {**resource.labels, **resource.annotations}
    for mark, who in _MARKS.items():
        if mark in marks:
            return f"{who} {_shown(text(marks[mark]).partition(':')[0])}".rstrip()
    by = text(resource.labels.get(_MANAGED_BY))
    if by.lower() not in _NO_MANAGER:
        return f"{_shown(by)} (label {_MANAGED_BY})"
    return ""


def _shown(value: str) -> str:
    safe = "".join(character if character.isalnum() or character in "-_./" else "?" for character in value)
    return one_line(safe, 80)
