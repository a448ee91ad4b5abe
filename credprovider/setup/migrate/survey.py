"""What is to go, what stays and why, and what a person must decide; from all objects that were given; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from credprovider.setup.migrate.docker_config import is_google
from credprovider.setup.migrate.obstacles import Obstacle, find_obstacle, pull_secret_lists
from credprovider.setup.migrate.pods import POD_SPECS, pull_secrets
from credprovider.setup.migrate.refreshers import Grade, Refresher, external_accounts, find_refreshers
from credprovider.setup.migrate.resources import Ref, is_name
from credprovider.setup.migrate.rights import Choice, Rights, rights_of
from credprovider.setup.migrate.shape import at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from credprovider.setup.migrate.cluster import Cluster
    from credprovider.setup.migrate.resources import Resource


@dataclass(frozen=True)
class Kept:
    """Something that was looked at and stays."""

    ref: Ref
    why: str


@dataclass(frozen=True)
class Look:
    """Something that a person must decide.

    Attributes:
        what: an object, or where there is none a file.
        why: what is not clear.
        then: what to do when it is.
    """

    what: str
    why: str
    then: str


@dataclass(frozen=True)
class Reference:
    """A list of ``imagePullSecrets`` that names Secrets which go.

    Attributes:
        path: of the list in the object.
        names: of the Secrets that go, as they stand in the list.
    """

    resource: Resource
    path: tuple[str, ...]
    names: tuple[str, ...]


@dataclass
class Survey:
    """The outcome.

    Attributes:
        secrets: that go; with what was given of them, or None.
        rights: bindings and roles that go.
        configurations: ConfigMaps with the vendor's file.
    """

    refreshers: list[Refresher] = field(default_factory=list)
    secrets: dict[Ref, Resource | None] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)
    rights: Rights = field(default_factory=Rights)
    configurations: list[Resource] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    look: list[Look] = field(default_factory=list)


def survey(
    cluster: Cluster, *, include: AbstractSet[str] = frozenset(), keep: AbstractSet[str] = frozenset()
) -> Survey:
    """Look at everything.

    Args:
        cluster: the objects.
        include: paths (`Ref.path`) of what a person has confirmed: refreshers, bindings, Secrets that nobody refreshes.
        keep: paths of objects that stay in any case.
    """
    found = Survey()
    seen = find_refreshers(cluster)
    chosen = [each for each in seen if _is_chosen(each, include, keep, found)]
    written = {each.resource.ref: _targets(cluster, each) for each in seen}
    targets = {each.resource.ref: written[each.resource.ref] for each in chosen}
    blocked = _blocked(cluster, targets, keep, found)
    for refresher in chosen:
        obstacles = sorted(targets[refresher.resource.ref] & blocked)
        if obstacles:
            found.kept.append(Kept(refresher.resource.ref, f"it refreshes {obstacles[0]}, which stays"))
            continue
        found.refreshers.append(refresher)
        found.configurations += [
            each for each in external_accounts(cluster, refresher.resource) if each not in found.configurations
        ]
        found.secrets.update({ref: cluster.get(*ref) for ref in sorted(targets[refresher.resource.ref])})
    for secret in _unrefreshed(cluster, set().union(*written.values())):
        if _goes_unrefreshed(cluster, secret, Choice(include, keep), found):
            found.secrets[secret.ref] = secret
    found.references = list(_references(cluster, found))
    gone = [refresher.resource for refresher in found.refreshers]
    staying = [each.resource for each in seen if each not in found.refreshers]
    found.rights = rights_of(cluster, gone, staying, set(found.secrets), Choice(include, keep))
    found.kept += [Kept(*each) for each in found.rights.kept]
    found.look += [Look(str(ref), why, _keep_or_include(ref)) for ref, why in found.rights.look]
    found.kept += _what_else_stays(cluster, found)
    for first, second in cluster.clashes:
        why = f"given twice and not alike: {first.source}; {second.source}; the first was taken"
        found.look.append(Look(str(first.ref), why, "give only what is deployed"))
    return found


def _keep_or_include(ref: Ref) -> str:
    return f"if it is, run this again with --include {ref.path}; if not, with --keep {ref.path}"


def _is_chosen(refresher: Refresher, include: AbstractSet[str], keep: AbstractSet[str], found: Survey) -> bool:
    """Does it go? Those that do not are told in ``found``."""
    ref = refresher.resource.ref
    if ref.path in keep:
        found.kept.append(Kept(ref, "as asked for by --keep"))
    elif refresher.grade is Grade.FOREIGN:
        found.kept.append(Kept(ref, f"it {refresher.reasons[0]}: another registry's"))
    elif refresher.grade is Grade.CERTAIN or ref.path in include:
        return True
    else:
        why = f"likely a refresher ({'; '.join(refresher.reasons)}), but {'; '.join(refresher.doubts)}"
        found.look.append(Look(str(ref), why, _keep_or_include(ref)))
    return False


def _targets(cluster: Cluster, refresher: Refresher) -> set[Ref]:
    """The Secrets that a refresher writes; where it computes the namespace, all of that name that are in use."""
    own = refresher.resource.ref.namespace
    found = set()
    for write in refresher.writes:
        if write.namespace is not None:
            found.add(Ref("Secret", write.namespace or own, write.name))
            continue
        found |= {each.ref for each in cluster.all("Secret") if each.ref.name == write.name and each.hosts}
        found |= {
            Ref("Secret", holder.ref.namespace, write.name)
            for holder, path in pull_secret_lists(cluster)
            if write.name in pull_secrets(at(holder.body, *path))
        }
    return found


def _blocked(cluster: Cluster, targets: dict[Ref, set[Ref]], keep: AbstractSet[str], found: Survey) -> set[Ref]:
    """Secrets that must stay although a refresher writes them; why is told in ``found``."""
    blocked = set()
    for ref in sorted({each for refs in targets.values() for each in refs}):
        obstacle = find_obstacle(cluster, ref, set(targets), keep)
        if obstacle is None:
            continue
        blocked.add(ref)
        _tell_obstacle(ref, obstacle, found)
    return blocked


def _unrefreshed(cluster: Cluster, refreshed: AbstractSet[Ref]) -> Iterator[Resource]:
    """Secrets with access tokens, and for Google's registries alone, that nothing known renews."""
    for secret in cluster.all("Secret"):
        if secret.ref not in refreshed and secret.holds_tokens and all(map(is_google, secret.hosts or ("",))):
            yield secret


