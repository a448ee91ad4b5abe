"""An AKS node on a `Machine`: its files as AKS lays them out, with a real kubelet and containerd behind its units."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.images import PLATFORM
from tests.e2e_node.machine import Machine
from tests.node.trees import BIN_DIR, CONFIG, make_tree

if TYPE_CHECKING:
    from tests.e2e.build import Programs

NAME = "node"
PAUSE = "localhost/pause:e2e"
SOCKET = "/run/containerd/containerd.sock"
#: Parent of all containers' cgroups; tests/e2e/enter removes it.
_CGROUP = "/azure-gar-e2e"
_TREE = "ubuntu-2404-network-isolated"
CONTAINERD = "/opt/containerd"

#: As AKS's, without what writes to the firewall and what fetches a first certificate.
_KUBELET = """\
[Unit]
Description=Kubelet
ConditionPathExists=/opt/bin/kubelet
Wants=network-online.target containerd.service
After=network-online.target containerd.service

[Service]
Restart=always
RestartSec=2
EnvironmentFile=/etc/default/kubelet
SuccessExitStatus=143
ExecStartPre=/bin/sh -c "mountpoint -q /var/lib/kubelet || mount --bind /var/lib/kubelet /var/lib/kubelet"
ExecStartPre=/bin/mount --make-shared /var/lib/kubelet
ExecStartPre=/bin/sh -c "timeout 30 sh -c 'until [ -S {socket} ]; do sleep 0.1; done'"
ExecStart=/opt/bin/kubelet \\
        --enable-server \\
        --node-labels="${{KUBELET_NODE_LABELS}}" \\
        --v=2 \\
        --volume-plugin-dir=/etc/kubernetes/volumeplugins \\
        $KUBELET_TLS_BOOTSTRAP_FLAGS \\
        $KUBELET_CONFIG_FILE_FLAGS \\
        $KUBELET_CONTAINERD_FLAGS \\
        $KUBELET_CGROUP_FLAGS \\
        $KUBELET_FLAGS

[Install]
WantedBy=multi-user.target
"""

_CONTAINERD_UNIT = """\
[Unit]
Description=containerd
After=network.target

