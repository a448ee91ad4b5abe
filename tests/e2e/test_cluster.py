"""Service-account mode in a cluster: a real API server gives the tokens, and its real keys verify them at Entra ID.

Only ServiceAccounts that are meant to pull do, and what one of them may use another may not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
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


#: Also meant to pull, without Entra ID: by a grant to its own subject.
_SECOND = "second-team"


@dataclass(frozen=True)
class Chain:
    """A way from a ServiceAccount's token to Google.

    Attributes:
        mode: one of tests.cloud.modes.
        audience: of the token that the node asks for.
        hops: that one exchange takes.
        annotated: does an annotation name the identity?
    """

    mode: str
    audience: str
    hops: tuple[str, ...]
    annotated: bool = False


#: Entra ID verifies the API server's token by its keys; or STS does.
_ENTRA = Chain("service-account-entra-impersonated", WORLD.exchange_resource, ("entra", "sts", "iam"), annotated=True)
_STS = Chain("service-account-direct", WORLD.cluster_audience, ("sts",))


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
            *(_namespace(name) for name in (WORLD.namespace, "without-annotation", "not-federated", _SECOND)),
            _service_account(WORLD.namespace, **{_ANNOTATION: WORLD.client_id}),
            _service_account("without-annotation"),
            _service_account("not-federated", **{_ANNOTATION: WORLD.client_id}),
            _service_account(_SECOND),
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


def _audience_rbac(audience: str) -> list[dict[str, Any]]:
    """What we ship, for an audience."""
    text = (_SAMPLES / "service-account-rbac.yaml").read_text()
    role, binding = yaml.safe_load_all(text)
    role["rules"][0]["resources"] = [audience]
    return [role, binding]


def _join(node: Node, cloud: Cloud, control_plane: ControlPlane, chain: Chain) -> None:
    """Make it a node of the cluster, in service-account mode."""
    setting = set_up(node.folder / "settings", cloud, MODES_BY_NAME[chain.mode])
    sample = _SAMPLES / "service-account.yaml"
    attributes = yaml.safe_load(sample.read_text())["providers"][0]["tokenAttributes"]
    attributes |= {"serviceAccountTokenAudience": chain.audience, "cacheType": "Token"}
    if chain.annotated:
        config = json.loads(setting.config.read_text())
        config["identity"]["serviceAccount"]["requiredAnnotationKeys"] = [_ANNOTATION]
        del config["identity"]["entra"]["clientId"]
        setting.config.write_text(json.dumps(config))
        attributes |= {"cacheType": "ServiceAccount", "requiredServiceAccountAnnotationKeys": [_ANNOTATION]}
    node.install(EXECUTABLE.parent, sample, setting.config, tokenAttributes=attributes)
    certificate = control_plane.pki.client(f"system:node:{NAME}", "system:nodes")
    node.start_kubelet(control_plane.pki.kubeconfig(certificate, control_plane.server))


@pytest.fixture
def joined(node: Node, cloud: Cloud, control_plane: ControlPlane) -> Node:
    """A node of the cluster, through Entra ID, where an annotation names the identity; the RBAC is there."""
    control_plane.create(*_audience_rbac(_ENTRA.audience))
    _join(node, cloud, control_plane, _ENTRA)
    return node


def _pod(name: str, image: str, namespace: str = WORLD.namespace, policy: str = "Always") -> dict[str, Any]:
    spec = {"nodeName": NAME, "serviceAccountName": WORLD.service_account, "automountServiceAccountToken": False}
    return pod(name, image, namespace, policy=policy, **spec)


def _execs(node: Node) -> float:
    return node.metric("kubelet_credential_provider_plugin_duration_count").get(_PLUGIN, 0)


def _exchanges(cloud: Cloud) -> list[str]:
    return [call["hop"] for call in cloud.calls() if call["hop"] not in {"registry", "issuer"}]


def _shown_tokens(cloud: Cloud) -> set[str]:
    """The credentials that the registry was asked with."""
    heads = ({name.lower(): value for name, value in call["headers"].items()} for call in cloud.calls("registry"))
    return {head["authorization"] for head in heads if head.get("authorization", "").startswith("Basic ")}


def test_without_our_rbac_the_node_gets_no_token(node: Node, cloud: Cloud, control_plane: ControlPlane) -> None:
    _join(node, cloud, control_plane, _STS)
    control_plane.create(_pod("no-rbac", US))
    assert "403 Forbidden" in node.await_failed_pull("no-rbac", WORLD.namespace)
    assert _execs(node) == 0
    assert f"system:node:{NAME} is not authorized to request tokens for audience" in node.log


@pytest.mark.parametrize("chain", [_ENTRA, _STS], ids=lambda chain: chain.mode)
def test_service_account_that_may_pull_costs_one_exec(
    node: Node, cloud: Cloud, control_plane: ControlPlane, chain: Chain
) -> None:
    control_plane.create(*_audience_rbac(chain.audience))
    _join(node, cloud, control_plane, chain)
    control_plane.create(_pod("first", US))
    node.await_running("first", WORLD.namespace)
    control_plane.create(_pod("second", EUROPE))
    node.await_running("second", WORLD.namespace)
    assert _execs(node) == (1 if chain.annotated else 2)  # cacheType Token: another pod has another token
    assert _exchanges(cloud) == list(chain.hops)


def test_two_service_accounts_that_may_pull_have_nothing_in_common(
    node: Node, cloud: Cloud, control_plane: ControlPlane
) -> None:
    cloud.grant(f"system:serviceaccount:{_SECOND}:{WORLD.service_account}")
    control_plane.create(*_audience_rbac(_STS.audience))
    _join(node, cloud, control_plane, _STS)
    control_plane.create(_pod("own", US), _pod("other", US, _SECOND))
    node.await_running("own", WORLD.namespace)
    node.await_running("other", _SECOND)
    assert _execs(node) == 2
    assert len(_shown_tokens(cloud)) == 2
    sent = {call["form"]["subject_token"] for call in cloud.calls("sts")}
    assert len(sent) == 2


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
