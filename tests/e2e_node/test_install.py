"""Install, upgrade and uninstall on a running node: what changes, and what that costs in restarts of the kubelet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.build import versions
from tests.e2e_node.bundles import OLDER_VERSION
from tests.node.trees import CONFIG, PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e_node.installed import InstalledNode
    from tests.e2e_node.record import Record

_ENTRY = f"  - name: {PROGRAM}\n".encode()

every_version = pytest.mark.parametrize("programs", versions(), indirect=True, ids="kubelet-{}".format)


@every_version
def test_fresh_install_restarts_the_kubelet_once(node: InstalledNode, record: Record) -> None:
    before = node.config
    node.wait_until_steady()
    with record.measure("fresh install", node) as measured:
        assert "was restarted and is well" in node.good("install", settings="plain")
    assert measured.restarts == 1
    assert node.config.startswith(before + _ENTRY)
    assert node.has_loaded_its_config()
    assert node.credential()
    assert node.status()["installed"]
    assert not node.is_armed()


def test_second_install_changes_nothing(installed: InstalledNode, record: Record) -> None:
    before = _state(installed)
    with record.measure("install again", installed) as measured:
        assert "all in place" in installed.good("install", settings="plain")
    assert measured.restarts == 0
    assert _state(installed) == before


def test_new_bundle_restarts_nothing(installed: InstalledNode, record: Record) -> None:
    (old,) = installed.bundles()
    with record.measure("new bundle", installed) as measured:
        assert "changed bundle" in installed.good("install", bundle="renewed", settings="plain")
    assert measured.restarts == 0
    assert len(installed.bundles()) == 2
    assert installed.status()["bundle"] != old
    assert installed.credential()


def test_upgrade_restarts_nothing(node_with: Callable[[str], InstalledNode], record: Record) -> None:
    node = node_with("older")
    assert node.status()["version"] == OLDER_VERSION
    with record.measure("upgrade from an older version", node) as measured:
        node.good("install", settings="plain")
    assert measured.restarts == 0
    assert node.status()["version"] not in {OLDER_VERSION, None}
    assert node.credential()


def test_settings_that_leave_the_entry_restart_nothing(installed: InstalledNode, record: Record) -> None:
    with record.measure("changed settings, same entry", installed) as measured:
        assert "changed settings" in installed.good("install", settings="uncached")
    assert measured.restarts == 0
    assert installed.credential()


def test_changed_entry_restarts_once(installed: InstalledNode, record: Record) -> None:
    installed.wait_until_steady()
    with record.measure("changed entry", installed) as measured:
        installed.good("install", settings="wider")
    assert measured.restarts == 1
    assert b'"gcr.io"' in installed.config
    assert installed.has_loaded_its_config()


def test_rebooted_node_needs_nothing(installed: InstalledNode, record: Record) -> None:
    installed.reboot()
    assert installed.credential()
    with record.measure("install after a reboot", installed) as measured:
        assert "all in place" in installed.good("install", settings="plain")
    assert measured.restarts == 0


def test_two_installers_at_once_restart_once(node: InstalledNode, record: Record, tmp_path: Path) -> None:
    node.wait_until_steady()
    with record.measure("two installers at once", node) as measured:
        command = node.node_command("install", settings="plain")
        both = [node.start(*command, output=tmp_path / name) for name in ("first", "second")]
        assert [process.wait(300) for process in both] == [0, 0]
    assert measured.restarts == 1
    assert sorted("all in place" in (tmp_path / name).read_text() for name in ("first", "second")) == [False, True]
    assert node.status()["installed"]


def test_uninstall_leaves_every_byte_as_it_was(
    make_node: Callable[[], InstalledNode], installed: InstalledNode, record: Record
) -> None:
    fresh = make_node()
    installed.wait_until_steady()
    with record.measure("uninstall", installed) as measured:
        assert "removed" in installed.good("uninstall")
    assert measured.restarts == 1
    assert installed.config == fresh.config
    assert installed.has_loaded_its_config()
    assert installed.ours() == []
    assert installed.plugins() == fresh.plugins()


def _state(node: InstalledNode) -> tuple[bytes, list[str], list[str], int]:
    return node.config, node.ours(), node.bundles(), node.kubelet_pid()


def test_folder_of_configs_gets_and_loses_a_file_of_ours(
    make_node: Callable[[], InstalledNode], record: Record
) -> None:
    """From 1.34 on a kubelet may be given a folder; nothing is merged then."""
    node = make_node()
    folder, theirs, ours = "/etc/kubernetes/providers.d", "10-aks.yaml", f"{PROGRAM}.yaml"
    node.write(f"{folder}/{theirs}", node.config)
    flags = node.read("/etc/default/kubelet").replace(CONFIG.encode(), folder.encode())
    node.write("/etc/default/kubelet", flags, 0o600)
    node.boot()
    node.wait_until_steady()
    with record.measure("install beside other files of a config folder", node) as measured:
        node.good("install", settings="plain")
    assert measured.restarts == 1
    assert sorted(path.name for path in (node.disk / folder.lstrip("/")).iterdir()) == [theirs, ours]
    assert node.status()["installed"]
    node.wait_until_steady()
    node.good("uninstall")
    assert [path.name for path in (node.disk / folder.lstrip("/")).iterdir()] == [theirs]
    assert node.ours() == []
