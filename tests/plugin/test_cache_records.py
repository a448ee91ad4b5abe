"""Records in the state folder that are damaged, changed or not ours are replaced or passed over, never believed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugin.damage import (
    ERROR_FIELDS,
    FAILURE_FIELDS,
    IN_PLACE,
    PLAN_FIELDS,
    PLANTED,
    TOKEN_FIELDS,
    TORN,
    Damage,
    assert_exchanged,
    change,
    is_private_file,
    plant,
    record_of,
)
from tests.plugin.obstacles import Obstacles
from tests.plugin.settings import edit
from tests.plugin.verdict import judge

if TYPE_CHECKING:
    from tests.cloud.control import CloudProcess
    from tests.plugin.runner import InProcess, Runner
    from tests.plugin.settings import Setting, SettingsFactory


@pytest.fixture
def obstacle() -> Iterator[Obstacles]:
    made = Obstacles()
    yield made
    made.close()


@pytest.fixture
def setting(settings: SettingsFactory) -> Setting:
    return settings("managed-identity-direct")


# The token's record.


def test_an_untouched_record_with_another_token_would_be_believed(
    ask: Runner, setting: Setting, cloud: CloudProcess
) -> None:
    """Shows that the tests below would notice a planted token."""
    ask(setting.request, setting.config)
    plant(record_of(ask.state, "token"))
    assert ask(setting.request, setting.config).password == PLANTED
    assert len(cloud.calls("sts")) == 1


@pytest.mark.parametrize("damage", [pytest.param(value, id=name) for name, value in {**TORN, **TOKEN_FIELDS}.items()])
def test_a_damaged_token_record_is_replaced(
    in_process: InProcess, setting: Setting, cloud: CloudProcess, damage: Damage
) -> None:
    in_process(setting.request, setting.config)
    record = record_of(in_process.state, "token")
    plant(record)
    damage(record)
    assert_exchanged(in_process, setting, cloud)
    asked = len(cloud.calls())
    assert judge(in_process(setting.request, setting.config))
    assert len(cloud.calls()) == asked
    assert is_private_file(record)


@pytest.mark.parametrize(("put", "replaced"), list(IN_PLACE.values()), ids=list(IN_PLACE))
def test_what_stands_in_a_token_records_place_is_not_believed(
    ask: Runner, setting: Setting, cloud: CloudProcess, put: Damage, replaced: bool
) -> None:
    ask(setting.request, setting.config)
    record = record_of(ask.state, "token")
    plant(record)
    put(record)
    assert_exchanged(ask, setting, cloud)
    assert is_private_file(record) == replaced
    if replaced:
        asked = len(cloud.calls())
        assert judge(ask(setting.request, setting.config))
        assert len(cloud.calls()) == asked
    else:
        assert_exchanged(ask, setting, cloud)
    assert not [path for path in ask.state.iterdir() if path.name.startswith(".")]


def test_another_users_token_record_is_not_believed(
    ask: Runner, setting: Setting, cloud: CloudProcess, obstacle: Obstacles
) -> None:
    ask(setting.request, setting.config)
    record = record_of(ask.state, "token")
    plant(record)
    obstacle.give_away(record)
    assert_exchanged(ask, setting, cloud)


# The failure's record.


@pytest.fixture
def failed_once(in_process: InProcess, setting: Setting, cloud: CloudProcess) -> Path:
    """The record of a failure at a cloud that works again."""
    cloud.fault("sts", "status", status=403)
    failed = in_process(setting.request, setting.config)
    assert failed.error == in_process(setting.request, setting.config).error
    assert len(cloud.calls("sts")) == 1
    cloud.clear()
    return record_of(in_process.state, "failure")


@pytest.mark.parametrize(
    "damage",
    [pytest.param(value, id=name) for name, value in {**TORN, **FAILURE_FIELDS}.items()],
)
def test_a_damaged_failure_record_keeps_nobody_from_asking(
    in_process: InProcess, setting: Setting, cloud: CloudProcess, failed_once: Path, damage: Damage
) -> None:
    damage(failed_once)
    assert_exchanged(in_process, setting, cloud)
    assert not failed_once.exists()


@pytest.mark.parametrize("changes", list(ERROR_FIELDS.values()), ids=list(ERROR_FIELDS))
def test_a_failure_record_with_a_damaged_error_keeps_nobody_from_asking(
    in_process: InProcess, setting: Setting, cloud: CloudProcess, failed_once: Path, changes: dict[str, Any]
) -> None:
    change(failed_once, error=json.loads(failed_once.read_text())["error"] | changes)
    assert_exchanged(in_process, setting, cloud)


@pytest.mark.parametrize("put", [put for put, _ in IN_PLACE.values()], ids=list(IN_PLACE))
def test_what_stands_in_a_failure_records_place_keeps_nobody_from_asking(
    in_process: InProcess, setting: Setting, cloud: CloudProcess, failed_once: Path, put: Damage
) -> None:
    put(failed_once)
    assert_exchanged(in_process, setting, cloud)


@pytest.mark.parametrize(
    "damage",
    [pytest.param(value, id=name) for name, value in {**TORN, **FAILURE_FIELDS}.items()],
)
def test_a_second_failure_replaces_a_damaged_record(
    in_process: InProcess, setting: Setting, cloud: CloudProcess, failed_once: Path, damage: Damage
) -> None:
    damage(failed_once)
    cloud.fault("sts", "status", status=403)
    assert in_process(setting.request, setting.config).code == 5
    assert in_process(setting.request, setting.config).code == 5
    assert len(cloud.calls("sts")) == 2


# The plan: settings that were validated before.


@pytest.mark.parametrize("damage", [pytest.param(value, id=name) for name, value in {**TORN, **PLAN_FIELDS}.items()])
def test_a_damaged_plan_is_made_anew(
    in_process: InProcess, setting: Setting, cloud: CloudProcess, damage: Damage
) -> None:
    in_process(setting.request, setting.config)
    plan = record_of(in_process.state, "plan")
    good = plan.read_bytes()
    damage(plan)
    asked = len(cloud.calls())
    assert judge(in_process(setting.request, setting.config))
    assert len(cloud.calls()) == asked  # the same settings have the same token
    assert plan.read_bytes() == good


@pytest.mark.parametrize(("put", "replaced"), list(IN_PLACE.values()), ids=list(IN_PLACE))
def test_what_stands_in_a_plans_place_is_not_believed(
    in_process: InProcess, setting: Setting, put: Damage, replaced: bool
) -> None:
    in_process(setting.request, setting.config)
    plan = record_of(in_process.state, "plan")
    put(plan)
    assert judge(in_process(setting.request, setting.config))
    assert is_private_file(plan) == replaced


def test_a_plan_does_not_outlive_a_file_that_settings_no_longer_name(ask: Runner, setting: Setting) -> None:
    ask(setting.request, setting.config)
    vendor = setting.config.with_name("credential-config.json")
    vendor.rename(setting.config.with_name("another.json"))
    edit(setting.config, credentialConfig="another.json")
    assert judge(ask(setting.request, setting.config))
