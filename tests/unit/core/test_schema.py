"""The JSON Schema that is shipped is the models', and says no to what they refuse by shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from credprovider.settings_model import ConfigModel
from tests.schema import COMMAND, SCHEMA, text


def test_is_current() -> None:
    if not SCHEMA.exists() or SCHEMA.read_text() != text():
        pytest.fail(f"{SCHEMA} is not what the models say; renew it: {COMMAND}", pytrace=False)


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "properties" in node:
            yield node
        for value in node.values():
            yield from _objects(value)
    if isinstance(node, list):
        for value in node:
            yield from _objects(value)


def test_unknown_keys_are_refused_everywhere() -> None:
    found = list(_objects(json.loads(SCHEMA.read_text())))
    assert len(found) == 6
    assert all(schema["additionalProperties"] is False for schema in found)


def test_keys_are_in_camel_case() -> None:
    document = json.loads(SCHEMA.read_text())
    names = {name for schema in _objects(document) for name in schema["properties"]}
    assert {"credentialConfig", "requiredAnnotationKeys", "tenantId", "httpsProxy", "$schema"} <= names
    assert not [name for name in names if "_" in name]
    assert document["properties"].keys() == {field.alias for field in ConfigModel.model_fields.values()}


def test_names_its_dialect_and_needs_no_key() -> None:
    document = json.loads(SCHEMA.read_text())
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "required" not in document
