"""The screens of `doctor` that the documentation shows are those of the program, but for times, ages and digests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.cloud.world import WORLD
from tests.docs.pages import ROOT
from tests.doctor.conftest import node, patient, settings, tmp_path
from tests.doctor.test_node import Ward, ward

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi

__all__ = ["node", "patient", "settings", "tmp_path", "ward"]

_PAGE = ROOT / "docs" / "how-to" / "find-a-fault.md"
_VARIES = re.compile(r"\d+ h \d+ min|\d+ min \d+ s|\d+m\d+s|\d+(\.\d+)? s\b|-[0-9a-f]{12}|\d+\.\d+\.\d+-\S+")
_NAMES = ("--resource-group", "rg-demo", "--cluster", "aks-demo", "--identity-name", "bifrost-pull-identity")


def _shown(name: str) -> str:
    found = re.search(rf"<!-- screen: {name} -->\n```text\n(.*?)```", _PAGE.read_text(), re.DOTALL)
    return found[1] if found else ""


def _same_each_time(screen: str) -> list[str]:
    return [_VARIES.sub("…", line).rstrip() for line in screen.strip().splitlines()]


def _compare(name: str, ward: Ward, *more: str) -> None:
    ward.patient.on(ward.node)
    screen = ward.patient.run(WORLD.image, *_NAMES, *more).stdout.decode()
    if _same_each_time(screen) != _same_each_time(_shown(name)):
        pytest.fail(f"{_PAGE.relative_to(ROOT)} shows another screen {name} than this:\n{screen}", pytrace=False)


def test_screen_when_all_is_well(ward: Ward) -> None:
    _compare("good", ward)


def test_screen_when_the_client_id_was_bound(ward: Ward, cloud: CloudApi) -> None:
    cloud.unbind()
    cloud.bind(WORLD.client_id)
    _compare("failing", ward, "--granted-subject", WORLD.client_id)
