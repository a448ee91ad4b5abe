"""Helm with the written values and Kustomize with the written overlay make the same objects for the same settings."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.build import built
from tests.setup.runs import CASES, Case
from tests.setup.test_files import complete

_NODE_CONFIG = Path(__file__).parent.parent.parent / "node-config"
pytestmark = pytest.mark.chart
#: Where the DaemonSet's subject is told to Google's side.
_TRUSTING = {"own": "google.sh", "vendor": "message-to-registry-owner.md"}


def _rendered(*command: str | Path) -> list[dict[str, Any]]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def _names(objects: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Kind and name; that of a ConfigMap without the hash, which each tool makes in its own way."""
    found = [(each["kind"], each["metadata"]["name"]) for each in objects]
    return sorted((kind, name.rpartition("-settings-")[0] or name) for kind, name in found)


def _meant(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """What `setup` has decided about."""
    of = {each["kind"]: each for each in objects}
    pod = of["DaemonSet"]["spec"]["template"]["spec"]
    audiences = [
        source["serviceAccountToken"]["audience"]
        for volume in pod["volumes"]
        for source in volume.get("projected", {}).get("sources", [])
    ]
    roles = [each for each in objects if each["metadata"]["name"].endswith("-token-audience")]
    data = of["ConfigMap"]["data"]
    return {
        "image": pod["containers"][0]["image"],
        "account": (of["DaemonSet"]["metadata"]["namespace"], pod["serviceAccountName"]),
        "audiences": audiences,
        "rules": [each["rules"] for each in roles if "rules" in each],
        "config": json.loads(data["config.json"]),
        "vendor": data["credential-config.json"],
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_chart_and_overlay_agree(case: Case, tmp_path: Path) -> None:
    tools = built()
    out = complete(tmp_path, case)
    shutil.copytree(_NODE_CONFIG / "kustomize", out / "base")
    by_overlay = _rendered(tools.kustomize, "build", out)
    chart = _NODE_CONFIG / "helm/azure-gar-credential-provider"
    by_chart = _rendered(tools.helm, "template", "release", chart, "--values", out / "helm-values.yaml")
    assert _names(by_chart) == _names(by_overlay)
    assert _meant(by_chart) == _meant(by_overlay)
    meant = _meant(by_overlay)
    assert meant["config"] == json.loads((out / "config.json").read_text())
    assert meant["vendor"].encode() == (out / "credential-config.json").read_bytes()
    subject = "system:serviceaccount:" + ":".join(meant["account"])
    if case.mode.startswith("token-file"):
        trusting = "azure.sh" if "entra" in case.mode else _TRUSTING[case.owner]
        assert subject in (out / trusting).read_text()
        wanted = meant["config"]["identity"].get("tokenAudience", "api://AzureADTokenExchange")
        assert meant["audiences"] == [wanted]


def test_a_second_vendor_is_rendered_with_the_subject_that_is_told(tmp_path: Path) -> None:
    case = Case("token-file", "vendor", impersonated=True, extra={"trust": "cluster", "instance": "acme"})
    out = complete(tmp_path, case)
    chart = _NODE_CONFIG / "helm/azure-gar-credential-provider"
    meant = _meant(_rendered(built().helm, "template", "release", chart, "--values", out / "helm-values.yaml"))
    subject = "system:serviceaccount:" + ":".join(meant["account"])
    assert subject in (out / "message-to-registry-owner.md").read_text()
    assert "acme" in subject
