"""The JSON document follows its published schema, whatever happens, and the schema is current and strict."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from credprovider.doctor.document import schema
from credprovider.doctor.hops import HOPS
from docs.generate.document import keys
from docs.generate.parts import ROOT, arguments
from tests.doctor.pairs import PAIRS, Case
from tests.doctor.schema import COMMAND, SCHEMA, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cloud.api import CloudApi
    from tests.doctor.patient import Patient
    from tests.plugin.settings import SettingsFactory


def test_schema_is_current() -> None:
    if not SCHEMA.exists() or SCHEMA.read_text() != text():
        pytest.fail(f"{SCHEMA} is not what the program prints; renew it: {COMMAND}", pytrace=False)


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "properties" in node:
            yield node
        for value in node.values():
            yield from _objects(value)


def test_every_key_is_in_the_reference() -> None:
    page = (ROOT / "docs/reference/commands.md").read_text()
    assert [key for key in keys() if f"| `{key}` |" not in page] == []
    assert {"", *schema()["$defs"]} == set(arguments("doctor-json"))


def test_schema_leaves_nothing_open() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    for found in _objects(schema()):
        assert found["additionalProperties"] is False
        assert found["required"] == list(found["properties"])


def _validate(document: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(document)


@pytest.mark.parametrize("hop", ["settings", "imds", "entra", "sts", "iam", "registry", "none"])
def test_document_is_valid_wherever_it_fails(
    patient: Patient, settings: SettingsFactory, cloud: CloudApi, hop: str
) -> None:
    setting = settings("managed-identity-impersonated" if hop == "imds" else "token-file-entra-impersonated")
    if hop == "settings":
        setting.config.write_text("{")
    elif hop != "none":
        cloud.fault(hop, "status", status=403)
    found = patient.examine(setting)
    _validate(found.document)
    assert (found.code == 0) == (hop == "none")
    assert [each["hop"] for each in found.document["hops"]] == [each.name for each in HOPS]
    assert found.stderr == ""


@pytest.mark.parametrize("pair", PAIRS[:4], ids=lambda pair: pair.id)
def test_document_and_picture_say_the_same(
    patient: Patient, settings: SettingsFactory, cloud: CloudApi, pair: Any
) -> None:
    case = Case(cloud, patient, settings(pair.mode))
    pair.breaks(case)
    found = patient.examine(case.setting)
    shown = patient.run(cloud.world.image, "--config", str(case.setting.config)).stdout.decode()
    error = found.failing["error"]
    lines = [line for line in shown.splitlines() if line.startswith("FAILED")]
    assert [(line.split()[1], line.split()[2].rstrip(",")) for line in lines] == [(pair.hop, error["code"])]
    assert shown.endswith(f"{pair.hop} is what to mend first (exit code {found.code})\n")


def test_values_that_are_not_known_are_named(patient: Patient, settings: SettingsFactory, cloud: CloudApi) -> None:
    cloud.federated_credentials()
    found = patient.examine(settings("token-file-entra-direct"), names=False)
    remedy = found.failing["error"]["remedy"]
    assert remedy["unknown"] == {
        "CREDENTIAL_NAME": "name of the federated credential",
        "IDENTITY_NAME": "name of the managed identity",
    }
    assert patient.examine(settings("token-file-entra-direct")).failing["error"]["remedy"]["unknown"] == {}
