"""`node run` keeps a node as it should be: a reimaged one, one whose files others rewrite or take away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e_node.loop import running_loop
from tests.node.trees import CONFIG, LINK

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cloud.control import Cloud
    from tests.e2e_node.installed import InstalledNode
    from tests.e2e_node.record import Record

_LONG_AGO = 3600.0


def test_reimaged_node_is_installed_anew(
    make_node: Callable[[], InstalledNode], installed: InstalledNode, record: Record, cloud: Cloud, tmp_path: Path
) -> None:
    installed.shut_down()
    reimaged = make_node()
    reimaged.boot()
    reimaged.wait_until_steady()
    with record.measure("reimaged node, `node run` to ready", reimaged) as measured:  # noqa: SIM117 - nested in time
        with running_loop(reimaged, tmp_path / "log") as loop:
            loop.await_ready()
            assert loop.metric("last_exchange_timestamp_seconds") > 0
            assert loop.metric("kubelet_restarts_total") == 1
    assert measured.restarts == 1
    assert [call["hop"] for call in cloud.calls()] == ["imds", "sts", "iam"]
    assert reimaged.status()["installed"]


def test_rewritten_config_is_mended_without_a_restart(
    make_node: Callable[[], InstalledNode], installed: InstalledNode, record: Record, tmp_path: Path
) -> None:
    ours, theirs = installed.config, make_node().config
    with running_loop(installed, tmp_path / "log") as loop:
        loop.await_ready()
        with record.measure("AKS rewrites the config under a running kubelet", installed) as measured:
            installed.write(CONFIG, theirs)
            loop.until(lambda: installed.config == ours and loop.ready(), "the entry is back")
        loop.until(lambda: loop.metric("drift_repairs_total") == 1, "the repair is counted")
    assert measured.restarts == 0
    assert installed.status()["installed"]


def test_rewritten_config_that_was_loaded_costs_one_restart(
    make_node: Callable[[], InstalledNode], installed: InstalledNode, record: Record, tmp_path: Path
) -> None:
    theirs = make_node().config
    installed.age_restarts(_LONG_AGO)
    with running_loop(installed, tmp_path / "log") as loop:
        loop.await_ready()
        installed.write(CONFIG, theirs)
        installed.run("systemctl", "restart", "kubelet")
        installed.await_kubelet()
        with record.measure("AKS rewrites the config and restarts the kubelet", installed) as measured:
            loop.until(lambda: "DriftRepaired" in loop.log or "kubelet restarted" in loop.log, "the entry is back")
            loop.await_ready()
    assert measured.restarts == 1
    assert installed.has_loaded_its_config()
    assert installed.status()["installed"]


def test_removed_files_come_back_without_a_restart(installed: InstalledNode, record: Record, tmp_path: Path) -> None:
    with running_loop(installed, tmp_path / "log") as loop:
        loop.await_ready()
        with record.measure("link and settings taken away", installed) as measured:
            installed.run("rm", "-r", LINK, "/etc/azure-gar-credential-provider")
            loop.until((installed.disk / LINK.lstrip("/")).is_symlink, "the link is back")
            loop.until(lambda: loop.metric("drift_repairs_total") == 1, "the repair is counted")
    assert measured.restarts == 0
    assert installed.credential()


def test_loop_in_uninstall_mode_leaves_nothing(
    make_node: Callable[[], InstalledNode], installed: InstalledNode, record: Record, tmp_path: Path
) -> None:
    installed.age_restarts(_LONG_AGO)
    installed.wait_until_steady()
    with record.measure("`node run --mode uninstall` to ready", installed) as measured:  # noqa: SIM117 - nested in time
        with running_loop(installed, tmp_path / "log", "--mode", "uninstall", settings=None) as loop:
            loop.await_ready()
    assert measured.restarts == 1
    assert installed.config == make_node().config
    assert installed.ours() == []
