"""The node stops in the middle of an install, by a cut or by order, and boots again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e_node.machine import sleep_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e_node.installed import InstalledNode

_STAGES: dict[str, Callable[[InstalledNode, bytes], bool]] = {
    "armed": lambda node, _: node.is_armed(),
    "renamed": lambda node, before: node.config != before,
    "restarted": lambda node, before: node.config != before and node.starts() > 1,
}
_ENDS: dict[str, Callable[[InstalledNode], None]] = {
    "cut": lambda node: node.cut_power(),
    "ordered": lambda node: node.shut_down(),
}


@pytest.mark.parametrize(("stage", "end"), [("armed", "cut"), ("renamed", "cut"), ("restarted", "ordered")])
def test_node_boots_with_its_old_config(
    make_node: Callable[[], InstalledNode], tmp_path: Path, stage: str, end: str
) -> None:
    node = make_node()
    node.boot()
    before = node.config
    node.wait_until_steady()
    node.start(*node.node_command("install", settings="plain"), output=tmp_path / "log")
    assert sleep_until(lambda: _STAGES[stage](node, before), 30), (tmp_path / "log").read_text()
    _ENDS[end](node)
    node.boot()
    assert node.config == before
    assert node.starts() == 1
    assert node.has_loaded_its_config()
    assert node.status()["unfinished"] == "install"
    assert "was restarted and is well" in node.good("install", settings="plain")
    assert not node.is_armed()
    assert node.status()["installed"]


def test_cut_after_verification_keeps_the_new_config(installed: InstalledNode) -> None:
    before = installed.config
    installed.cut_power()
    installed.boot()
    assert installed.config == before
    assert installed.credential()
    assert installed.status()["installed"]
