"""All objects that were given, with the questions that are asked about them; pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from credprovider.setup.migrate.pods import POD_SPECS, pod_spec, service_account
from credprovider.setup.migrate.resources import Ref
from credprovider.setup.migrate.shape import at, items, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from credprovider.setup.migrate.resources import Resource


class Cluster:
    """Objects by name, in the order in which they were given.

    Args:
        resources: the objects; of two with one name the first counts.

    Attributes:
        clashes: second objects of a name that differ from the first.
    """

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._by_ref: dict[Ref, Resource] = {}
        self._by_kind: defaultdict[str, list[Resource]] = defaultdict(list)
        self.clashes: list[tuple[Resource, Resource]] = []
        for resource in resources:
            first = self._by_ref.setdefault(resource.ref, resource)
            if first is resource:
                self._by_kind[resource.ref.kind].append(resource)
            elif first.body != resource.body:
                self.clashes.append((first, resource))

    def get(self, kind: str, namespace: str, name: str) -> Resource | None:
        """The object of that name."""
        return self._by_ref.get(Ref(kind, namespace, name))

    def all(self, *kinds: str) -> Iterator[Resource]:
        """The objects of these kinds; of all kinds if none is named."""
        for kind in kinds or tuple(self._by_kind):
            yield from self._by_kind.get(kind, [])

    def workloads(self) -> Iterator[Resource]:
        """Everything that has, or is, a pod."""
        return self.all(*POD_SPECS)

    def users_of(self, namespace: str, account: str) -> list[Resource]:
        """Workloads that run with a ServiceAccount's rights; not those that another object made."""
        return [
            workload
            for workload in self.workloads()
            if workload.ref.namespace == namespace
            and not workload.owners
            and service_account(pod_spec(workload)) == account
        ]

    def bindings_of(self, account: Ref) -> list[Resource]:
        """RoleBindings and ClusterRoleBindings that name a ServiceAccount."""
        return [
            binding
            for binding in self.all("RoleBinding", "ClusterRoleBinding")
            if any(subject == account for subject in subjects(binding))
        ]


def subjects(binding: Resource) -> list[Ref]:
    """To whom a binding gives rights; users and groups have no namespace."""
    found = []
    for subject in map(mapping, items(binding.body.get("subjects"))):
        kind = text(subject.get("kind"))
        own = binding.ref.namespace if kind == "ServiceAccount" else ""
        found.append(Ref(kind, text(subject.get("namespace")) or own, text(subject.get("name"))))
    return found


def role_of(binding: Resource) -> Ref:
    """Which role a binding gives."""
    kind = text(at(binding.body, "roleRef", "kind"))
    return Ref(kind, binding.ref.namespace if kind == "Role" else "", text(at(binding.body, "roleRef", "name")))


def rules(role: Resource) -> list[dict[str, Any]]:
    """The rights that a role gives."""
    return [mapping(rule) for rule in items(role.body.get("rules"))]
