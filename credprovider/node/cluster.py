"""The cluster as this pod may see it: its own Node, Events on it, and the startup taint that it may take away.

Nothing here may stop the installer: an API server that is out of reach, or forbids, is one of the answers.
"""

from __future__ import annotations

import calendar
import json
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from credprovider.errors import PROGRAM
from credprovider.node.client import Answer, ask_tls

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Where the kubelet mounts a pod's identity.
_IDENTITY = "/var/run/secrets/kubernetes.io/serviceaccount"

#: Events about nodes belong here, as a Node has no namespace (client-go reference.GetReference).
_EVENTS = "/api/v1/namespaces/default/events"
_MESSAGE_LIMIT = 1024
_TRIES = 5
_DENIED = (401, 403)
_NO_TOKEN = "this pod has no ServiceAccount token"


@dataclass(frozen=True)
class Cluster:
    """The API server, asked with the pod's ServiceAccount.

    Attributes:
        host, port: of the API server.
        node: name of this pod's Node.
        identity: folder with ``token`` and ``ca.crt``.
        refused: method and path of what was asked last of each kind, and why there was no answer; empty if there was.
    """

    host: str
    port: int
    node: str
    identity: str = _IDENTITY
    refused: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def ca_file(self) -> str:
        """Of the API server, and where server certificates are rotated also of kubelets."""
        return f"{self.identity}/ca.crt"

    def token(self) -> str:
        """The pod's own token, read anew as the kubelet renews it; empty when there is none."""
        try:
            with open(f"{self.identity}/token", encoding="ascii") as file:
                return file.read().strip()
        except (OSError, ValueError):
            return ""

    def trouble(self) -> str:
        """What cannot be asked at present, and why: one line, empty when all can."""
        return next((f"{question}: {why}" for question, why in self.refused.items() if why), "")

    def own_node(self) -> dict[str, Any] | None:
        """The Node object; None when it cannot be had."""
        answer = self._ask("GET", self._path)
        return _object(answer) if answer.status == 200 else None

    def born(self) -> float | None:
        """When the Node object was made, in seconds since 1970; None when that cannot be had."""
        node = self.own_node()
        metadata = node.get("metadata") if node is not None else None
        return (seconds(metadata.get("creationTimestamp")) or None) if isinstance(metadata, dict) else None

    def tell(self, reason: str, message: str, *, warning: bool) -> bool:
        """Create an Event on the Node; False when that was not possible.

        Args:
            reason: CamelCase.
            message: one line, without secrets.
            warning: its type.
        """
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{PROGRAM}-", "namespace": "default"},
            # kubectl looks for Events of a Node by its name in place of a uid, as kubelets write it.
            "involvedObject": {"apiVersion": "v1", "kind": "Node", "name": self.node, "uid": self.node},
            "reason": reason,
            "message": message[:_MESSAGE_LIMIT],
            "type": "Warning" if warning else "Normal",
            "source": {"component": PROGRAM, "host": self.node},
            "reportingComponent": PROGRAM,
            "reportingInstance": self.node,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        return self._ask("POST", _EVENTS, json.dumps(event).encode()).status == 201

    def remove_taint(self, key: str) -> str:
        """Take a startup taint off the Node, whatever value and effect it has.

        Returns:
            ``removed``, ``absent`` when it was not there, ``forbidden``, or ``failed``.
        """
        for _ in range(_TRIES):
            answer = self._ask("GET", self._path)
            node = _object(answer) if answer.status == 200 else None
            if node is None:
                return "forbidden" if answer.status in _DENIED else "failed"
            taints = (node.get("spec") or {}).get("taints") or []
            others = [taint for taint in taints if taint.get("key") != key]
            if len(others) == len(taints):
                return "absent"
            # The test keeps us from undoing what somebody else did to the list in between.
            patch: list[dict[str, Any]] = [{"op": "test", "path": "/spec/taints", "value": taints}]
            patch.append({"op": "replace", "path": "/spec/taints", "value": others})
            body = json.dumps(patch).encode()
            answer = self._ask("PATCH", self._path, body, "application/json-patch+json")
            if answer.status == 200:
                return "removed"
            if answer.status in _DENIED:
                return "forbidden"
        return "failed"

    @property
    def _path(self) -> str:
        return f"/api/v1/nodes/{self.node}"

    def _ask(self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json") -> Answer:
        token = self.token()
        answer = self._ask_with(token, method, path, body, content_type) if token else Answer(0, b"", _NO_TOKEN)
        denied = f"HTTP {answer.status}" if answer.status in _DENIED else ""
        self.refused[f"{method} {path}"] = answer.why or denied
        return answer

    def _ask_with(self, token: str, method: str, path: str, body: bytes | None, content_type: str) -> Answer:
        return ask_tls(
            self.host,
            self.port,
            path,
            ca_file=self.ca_file,
            token=token,
            method=method,
            body=body,
            content_type=content_type,
        )


def cluster_of_pod(environ: Mapping[str, str], identity: str = _IDENTITY) -> Cluster | None:
    """The cluster that this pod runs in; None outside of one, or where NODE_NAME is not set by the downward API."""
    host, port, node = (
        environ.get(name) for name in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "NODE_NAME")
    )
    if not host or not port or not port.isdigit() or not node or not os.path.exists(f"{identity}/token"):
        return None
    return Cluster(host, int(port), node, identity)


def seconds(text: object) -> float:
    """Seconds since 1970 of an API server's time; 0 for what is none."""
    try:
        return float(calendar.timegm(time.strptime(str(text), "%Y-%m-%dT%H:%M:%SZ")))
    except ValueError:
        return 0.0


def _object(answer: Answer) -> dict[str, Any] | None:
    try:
        found = json.loads(answer.body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
