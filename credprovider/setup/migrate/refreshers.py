"""Which workloads refresh a pull secret for Artifact Registry: recognised by what they do, never by a name; pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from credprovider.setup.migrate.docker_config import is_google
from credprovider.setup.migrate.pods import config_maps, containers, images, pod_spec
from credprovider.setup.migrate.resources import Ref, is_name
from credprovider.setup.migrate.script import Deeds, SecretWrite, read_script
from credprovider.setup.migrate.shape import items, mapping, strings, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from credprovider.setup.migrate.cluster import Cluster
    from credprovider.setup.migrate.resources import Resource

_CLOUD_SDK = re.compile(r"(?:^|/)(?:google/cloud-sdk|cloudsdktool/[\w-]*cloud[\w-]*)(?:[:@]|$)")
#: What every container of a refresher deals with in some way.
_ABOUT_IT = re.compile(r"\b(?:kubectl|oc|gcloud|curl|sh|bash|python3?)\b")
_EXTERNAL_ACCOUNT = re.compile(r'"type"\s*:\s*"external_account"')


class Grade(Enum):
    """How sure it is that a workload refreshes a pull secret for Artifact Registry and does nothing else."""

    CERTAIN = "certain"
    LIKELY = "likely"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class Refresher:
    """A workload that writes pull secrets.

    Attributes:
        writes: the Secrets, as far as their names are known.
        reasons: why it was taken for one, in words.
        doubts: why it may be something else, or more; empty if certain.
    """

    resource: Resource
    grade: Grade
    writes: tuple[SecretWrite, ...]
    reasons: tuple[str, ...]
    doubts: tuple[str, ...]


def find_refreshers(cluster: Cluster) -> list[Refresher]:
    """All workloads that seem to refresh pull secrets, also for other registries; not those that a CronJob made."""
    found = [_judged(cluster, workload) for workload in cluster.workloads() if not workload.owners]
    return [refresher for refresher in found if refresher is not None]


def external_accounts(cluster: Cluster, workload: Resource) -> list[Resource]:
    """ConfigMaps that the workload mounts and that hold the vendor's credential configuration."""
    maps = (cluster.get("ConfigMap", workload.ref.namespace, name) for name in sorted(config_maps(pod_spec(workload))))
    return [found for found in maps if found is not None and external_account_key(found)]


def external_account_key(config_map: Resource) -> str:
    """The key under which a ConfigMap holds an ``external_account`` file; empty without one."""
    data = mapping(config_map.body.get("data"))
    return next((key for key, value in data.items() if _EXTERNAL_ACCOUNT.search(text(value))), "")


def _judged(cluster: Cluster, workload: Resource) -> Refresher | None:
    deeds = _deeds(cluster, workload)
    writes = tuple(write for write in deeds.writes if _usable(write))
    foreign = [write.host for write in deeds.writes if write.host and not is_google(write.host)]
    google = any(is_google(write.host) for write in deeds.writes) or deeds.google_token
    if deeds.writes and len(foreign) == len(deeds.writes):
        return Refresher(workload, Grade.FOREIGN, writes, (f"writes a pull secret for {', '.join(foreign)}",), ())
    has_sdk = any(_CLOUD_SDK.search(image) for image in images(pod_spec(workload)))
    if deeds.writes and not google:
        return None
    if not deeds.writes and not (deeds.google_token and (_names_pull_secret(cluster, workload) or has_sdk)):
        return None
    doubts = tuple(_doubts(workload, deeds, foreign))
    grade = Grade.LIKELY if doubts else Grade.CERTAIN
    return Refresher(workload, grade, writes, tuple(_reasons(cluster, workload, deeds)), doubts)


def _deeds(cluster: Cluster, workload: Resource) -> Deeds:
    spec = pod_spec(workload)
    variables = {
        text(variable.get("name")): text(variable.get("value"))
        for container in containers(spec)
        for variable in map(mapping, items(container.get("env")))
        if text(variable.get("value"))
    }
    mounted = [cluster.get("ConfigMap", workload.ref.namespace, name) for name in sorted(config_maps(spec))]
    scripts = [_script(container) for container in containers(spec)]
    scripts += [part for found in mounted if found for part in strings(found.body.get("data"))]
    return read_script("\n".join([*scripts, *variables.values()]), variables)


def _script(container: dict[str, Any]) -> str:
    """A container's command and arguments: words side by side, whole scripts on lines of their own."""
    lines: list[str] = []
    words: list[str] = []
    for part in (*items(container.get("command")), *items(container.get("args"))):
        if re.search(r"\s", text(part)):
            lines += [" ".join(words), text(part)]
            words = []
        else:
            words.append(shlex.quote(text(part)))
    return "\n".join([*lines, " ".join(words)])


def _usable(write: SecretWrite) -> bool:
    return bool(write.name) and is_name(Ref("Secret", write.namespace or "", write.name))


def _names_pull_secret(cluster: Cluster, workload: Resource) -> bool:
    words = " ".join(strings([[each.get("command"), each.get("args")] for each in containers(pod_spec(workload))]))
    return any(
        secret.hosts and all(map(is_google, secret.hosts)) and secret.ref.name in words
        for secret in cluster.all("Secret")
        if secret.ref.namespace == workload.ref.namespace
    )


def _reasons(cluster: Cluster, workload: Resource, deeds: Deeds) -> Iterator[str]:
    for write in deeds.writes:
        name = f"Secret {write.name}" if _usable(write) else "a Secret whose name it computes"
        where = " in namespaces that it computes" if write.namespace is None else ""
        host = f" for {write.host}" if write.host and is_google(write.host) else ""
        yield f"writes {name}{where}{host}, of a type that holds registry credentials"
    if deeds.google_token:
        yield "gets an access token from Google"
    if any(_CLOUD_SDK.search(image) for image in images(pod_spec(workload))):
        yield "runs Google's cloud-sdk image"
    for config_map in external_accounts(cluster, workload):
        yield f"mounts ConfigMap {config_map.ref.name} with the vendor's credential configuration"
    if deeds.account_patches:
        yield "puts the Secret into ServiceAccounts"


def _doubts(workload: Resource, deeds: Deeds, foreign: list[str]) -> Iterator[str]:
    if not deeds.writes:
        yield "no command in it is known to write the Secret"
    if any(not _usable(write) for write in deeds.writes):
        yield "the name of the Secret it writes could not be read off its script"
    if foreign:
        yield f"it also serves another registry: {', '.join(sorted(set(foreign)))}"
    if deeds.others:
        others = ", ".join(f"kubectl {words}" for words in sorted(set(map(_shown, deeds.others))))
        yield f"it also does other things in the cluster: {others}"
    if workload.ref.kind not in {"CronJob", "Job"}:
        yield f"it is a {workload.ref.kind}, which may have other work as well"
    elif not all(_ABOUT_IT.search(_script(container)) for container in containers(pod_spec(workload))):
        yield "it has a container that does something else"


def _shown(words: str) -> str:
    return re.sub(r"[^A-Za-z0-9 ./_-]", "?", words)[:60]
