"""As much of an API server as `helm template --dry-run=server` asks: which kinds there are, and objects by name."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

#: apiVersion -> kind -> does it live in a namespace?
_KINDS = {
    "v1": {"Namespace": False, "Pod": True, "ConfigMap": True, "ServiceAccount": True},
    "apps/v1": {"DaemonSet": True},
    "rbac.authorization.k8s.io/v1": {
        "ClusterRole": False,
        "ClusterRoleBinding": False,
        "Role": True,
        "RoleBinding": True,
    },
}


@contextlib.contextmanager
def serving(objects: Sequence[dict[str, Any]], folder: Path) -> Iterator[Path]:
    """Serve these objects of API version v1; the path of a kubeconfig that leads here."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = _answer(objects, self.path.partition("?")[0])
            content = json.dumps(found or {"kind": "Status", "apiVersion": "v1", "code": 404, "reason": "NotFound"})
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    named = {"name": "test", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}
    config = {"apiVersion": "v1", "kind": "Config", "current-context": "test", "clusters": [named]}
    config["contexts"] = [{"name": "test", "context": {"cluster": "test", "user": "test"}}]
    config["users"] = [{"name": "test", "user": {}}]
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    try:
        yield path
    finally:
        server.shutdown()
        server.server_close()


def _answer(objects: Sequence[dict[str, Any]], path: str) -> dict[str, Any] | None:
    match path.strip("/").split("/"):
        case ["version"]:
            return {"major": "1", "minor": "35", "gitVersion": "v1.35.4"}
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"]}
        case ["apis"]:
            groups = [_group(version) for version in sorted(_KINDS) if "/" in version]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["api", "v1"]:
            return _resources("v1")
        case ["apis", group, version]:
            return _resources(f"{group}/{version}")
        case ["api", "v1", "namespaces", namespace, plural, *name]:
            found = [each for each in objects if _is_of(each, namespace, plural)]
            if name:
                return next((each for each in found if each["metadata"]["name"] == name[0]), None)
            return {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": found}
        case _:
            return None


def _group(version: str) -> dict[str, Any]:
    named = {"groupVersion": version, "version": version.rpartition("/")[2]}
    return {"name": version.partition("/")[0], "versions": [named], "preferredVersion": named}


def _resources(version: str) -> dict[str, Any]:
    resources = [
        {"name": _plural(kind), "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"]}
        for kind, namespaced in _KINDS[version].items()
    ]
    return {"kind": "APIResourceList", "groupVersion": version, "resources": resources}


def _plural(kind: str) -> str:
    return kind.lower() + "s"


def _is_of(found: dict[str, Any], namespace: str, plural: str) -> bool:
    return _plural(found["kind"]) == plural and found["metadata"]["namespace"] == namespace