[Service]
Environment=PATH={programs}:/usr/sbin:/usr/bin:/sbin:/bin SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
ExecStart={programs}/containerd --config=/etc/containerd/config.toml
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
"""

#: What systemd-nspawn withholds and a kubelet wants: cgroups to write to, and kernel settings that it may change (each
#: covered by a file, so that this machine keeps its own).
_LIKE_A_MACHINE = """\
#!/bin/sh
for place in /sys/fs/cgroup /sys/fs/cgroup/*; do
    ! mountpoint -q "$place" || mount -o remount,bind,rw "$place" || :
done
mkdir -p /run/settings
while read -r name value; do
    [ -e "/proc/sys/$name" ] || continue
    file=/run/settings/$(echo "$name" | tr / .)
    echo "$value" >"$file"
    mount --bind "$file" "/proc/sys/$name"
done <<'TEXT'
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
TEXT
"""
_LIKE_A_MACHINE_UNIT = """\
[Unit]
Description=What a container lacks of a machine
Before=containerd.service kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /usr/local/sbin/like-a-machine

[Install]
WantedBy=multi-user.target
"""

#: Drop-ins of the fixture that hold for this node too.
_DROP_INS = (
    "10-componentconfig.conf",
    "10-containerd-base-flag.conf",
    "10-ensure-imds-restriction.conf",
    "10-watchdog.conf",
)
#: Of KUBELET_FLAGS, as the rest stands in the kubelet's config file here.
_FLAGS = ("--image-credential-provider-bin-dir", "--image-credential-provider-config", "--max-pods", "--pod-max-pids")


class AksNode(Machine):
    """A node that is off; the kubelet stands alone unless it is given a cluster.

    Args:
        folder: of this node.
        tree: a Debian system.
        programs: kubelet and containerd.
        ca: who signed the cloud's certificates.
        shared: as for `Machine`.
    """

    def __init__(self, folder: Path, tree: Path, programs: Programs, ca: Path, shared: dict[str, Path]) -> None:
        shared = {"/opt/bin": programs.kubernetes, CONTAINERD: programs.containerd, **shared}
        super().__init__(folder, tree, shared)
        self.version = programs.minor
        self._lay_out(make_tree(folder, _TREE), ca)

    def _lay_out(self, aks: Path, ca: Path) -> None:
        units = "/etc/systemd/system"
        for name in ("etc/kubernetes", "var/lib/kubelet"):
            shutil.copytree(aks / name, self.disk / name)
        for name in _DROP_INS:
            drop_in = aks / "etc/systemd/system/kubelet.service.d" / name
            self.write(f"{units}/kubelet.service.d/{name}", drop_in.read_bytes(), 0o600)
        self.write("/etc/default/kubelet", _flags((aks / "etc/default/kubelet").read_text()), 0o600)
        self.configure_kubelet()
        self.write("/etc/containerd/config.toml", _containerd_config())
        self.write("/usr/local/sbin/like-a-machine", _LIKE_A_MACHINE)
        self._unit("kubelet", _KUBELET.format(socket=SOCKET))
        self._unit("containerd", _CONTAINERD_UNIT.format(programs=CONTAINERD))
        self._unit("like-a-machine", _LIKE_A_MACHINE_UNIT)
        self.write("/etc/hostname", f"{NAME}\n")
        for name in ("hosts", "resolv.conf", "nsswitch.conf"):
            if Path("/etc", name).exists():
                self.write(f"/etc/{name}", Path("/etc", name).read_bytes())
        store = "/etc/ssl/certs/ca-certificates.crt"
        self.write(store, self.read(store) + ca.read_bytes())

    def _unit(self, name: str, text: str) -> None:
        self.write(f"/etc/systemd/system/{name}.service", text)
        wants = self.disk / "etc/systemd/system/multi-user.target.wants"
        wants.mkdir(exist_ok=True)
        (wants / f"{name}.service").symlink_to(f"../{name}.service")

    def configure_kubelet(self, **changes: Any) -> None:
        """Write the kubelet's own config, with these fields replaced; read at its next start."""
        self.write("/etc/default/kubeletconfig.json", json.dumps({**_KUBELET_CONFIG, **changes}, indent=2))

    # The kubelet

    def boot(self) -> None:
        """Until the kubelet is healthy, too."""
        super().boot()
        self.await_kubelet()

    def await_kubelet(self) -> None:
        """Until it is healthy."""
        self.until(self.is_healthy, "the kubelet is healthy")

    def is_healthy(self) -> bool:
        """What its health endpoint says."""
        try:
            with urllib.request.urlopen("http://127.0.0.1:10248/healthz", timeout=5) as answer:
                return bool(answer.read() == b"ok")
        except OSError:
            return False

    def starts(self) -> int:
        """How often the kubelet was started in this boot: by anybody's order, or by systemd after its end."""
        return self.run(
            "journalctl", "--unit=kubelet.service", "--boot", "--no-pager", "--output=cat", "--grep=^Started kubelet"
        ).stdout.count("Started")

    def kubelet_pid(self) -> int:
        """Of the main process; 0 when there is none."""
        return int(self.show("kubelet.service", "MainPID") or 0)

    @property
    def config(self) -> bytes:
        """The kubelet's CredentialProviderConfig."""
        return self.read(CONFIG)

    def plugins(self) -> list[str]:
        """Names in the bin dir."""
        return sorted(path.name for path in (self.disk / BIN_DIR.lstrip("/")).iterdir())


def _flags(text: str) -> str:
    """AKS's file, with fewer flags."""
    lines = []
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name == "KUBELET_FLAGS":
            value = " ".join(word for word in value.split() if word.partition("=")[0] in _FLAGS)
            value += " --eviction-hard=memory.available<1Mi,nodefs.available<0%,imagefs.available<0%"
        lines.append(f"{name}={value}")
    return "\n".join(lines) + "\n"


#: What this machine is like does not matter: any cgroup version, swap, a nearly full disk.
_KUBELET_CONFIG: dict[str, Any] = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "containerRuntimeEndpoint": f"unix://{SOCKET}",
    "address": "127.0.0.1",
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"},
    "registerNode": False,
    "enableControllerAttachDetach": False,
    "resolvConf": "",
    "failCgroupV1": False,
    "cgroupDriver": "cgroupfs",
    "cgroupsPerQOS": False,
    "cgroupRoot": _CGROUP,
    "enforceNodeAllocatable": ["none"],
    "failSwapOn": False,
    "localStorageCapacityIsolation": False,
    "imageGCHighThresholdPercent": 100,
    "makeIPTablesUtilChains": False,
    "oomScoreAdj": 0,
    "maxOpenFiles": 1024,
    "fileCheckFrequency": "1s",
    "syncFrequency": "1s",
}


def _containerd_config() -> str:
    # The native snapshotter copies: the node's disk is an overlay itself.
    return f"""
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "{SOCKET}"
[ttrpc]
  address = "{SOCKET}.ttrpc"

[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.nri.v1.nri"]
  disable = true
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = "linux/{PLATFORM}"
  snapshotter = "native"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "native"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{PAUSE}"

[plugins."io.containerd.cri.v1.runtime"]
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "/usr/sbin/runc"
      SystemdCgroup = false
"""
