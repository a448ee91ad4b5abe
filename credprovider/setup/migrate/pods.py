"""Where each kind of workload keeps its pod, and what a pod refers to; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credprovider.setup.migrate.shape import at, items, mapping, strings, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from credprovider.setup.migrate.resources import Resource

_TEMPLATE = ("spec", "template", "spec")

#: Kind -> path of its pod's spec.
POD_SPECS = {
    "CronJob": ("spec", "jobTemplate", *_TEMPLATE),
    "DaemonSet": _TEMPLATE,
    "Deployment": _TEMPLATE,
    "Job": _TEMPLATE,
    "Pod": ("spec",),
    "ReplicaSet": _TEMPLATE,
    "ReplicationController": _TEMPLATE,
    "StatefulSet": _TEMPLATE,
}


def pod_spec(resource: Resource) -> dict[str, Any]:
    """The pod's spec; empty for kinds that have none."""
    path = POD_SPECS.get(resource.ref.kind)
    return mapping(at(resource.body, *path)) if path else {}


def service_account(spec: dict[str, Any]) -> str:
    """Whose rights the pod has."""
    return text(spec.get("serviceAccountName")) or text(spec.get("serviceAccount")) or "default"


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """All of the pod, those that run first included."""
    return [mapping(each) for name in ("initContainers", "containers") for each in items(spec.get(name))]


def images(spec: dict[str, Any]) -> list[str]:
    """What has to be pulled for the pod's containers, as written."""
    return [text(container.get("image")) for container in containers(spec)]


def pull_secrets(value: object) -> list[str]:
    """The names in a list of ``imagePullSecrets``."""
    return [text(mapping(entry).get("name")) for entry in items(value)]


def config_maps(spec: dict[str, Any]) -> set[str]:
    """ConfigMaps that the pod mounts."""
    volumes = [mapping(volume) for volume in items(spec.get("volumes"))]
    projected = [mapping(source) for volume in volumes for source in items(at(volume, "projected", "sources"))]
    return {name for each in (*volumes, *projected) if (name := text(at(each, "configMap", "name")))}


def other_uses(spec: dict[str, Any], secret: str) -> Iterator[str]:
    """How a pod uses a Secret other than for its own pulls, in words."""
    for volume in map(mapping, items(spec.get("volumes"))):
        sources = map(mapping, items(at(volume, "projected", "sources")))
        named = {text(at(volume, "secret", "secretName")), *(text(at(source, "secret", "name")) for source in sources)}
        if secret in named:
            yield "mounts it"
    for container in containers(spec):
        for variable in map(mapping, items(container.get("env"))):
            if text(at(variable, "valueFrom", "secretKeyRef", "name")) == secret:
                yield "reads it into an environment variable"
        for source in map(mapping, items(container.get("envFrom"))):
            if text(at(source, "secretRef", "name")) == secret:
                yield "reads it into its environment"
        words = strings([container.get("command"), container.get("args"), *_values(container)])
        if any(_names(word, secret) for word in words):
            yield "names it in a command or a variable"


def _values(container: dict[str, Any]) -> list[Any]:
    return [mapping(variable).get("value") for variable in items(container.get("env"))]


def _names(word: str, name: str) -> bool:
    """Does the text hold the name as a word of its own?"""
    position = word.find(name)
    while position >= 0:
        around = word[position - 1 : position] + word[position + len(name) : position + len(name) + 1]
        if not any(character.isalnum() or character in "-." for character in around):
            return True
        position = word.find(name, position + 1)
    return False
