"""One node: containerd and a kubelet of this test's own, in folders of its own; static pods are all its work."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import yaml

from tests.e2e.images import PLATFORM, archive, runnable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.e2e.build import Programs

_PAUSE = "localhost/pause:e2e"
_SOCKET = "/run/e2e/containerd.sock"
_PORT = 10250
#: Parent of all containers' cgroups; `enter` removes it.
CGROUP = "/azure-gar-e2e"


class Node:
    """A machine that runs pods.

    Attributes:
        folder: everything the node keeps.
        environ: of kubelet and runtime, as their systemd units would have it.
    """

    def __init__(self, folder: Path, programs: Programs, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.environ = {"PATH": f"{programs.containerd}:/usr/sbin:/usr/bin:/sbin:/bin", **environ}
        self._programs = programs
        self._runtime: subprocess.Popen[bytes] | None = None
        self._kubelet: subprocess.Popen[bytes] | None = None
        for name in ("manifests", "bin", "pod-logs", "kubelet", "cni", "volume-plugins"):
            (folder / name).mkdir(parents=True)

    # The container runtime

    def start_runtime(self) -> None:
        """containerd, with a pause image of our own."""
        config = self.folder / "containerd.toml"
        config.write_text(_containerd_config(self.folder))
        self._runtime = self._start(
            "containerd", [str(self._programs.containerd / "containerd"), "--config", str(config)]
        )
        self.until(lambda: self._ctr("version") == 0, "containerd answers")
        image = self.folder / "pause.tar"
        image.write_bytes(archive(runnable(self._programs.guest / "guest", "pause"), _PAUSE))
        assert self._ctr("--namespace", "k8s.io", "images", "import", "--no-unpack", str(image)) == 0

    def _ctr(self, *arguments: str) -> int:
        command = [str(self._programs.containerd / "ctr"), "--address", _SOCKET, *arguments]
        with (self.folder / "ctr.log").open("ab") as log:
            return subprocess.run(command, stdout=log, stderr=log, check=False).returncode

    # The kubelet

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

    def start_kubelet(self) -> None:
        """The kubelet; all its credentials for images come from the bin dir's plugins."""
        self.launch_kubelet()
        self.until(lambda: self._get("healthz") == b"ok", "the kubelet is healthy")

    def launch_kubelet(self) -> subprocess.Popen[bytes]:
        """The same without waiting for its health."""
        config = self.folder / "kubelet.yaml"
        config.write_text(json.dumps(_kubelet_config(self.folder)))
        flags = {
            "config": config,
            "root-dir": self.folder / "kubelet",
            "cert-dir": self.folder / "pki",
            "hostname-override": "node",
            "image-credential-provider-config": self.provider_config,
            "image-credential-provider-bin-dir": self.folder / "bin",
            "v": 5,
        }
        command = [str(self._programs.kubernetes / "kubelet"), *(f"--{name}={value}" for name, value in flags.items())]
        self._kubelet = self._start("kubelet", command)
        return self._kubelet

    def stop_kubelet(self) -> None:
        """As `systemctl stop` does: pods live on."""
        assert self._kubelet is not None
        self._kubelet.terminate()
        self._kubelet.wait(30)
        self._kubelet = None

    def run(self, name: str, image: str) -> None:
        """Put a static pod's manifest in place."""
        container = {"name": "main", "image": image, "imagePullPolicy": "Always"}
        spec = {"hostNetwork": True, "terminationGracePeriodSeconds": 0, "containers": [container]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}
        hidden = self.folder / name
        hidden.write_text(json.dumps(pod))
        hidden.rename(self.folder / "manifests" / f"{name}.json")

    def container(self, pod: str) -> dict[str, Any]:
        """The status of a pod's container; empty while there is none."""
        pods = json.loads(self._get("pods") or b"{}").get("items") or []
        for found in pods:
            if found["metadata"]["name"] == f"{pod}-node":
                statuses = found.get("status", {}).get("containerStatuses") or [{}]
                return dict(statuses[0])
        return {}

    def await_running(self, pod: str) -> None:
        """Until the pod's container runs."""
        self.until(lambda: "running" in self.container(pod).get("state", {}), f"pod {pod} runs")

    def waiting(self, pod: str) -> tuple[str, str]:
        """Why the pod's container does not run: reason and message; empty while nothing is said."""
        state = self.container(pod).get("state", {}).get("waiting", {})
        return state.get("reason", ""), state.get("message", "")

    @property
    def log(self) -> str:
        """The kubelet's log, of all its lives."""
        return (self.folder / "kubelet.log").read_text()

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

    # Both

    def until(self, holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Wait for something; fails with the ends of both logs."""
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds:g} s: {what}\n{self._tails()}")
            time.sleep(0.1)

    def _tails(self) -> str:
        logs = [self.folder / f"{name}.log" for name in ("containerd", "ctr", "kubelet")]
        return "\n".join(f"--- {log.name}\n{log.read_text()[-6000:]}" for log in logs if log.exists())

    def _start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command, env=self.environ, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def close(self) -> None:
        """Ends kubelet and runtime; containers end with the namespace of processes."""
        for process in (self._kubelet, self._runtime):
            if process is not None:
                process.terminate()
                process.wait(30)


def _containerd_config(folder: Path) -> str:
    runc = shutil.which("runc", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if runc is None:
        raise FileNotFoundError("runc is not installed (apt-get install runc)")
    return f"""
version = 3
root = "{folder}/containerd"
state = "/run/e2e/containerd"

[grpc]
  address = "{_SOCKET}"
[ttrpc]
  address = "{_SOCKET}.ttrpc"

[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.nri.v1.nri"]
  disable = true
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = "linux/{PLATFORM}"
  snapshotter = "native"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "native"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{_PAUSE}"

[plugins."io.containerd.cri.v1.runtime"]
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "{runc}"
      SystemdCgroup = false
"""


def _kubelet_config(folder: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{_SOCKET}",
        "staticPodPath": str(folder / "manifests"),
        "podLogsDir": str(folder / "pod-logs"),
        "volumePluginDir": str(folder / "volume-plugins"),
        "address": "127.0.0.1",
        "port": _PORT,
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "registerNode": False,
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
