"""A kubelet pulls images of static pods from the stand-in Artifact Registry; all it can show is our plugin's answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from credprovider.kubelet.config import config_hash
from tests.cloud.modes import MODES, MODES_BY_NAME, Setting, set_up
from tests.cloud.world import WORLD
from tests.plugin.runner import EXECUTABLE, PROGRAM

if TYPE_CHECKING:
    from tests.cloud.control import Cloud
    from tests.e2e.node import Node

_ENTRY = Path(__file__).parent.parent.parent / "node-config" / "samples" / "managed-identity.yaml"
_OF_NODES = [mode.name for mode in MODES if mode.source != "service-account"]
US, EUROPE, WEST = WORLD.images[:3]
_PLUGIN = f'plugin_name="{PROGRAM}"'
_EXECS = "kubelet_credential_provider_plugin_duration_count"
_ERRORS = "kubelet_credential_provider_plugin_errors_total"


def _install(node: Node, cloud: Cloud, mode: str = "managed-identity-impersonated", **entry: object) -> Setting:
    setting = set_up(node.folder / "settings", cloud, MODES_BY_NAME[mode])
    node.install(EXECUTABLE.parent, _ENTRY, setting.config, **entry)
    return setting


def _execs(node: Node) -> float:
    return node.metric(_EXECS).get(_PLUGIN, 0)


def _our_lines(node: Node) -> list[str]:
    return [line for line in node.log.splitlines() if f"{PROGRAM}: sts-" in line]


# --- failures ---------------------------------------------------------------------------------------------------------


def test_without_our_plugin_the_registry_refuses(node: Node, cloud: Cloud) -> None:
    _install(node, cloud, matchImages=["gcr.io"])
    node.start_kubelet()
    node.run("anonymous", US)
    assert "403 Forbidden" in node.await_failed_pull("anonymous")
    assert _execs(node) == 0


def test_failing_plugin_leaves_one_line_in_the_log_and_an_anonymous_refusal_in_the_event(
    node: Node, cloud: Cloud
) -> None:
    cloud.fault("sts", "status", status=403)
    _install(node, cloud)
    node.start_kubelet()
    node.run("refused", US)
    message = node.await_failed_pull("refused")
    assert "failed to fetch anonymous token" in message
    assert "403 Forbidden" in message
    node.until(lambda: len(_our_lines(node)) >= 1, "the failure is in the log")
    assert all(" Fix: " in line for line in _our_lines(node))
    assert "exit status 5" in node.log
    node.until(lambda: len(_our_lines(node)) == node.metric(_ERRORS)[_PLUGIN], "each failing run has left one line")


def test_kubelet_does_not_start_without_the_executable(node: Node, cloud: Cloud) -> None:
    _install(node, cloud)
    (node.folder / "bin" / PROGRAM).unlink()
    assert node.launch_kubelet().wait(60) != 0
    assert "Failed to register CRI auth plugins" in node.log
    assert "plugin binary executable" in node.log


# --- pulls ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", _OF_NODES)
def test_pods_of_two_registries_run_after_one_exec(node: Node, cloud: Cloud, mode: str) -> None:
    _install(node, cloud, mode)
    node.start_kubelet()
    node.run("first", US)
    node.await_running("first")
    node.run("second", EUROPE)
    node.await_running("second")
    assert _execs(node) == 1
    assert node.metric(_ERRORS) == {}
    assert [call["hop"] for call in cloud.calls() if call["hop"] != "registry"] == MODES_BY_NAME[mode].hops


def test_restarted_kubelet_pulls_while_google_s_sts_is_down(node: Node, cloud: Cloud) -> None:
    _install(node, cloud)
    node.start_kubelet()
    node.run("before", US)
    node.await_running("before")
    node.stop_kubelet()
    cloud.fault("sts", "refused")
    node.start_kubelet()
    node.run("after", WEST)
    node.await_running("after")
    assert _execs(node) == 1  # of the new process
    assert len(cloud.calls("sts")) == 1


def test_metrics_name_the_loaded_config(node: Node, cloud: Cloud) -> None:
    _install(node, cloud)
    node.start_kubelet()
    expected = config_hash([node.provider_config.read_bytes()])
    assert node.metric("kubelet_credential_provider_config_info") == {f'hash="{expected}"': 1}
