"""Kubernetes objects as needed here: named, without what a Secret holds, each knowing where it was read; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from credprovider.setup.migrate.docker_config import DOCKER_TYPES, holds_access_tokens, registry_hosts
from credprovider.setup.migrate.shape import at, items, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from credprovider.setup.migrate.documents import Document

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

#: Kinds without a namespace, of those that are looked at.
CLUSTER_KINDS = frozenset({"ClusterRole", "ClusterRoleBinding"})
_RBAC_KINDS = CLUSTER_KINDS | {"Role", "RoleBinding"}

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
#: RBAC objects may have any name that fits into a path; those that would break out of a line are not taken.
_RBAC_NAME = re.compile(r"(?!-)(?!\.{1,2}\Z)[!-~ ]{1,253}")
_RBAC_REFUSED = frozenset("/%`\\")


class Ref(NamedTuple):
    """What an object is called; the namespace is empty for kinds without one."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.kind} {self.name}{where}"

    @property
    def path(self) -> str:
        """As the command line takes it: ``cronjob/bifrost/refresh``, ``clusterrole/name``."""
        return "/".join(part for part in (self.kind.lower(), self.namespace, self.name) if part)


@dataclass(frozen=True)
class Resource:
    """One object.

    Attributes:
        body: the object; of a Secret only its type and metadata.
        source: where it was read, for people.
        hosts: of a pull Secret, the registries it has credentials for; None if that is not known.
        applied: was it made with `kubectl apply`?
        holds_tokens: of a pull Secret, are all its credentials access tokens of Google's?
    """

    ref: Ref
    body: dict[str, Any]
    source: str
    hosts: tuple[str, ...] | None = None
    applied: bool = field(default=False, compare=False)
    holds_tokens: bool = False

    @property
    def labels(self) -> dict[str, Any]:
        """Labels by name."""
        return mapping(at(self.body, "metadata", "labels"))

    @property
    def annotations(self) -> dict[str, Any]:
        """Annotations by name; not the one that repeats the whole object."""
        return mapping(at(self.body, "metadata", "annotations"))

    @property
    def owners(self) -> list[Ref]:
        """Objects that made this one, or own it."""
        owners = items(at(self.body, "metadata", "ownerReferences"))
        named = [mapping(owner) for owner in owners]
        return [Ref(text(owner.get("kind")), self.ref.namespace, text(owner.get("name"))) for owner in named]


def path_of(words: str, known: AbstractSet[str]) -> str:
    """A `Ref.path` as people write it: ``Secret/team-a/pull``, ``secrets/team-a/pull``, ``cronjobs.batch/x/y``.

    Args:
        words: what was written.
        known: paths that there are; they tell a plural from a kind that ends in an s.
    """
    kind, slash, rest = words.partition("/")
    kind = kind.lower().partition(".")[0]
    plural, singular = f"{kind}{slash}{rest}", f"{kind.removesuffix('s')}{slash}{rest}"
    return plural if plural in known else singular


class RefusedNameError(ValueError):
    """An object whose name no API server would take; it cannot be put into a command."""


def read_resources(document: Document, source: str, namespace: str) -> Iterator[Resource]:
    """The objects of a document: itself, or the items of a List; nothing for what is no Kubernetes object.

    Args:
        document: the document.
        source: of the text, for people.
        namespace: of objects that name none.

    Raises:
        RefusedNameError: of the first object with an impossible name.
    """
    where = f"{source}, line {document.line}"
    pending = [mapping(document.value)]
    while pending:
        body = pending.pop(0)
        kind = text(body.get("kind"))
        if kind.endswith("List") and isinstance(body.get("items"), list):
            base = {"apiVersion": body.get("apiVersion"), "kind": kind.removesuffix("List")}
            pending += [{**(base if kind != "List" else {}), **mapping(item)} for item in body["items"]]
        elif kind and isinstance(body.get("apiVersion"), str) and text(at(body, "metadata", "name")):
            yield _resource(kind, body, where, namespace)


def _resource(kind: str, body: dict[str, Any], source: str, namespace: str) -> Resource:
    ref = Ref(
        kind,
        "" if kind in CLUSTER_KINDS else text(at(body, "metadata", "namespace")) or namespace,
        text(at(body, "metadata", "name")),
    )
    if not is_name(ref):
        what = f"a {kind}" if kind.isalnum() else "an object"
        raise RefusedNameError(f"{what} has a name or a namespace that no object can have")
    is_pull_secret = kind == "Secret" and text(body.get("type")) in DOCKER_TYPES
    metadata = {name: value for name, value in mapping(body.get("metadata")).items() if name != "managedFields"}
    annotations = dict(mapping(metadata.get("annotations")))
    applied = annotations.pop(LAST_APPLIED, None) is not None  # of a Secret, it repeats the content
    metadata["annotations"] = annotations
    kept = {"apiVersion": body["apiVersion"], "type": body.get("type")} if kind == "Secret" else body
    whole = {**kept, "kind": kind, "metadata": metadata}
    if not is_pull_secret:
        return Resource(ref, whole, source, applied=applied)
    return Resource(ref, whole, source, registry_hosts(body), applied, holds_access_tokens(body))


def is_name(ref: Ref) -> bool:
    """Could an API server have an object of that name, and can it stand in a command and in a document?"""
    if ref.namespace and not _LABEL.fullmatch(ref.namespace):
        return False
    if ref.kind in _RBAC_KINDS:
        return bool(_RBAC_NAME.fullmatch(ref.name)) and _RBAC_REFUSED.isdisjoint(ref.name)
    return bool(_SUBDOMAIN.fullmatch(ref.name))
