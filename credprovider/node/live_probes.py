"""The questions of `Probes`, asked: the kubelet's health endpoint, its metrics, and its Node at the API server."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from credprovider.node.client import ask_plain, ask_tls
from credprovider.node.cluster import seconds
from credprovider.node.probes import Probes, Readiness

if TYPE_CHECKING:
    from credprovider.node.cluster import Cluster

_KUBELET_PORT = 10250
_CONFIG_INFO = re.compile(
    rb'^kubelet_credential_provider_config_info\{[^}]*hash="(sha256:[0-9a-f]{64})"[^}]*\} 1', re.MULTILINE
)


class LiveProbes(Probes):
    """Probes of a running node.

    Args:
        healthz_port: of the kubelet on 127.0.0.1, or None.
        cluster: where the Node is, or None outside of a pod.
    """

    def __init__(self, healthz_port: int | None, cluster: Cluster | None) -> None:
        self._healthz_port = healthz_port
        self._cluster = cluster

    def healthz(self) -> bool | None:
        """On 127.0.0.1, which has to be the node's own."""
        if self._healthz_port is None or not _is_in_host_network():
            return None
        answer = ask_plain(self._healthz_port, "/healthz")
        return answer.status == 200 and answer.body.strip() == b"ok"

    def loaded_hash(self) -> str | None:
        """From 1.34 on, and where the ServiceAccount may get nodes/metrics."""
        node = self._cluster.own_node() if self._cluster is not None else None
        if self._cluster is None or node is None:
            return None
        address = _internal_ip(node)
        if address is None:
            return None
        answer = ask_tls(address, _KUBELET_PORT, "/metrics", ca_file=self._cluster.ca_file, token=self._cluster.token())
        match = _CONFIG_INFO.search(answer.body) if answer.status == 200 else None
        return match[1].decode() if match else None

    def readiness(self) -> Readiness | None:
        """As the API server has it."""
        node = self._cluster.own_node() if self._cluster is not None else None
        for condition in _list(node, "status", "conditions"):
            if condition.get("type") == "Ready":
                return Readiness(condition.get("status") == "True", seconds(condition.get("lastHeartbeatTime")))
        return None


def _list(document: dict[str, Any] | None, *path: str) -> list[dict[str, Any]]:
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _internal_ip(node: dict[str, Any]) -> str | None:
    found = [item.get("address") for item in _list(node, "status", "addresses") if item.get("type") == "InternalIP"]
    return found[0] if found and isinstance(found[0], str) else None


def _is_in_host_network() -> bool:
    """Is 127.0.0.1 here the node's own?"""
    try:
        return os.readlink("/proc/self/ns/net") == os.readlink("/proc/1/ns/net")
    except OSError:
        return False
