"""Bindings and roles that let a refresher write Secrets and do nothing else, so that they go with it; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from credprovider.setup.migrate.cluster import role_of, rules, subjects
from credprovider.setup.migrate.pods import pod_spec, service_account
from credprovider.setup.migrate.resources import Ref
from credprovider.setup.migrate.shape import items

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from credprovider.setup.migrate.cluster import Cluster
    from credprovider.setup.migrate.resources import Resource

_WRITES = {"create", "delete", "patch", "update"}
#: What a refresher may need; a right beyond these belongs to something else.
_VERBS = _WRITES | {"get", "list"}
#: A role is known by what it gives, but these come with Kubernetes.
_BUILT_IN = {"admin", "cluster-admin", "edit", "view"}

Remark = tuple[Ref, str]


class Choice(NamedTuple):
    """What a person has decided about single objects, by `Ref.path`."""

    include: AbstractSet[str] = frozenset()
    keep: AbstractSet[str] = frozenset()


@dataclass
class Rights:
    """What goes, bindings before the roles they give.

    Attributes:
        kept: what stays, and why.
        look: what a person must look at, and why.
    """

    bindings: list[Resource] = field(default_factory=list)
    roles: list[Resource] = field(default_factory=list)
    kept: list[Remark] = field(default_factory=list)
    look: list[Remark] = field(default_factory=list)


def rights_of(
    cluster: Cluster,
    going: Sequence[Resource],
    staying: Sequence[Resource],
    secrets: AbstractSet[Ref],
    choice: Choice,
) -> Rights:
    """The rights that only the refreshers that go need.

    Args:
        cluster: all objects.
        going: refreshers that go.
        staying: refreshers that stay, such as another registry's.
        secrets: that go, too.
        choice: of a person.
    """
    accounts, needed = set(map(_account, going)), set(map(_account, staying))
    found = Rights()
    for binding in {each.ref: each for account in sorted(accounts) for each in cluster.bindings_of(account)}.values():
        if binding.ref.path in choice.keep:
            found.kept.append((binding.ref, "as asked for by --keep"))
        elif why := _obstacle(cluster, binding, accounts, needed):
            found.kept.append((binding.ref, why))
        elif (why := _doubt(cluster, binding, secrets)) and binding.ref.path not in choice.include:
            found.look.append((binding.ref, why))
        else:
            found.bindings.append(binding)
    for ref in dict.fromkeys(role_of(binding) for binding in found.bindings):
        role = cluster.get(*ref)
        others = [
            each.ref
            for each in cluster.all("RoleBinding", "ClusterRoleBinding")
            if role_of(each) == ref and each not in found.bindings
        ]
        if others or ref.path in choice.keep:
            found.kept.append((ref, f"also given by {others[0]}" if others else "as asked for by --keep"))
        elif role is not None:
            found.roles.append(role)
    return found


def _account(workload: Resource) -> Ref:
    return Ref("ServiceAccount", workload.ref.namespace, service_account(pod_spec(workload)))


def _obstacle(cluster: Cluster, binding: Resource, accounts: AbstractSet[Ref], needed: AbstractSet[Ref]) -> str:
    """Why a binding stays; empty if it may go."""
    whose = set(subjects(binding))
    if whose - accounts or needed & whose:
        return "it also gives rights to others" if whose - accounts else "a refresher that stays has its rights from it"
    return _breadth(cluster, binding)


def _breadth(cluster: Cluster, binding: Resource) -> str:
    """What a binding gives beyond the right to write Secrets; empty if nothing is known to."""
    role = cluster.get(*role_of(binding))
    if role_of(binding).name in _BUILT_IN or (role and role.body.get("aggregationRule")):
        return f"it gives {role_of(binding)}, which serves for more than Secrets"
    if role is None:
        return ""
    if not all(set(items(rule.get("apiGroups"))) <= {""} and _is_narrow(rule) for rule in rules(role)):
        return f"{role.ref} gives more than rights to write Secrets"
    if not any(_WRITES & set(map(str, items(rule.get("verbs")))) for rule in rules(role)):
        return f"{role.ref} gives no right to write Secrets"
    return ""


def _is_narrow(rule: dict[str, object]) -> bool:
    """Is the rule about Secrets, or about naming them in ServiceAccounts?"""
    resources, verbs = set(map(str, items(rule.get("resources")))), set(map(str, items(rule.get("verbs"))))
    return bool(resources) and resources <= {"secrets", "serviceaccounts"} and verbs <= _VERBS


def _doubt(cluster: Cluster, binding: Resource, secrets: AbstractSet[Ref]) -> str:
    """Why a person must look at a binding; empty if none must."""
    role = cluster.get(*role_of(binding))
    if role is None:
        return f"it gives a {role_of(binding).kind or 'role'} that was not given, so its rights are not known"
    about_secrets = [rule for rule in rules(role) if "secrets" in items(rule.get("resources"))]
    named = {str(name) for rule in about_secrets for name in items(rule.get("resourceNames"))}
    if named - {ref.name for ref in secrets}:
        return "its role names Secrets that nothing here refreshes"
    return ""
