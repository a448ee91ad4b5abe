"""etcd, kube-apiserver and, if wanted, controllers and scheduler; and what an administrator does with them."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from tests.e2e.pki import Pki
from tests.e2e.processes import Processes, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.build import ControlPlanePrograms

_ETCD = "http://127.0.0.1:2379"
#: Address and port of the Service `kubernetes`, as every pod is told; no kube-proxy is needed to get there.
IN_CLUSTER = ("10.0.0.1", 443)


class ControlPlane:
    """A cluster's API.

    Args:
        folder: where it keeps everything.
        issuer: whose name its ServiceAccount tokens bear.
        address: of the API server; what pods are told, `IN_CLUSTER`, has to be an address of `lo` first.

    Attributes:
        server: the API server's URL.
        pki: who may do what.
    """

    def __init__(
        self, folder: Path, programs: ControlPlanePrograms, issuer: str, address: tuple[str, int] = ("127.0.0.1", 6443)
    ) -> None:
        folder.mkdir()
        self._folder = folder
        self._programs = programs
        self._issuer = issuer
        self._address = address
        self.server = "https://{}:{}".format(*address)
        self._processes = Processes(folder, {"PATH": "/usr/bin:/bin"})
        self.pki = Pki(folder)
        self._tls = ssl.create_default_context(cafile=str(self.pki.ca))
        self._tls.load_cert_chain(self.pki.client("admin", "system:masters"))

    def start(self) -> None:
        """Both, until the API is ready."""
        etcd = {
            "data-dir": self._folder / "etcd",
            "listen-client-urls": _ETCD,
            "advertise-client-urls": _ETCD,
            "listen-peer-urls": "http://127.0.0.1:2380",
            "unsafe-no-fsync": "true",
        }
        self._processes.start("etcd", self._programs.etcd, etcd)
        serving = self.pki.serving("kube-apiserver", "localhost", self._address[0])
        api = {
            "etcd-servers": _ETCD,
            "bind-address": self._address[0],
            "advertise-address": "127.1.0.60",
            "endpoint-reconciler-type": "none",
            "secure-port": self._address[1],
            "service-cluster-ip-range": f"{IN_CLUSTER[0]}/24",
            "tls-cert-file": serving,
            "tls-private-key-file": serving,
            "client-ca-file": self.pki.ca,
            "authorization-mode": "Node,RBAC",
            "allow-privileged": "true",
            "enable-admission-plugins": "NodeRestriction",
            "service-account-issuer": self._issuer,
            "service-account-jwks-uri": f"{self._issuer}openid/v1/jwks",
            "service-account-key-file": self.pki.signing_key,
            "service-account-signing-key-file": self.pki.signing_key,
            "api-audiences": "https://kubernetes.default.svc",
        }
        self._processes.start("kube-apiserver", self._programs.apiserver, api)
        until(self._ready, "the API server is ready", self._processes.tails)

    def start_controllers(self) -> None:
        """What makes pods of a DaemonSet, puts pods onto nodes, and gives namespaces their ServiceAccounts."""
        common = {"leader-elect": "false", "secure-port": "0"}
        manager = {"root-ca-file": self.pki.ca, "use-service-account-credentials": "true"}
        for name, program, flags in (
            ("kube-controller-manager", self._programs.controller_manager, {**common, **manager}),
            ("kube-scheduler", self._programs.scheduler, common),
        ):
            certificate = self.pki.client(f"system:{name}", f"system:{name}")
            kubeconfig = self.pki.kubeconfig(certificate, self.server)
            self._processes.start(name, program, {"kubeconfig": kubeconfig, **flags})

    def _ready(self) -> bool:
        try:
            return bool(self.ask("GET", "/readyz") == "ok")
        except OSError:
            return False

    def jwks(self) -> list[dict[str, Any]]:
        """The keys that its ServiceAccount tokens are to be verified with."""
        found = self.ask("GET", "/openid/v1/jwks")
        return list(found["keys"])

    def create(self, *objects: dict[str, Any]) -> None:
        """As `kubectl create` does."""
        for each in objects:
            self.ask("POST", _collection(each), each)

    def delete(self, kind: dict[str, Any]) -> None:
        """As `kubectl delete` does."""
        self.ask("DELETE", f"{_collection(kind)}/{kind['metadata']['name']}")

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One request of the administrator's: the answer, decoded if it is JSON."""
        data = None if body is None else json.dumps(body).encode()
        head = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.server + path, data, head, method=method)  # noqa: S310 - https
        try:
            with urllib.request.urlopen(request, context=self._tls, timeout=20) as answer:  # noqa: S310
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            raise OSError(f"{method} {path}: {error.code} {error.read().decode()[:500]}") from error
        return json.loads(text) if text.startswith("{") else text

    def close(self) -> None:
        """Ends all."""
        self._processes.close()


def _collection(each: dict[str, Any]) -> str:
    group = each["apiVersion"]
    base = f"/api/{group}" if "/" not in group else f"/apis/{group}"
    namespace = each["metadata"].get("namespace")
    plural = f"{each['kind'].lower()}s"
    return f"{base}/namespaces/{namespace}/{plural}" if namespace else f"{base}/{plural}"
