"""No secret is shown, however much is asked for and whatever a service says; and none is written anywhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from credprovider.doctor.case import Case
from tests.cloud.modes import MODES, Mode
from tests.doctor.pairs import PAIRS, Pair
from tests.doctor.pairs import Case as State
from tests.doctor.test_picture import Terminal
from tests.plugin.canaries import Secrets, canary

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi
    from tests.cloud.modes import Setting
    from tests.doctor.patient import Patient
    from tests.plugin.settings import SettingsFactory

_FORMS = (("--format", "json"), ("--verbose",), ("--format", "json", "--verbose"))


def _all_said(patient: Patient, setting: Setting, *more: str) -> bytes:
    """Everything that can be got out of it, on a terminal too."""
    said = b""
    arguments = [patient.cloud.world.image, "--config", str(setting.config), *more]
    if setting.token is not None and "service-account" in setting.config.read_text():
        path = patient.folder / "pods-token"
        path.write_text(setting.token)
        arguments += ["--service-account-token", str(path)]
    for form in _FORMS:
        found = patient.run(*arguments, *form)
        said += found.stdout + found.stderr.encode()
    return said + patient.run(*arguments, "--verbose", stdout=Terminal()).stdout


def _secrets(cloud: CloudApi, setting: Setting) -> Secrets:
    found = Secrets(*([setting.token] if setting.token else []))
    found.issued(cloud)
    return found


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_success_shows_no_token(patient: Patient, settings: SettingsFactory, cloud: CloudApi, mode: Mode) -> None:
    planted = canary("google"), canary("jwt")
    cloud.canary(*planted)
    setting = settings(mode.name)
    said = _all_said(patient, setting)
    secrets = _secrets(cloud, setting)
    secrets.plant(*planted)
    assert len(cloud.issued("sts")) >= 4
    assert secrets.seen_in(said) == []


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.id)
def test_failure_shows_no_token(patient: Patient, settings: SettingsFactory, cloud: CloudApi, pair: Pair) -> None:
    planted = [canary("google"), canary("jwt"), canary("opaque")]
    cloud.canary(*planted)
    case = State(cloud, patient, settings(pair.mode))
    patient.limits = pair.limits or patient.limits
    pair.breaks(case)
    said = _all_said(patient, case.setting, *pair.arguments)
    secrets = _secrets(cloud, case.setting)
    secrets.plant(*planted)
    if case.token_file.exists():
        secrets.plant(case.token_file.read_text())
    assert secrets.seen_in(said) == []


@pytest.mark.parametrize("hop", ["imds", "entra", "sts", "iam", "registry"])
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500])
def test_answer_full_of_secrets_shows_none(
    patient: Patient, settings: SettingsFactory, cloud: CloudApi, hop: str, status: int
) -> None:
    secret = canary("google")
    body = json.dumps({"error": secret, "error_description": secret, "errors": [{"code": secret, "message": secret}]})
    headers = {"WWW-Authenticate": f'Bearer realm="{secret}"', "Docker-Content-Digest": secret, "Date": secret}
    cloud.fault(hop, "literal", status=status, headers=headers, body=body)
    mode = "managed-identity-impersonated" if hop == "imds" else "token-file-entra-impersonated"
    setting = settings(mode)
    assert Secrets(secret).seen_in(_all_said(patient, setting)) == []


def test_what_the_plugin_says_in_its_agony_is_masked(patient: Patient, settings: SettingsFactory) -> None:
    from credprovider.node.commands import Ran

    secret = canary("google")
    patient.plugin.answer = Ran(1, secret.encode(), f"Traceback: {secret}".encode())
    assert Secrets(secret).seen_in(_all_said(patient, settings())) == []


def test_password_in_a_broken_answer_is_not_shown(patient: Patient, settings: SettingsFactory) -> None:
    from credprovider.node.commands import Ran

    secret = canary("google")
    patient.plugin.answer = Ran(0, json.dumps({secret: secret, "kind": secret, "apiVersion": secret}).encode(), b"")
    assert Secrets(secret).seen_in(_all_said(patient, settings())) == []


def test_case_does_not_print_its_tokens(
    patient: Patient, settings: SettingsFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Case] = []
    close = Case.close

    def keep(case: Case) -> None:
        kept.append(case)
        close(case)

    monkeypatch.setattr(Case, "close", keep)
    setting = settings("service-account-entra-impersonated")
    patient.examine(setting).assert_green()
    secrets = _secrets(patient.cloud, setting)
    assert kept[-1].grant is not None
    assert secrets.seen_in(repr(kept[-1]) + repr(vars(kept[-1]))) == []
