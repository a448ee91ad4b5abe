"""Running the installer on a stand-in node, killing it on the way, and looking at what it left."""

from __future__ import annotations

import json
from typing import Any

import pytest

from credprovider.node.install import Goal, Outcome, install
from credprovider.node.site import Site, find_site
from tests.node.fake_host import Crash, FakeProbes, undisturbed
from tests.node.fake_node import FakeNode
from tests.node.trees import HOME, PROGRAM, Picture, picture

#: What the machine itself changes, and what the installer is meant to remember.
PASSING = ("/proc", "/run", f"{HOME}/state.json", "/etc/systemd/system/multi-user.target.wants")


def site_of(node: FakeNode, instance: str | None = None) -> Site:
    return find_site(node.host(), instance, probes=lambda _: FakeProbes(node))


def run(node: FakeNode, goal: Goal, instance: str | None = None) -> Outcome:
    return install(site_of(node, instance), goal)


def shot(node: FakeNode) -> Picture:
    return picture(node.tree, without=PASSING)


def record(node: FakeNode, provider: str = PROGRAM) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((node.tree / HOME[1:] / "state.json").read_bytes())["providers"][provider]
    return found


def installer_dies_at(node: FakeNode, goal: Goal, name: str) -> None:
    """Kill it right before the operation whose name begins so."""

    def before(_: int, step: str, path: str) -> None:
        if f"{step} {path}".startswith(name):
            raise Crash

    node.steps.before = before
    with pytest.raises(Crash):
        run(node, goal)
    node.steps.before = undisturbed
