"""The compiled plan stands while everything it was drawn from is unchanged, and not a moment longer."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from credprovider import __version__, settings_plan
from credprovider.errors import ProviderError
from credprovider.settings import VARIABLES, Settings, Sources, _seal, load_settings
from credprovider.state import StateDirectory
from tests.unit.core.making import CLIENT_ID, GUIDE, TENANT_ID, changed, disown, make_world, settings_files, write
from tests.unit.core.planning import AZURE_JSON, CONFIG, Validation


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Validation:
    """Settings that have been validated once."""
    validation = Validation(tmp_path, monkeypatch)
    validation.load()
    assert validation.count == 1
    return validation


def _config(node: Validation) -> None:
    write(node.folder / "config.json", {**CONFIG, "registries": ["us-docker.pkg.dev"]})


def _one_space(node: Validation) -> None:
    write(node.folder / "config.json", json.dumps(CONFIG) + " ")


def _vendor(node: Validation) -> None:
    write(node.folder / "credential-config.json", changed(GUIDE, "quota_project_id", to="a-project"))


def _azure_json(node: Validation) -> None:
    write(node.folder / "azure.json", {"userAssignedIdentityID": TENANT_ID})


def _azure_json_gone(node: Validation) -> None:
    (node.folder / "azure.json").unlink()


CHANGES = {
    "config.json": _config,
    "one space in config.json": _one_space,
    "the vendor's file": _vendor,
    "azure.json": _azure_json,
    "azure.json gone": _azure_json_gone,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_file_voids_the_plan(node: Validation, change: Callable[[Validation], None]) -> None:
    before = node.load()
    change(node)
    after = node.load()
    assert node.count == 2
    assert (after.digest == before.digest) is (change is _one_space)


def test_a_file_that_appears_voids_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Validation(tmp_path, monkeypatch)
    (tmp_path / "azure.json").unlink()
    assert node.load().selector is None
    write(tmp_path / "azure.json", AZURE_JSON)
    assert node.load().selector == ["client_id", CLIENT_ID]
    assert node.count == 2


@pytest.mark.parametrize("name", VARIABLES)
def test_a_changed_variable_voids_the_plan(node: Validation, name: str) -> None:
    values = {"GOOGLE_APPLICATION_CREDENTIALS": str(node.folder / "credential-config.json")}
    value = values.get(name, CLIENT_ID)
    node.load(**{name: value})
    assert node.count == 2
    node.load(**{name: value})
    assert node.count == 2
    node.load()
    assert node.count == 3


@pytest.mark.parametrize("environ", [{"PATH": "/bin"}, {"AZURE_CLIENT_ID": ""}], ids=["another name", "empty"])
def test_other_variables_leave_the_plan_alone(node: Validation, environ: dict[str, str]) -> None:
    node.load(**environ)
    assert node.count == 1


def test_a_plan_that_stands_gives_the_same_settings(node: Validation) -> None:
    fresh = Settings(settings_plan.compile_plan(make_world(node.folder), Sources(make_world(node.folder))))
    kept = node.load()
    assert node.count == 2
    mine, theirs = dict(vars(kept)), dict(vars(fresh))
    assert [entry.text for entry in mine.pop("registries")] == [entry.text for entry in theirs.pop("registries")]
    assert mine == theirs


def test_the_vendors_file_may_be_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan's old file is gone, which is no fault of the settings."""
    node = Validation(tmp_path, monkeypatch)
    for name in ("acme.json", "zeta.json"):
        (node.folder / name).write_bytes((node.folder / "credential-config.json").read_bytes())
        (node.folder / name).chmod(0o600)
        write(node.folder / "config.json", {**CONFIG, "credentialConfig": name})
        node.load()
        (node.folder / name).unlink()
    write(node.folder / "config.json", CONFIG)
    node.load()
    assert node.count == 3


def test_a_file_no_longer_in_order_is_refused_though_the_plan_stood(node: Validation) -> None:
    (node.folder / "credential-config.json").chmod(0o666)
    with pytest.raises(ProviderError) as caught:
        node.load()
    assert caught.value.code == "settings-unsafe-mode"


def _rewrite(change: Callable[[dict[str, Any]], Any]) -> Callable[[Validation], None]:
    """Change the record, as a bad disk would."""

    def tamper(node: Validation) -> None:
        record = node.record
        replaced = change(record)
        node.plan_file.write_text(json.dumps(record if replaced is None else replaced))

    return tamper


