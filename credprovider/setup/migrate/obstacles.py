"""Why a pull Secret must stay although a refresher of Artifact Registry credentials writes it; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from credprovider.setup.migrate.docker_config import is_google
from credprovider.setup.migrate.pods import POD_SPECS, other_uses, pod_spec, pull_secrets
from credprovider.setup.migrate.resources import CLUSTER_KINDS, Ref
from credprovider.setup.migrate.shape import at, strings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from credprovider.setup.migrate.cluster import Cluster
    from credprovider.setup.migrate.resources import Resource

#: Kinds of which it is known how they may refer to a Secret; of all others any mention counts.
_KNOWN_KINDS = CLUSTER_KINDS | {"ConfigMap", "Namespace", "Role", "RoleBinding", "Secret", "Service", "ServiceAccount"}


class Obstacle(NamedTuple):
    """Why a Secret stays, and what a person could do about it; nothing where a person has decided it."""

    why: str
    then: str = ""


def find_obstacle(cluster: Cluster, ref: Ref, gone: AbstractSet[Ref], keep: AbstractSet[str]) -> Obstacle | None:
    """Why a Secret stays; None if it may go.

    Args:
        cluster: all objects.
        ref: the Secret.
        gone: refreshers, whose own use of it does not count.
        keep: paths of objects that stay in any case.
    """
    if ref.path in keep:
        return Obstacle("as asked for by --keep")
    for holder, path in pull_secret_lists(cluster):
        same = holder.ref.namespace == ref.namespace and ref.name in pull_secrets(at(holder.body, *path))
        if same and holder.ref.path in keep:
            return Obstacle(f"{holder.ref} refers to it and stays as it is")
    return _content_obstacle(cluster.get(*ref), ref) or _use_obstacle(cluster, ref, gone)


def pull_secret_lists(cluster: Cluster) -> Iterator[tuple[Resource, tuple[str, ...]]]:
    """Every object in which ``imagePullSecrets`` may stand, with the path of that list."""
    for account in cluster.all("ServiceAccount"):
        yield account, ("imagePullSecrets",)
    for workload in cluster.workloads():
        yield workload, (*POD_SPECS[workload.ref.kind], "imagePullSecrets")


def _content_obstacle(secret: Resource | None, ref: Ref) -> Obstacle | None:
    if secret is None:
        return None
    if not secret.hosts:
        why = "a refresher writes it, but it holds no registry credentials that can be read"
        return Obstacle(why, f"see what it is; --keep {ref.path} leaves it and its refresher alone")
    foreign = ", ".join(host for host in secret.hosts if not is_google(host))
    if foreign:
        then = "give those credentials a Secret of their own, refer to it instead, and run this again"
        return Obstacle(f"it also holds credentials for {foreign}", then)
    return None


def _use_obstacle(cluster: Cluster, secret: Ref, gone: AbstractSet[Ref]) -> Obstacle | None:
    """Who uses a Secret for something else than its own pulls."""
    uses: list[str] = []
    for resource in cluster.all():
        if resource.ref.namespace != secret.namespace or resource.ref in gone or resource.ref == secret:
            continue
        if any(owner in gone for owner in resource.owners):
            continue
        if resource.ref.kind in POD_SPECS:
            uses += [f"{resource.ref} {how}" for how in set(other_uses(pod_spec(resource), secret.name))]
        elif resource.ref.kind not in _KNOWN_KINDS and secret.name in strings(resource.body.get("spec")):
            uses.append(f"{resource.ref} refers to it")
    if not uses:
        return None
    why = f"it serves for more than the kubelet's pulls: {'; '.join(sorted(uses)[:5])}"
    return Obstacle(why, "give that use credentials of its own, and run this again")
