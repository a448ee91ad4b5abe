"""Kubernetes' own API definitions, out of the Go module of each minor, made strict, kept beside the built programs."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import jsonschema

from tests.kubelet import golang

#: Newest patch of every minor that AKS supports or still has in long-term support, and of the next ones.
VERSIONS = ("1.31.14", "1.32.13", "1.33.13", "1.34.4", "1.35.4", "1.36.3", "1.37.2")
#: apiVersion and kind -> definition.
KINDS = {
    "v1/Namespace": "io.k8s.api.core.v1.Namespace",
    "v1/ServiceAccount": "io.k8s.api.core.v1.ServiceAccount",
    "v1/ConfigMap": "io.k8s.api.core.v1.ConfigMap",
    "v1/Service": "io.k8s.api.core.v1.Service",
    "apps/v1/DaemonSet": "io.k8s.api.apps.v1.DaemonSet",
    "apps/v1/Deployment": "io.k8s.api.apps.v1.Deployment",
    "rbac.authorization.k8s.io/v1/ClusterRole": "io.k8s.api.rbac.v1.ClusterRole",
    "rbac.authorization.k8s.io/v1/ClusterRoleBinding": "io.k8s.api.rbac.v1.ClusterRoleBinding",
    "rbac.authorization.k8s.io/v1/Role": "io.k8s.api.rbac.v1.Role",
    "rbac.authorization.k8s.io/v1/RoleBinding": "io.k8s.api.rbac.v1.RoleBinding",
}
_PREFIX = "#/definitions/"


def _place() -> Path:
    made_of = hashlib.sha256(repr((VERSIONS, sorted(KINDS.items()))).encode()).hexdigest()
    return golang.cache() / f"schemas-{made_of[:16]}"


def made() -> Path:
    """The folder with VERSION.json for each of `VERSIONS`.

    Raises:
        golang.NotBuiltError: not fetched yet.
    """
    if not _place().is_dir():
        raise golang.NotBuiltError("Kubernetes' schemas are not here")
    return _place()


@functools.cache
def validator(folder: Path, version: str, kind: str) -> jsonschema.Draft202012Validator:
    """Judges objects of a kind, ``apiVersion/kind``; kept, as reading definitions takes longer than judging."""
    schema = {"$ref": f"{_PREFIX}{KINDS[kind]}", "definitions": _definitions(folder / f"{version}.json")}
    return jsonschema.Draft202012Validator(schema)


@functools.cache
def _definitions(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def make(module: Path) -> Path:
    """As `made`, but fetches what is missing from the Go module proxy, which checks it.

    Args:
        module: folder of any Go module, for the go command to run in.
    """
    if _place().is_dir():
        return _place()
    print("==> fetching the API definitions of Kubernetes " + ", ".join(VERSIONS))
    golang.cache().mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=golang.cache()))
    for version in VERSIONS:
        answer = golang.ask(module, "mod", "download", "-json", f"k8s.io/kubernetes@v{version}")
        source = Path(json.loads(answer)["Dir"]) / "api" / "openapi-spec" / "swagger.json"
        (unfinished / f"{version}.json").write_text(json.dumps(_needed(json.loads(source.read_text())["definitions"])))
    try:
        unfinished.rename(_place())
    except OSError:
        shutil.rmtree(unfinished)
        if not _place().is_dir():
            raise
    return _place()


def _needed(definitions: dict[str, Any]) -> dict[str, Any]:
    """What the kinds refer to, by whatever way; each object takes the fields it has and no others."""
    needed: dict[str, Any] = {}
    open_ones = list(KINDS.values())
    while open_ones:
        name = open_ones.pop()
        if name not in needed:
            needed[name] = _strict(name, definitions[name])
            open_ones += _references(definitions[name])
    return needed


def _strict(name: str, definition: dict[str, Any]) -> dict[str, Any]:
    if name.endswith(("IntOrString", "Quantity")):
        return {"type": ["string", "integer", "number"]}
    return {**definition, "additionalProperties": False} if "properties" in definition else definition


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"].removeprefix(_PREFIX)] if isinstance(node.get("$ref"), str) else []
        return own + [name for value in node.values() for name in _references(value)]
    return [name for value in node for name in _references(value)] if isinstance(node, list) else []