def _remake(change: Callable[[dict[str, Any]], Any]) -> Callable[[Validation], None]:
    """Change the record and seal it, as another program of ours would."""

    def remake(node: Validation) -> None:
        record = node.record
        record.pop("whole")
        change(record)
        node.plan_file.write_text(json.dumps(_seal(record)))

    return remake


def _others_plan(node: Validation) -> None:
    """The plan of another config.json, in the place of ours."""
    other = make_world(node.folder / "other")
    settings_files(node.folder / "other", CONFIG)
    write(node.folder / "other" / "azure.json", AZURE_JSON)
    state = StateDirectory.open(str(node.folder / "state-of-other"), os.geteuid())
    load_settings(other, state)
    node.count -= 1
    (theirs,) = (node.folder / "state-of-other").glob("plan-*")
    node.plan_file.write_bytes(theirs.read_bytes())


def _set(name: str, value: object) -> Callable[[dict[str, Any]], Any]:
    return lambda record: record.__setitem__(name, value)


TAMPERED: dict[str, Callable[[Validation], object]] = {
    "of another version": _remake(_set("product", __version__ + ".post1")),
    "of another build: a value less": _remake(lambda record: record["plan"].pop("audience")),
    "of another build: a value more": _remake(lambda record: record["plan"].update(more=1)),
    "of another config.json": _others_plan,
    "drawn from no file": _remake(_set("files", {})),
    "file with another content": _remake(
        lambda record: record["files"].update(dict.fromkeys(record["files"], "0" * 32))
    ),
    "with another environment": _remake(_set("variables", {"AZURE_CLIENT_ID": CLIENT_ID})),
    "with a changed value": _rewrite(lambda record: record["plan"].update(token_url="https://evil.example/v1/token")),
    "without a value": _rewrite(lambda record: record["plan"].pop("audience") and None),
    "without a plan": _rewrite(lambda record: record.pop("plan") and None),
    "without files": _rewrite(lambda record: record.pop("files") and None),
    "without a seal": _rewrite(lambda record: record.pop("whole") and None),
    "plan a list": _rewrite(_set("plan", [])),
    "files a list": _rewrite(_set("files", [])),
    "not an object": _rewrite(lambda _: []),
    "an empty object": _rewrite(lambda _: {}),
    "nested too deeply": lambda node: node.plan_file.write_text('{"plan":' + "[" * 20000 + "]" * 20000 + "}"),
    "not JSON": lambda node: node.plan_file.write_bytes(b"\xff"),
    "torn": lambda node: os.truncate(node.plan_file, 100),
    "empty": lambda node: os.truncate(node.plan_file, 0),
    "readable by all": lambda node: node.plan_file.chmod(0o644),
    "writable by all": lambda node: node.plan_file.chmod(0o666),
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_plan_that_is_not_whole_or_not_ours_is_not_used(
    node: Validation, tamper: Callable[[Validation], None]
) -> None:
    before = node.load().digest
    tamper(node)
    assert node.load().digest == before
    assert node.count == 2


def test_a_foreign_plan_is_not_used(node: Validation, monkeypatch: pytest.MonkeyPatch) -> None:
    disown(node.plan_file, monkeypatch)
    node.load()
    assert node.count == 2


def test_nothing_is_kept_when_the_cache_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Validation(tmp_path, monkeypatch)
    write(tmp_path / "config.json", {**CONFIG, "cache": {"enabled": False}})
    assert not node.load().cache_enabled
    node.load()
    assert node.count == 2
    assert not [name for name in os.listdir(tmp_path / "state") if not name.startswith("lock-")]


def test_switching_the_cache_off_voids_the_plan(node: Validation) -> None:
    write(node.folder / "config.json", {**CONFIG, "cache": {"enabled": False}})
    assert not node.load().cache_enabled
    assert node.count == 2


def test_refused_settings_leave_no_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Validation(tmp_path, monkeypatch)
    write(tmp_path / "config.json", {"unknown": 1})
    with pytest.raises(ProviderError):
        node.load()
    assert not list((tmp_path / "state").glob("plan-*"))


def test_without_a_state_folder_settings_are_validated_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Validation(tmp_path, monkeypatch)
    for _ in range(2):
        load_settings(make_world(tmp_path), None)
    assert node.count == 2


def test_a_full_disk_does_not_matter(node: Validation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StateDirectory, "write", lambda *_: False)
    _config(node)
    assert node.load().registry_texts == ["us-docker.pkg.dev"]
