"""Every code block can be used as it stands: it parses, loads, passes lint, and names commands and flags that exist."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from credprovider.external_account import read_external_account
from credprovider.kubelet.config import lint_path
from credprovider.kubelet.versions import NEWEST
from credprovider.settings_model import ConfigModel
from docs.generate import metrics
from tests.docs.commands import calls, known_flags
from tests.docs.pages import ROOT, Block, Page, blocks, pages
from tests.unit.core.making import GUIDE, compiled, make_world, settings_files, write

_LANGUAGES = {"json", "sh", "text", "yaml", "{toctree}"}
_PLACEHOLDERS = {
    "TENANT_ID": "11111111-1111-4111-8111-111111111111",
    "CLIENT_ID": "22222222-2222-4222-8222-222222222222",
    "OBJECT_ID": "33333333-3333-4333-8333-333333333333",
    "PROJECT_NUMBER": "123456789012",
    "POOL": "vendor-pool",
    "PROVIDER": "vendor-provider",
    "PULLER": "image-puller",
    "VENDOR_PROJECT": "vendor-project",
}
_SHELLCHECK = str(Path(sys.executable).parent / "shellcheck")
#: What a script must guard against and a person sees: a `cd` that fails.
_NOT_FOR_PEOPLE = ["--severity=style", "--exclude=SC2164"]
_CHART = ROOT / "node-config" / "helm" / "azure-gar-credential-provider"


def _filled(text: str) -> str:
    """With values where a reader has to put theirs."""
    return re.sub(rf"\b({'|'.join(_PLACEHOLDERS)})\b", lambda found: _PLACEHOLDERS[found[1]], text)


def _name(block: Block) -> str:
    return block.name


@pytest.mark.parametrize("block", [each for page in pages() for each in page.blocks], ids=_name)
def test_language_is_one_that_is_checked(block: Block) -> None:
    assert block.language in _LANGUAGES


@pytest.mark.parametrize("block", blocks("json"), ids=_name)
def test_json_parses_and_settings_load(block: Block, tmp_path: Path) -> None:
    document = json.loads(_filled(block.text))
    assert isinstance(document, dict)
    if document.get("type") == "external_account":
        read_external_account("credential-config.json", _filled(block.text).encode(), "googleapis.com")
    elif document.keys() <= {field.alias for field in ConfigModel.model_fields.values()}:
        _load(document, tmp_path)


def _load(document: dict[str, Any], folder: Path) -> None:
    """With the product's own loader, beside the guide's file under the name that the document gives it."""
    universe = document.get("universeDomain", "googleapis.com")
    vendor = {**json.loads(json.dumps(GUIDE).replace("googleapis.com", universe)), "universe_domain": universe}
    settings_files(folder, document, vendor)
    write(folder / document.get("credentialConfig", "credential-config.json"), vendor)
    compiled(make_world(folder))


@pytest.mark.parametrize("block", blocks("yaml"), ids=_name)
def test_yaml_is_what_it_seems(block: Block, tmp_path: Path) -> None:
    for document in yaml.safe_load_all(_filled(block.text)):
        _judge(document, tmp_path)


def _judge(document: dict[str, Any], folder: Path) -> None:
    if document.get("kind") == "CredentialProviderConfig":
        file = folder / "config.yaml"
        file.write_text(json.dumps(document))
        report = lint_path(str(file), kubelet_version=NEWEST, bin_dir=None)
        assert (report.starts, report.text()) == (True, report.text())
    elif "kind" in document:
        assert {"apiVersion", "metadata"} <= document.keys()
    elif "groups" in document:
        assert all("alert" in rule and "expr" in rule for group in document["groups"] for rule in group["rules"])
    else:
        schema = json.loads((_CHART / "values.schema.json").read_text())
        jsonschema.validate(document, schema)


@pytest.mark.parametrize(
    "page",
    [page for page in pages() if any(b.language == "sh" for b in page.blocks)],
    ids=lambda page: str(page.path.relative_to(ROOT)),
)
def test_shell_commands_of_a_page_pass_shellcheck(page: Page) -> None:
    # One script of all blocks: what one sets, a later one uses.
    script = "".join(block.text for block in page.blocks if block.language == "sh")
    for command in (["bash", "-n"], [_SHELLCHECK, "--shell=bash", *_NOT_FOR_PEOPLE, "-"]):
        ran = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("block", blocks("sh"), ids=_name)
def test_flags_of_our_own_commands_exist(block: Block) -> None:
    for words in calls(block.text):
        flags = {word.partition("=")[0] for word in words if word.startswith("--") and len(word) > 2}
        assert flags <= known_flags(words), words


@pytest.mark.parametrize("block", blocks("sh"), ids=_name)
def test_tasks_exist(block: Block) -> None:
    usage = subprocess.run(["./dev", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"^  ([a-z][a-z0-9-]*)", usage, re.MULTILINE))
    assert set(re.findall(r"(?:^|\s)\./dev ([a-z0-9-]+)", block.text)) <= known


@pytest.mark.parametrize("block", blocks("sh"), ids=_name)
def test_values_that_are_set_on_the_command_line_exist(block: Block) -> None:
    names = re.findall(r"--set(?:-file|-string|-json)?[ =]([A-Za-z.]+)", block.text)
    if names:
        values = yaml.safe_load((_CHART / "values.yaml").read_text())
        for name in names:
            _look_up(values, name)


def _look_up(values: Any, name: str) -> None:
    for part in name.split("."):
        assert part in values, name
        values = values[part]


def test_metrics_in_alerts_are_ones_that_somebody_serves() -> None:
    known = {
        *metrics.names(),
        "kubelet_credential_provider_plugin_errors_total",
        "kubelet_credential_provider_plugin_duration_count",
        "kubelet_credential_provider_plugin_duration_bucket",
        "kubelet_credential_provider_config_info",
    }
    used = {
        name
        for block in blocks("yaml")
        for name in re.findall(r"\b(?:kubelet_credential_provider|azure_gar_credential_provider)_\w+", block.text)
    }
    assert used <= known
