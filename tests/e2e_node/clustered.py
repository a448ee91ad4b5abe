"""An `InstalledNode` that joins a cluster: registered, authenticated and authorised as an AKS node is."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from credprovider import __version__
from tests.cloud.interface import add_address
from tests.e2e.control_plane import IN_CLUSTER, ControlPlane
from tests.e2e.images import archive, runnable
from tests.e2e_node.aks import CONTAINERD, NAME, PAUSE, SOCKET
from tests.e2e_node.installed import InstalledNode

if TYPE_CHECKING:
    from tests.e2e.build import Programs

#: Its address in the cluster, as the fixture's; an address of this namespace's `lo`.
ADDRESS = "10.224.0.4"
#: Where the customer keeps our image; what `./dev image` built has this name on the node.
REPOSITORY = "myregistry.azurecr.io/azure-gar-credential-provider"

_CERTIFICATES = "/etc/kubernetes/certs"
#: Enough for a runtime to be ready; all pods here are on the node's network.
_NETWORK = {"cniVersion": "0.4.0", "name": "none", "plugins": [{"type": "loopback"}]}


def give_addresses() -> None:
    """To this network namespace: the node's, and the API server's that pods know."""
    add_address(2, IN_CLUSTER[0])
    add_address(3, ADDRESS)


def join(node: InstalledNode, control_plane: ControlPlane) -> None:
    """Write what makes a node that is off a member of the cluster."""
    pki = control_plane.pki
    serving = pki.serving(NAME, NAME, ADDRESS)
    client = pki.client(f"system:node:{NAME}", "system:nodes")
    node.write(f"{_CERTIFICATES}/ca.crt", pki.ca.read_bytes())
    node.write(f"{_CERTIFICATES}/kubeletserver.pem", serving.read_bytes(), 0o600)
    node.write("/var/lib/kubelet/kubeconfig", pki.kubeconfig(client, control_plane.server).read_bytes(), 0o600)
    flags = {"TLS_BOOTSTRAP": "--kubeconfig=/var/lib/kubelet/kubeconfig", "CGROUP": f"--node-ip={ADDRESS}"}
    lines = [f'Environment="KUBELET_{name}_FLAGS={value}"' for name, value in flags.items()]
    node.write("/etc/systemd/system/kubelet.service.d/20-cluster.conf", "\n".join(["[Service]", *lines, ""]))
    node.write("/etc/cni/net.d/10-none.conflist", json.dumps(_NETWORK))
    node.configure_kubelet(
        address="0.0.0.0",  # noqa: S104 - of a private namespace
        authentication={
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{_CERTIFICATES}/ca.crt"},
        },
        authorization={"mode": "Webhook"},
        tlsCertFile=f"{_CERTIFICATES}/kubeletserver.pem",
        tlsPrivateKeyFile=f"{_CERTIFICATES}/kubeletserver.pem",
        registerNode=True,
        nodeStatusUpdateFrequency="10s",
    )


def load_images(node: InstalledNode, programs: Programs, layout: Path, scratch: Path) -> None:
    """Give a running node what no registry here could: the pause image, and ours out of an OCI layout."""
    folder = scratch / "images"
    folder.mkdir()
    (folder / "pause.tar").write_bytes(archive(runnable(programs.guest / "guest", "pause"), PAUSE))
    with tarfile.open(folder / "ours.tar", "w") as tarred:
        tarred.add(layout, arcname=".")
    ctr = (f"{CONTAINERD}/ctr", "--address", SOCKET, "--namespace", "k8s.io", "images", "import", "--no-unpack")
    for name, base in (("pause.tar", "localhost/pause"), ("ours.tar", REPOSITORY)):
        shutil.copy(folder / name, node.disk / "opt")
        done = node.run(*ctr, "--base-name", base, f"/opt/{name}")
        assert done.returncode == 0, done.stderr
    listed = node.run(f"{CONTAINERD}/ctr", "--address", SOCKET, "--namespace", "k8s.io", "images", "list", "-q").stdout
    assert {PAUSE, f"{REPOSITORY}:{__version__}"} <= set(listed.split()), listed
