"""One node: a container runtime and a kubelet of the test's own, alone with static pods or in a cluster."""

from __future__ import annotations

import json
import shutil
import ssl
import urllib.request
from typing import TYPE_CHECKING, Any

import yaml

from tests.e2e.processes import Processes, until
from tests.e2e.runtime import SOCKET, Runtime

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.e2e.build import Programs

NAME = "node"
_PORT = 10250
#: Parent of all containers' cgroups; `enter` removes it.
CGROUP = "/azure-gar-e2e"


class Node:
    """A machine that runs pods.

    Args:
        folder: everything the node keeps.
        environ: of kubelet and runtime, as their systemd units would have it.
    """

    def __init__(self, folder: Path, programs: Programs, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self._programs = programs
        for name in ("manifests", "bin", "pod-logs", "kubelet", "volume-plugins"):
            (folder / name).mkdir(parents=True)
        self.runtime = Runtime(folder / "runtime", programs, environ)
        self._processes = Processes(folder, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environ})

    def install(self, bundle: Path, sample: Path, settings: Path, **entry: Any) -> None:
        """Our plugin as an installer leaves it: bundle, a link to it in the bin dir, the entry with the settings' path.

        Args:
            bundle: as built; it is copied.
            sample: a CredentialProviderConfig of node-config/samples.
            settings: config.json.
            entry: fields of the entry to replace.
        """
        shutil.copytree(bundle, self.folder / "bundle")
        (self.folder / "bin" / bundle.name).symlink_to(self.folder / "bundle" / bundle.name)
        document = yaml.safe_load(sample.read_text())
        document["providers"][0] |= {"args": [f"--config={settings}"], **entry}
        self.provider_config.write_text(yaml.safe_dump(document))

    @property
    def provider_config(self) -> Path:
        """--image-credential-provider-config."""
        return self.folder / "credential-provider-config.yaml"

    # The kubelet

    def start_kubelet(self, kubeconfig: Path | None = None) -> None:
        """The kubelet, until it is healthy; all its credentials for images come from the bin dir's plugins.

        Args:
            kubeconfig: of a cluster to join; without it the kubelet stands alone.
        """
        self.launch_kubelet(kubeconfig)
        self.until(lambda: self._get("healthz") == b"ok", "the kubelet is healthy")

    def launch_kubelet(self, kubeconfig: Path | None = None) -> subprocess.Popen[bytes]:
        """The same without waiting for its health."""
        config = self.folder / "kubelet.yaml"
        config.write_text(json.dumps(_config(self.folder, in_cluster=kubeconfig is not None)))
        flags: dict[str, object] = {
            "config": config,
            "root-dir": self.folder / "kubelet",
            "cert-dir": self.folder / "pki",
            "hostname-override": NAME,
            "image-credential-provider-config": self.provider_config,
            "image-credential-provider-bin-dir": self.folder / "bin",
            "v": 5,
        }
        if kubeconfig is not None:
            flags["kubeconfig"] = kubeconfig
        return self._processes.start("kubelet", self._programs.kubernetes / "kubelet", flags)

    def stop_kubelet(self) -> None:
        """As `systemctl stop` does: pods live on."""
        self._processes.stop("kubelet")

    # What it does

    def run(self, name: str, image: str) -> None:
        """Put a static pod's manifest in place."""
        text = json.dumps(pod(name, image))
        hidden = self.folder / name
        hidden.write_text(text)
        hidden.rename(self.folder / "manifests" / f"{name}.json")

    def container(self, name: str, namespace: str = "default") -> dict[str, Any]:
        """The status of a pod's container; empty while there is none. A static pod's name has the node's behind it."""
        pods = json.loads(self._get("pods") or b"{}").get("items") or []
        for found in pods:
            meta = found["metadata"]
            if meta["namespace"] == namespace and meta["name"] in {name, f"{name}-{NAME}"}:
                statuses = found.get("status", {}).get("containerStatuses") or [{}]
                return dict(statuses[0])
        return {}

    def await_running(self, name: str, namespace: str = "default") -> None:
        """Until the pod's container runs."""
        self.until(lambda: "running" in self.container(name, namespace).get("state", {}), f"pod {name} runs")

    def await_failed_pull(self, name: str, namespace: str = "default") -> str:
        """Until the pod's image could not be pulled: what `kubectl describe pod` would show of that."""
        seen: list[str] = []

        def has_failed() -> bool:
            reason, message = self._waiting(name, namespace)
            seen[:] = [message]
            return reason == "ErrImagePull" and bool(message)

        self.until(has_failed, f"the pull of pod {name} fails")
        return seen[0]

    def _waiting(self, name: str, namespace: str) -> tuple[str, str]:
        state = self.container(name, namespace).get("state", {}).get("waiting", {})
        reason = state.get("reason", "")
        # In between two tries the reason is the back-off, and the message has the failure behind it.
        return "ErrImagePull" if reason == "ImagePullBackOff" else reason, state.get("message", "")

    @property
    def log(self) -> str:
        """The kubelet's log, of all its lives."""
        return self._processes.log("kubelet").read_text()

    def metric(self, name: str) -> dict[str, float]:
        """Samples of one of the kubelet's metrics by their labels, as the endpoint writes both."""
        found = {}
        for line in self._get("metrics").decode().splitlines():
            sample, _, value = line.rpartition(" ")
            if sample.partition("{")[0] == name:
                found[sample.partition("{")[2].rstrip("}")] = float(value)
        return found

    def _get(self, path: str) -> bytes:
        unverified = ssl._create_unverified_context()  # noqa: S323 - the kubelet signed its certificate itself
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{_PORT}/{path}", context=unverified, timeout=10) as answer:
                return bytes(answer.read())
        except OSError:
            return b""

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for something; fails with the ends of the logs."""
        until(holds, what, lambda: f"{self.runtime.tails()}\n{self._processes.tails()}")

    def close(self) -> None:
        """Ends kubelet and runtime."""
        self._processes.close()
        self.runtime.close()


def pod(name: str, image: str, namespace: str = "default", *, policy: str = "Always", **spec: Any) -> dict[str, Any]:
    """A pod with one container, on the host's network because there is no other."""
    container = {"name": "main", "image": image, "imagePullPolicy": policy}
    common = {"hostNetwork": True, "terminationGracePeriodSeconds": 0, "containers": [container]}
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {**common, **spec}}


def _config(folder: Path, *, in_cluster: bool) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "staticPodPath": str(folder / "manifests"),
        "podLogsDir": str(folder / "pod-logs"),
        "volumePluginDir": str(folder / "volume-plugins"),
        "address": "127.0.0.1",
        "port": _PORT,
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "registerNode": in_cluster,
        "enableControllerAttachDetach": False,
        "resolvConf": "",
        # What the test's machine is like does not matter: any cgroup version, swap, a nearly full disk.
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "cgroupRoot": CGROUP,
        "enforceNodeAllocatable": ["none"],
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "makeIPTablesUtilChains": False,
        "oomScoreAdj": 0,
        "maxOpenFiles": 1024,
        "fileCheckFrequency": "1s",
        "syncFrequency": "1s",
    }
