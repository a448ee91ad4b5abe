"""A config that `lint` finds good and the kubelet refuses: back to the old one, with the installer alive or killed.

The kubelet really refuses: its own config switches off the feature that an entry with tokenAttributes needs, which no
rule about the entry can know.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.e2e_node.machine import sleep_until
from tests.e2e_node.record import Measured
from tests.e2e_node.test_install import every_version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e_node.installed import InstalledNode
    from tests.e2e_node.record import Record

_FEATURE = "KubeletServiceAccountTokenForCredentialProviders"
_ALLOWED_SECONDS = 120


def _refuses_pods(node: InstalledNode) -> InstalledNode:
    node.configure_kubelet(featureGates={_FEATURE: False})
    node.boot()
    node.wait_until_steady()
    return node


@every_version
def test_kubelet_that_refuses_gets_its_old_config_back(make_node: Callable[[], InstalledNode], record: Record) -> None:
    node = _refuses_pods(make_node())
    before = node.config
    with record.measure("refused by the kubelet, rolled back", node) as measured:
        line = node.refused("install", settings="pods")
    assert "node-rolled-back" in line
    assert "tokenAttributes" in line  # the kubelet's own words
    assert measured.seconds < _ALLOWED_SECONDS
    _is_as_before(node, before)
    assert "node-rejected" in node.refused("install", settings="pods")
    assert node.config == before


def test_installer_killed_right_after_the_restart_leaves_the_rescue_at_work(
    make_node: Callable[[], InstalledNode], record: Record, tmp_path: Path
) -> None:
    node = _refuses_pods(make_node())
    before, pid, starts = node.config, node.kubelet_pid(), node.starts()
    installer = node.start(*node.node_command("install", settings="pods"), output=tmp_path / "log")
    assert sleep_until(lambda: node.kubelet_pid() != pid, 30), (tmp_path / "log").read_text()
    restarted = time.monotonic()
    node.run("pkill", "-KILL", "-f", "node install")
    installer.wait(10)
    assert node.config != before
    node.until(lambda: node.config == before, "the rescue has put the old config back", _ALLOWED_SECONDS)
    node.await_kubelet()
    seconds = time.monotonic() - restarted
    assert seconds < _ALLOWED_SECONDS
    record.note("… with the installer killed after the restart", node, Measured(seconds, node.starts() - starts))
    assert not (node.disk / "var/lib/kubelet/credential-provider/azure-gar-credential-provider").is_symlink()
    assert "was restarted and is well" in node.good("install", settings="plain")


def test_node_with_the_plugin_goes_back_to_its_old_entry(installed: InstalledNode, record: Record) -> None:
    installed.configure_kubelet(featureGates={_FEATURE: False})
    installed.run("systemctl", "restart", "kubelet")
    installed.await_kubelet()
    installed.wait_until_steady()
    before = installed.config, installed.ours()
    with record.measure("changed entry refused by the kubelet, rolled back", installed):
        assert "node-rolled-back" in installed.refused("install", settings="pods")
    assert (installed.config, installed.ours()) == before
    assert installed.has_loaded_its_config()
    assert installed.credential()


def _is_as_before(node: InstalledNode, config: bytes) -> None:
    assert node.config == config
    assert node.is_healthy()
    assert node.has_loaded_its_config()
    assert node.plugins() == [".azure-gar-credential-provider.d", "acr-credential-provider"]  # what it remembers
    assert node.bundles() == []
    assert not node.is_armed()
