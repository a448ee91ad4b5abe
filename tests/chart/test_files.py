"""What can be judged of node-config without a tool: schemas are current, samples are what the product says."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from credprovider.kubelet.config import lint_text
from credprovider.node.entry import make_entry
from credprovider.settings import Settings
from tests.chart import values_schema
from tests.chart.rendering import ENTRA, KUSTOMIZE
from tests.unit.core.making import plan

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = KUSTOMIZE.parent / "samples"
AUDIENCE = "https://iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"


def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(values_schema.VALUES_SCHEMA.read_text())
    return schema


def test_the_charts_schema_has_the_settings_of_today() -> None:
    assert values_schema.VALUES_SCHEMA.read_text() == values_schema.text(), f"run {values_schema.COMMAND}"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"imgae": {}}, id="unknown-key"),
        pytest.param({"image": {"repository": "r.example/x", "pullPolicy": "Always"}}, id="unknown-key-inside"),
        pytest.param({"settings": {"identity": {"source": "managed-idenity"}}}, id="unknown-source"),
        pytest.param({"settings": {"registry": []}}, id="unknown-setting"),
        pytest.param({"mode": "remove"}, id="unknown-mode"),
        pytest.param({"image": {"digest": "sha256:abc"}}, id="short-digest"),
        pytest.param({"instance": "Vendor"}, id="capital-in-instance"),
        pytest.param({"tolerations": [{"operator": "Exists"}]}, id="wildcard-toleration"),
        pytest.param({"metrics": {"port": 80}}, id="privileged-port"),
        pytest.param({"metrics": {"address": "node"}}, id="address-by-name"),
        pytest.param({"metrics": {"address": "[::1]"}}, id="address-in-brackets"),
        *(
            pytest.param({"updateStrategy": {"rollingUpdate": {"maxUnavailable": many}}}, id=f"unavailable-{many}")
            for many in (0, -1, "0%", "101%", "1", "all")
        ),
    ],
)
def test_the_charts_schema_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, _schema())


def test_the_charts_defaults_fit_its_schema() -> None:
    jsonschema.validate(yaml.safe_load((values_schema.CHART / "values.yaml").read_text()), _schema())


def test_the_page_on_alerts_tells_of_every_rule_and_of_no_other() -> None:
    rules = yaml.safe_load((KUSTOMIZE.parent / "prometheus-rules.yaml").read_text())
    page = (KUSTOMIZE.parent.parent / "docs" / "how-to" / "alerts.md").read_text()
    told = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", page, re.MULTILINE)
    assert told == [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    assert "expr:" not in page, "the rules are kept in one place"


def _sample(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((SAMPLES / name).read_text()))


@pytest.mark.parametrize(
    ("sample", "identity"),
    [
        ("managed-identity.yaml", {"source": "managed-identity"}),
        ("managed-identity.yaml", {"source": "token-file", "entra": ENTRA}),
        ("service-account.yaml", {"source": "service-account", "tokenAudience": AUDIENCE}),
    ],
    ids=["managed-identity", "token-file", "service-account"],
)
def test_a_sample_entry_is_what_the_installer_writes(sample: str, identity: dict[str, Any], tmp_path: Path) -> None:
    settings = Settings(plan(tmp_path, {"identity": identity}))
    name = "azure-gar-credential-provider"
    entry = make_entry(name, f"/etc/{name}/config.json", settings)
    assert _sample(sample)[0]["providers"] == [entry.fields]


@pytest.mark.parametrize("sample", ["managed-identity.yaml", "service-account.yaml"])
def test_lint_finds_nothing_in_a_sample_entry(sample: str) -> None:
    report = lint_text((SAMPLES / sample).read_bytes())
    assert not report.findings


def test_the_sample_role_is_for_the_sample_entrys_audience() -> None:
    role, binding = _sample("service-account-rbac.yaml")
    attributes = _sample("service-account.yaml")[0]["providers"][0]["tokenAttributes"]
    assert role["rules"][0]["resources"] == [attributes["serviceAccountTokenAudience"]]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


def test_the_sample_workload_needs_no_secret_to_pull() -> None:
    account, deployment, _ = _sample("workload.yaml")
    pod = deployment["spec"]["template"]["spec"]
    assert "imagePullSecrets" not in pod
    assert "imagePullSecrets" not in account
    assert pod["serviceAccountName"] == account["metadata"]["name"]
