"""Every error of the catalogue's 41: the world is brought into it, `doctor` names it, the mend makes it green."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from credprovider.catalogue import entries
from credprovider.errors import EXIT_CODES
from tests.doctor.pairs import PAIRS, SIMULATED, Case, Pair
from tests.doctor.test_node import NODE_PAIRS

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi
    from tests.doctor.patient import Patient
    from tests.plugin.settings import SettingsFactory

_NUMBERS = {entry.code: entry.number for entry in entries()}


def test_every_pair_has_its_state() -> None:
    assert {pair.number for pair in PAIRS} | set(NODE_PAIRS) == set(range(1, 42))
    assert set(SIMULATED) <= set(range(1, 42))


def test_states_lead_to_the_pairs_that_they_are_of() -> None:
    assert [pair.id for pair in PAIRS if not pair.name and _NUMBERS[pair.code] != pair.number] == []


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.id)
def test_state_is_named_and_its_mend_makes_it_green(
    patient: Patient, settings: SettingsFactory, cloud: CloudApi, pair: Pair
) -> None:
    case = Case(cloud, patient, settings(pair.mode))
    if pair.limits is not None:
        patient.limits = pair.limits
    pair.breaks(case)
    found = patient.examine(case.setting, *pair.arguments)
    failing = found.failing
    error = failing["error"]
    assert (failing["hop"], error["code"]) == (pair.hop, pair.code)
    assert found.code == EXIT_CODES[error["family"]] == found.document["exitCode"]
    assert error["cause"]
    for piece in pair.commands:
        assert piece in found.commands
    for piece in pair.prose:
        assert piece in error["remedy"]["text"]
    names = {each["hop"] for each in found.document["hops"] if each["status"] == "not-reached"}
    assert {found.hop(name)["because"] for name in names} <= {pair.hop}
    assert "plugin" in names or pair.hop.startswith("registry")
    pair.mends(case)
    patient.examine(case.setting, *pair.arguments).assert_green()
