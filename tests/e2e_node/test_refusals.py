"""Nodes that cannot take it: each says so in one line and stays as it was."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e_node.bundles import CURRENT
from tests.node.trees import BIN_DIR, PROGRAM

if TYPE_CHECKING:
    from tests.e2e_node.installed import InstalledNode

_SMALL = f"cp -a {BIN_DIR} /tmp/kept && mount -t tmpfs -o size=8m tmpfs {BIN_DIR} && cp -a /tmp/kept/. {BIN_DIR}"
_AGAIN = f"mount --bind {BIN_DIR} {BIN_DIR} && mount -o remount,bind,{{}} {BIN_DIR}"


@pytest.mark.parametrize(
    ("code", "mount"),
    [
        ("node-read-only", _AGAIN.format("ro")),
        ("node-noexec", _AGAIN.format("noexec")),
        ("node-no-space", _SMALL),
    ],
    ids=lambda value: value if value.startswith("node-") else "",
)
def test_bin_dir_that_cannot_take_a_bundle(node: InstalledNode, code: str, mount: str) -> None:
    before = node.config, node.kubelet_pid()
    done = node.run("sh", "-ec", mount)
    assert done.returncode == 0, done.stderr
    assert f": {code} [node]: " in node.refused("install", settings="plain")
    assert (node.config, node.kubelet_pid()) == before
    assert node.ours() == []
    assert code in node.status()["lastRun"]["line"]


def test_machine_without_systemd() -> None:
    done = subprocess.run(
        [CURRENT / PROGRAM, "node", "install"], capture_output=True, text=True, timeout=60, check=False, cwd="/"
    )
    assert done.returncode == 1
    assert ": node-no-systemd [node]: " in done.stderr
    assert done.stderr.count("\n") == 1
