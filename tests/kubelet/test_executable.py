"""The built executable behind the kubelet's own code and in front of the loopback cloud: what design promises of both.

A credential is looked up as for a pod; only the pull itself is left out.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from credprovider.kubelet.config import config_hash
from tests.cloud.modes import MODES, MODES_BY_NAME
from tests.cloud.world import WORLD
from tests.kubelet.node import Node
from tests.kubelet.real import V1, Happened
from tests.plugin.runner import EXECUTABLE, FROZEN_STATE, PROGRAM, clear

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cloud.api import CloudApi
    from tests.kubelet.build import Harness

pytest_plugins = ["tests.cloud.fixtures"]

US, EUROPE = WORLD.images[0], WORLD.images[1]
_ALL = [mode.name for mode in MODES]
_OF_PODS = [mode.name for mode in MODES if mode.source == "service-account"]
_OF_NODES = [mode.name for mode in MODES if mode.source != "service-account"]
_SOURCES = ["managed-identity-direct", "token-file-direct", "service-account-direct"]


@pytest.fixture
def node(request: pytest.FixtureRequest, harness: Harness, cloud: CloudApi, tmp_path: Path) -> Iterator[Node]:
    """A node in the mode that the test is parametrized with; no token is left from another test."""
    if not os.access(EXECUTABLE, os.X_OK):
        pytest.fail(f"{EXECUTABLE} is not built: run `./dev build`", pytrace=False)
    clear(FROZEN_STATE)
    yield Node(tmp_path, harness, cloud, request.param)
    clear(FROZEN_STATE)


def _google_token(node: Node) -> str:
    return node.cloud.issued("iam" if MODES_BY_NAME[node.mode].impersonated else "sts")[-1]


def _exchanges(cloud: CloudApi) -> int:
    return len(cloud.calls("sts"))


def _our_line(happened: Happened) -> str:
    """The one line of the kubelet's log that holds ours, whole."""
    found = [line for line in happened.log.splitlines() if f"{PROGRAM}: " in line]
    assert len(found) == 1, happened.log
    assert " Fix: " in found[0]
    return found[0]


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("node", _SOURCES, indirect=True)
def test_failure_is_told_in_the_log_and_the_metric_and_nothing_is_kept(node: Node) -> None:
    setting = node.prepare()
    node.cloud.fault("sts", "status", status=403)
    with node.kubelet(setting) as kubelet:
        first = kubelet.pull(node.pull(US))
        asked = _exchanges(node.cloud)
        second = kubelet.pull(node.pull(US))
    for happened in (first, second):
        assert (happened.execs, happened.errors) == (1, 1)
        assert happened.only.credentials == []
        assert "exit status 5" in happened.log
        _our_line(happened)
    assert _exchanges(node.cloud) == asked  # the failure is remembered: a pod in back-off does not hammer the cloud


@pytest.mark.parametrize("node", ["managed-identity-direct"], indirect=True)
def test_bad_settings_are_told_in_the_log(node: Node) -> None:
    setting = node.prepare(registry=["*-docker.pkg.dev"])
    with node.kubelet(setting) as kubelet:
        happened = kubelet.pull(node.pull(US))
    assert (happened.execs, happened.errors) == (1, 1)
    assert "exit status 3" in happened.log
    assert "registries" in _our_line(happened)


@pytest.mark.parametrize("node", ["service-account-direct"], indirect=True)
def test_entry_without_token_attributes_is_an_error_not_another_identity(node: Node) -> None:
    node.entry["tokenAttributes"] = None
    setting = node.prepare()
    with node.kubelet(setting) as kubelet:
        happened = kubelet.pull(node.pull(US))
    assert (happened.errors, happened.only.credentials) == (1, [])
    assert "tokenAttributes" in _our_line(happened)
    assert node.cloud.calls() == []


@pytest.mark.parametrize("node", _SOURCES, indirect=True)
def test_foreign_host_gets_nothing_and_nothing_is_kept(node: Node) -> None:
    node.entry["matchImages"] = ["*-docker.pkg.dev", "gcr.io"]
    setting = node.prepare()
    with node.kubelet(setting) as kubelet:
        first, second = kubelet.pull(node.pull("gcr.io/p/i")), kubelet.pull(node.pull("gcr.io/p/i"))
        ours = kubelet.pull(node.pull(US))
    assert [(each.execs, each.errors) for each in (first, second, ours)] == [(1, 0)] * 3
    assert first.only.credentials == second.only.credentials == []
    assert ours.only.password == _google_token(node)


# --- one exec for all -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("node", _ALL, indirect=True)
def test_two_images_of_two_registries_cost_one_exec(node: Node) -> None:
    setting = node.prepare()
    with node.kubelet(setting) as kubelet:
        first, second = kubelet.pull(node.pull(US)), kubelet.pull(node.pull(EUROPE))
    assert (first.execs, second.execs) == (1, 0)
    assert first.only.credentials == second.only.credentials == [("oauth2accesstoken", _google_token(node))]
    assert [call["hop"] for call in node.cloud.calls()] == MODES_BY_NAME[node.mode].hops