def _goes_unrefreshed(cluster: Cluster, secret: Resource, choice: Choice, found: Survey) -> bool:
    """Does it go? One that does not is told in ``found``."""
    ref = secret.ref
    obstacle = find_obstacle(cluster, ref, {each.resource.ref for each in found.refreshers}, choice.keep)
    if obstacle is None and ref.path in choice.include:
        return True
    _tell_obstacle(ref, obstacle or _nobody_renews(cluster, ref), found)
    return False


def _nobody_renews(cluster: Cluster, secret: Ref) -> Obstacle:
    users = [
        str(holder.ref)
        for holder, path in pull_secret_lists(cluster)
        if holder.ref.namespace == secret.namespace
        and not holder.owners
        and secret.name in pull_secrets(at(holder.body, *path))
    ]
    why = "it holds an access token, dead within the hour, and no refresher that was found writes it"
    if users:
        why += f"; it is referred to by {', '.join(users[:3])}"
    choose = f"if nobody does, run this again with --include {secret.path}; else with --keep {secret.path}"
    return Obstacle(why, f"find out who writes it; {choose}")


def _tell_obstacle(ref: Ref, obstacle: Obstacle, found: Survey) -> None:
    found.kept.append(Kept(ref, obstacle.why))
    if obstacle.then:
        found.look.append(Look(str(ref), obstacle.why, obstacle.then))


def _references(cluster: Cluster, found: Survey) -> Iterator[Reference]:
    gone = {each.resource.ref for each in found.refreshers}
    for resource, path in pull_secret_lists(cluster):
        listed = pull_secrets(at(resource.body, *path))
        names = [name for name in listed if Ref("Secret", resource.ref.namespace, name) in found.secrets]
        if not names or resource.ref in gone or _made_by(resource, gone):
            continue
        if resource.owners:
            owner = resource.owners[0]
            if owner.kind in POD_SPECS or not is_name(owner):
                continue  # follows its owner
            why = f"owned by {owner}, which will bring the reference back"
            found.look.append(Look(str(resource.ref), why, f"take imagePullSecrets out of {owner}"))
        elif _has_ended(resource):
            found.kept.append(Kept(resource.ref, "it has ended, and pulls nothing any more"))
        else:
            yield Reference(resource, path, tuple(dict.fromkeys(names)))


def _made_by(resource: Resource, makers: AbstractSet[Ref]) -> bool:
    return any(owner in makers for owner in resource.owners)


def _has_ended(resource: Resource) -> bool:
    if resource.ref.kind == "Pod":
        return at(resource.body, "status", "phase") in {"Succeeded", "Failed"}
    return resource.ref.kind == "Job" and at(resource.body, "status", "completionTime") is not None


def _what_else_stays(cluster: Cluster, found: Survey) -> Iterator[Kept]:
    for config_map in found.configurations:
        yield Kept(config_map.ref, "it holds the vendor's file, which the plugin's settings need: see the first steps")
    gone = {each.resource.ref for each in found.refreshers}
    for account in cluster.all("ServiceAccount"):
        users = cluster.users_of(account.ref.namespace, account.ref.name)
        if not any(user.ref in gone for user in users):
            continue
        others = [str(user.ref) for user in users if user.ref not in gone]
        why = f"also used by {', '.join(others[:3])}" if others else "nothing else that was given uses it"
        if any(str(mark).startswith("azure.workload.identity/") for mark in (*account.annotations, *account.labels)):
            why += "; its azure.workload.identity marks, and the federated credential for it in Azure, stay as well:"
            why += " the workload, or the plugin's service-account mode, may use that identity"
        yield Kept(account.ref, why)
    told = {kept.ref for kept in found.kept} | set(found.secrets)
    for secret in cluster.all("Secret"):
        if secret.hosts and any(map(is_google, secret.hosts)) and secret.ref not in told:
            yield Kept(secret.ref, "no refresher that was found writes it; it may hold another vendor's credentials")
