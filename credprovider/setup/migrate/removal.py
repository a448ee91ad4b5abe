"""The steps that take the CronJob way out of a cluster, each with its check and its undo; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credprovider.setup.migrate.managers import manager_of
from credprovider.setup.migrate.pods import pod_spec, service_account
from credprovider.setup.migrate.shape import at, items, mapping, text
from credprovider.setup.migrate.step import Kubectl, Phase, Step, backup_file, pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from credprovider.setup.migrate.cluster import Cluster
    from credprovider.setup.migrate.refreshers import Refresher
    from credprovider.setup.migrate.resources import Ref, Resource
    from credprovider.setup.migrate.survey import Reference, Survey

_ROLLS = {"Deployment", "StatefulSet", "DaemonSet"}


def removal_steps(survey: Survey, cluster: Cluster, kubectl: Kubectl) -> Iterator[Step]:
    """References, refreshers, Secrets, rights: nothing goes before what still needs it."""
    accounts = [each for each in survey.references if each.resource.ref.kind == "ServiceAccount"]
    others = [each for each in survey.references if each.resource.ref.kind != "ServiceAccount"]
    # ServiceAccounts first: they give their pull secrets to every pod that a changed workload makes.
    yield from (_reference(each, kubectl) for each in (*accounts, *others))
    for refresher in survey.refreshers:
        yield from _refresher(refresher, kubectl)
    yield from (_secret(ref, given, kubectl) for ref, given in survey.secrets.items())
    for each in survey.rights.bindings:
        yield _right(each, _also_used(cluster, survey, each), kubectl)
    for each in survey.rights.roles:
        yield _right(each, "", kubectl)


def _reference(reference: Reference, kubectl: Kubectl) -> Step:
    resource, path = reference.resource, reference.path
    ref = resource.ref
    secrets = " and ".join(f"Secret {name}" for name in reference.names)
    title = f"Take {secrets} out of {ref}"
    before = items(at(resource.body, *path))
    after = [entry for entry in before if mapping(entry).get("name") not in reference.names]
    shows = tuple(_unnamed(kubectl, ref, path, name) for name in reference.names)
    if manager := manager_of(resource):
        why = (f"It is managed by {manager}: change imagePullSecrets there, a patch would not last.",)
        return Step(Phase.REFERENCES, title, why, (), shows, (), ref, resource.source, manager)
    if ref.kind in {"Pod", "Job"}:
        return Step(Phase.REFERENCES, title, (_FIXED[ref.kind],), (), (), (), ref, resource.source, "whoever made it")
    list_, there = pointer(path), {"op": "test", "path": pointer(path)}
    change = {"op": "replace", "path": list_, "value": after} if after else {"op": "remove", "path": list_}
    # Where there was nothing else in the list, there must be none again before it is put back.
    undone = {"op": "replace" if after else "add", "path": list_, "value": before}
    rollout = (kubectl.rollout(ref),) if _rolls(resource) else ()
    return Step(
        Phase.REFERENCES,
        title,
        tuple(_about_change(resource)),
        (kubectl.patch(ref, {**there, "value": before}, change),),
        (*shows, *rollout),
        (kubectl.patch(ref, {**there, "value": after or None}, undone), *rollout),
        ref,
        resource.source,
    )


def _unnamed(kubectl: Kubectl, ref: Ref, path: tuple[str, ...], name: str) -> str:
    """Fails if an object still names a pull secret."""
    names = kubectl.shown(ref, (*path[:-1], f"{path[-1]}[*]", "name"))
    return f"left=$({names}) && test -z \"$(printf ' %s ' \"$left\" | grep -F ' {name} ')\""


_FIXED = {
    "Pod": "imagePullSecrets of a Pod cannot be changed, and it runs on without the Secret: make it anew without the "
    "reference when it suits. Until then the kubelet skips what is missing, with an event.",
    "Job": "The pod template of a Job cannot be changed, and the Job ends some day. Change what makes it, if it comes "
    "again; until then the kubelet skips what is missing, with an event.",
}


def _rolls(resource: Resource) -> bool:
    strategy = text(at(resource.body, "spec", "updateStrategy", "type"))
    paused = at(resource.body, "spec", "paused") is True
    return resource.ref.kind in _ROLLS and strategy != "OnDelete" and not paused


def _about_change(resource: Resource) -> Iterator[str]:
    if resource.ref.kind == "ServiceAccount":
        yield "Every new pod of this ServiceAccount got the reference from here."
    elif _rolls(resource):
        yield "The change replaces its pods, by its own update strategy."
    elif resource.ref.kind in _ROLLS or resource.ref.kind.startswith("Replica"):
        yield "Its pods are not replaced by the change; those that run keep the reference, which does no harm."
    if resource.applied:
        yield "It was made with `kubectl apply`: take the reference out of that manifest, too, or it comes back."
    elif not resource.source.startswith("cluster"):
        yield f"Take the reference out of its manifest, too: {resource.source}."


def _refresher(refresher: Refresher, kubectl: Kubectl) -> Iterator[Step]:
    resource, ref = refresher.resource, refresher.resource.ref
    reasons = (f"It goes because it {', '.join(refresher.reasons)}.",)
    manager = manager_of(resource)
    if manager:
        why = (*reasons, f"It is managed by {manager}: take it out there, deleted by hand it would come back.")
        check = (kubectl.is_gone(ref),)
        yield Step(Phase.REFRESHERS, f"Remove {ref}", why, (), check, (), ref, resource.source, manager)
        return
    if ref.kind == "CronJob" and at(resource.body, "spec", "suspend") is not True:
        yield _suspension(ref, resource, kubectl)
    yield Step(
        Phase.REFRESHERS,
        f"Delete {ref}",
        (*reasons, *(["The Jobs it made go with it."] if ref.kind == "CronJob" else [])),
        (kubectl.delete(ref),),
        (kubectl.is_gone(ref),),
        (kubectl.restore(ref),),
        ref,
        resource.source,
    )


def _suspension(ref: Ref, resource: Resource, kubectl: Kubectl) -> Step:
    # The API server fills in false where the manifest says nothing, so that there is always a value to compare with.
    def switch(before: bool, after: bool) -> str:  # noqa: FBT001 - the value of a field
        path = "/spec/suspend"
        test = {"op": "test", "path": path, "value": before}
        return kubectl.patch(ref, test, {"op": "replace", "path": path, "value": after})

    return Step(
        Phase.REFRESHERS,
        f"Suspend {ref}",
        (
            "The token in the Secret dies within the hour.",
            "A good place to pause: what still depends on the Secret shows itself now, and one command brings it back.",
        ),
        (switch(before=False, after=True),),
        (
            f'test "$({kubectl.shown(ref, ("spec", "suspend"))})" = true',
            f'running=$({kubectl.shown(ref, ("status", "active[*]", "name"))}) && test -z "$running"',
        ),
        (switch(before=True, after=False),),
        ref,
        resource.source,
    )


#: A line for each object with the pull secrets that it names.
_USERS = r'{range .items[*]}{.kind}/{.metadata.name}:{range ..imagePullSecrets[*]}[{.name}]{end}{"\n"}{end}'


def _secret(ref: Ref, given: Resource | None, kubectl: Kubectl) -> Step:
    hosts = given.hosts if given else None
    why = [
        f"It serves {', '.join(hosts)} only."
        if hosts
        else "Its content was not given; what writes it knows no other registry."
    ]
    why.append(f"The copy in {backup_file(ref)} holds its last token, dead within the hour; delete it in the end.")
    kinds = "serviceaccounts,deployments.apps,statefulsets.apps,daemonsets.apps,cronjobs.batch"
    users = kubectl.line("get", kinds, "-n", ref.namespace, "-o", f"jsonpath={_USERS}")
    unused = (
        f"used=$({users}) \\\n  && test -z \"$(printf '%s\\n' \"$used\" | grep -F '[{ref.name}]' | tee /dev/stderr)\""
    )
    manager = manager_of(given) if given else ""
    if manager:
        why.append(f"It is managed by {manager}: take it out there.")
    return Step(
        Phase.SECRETS,
        f"Delete {ref}",
        tuple(why),
        () if manager else (f"{unused} \\\n  && {kubectl.delete(ref)}",),
        (kubectl.is_gone(ref),),
        () if manager else (kubectl.restore(ref),),
        ref,
        given.source if given else "",
        manager,
    )


def _also_used(cluster: Cluster, survey: Survey, binding: Resource) -> str:
    """Workloads that stay and have the rights that a binding gives, in words."""
    gone = {each.resource.ref for each in survey.refreshers}
    accounts = {(each.resource.ref.namespace, service_account(pod_spec(each.resource))) for each in survey.refreshers}
    all_users = [user.ref for account in sorted(accounts) for user in cluster.users_of(*account)]
    users = [str(user) for user in all_users if user not in gone]
    bound = {
        (text(subject.get("namespace")) or binding.ref.namespace, text(subject.get("name")))
        for subject in map(mapping, items(binding.body.get("subjects")))
    }
    return ", ".join(users[:3]) if accounts & bound else ""


def _right(resource: Resource, also: str, kubectl: Kubectl) -> Step:
    ref, manager = resource.ref, manager_of(resource)
    what = "lets" if ref.kind.endswith("Binding") else "says what is allowed:"
    why = [f"It {what} the refresher write Secrets, and nothing else."]
    if also:
        why.append(f"{also} runs with the same ServiceAccount; should it miss the right, the undo brings it back.")
    if manager:
        why.append(f"It is managed by {manager}: take it out there.")
    return Step(
        Phase.RIGHTS,
        f"Delete {ref}",
        tuple(why),
        () if manager else (kubectl.delete(ref),),
        (kubectl.is_gone(ref),),
        () if manager else (kubectl.restore(ref),),
        ref,
        resource.source,
        manager,
    )