@pytest.mark.parametrize("node", _OF_NODES, indirect=True)
def test_pods_share_the_node_s_credential(node: Node) -> None:
    setting = node.prepare()
    with node.kubelet(setting) as kubelet:
        first, second = kubelet.pull(node.pull(US)), kubelet.pull(node.pull(US, "second-sa"))
    assert (first.execs, second.execs) == (1, 0)
    assert first.token_requests == second.token_requests == []


@pytest.mark.parametrize("version", ["v1beta1", "v1alpha1"])
@pytest.mark.parametrize("node", ["managed-identity-direct", "token-file-direct"], indirect=True)
def test_older_protocol_versions_are_answered_alike(node: Node, version: str) -> None:
    node.entry["apiVersion"] = V1.replace("/v1", f"/{version}")
    setting = node.prepare()
    with node.kubelet(setting) as kubelet:
        first, second = kubelet.pull(node.pull(US)), kubelet.pull(node.pull(EUROPE))
    assert (first.execs, second.execs) == (1, 0)
    assert second.only.password == _google_token(node)


@pytest.mark.parametrize("node", _SOURCES, indirect=True)
def test_ten_images_at_once_cost_one_exchange(node: Node) -> None:
    setting = node.prepare()
    images = [f"us-docker.pkg.dev/bifrost-project/hub/image-{number}" for number in range(10)]
    with node.kubelet(setting) as kubelet:
        happened = kubelet.pull(*(node.pull(image) for image in images))
    assert {found.password for found in happened.found} == {_google_token(node)}
    assert _exchanges(node.cloud) == 1


# --- a ServiceAccount's own credential --------------------------------------------------------------------------------


@pytest.mark.parametrize("node", _OF_PODS, indirect=True)
def test_token_is_asked_for_with_the_settings_audience(node: Node) -> None:
    setting = node.prepare()
    with node.kubelet(setting) as kubelet:
        happened = kubelet.pull(node.pull(US))
    assert [request["audiences"] for request in happened.token_requests] == [[node.audience(setting)]]


@pytest.mark.parametrize("node", ["service-account-direct"], indirect=True)
def test_two_service_accounts_cost_two_execs_and_get_two_tokens(node: Node) -> None:
    setting = node.prepare()
    with node.kubelet(setting) as kubelet:
        pulls = [kubelet.pull(node.pull(image, name)) for image in (US, EUROPE) for name in (None, "second-sa")]
    assert [pull.execs for pull in pulls] == [1, 1, 0, 0]
    assert [pull.only.password for pull in pulls] == node.cloud.issued("sts") * 2
    assert _exchanges(node.cloud) == 2


@pytest.mark.parametrize("node", _OF_PODS, indirect=True)
def test_static_pod_does_not_reach_the_plugin(node: Node) -> None:
    setting = node.prepare()
    with node.kubelet(setting) as kubelet:
        pull = node.pull(US)
        happened = kubelet.pull(type(pull)(pull.image))
    assert (happened.execs, happened.only.credentials) == (0, [])


# --- how long ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("node", _SOURCES, indirect=True)
def test_restarted_kubelet_is_served_while_google_is_down(node: Node) -> None:
    setting = node.prepare()
    with node.kubelet(setting) as kubelet:
        before = kubelet.pull(node.pull(US))
    node.cloud.fault("sts", "refused")
    with node.kubelet(setting) as kubelet:
        after = kubelet.pull(node.pull(US))
    assert (before.execs, after.execs) == (1, 1)
    assert before.only.password == after.only.password
    assert _exchanges(node.cloud) == 1


@pytest.mark.parametrize("node", ["token-file-direct"], indirect=True)
def test_token_about_to_end_is_used_and_not_kept(node: Node) -> None:
    setting = node.prepare(lifetime=200)
    with node.kubelet(setting) as kubelet:
        first, second = kubelet.pull(node.pull(US)), kubelet.pull(node.pull(US))
    assert (first.execs, second.execs) == (1, 1)
    assert (first.errors, second.errors) == (0, 0)
    assert first.only.password in node.cloud.issued("sts")


@pytest.mark.parametrize("node", _SOURCES, indirect=True)
def test_answer_is_kept_for_its_time_and_asked_for_again_when_that_is_over(node: Node) -> None:
    """The life that is left, less five minutes, less up to a tenth of the rest, in whole seconds."""
    left = 8
    node.cloud.configure(sts_max_life=300 + left + 2)  # two seconds less are granted
    setting = node.prepare()
    with node.kubelet(setting) as kubelet:
        before = time.monotonic()
        assert kubelet.pull(node.pull(US)).execs == 1
        answered = time.monotonic()
        kept = kubelet.pull(node.pull(EUROPE))
        assert kept.execs == 0
        asked = answered
        while (again := kubelet.pull(node.pull(EUROPE))).execs == 0:
            assert asked < answered + left
            time.sleep(0.05)
            asked = time.monotonic()
    assert time.monotonic() > before + 0.9 * left - 1
    assert [kept.only.password, again.only.password] == node.cloud.issued("sts")


@pytest.mark.parametrize("node", ["managed-identity-direct"], indirect=True)
def test_loaded_config_is_named_by_its_hash(node: Node) -> None:
    setting = node.prepare()
    with node.kubelet(setting) as kubelet:
        metric = kubelet.metrics["kubelet_credential_provider_config_info"]
    assert metric == {config_hash([(node.folder / "config.yaml").read_bytes()]): 1}
