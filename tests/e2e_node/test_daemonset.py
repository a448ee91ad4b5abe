"""The README's commands on a whole cluster: helm, a DaemonSet, a scheduler, our image, and pods that pull.

API server, controllers, scheduler, kubelet and container runtime are the real ones; the node's systemd too.
"""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.chart.build import built as built_tools
from tests.cloud.store import MemoryStore
from tests.cloud.world import WORLD
from tests.docs.pages import ROOT, read_page
from tests.e2e.build import built_control_plane
from tests.e2e.control_plane import IN_CLUSTER, ControlPlane
from tests.e2e.images import runnable
from tests.e2e.kubectl import built_kubectl
from tests.e2e.node import pod
from tests.e2e.processes import until
from tests.e2e.shell import Shell
from tests.e2e.trust import trusting
from tests.e2e_node.clustered import ADDRESS, REPOSITORY, give_addresses, join, load_images
from tests.image.conftest import DIST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cloud.control import Cloud
    from tests.e2e.build import Programs
    from tests.e2e_node.installed import InstalledNode
    from tests.e2e_node.record import Record

pytestmark = pytest.mark.cluster

_NAME = "azure-gar-credential-provider"
_OTHERS = "somebody-else"
US = WORLD.image

#: Mode -> identity of its settings, and the pool's provider that the vendor's file names.
_MODES: dict[str, tuple[dict[str, Any], str]] = {
    "managed-identity": ({"clientId": WORLD.client_id}, WORLD.entra_provider),
    "token-file": ({"tokenAudience": WORLD.cluster_audience}, WORLD.cluster_provider),
    "service-account": ({"tokenAudience": WORLD.cluster_audience}, WORLD.cluster_provider),
}


@dataclass(frozen=True)
class Cluster:
    """One node, and its administrator's prompt."""

    node: InstalledNode
    shell: Shell

    def paste(self, words: str) -> str:
        """The README's commands that hold these words; they have to end well."""
        (text,) = [block.text for block in read_page(ROOT / "README.md").blocks if words in block.text]
        return self.shell.good(text)

    def choose(self, mode: str, **changes: Any) -> None:
        """Write values and the vendor's file for a mode."""
        identity, provider = _MODES[mode]
        settings = {"identity": {"source": mode, **identity, **changes}}
        values = {"image": {"repository": REPOSITORY}, "settings": settings}
        self.shell.write("values.yaml", yaml.safe_dump(values))
        self.shell.write("credential-config.json", json.dumps(WORLD.vendor_file("guide", provider)))

    def run_pod(self, name: str, namespace: str) -> None:
        """A pod of the namespace's one ServiceAccount; the scheduler finds its node."""
        self.shell.good("kubectl create -f -", json.dumps(pod(name, US, namespace, **_SPEC)))

    def until(self, command: str, words: str) -> None:
        """Ask until the answer holds these words."""
        until(lambda: words in self.shell.run(command).stdout, f"{words!r} in what {command!r} says", self.tell)

    def tell(self) -> str:
        """What somebody would ask who wonders."""
        questions = ("get pods -A -o wide", "describe node", "get events -A", f"-n {_NAME} logs daemonset/{_NAME}")
        answers = [self.shell.run(f"kubectl {question}").stdout[-6000:] for question in questions]
        return "\n".join([*answers, self.node.explain()])

    def await_rollout(self) -> None:
        """Until every node's pod was ready for a while."""
        done = self.shell.run(f"kubectl -n {_NAME} rollout status daemonset/{_NAME} --timeout=3m")
        assert done.returncode == 0, f"{done.stderr}\n{self.tell()}"

    def metrics(self) -> str:
        """What the DaemonSet's pod tells Prometheus."""
        with urllib.request.urlopen(f"http://{ADDRESS}:9465/metrics", timeout=10) as answer:
            return str(answer.read().decode())


_SPEC: dict[str, Any] = {"serviceAccountName": WORLD.service_account, "automountServiceAccountToken": False}


@pytest.fixture
def cluster(
    make_node: Callable[[], InstalledNode], programs: Programs, cloud: Cloud, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A node that is Ready, and two namespaces with a ServiceAccount each."""
    if not (DIST / "oci" / "index.json").exists():
        pytest.fail(f"{DIST}/oci is not built: run `./dev image`", pytrace=False)
    store = cloud.core.registry.store
    assert isinstance(store, MemoryStore)
    store.add(US, runnable(programs.guest / "guest", US))
    give_addresses()
    folder = tmp_path_factory.mktemp("cluster")
    control_plane = ControlPlane(folder / "control-plane", built_control_plane(), WORLD.cluster_issuer, IN_CLUSTER)
    try:
        control_plane.start()
        control_plane.start_controllers()
        (folder / "node-config").symlink_to(ROOT / "node-config")
        shell = Shell(folder, [built_kubectl() / "kubectl", built_tools().helm], control_plane)
        node = make_node()
        join(node, control_plane)
        node.boot()
        load_images(node, programs, DIST / "oci", folder)
        for namespace in (WORLD.namespace, _OTHERS):
            shell.good(f"kubectl create namespace {namespace}")
            shell.good(f"kubectl -n {namespace} create serviceaccount {WORLD.service_account}")
        made = Cluster(node, shell)
        made.until("kubectl get nodes", " Ready ")
        node.wait_until_steady()
        with trusting(cloud, control_plane):
            yield made
    finally:
        control_plane.close()


@pytest.mark.parametrize("mode", _MODES)
def test_readmes_commands_bring_pulls_and_take_them_away(
    cluster: Cluster, cloud: Cloud, record: Record, mode: str
) -> None:
    node, before = cluster.node, cluster.node.config
    cloud.bind(f"system:serviceaccount:{_NAME}:{_NAME}")
    cluster.choose(mode)
    with record.measure(f"helm to a DaemonSet rolled out, {mode}", node) as measured:
        cluster.paste("--set-file")
        cluster.await_rollout()
    assert measured.restarts == 1
    assert node.config != before
    for line in ("_ready{", "_loaded_info{"):
        assert [each for each in cluster.metrics().splitlines() if line in each and each.endswith(" 1")], line
    assert "Installed" in cluster.shell.good("kubectl get events --field-selector involvedObject.kind=Node")
    cluster.run_pod("pulls", WORLD.namespace)
    cluster.until(f"kubectl -n {WORLD.namespace} get pod pulls", " Running ")
    if mode == "service-account":
        cluster.run_pod("may-not", _OTHERS)
        cluster.until(f"kubectl -n {_OTHERS} get pod may-not -o yaml", "403 Forbidden")
    with record.measure(f"helm to a DaemonSet that has removed it, {mode}", node) as measured:
        cluster.paste("--set mode=uninstall")
    assert measured.restarts == 1
    assert node.config == before
    assert node.ours() == []
    left = cluster.shell.good("kubectl get all,clusterroles,clusterrolebindings,roles,rolebindings -A -o name")
    assert _NAME not in left


def test_settings_that_do_not_work_stop_the_rollout_and_say_why(cluster: Cluster) -> None:
    cluster.choose("managed-identity", clientId="99999999-0000-4000-8000-000000000000")
    cluster.paste("--set-file")
    cluster.until("kubectl get events --field-selector involvedObject.kind=Node", "ImdsIdentityNotAssigned")
    assert cluster.shell.run(f"kubectl -n {_NAME} rollout status daemonset/{_NAME} --timeout=5s").returncode != 0
    assert 'code="imds-identity-not-assigned"' in cluster.metrics()
