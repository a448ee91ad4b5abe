"""Service-account mode in a cluster: a real API server gives the tokens, and its real keys verify them at Entra ID.

Only ServiceAccounts that are meant to pull do, and what one of them may use another may not.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from credprovider.kubelet.versions import parse_version
from tests.cloud.modes import MODES_BY_NAME, set_up
from tests.cloud.world import WORLD
from tests.e2e.build import built_control_plane
from tests.e2e.control_plane import ControlPlane
from tests.e2e.node import NAME, pod
from tests.e2e.trust import trusting
from tests.kubelet.golang import NotBuiltError
from tests.plugin.runner import EXECUTABLE, PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cloud.control import Cloud
    from tests.e2e.build import Programs
    from tests.e2e.node import Node

pytestmark = pytest.mark.cluster

_SAMPLES = Path(__file__).parent.parent.parent / "node-config" / "samples"
_ANNOTATION = "azure.workload.identity/client-id"
_PLUGIN = f'plugin_name="{PROGRAM}"'
US, EUROPE = WORLD.images[:2]


@pytest.fixture
def control_plane(tmp_path_factory: pytest.TempPathFactory, cloud: Cloud) -> Iterator[ControlPlane]:
    """A cluster with the ServiceAccounts below; Entra ID and Google verify its tokens by the keys it publishes."""
    try:
        built = built_control_plane()
    except NotBuiltError as error:
        pytest.fail(f"{error}: run `python -m tests.e2e.build --cluster` (needs network)", pytrace=False)
    made = ControlPlane(tmp_path_factory.mktemp("cluster") / "control-plane", built, WORLD.cluster_issuer)
    try:
        made.start()
        made.create(
            *(_namespace(name) for name in (WORLD.namespace, "without-annotation", "not-federated")),
            _service_account(WORLD.namespace, **{_ANNOTATION: WORLD.client_id}),
            _service_account("without-annotation"),
            _service_account("not-federated", **{_ANNOTATION: WORLD.client_id}),
            *_audience_rbac(),
        )
        with trusting(cloud, made):
            yield made
    finally:
        made.close()


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _service_account(namespace: str, **annotations: str) -> dict[str, Any]:
    meta = {"name": WORLD.service_account, "namespace": namespace, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}


def _audience_rbac() -> list[dict[str, Any]]:
    """What we ship, for the audience that the settings below name."""
    text = (_SAMPLES / "service-account-rbac.yaml").read_text()
    role, binding = yaml.safe_load_all(text)
    role["rules"][0]["resources"] = [WORLD.exchange_resource]
    return [role, binding]


@pytest.fixture
def joined(node: Node, cloud: Cloud, control_plane: ControlPlane) -> Node:
    """A node of the cluster, in service-account mode through Entra ID, where an annotation names the identity."""
    setting = set_up(node.folder / "settings", cloud, MODES_BY_NAME["service-account-entra-impersonated"])
    config = json.loads(setting.config.read_text())
    config["identity"]["serviceAccount"]["requiredAnnotationKeys"] = [_ANNOTATION]
    del config["identity"]["entra"]["clientId"]
    setting.config.write_text(json.dumps(config))
    sample = _SAMPLES / "service-account.yaml"
    attributes = yaml.safe_load(sample.read_text())["providers"][0]["tokenAttributes"]
    attributes |= {
        "serviceAccountTokenAudience": WORLD.exchange_resource,
        "requiredServiceAccountAnnotationKeys": [_ANNOTATION],
    }
    node.install(EXECUTABLE.parent, sample, setting.config, tokenAttributes=attributes)
    certificate = control_plane.pki.client(f"system:node:{NAME}", "system:nodes")
    node.start_kubelet(control_plane.pki.kubeconfig(certificate, control_plane.server))
    return node


def _pod(name: str, image: str, namespace: str = WORLD.namespace, policy: str = "Always") -> dict[str, Any]:
    spec = {"nodeName": NAME, "serviceAccountName": WORLD.service_account, "automountServiceAccountToken": False}
    return pod(name, image, namespace, policy=policy, **spec)


def _execs(node: Node) -> float:
    return node.metric("kubelet_credential_provider_plugin_duration_count").get(_PLUGIN, 0)


def test_without_our_rbac_the_node_gets_no_token(joined: Node, control_plane: ControlPlane) -> None:
    for each in _audience_rbac():
        control_plane.delete(each)
    control_plane.create(_pod("no-rbac", US))
    assert "403 Forbidden" in joined.await_failed_pull("no-rbac", WORLD.namespace)
    assert _execs(joined) == 0
    assert [line for line in joined.log.splitlines() if "service account token" in line and "audience" in line]


def test_annotated_service_account_pulls_and_costs_one_exec(
    joined: Node, cloud: Cloud, control_plane: ControlPlane
) -> None:
    control_plane.create(_pod("first", US), _pod("second", EUROPE))
    joined.await_running("first", WORLD.namespace)
    control_plane.create(_pod("third", EUROPE))
    for name in ("second", "third"):
        joined.await_running(name, WORLD.namespace)
    assert 1 <= _execs(joined) <= 2  # the first two pods came at once
    hops = [call["hop"] for call in cloud.calls() if call["hop"] != "registry"]
    assert [hop for hop in hops if hop != "issuer"] == ["entra", "sts", "iam"]


@pytest.mark.parametrize(("namespace", "asked"), [("without-annotation", False), ("not-federated", True)])
def test_other_service_account_pulls_nothing(
    joined: Node, cloud: Cloud, control_plane: ControlPlane, namespace: str, *, asked: bool
) -> None:
    control_plane.create(_pod("own", US))
    joined.await_running("own", WORLD.namespace)
    before = _execs(joined)
    control_plane.create(_pod("other", US, namespace))
    assert "403 Forbidden" in joined.await_failed_pull("other", namespace)
    assert (_execs(joined) > before) is asked  # is it the plugin or the kubelet that refuses?
    assert len(cloud.calls("sts")) == 1


def test_pulled_image_is_not_for_another_service_account(
    joined: Node, control_plane: ControlPlane, programs: Programs
) -> None:
    """KEP-2535, on from 1.35: an image on the node may be used by whose credential pulled it. Before, by any pod."""
    control_plane.create(_pod("own", US))
    joined.await_running("own", WORLD.namespace)
    control_plane.create(_pod("other", US, "without-annotation", policy="IfNotPresent"))
    if parse_version(programs.minor) < (1, 35):
        joined.await_running("other", "without-annotation")
    else:
        assert "403 Forbidden" in joined.await_failed_pull("other", "without-annotation")
