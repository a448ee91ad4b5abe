"""Every written file by its own judge: the product's loader and schema, lint, shellcheck, bash, HCL, the chart."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from credprovider.kubelet.config import lint_file
from credprovider.kubelet.versions import parse_version
from credprovider.settings_model import json_schema, parse_config
from credprovider.setup.render import OURS
from credprovider.setup.wrapping import wrapped
from tests.cloud.world import WORLD
from tests.setup.clouds import KUBELET_CLIENT, KUBELET_OBJECT, SUBSCRIPTION
from tests.setup.hcl import faults
from tests.setup.runs import BASE, CASES, OWN_GOOGLE, PODS, Case, call, vendor_file, write

_ROOT = Path(__file__).parent.parent.parent
_SHELLCHECK = Path(sys.executable).parent / "shellcheck"
_CHART = _ROOT / "node-config/helm/azure-gar-credential-provider"
_OUTPUTS = {
    "subscriptionId": SUBSCRIPTION,
    "tenantId": WORLD.tenant_id,
    "clientId": KUBELET_CLIENT,
    "principalId": KUBELET_OBJECT,
    "oidcIssuerUrl": WORLD.cluster_issuer,
}


def complete(folder: Path, case: Case, **more: Any) -> Path:
    """A folder with everything in it."""
    (folder / "outputs.json").write_text(json.dumps(_OUTPUTS))
    files = ["--azure-outputs", str(folder / "outputs.json")]
    if case.owner == "vendor":
        files += ["--vendor-file", str(vendor_file(folder, impersonated=case.impersonated))]
    write(folder / "out", {**case.answers, **more}, *files)
    return folder / "out"


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.id)
def out(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return complete(tmp_path_factory.mktemp("complete"), request.param)


def test_settings_pass_schema_and_loader(out: Path) -> None:
    content = (out / "config.json").read_bytes()
    jsonschema.validate(json.loads(content), json_schema(), cls=jsonschema.Draft202012Validator)
    parse_config("config.json", content)


@pytest.mark.parametrize("owner", ["vendor", "own"])
@pytest.mark.parametrize("extra", [{}, {"mode": "managed-identity", "identity": "own"}], ids=["kubelet", "own"])
def test_identity_is_named_in_the_settings_as_soon_as_it_is_known(
    extra: dict[str, str], owner: str, tmp_path: Path
) -> None:
    out = complete(tmp_path, Case("managed-identity", owner, impersonated=True, extra=extra))
    for name, within in (("config.json", ()), ("helm-values.yaml", ("settings",))):
        found = yaml.safe_load((out / name).read_text())
        for part in within:
            found = found[part]
        assert found["identity"]["clientId"] == KUBELET_CLIENT


def test_kubelets_identity_need_not_be_named_before_it_is_known(tmp_path: Path) -> None:
    write(tmp_path / "out", BASE, "--vendor-file", str(vendor_file(tmp_path, impersonated=True)))
    assert "clientId" not in json.loads((tmp_path / "out/config.json").read_text())["identity"]


def test_entry_passes_lint_without_a_warning(out: Path) -> None:
    version = parse_version(yaml.safe_load((out / "values.yaml").read_text())["kubernetesVersion"])
    report = lint_file(str(out / "credential-provider-entry.yaml"), kubelet_version=version)
    assert report.starts
    assert list(report.findings) == []


def test_scripts_pass_bash_and_shellcheck(out: Path) -> None:
    scripts = sorted(out.glob("*.sh"))
    assert scripts
    for script in scripts:
        assert script.stat().st_mode & 0o777 == 0o755
        subprocess.run(["bash", "-n", script], check=True)
    strict = "--enable=quote-safe-variables,check-unassigned-uppercase"
    done = subprocess.run([_SHELLCHECK, strict, *scripts], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0


def test_terraform_fits_the_providers_schemas(out: Path) -> None:
    assert faults(out / "terraform") == []


def test_values_of_the_chart_pass_its_schema(out: Path) -> None:
    values = yaml.safe_load((out / "helm-values.yaml").read_text())
    jsonschema.validate(values, json.loads((_CHART / "values.schema.json").read_text()))
    assert values["settings"] == json.loads((out / "config.json").read_text())
    assert values["credentialConfig"].encode() == (out / "credential-config.json").read_bytes()


def test_no_manifest_asks_for_a_pull_secret(out: Path) -> None:
    for document in yaml.safe_load_all((out / "workload.yaml").read_text()):
        assert "imagePullSecrets" not in json.dumps(document)
    images = {
        container["image"]
        for document in yaml.safe_load_all((out / "workload.yaml").read_text())
        if document["kind"] == "Deployment"
        for container in document["spec"]["template"]["spec"]["containers"]
    }
    assert images == {WORLD.image}


def test_only_known_names_are_written(out: Path) -> None:
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert names - set(OURS) == {"azure-outputs.json"}
    text = (out / "README.md").read_text()
    assert all(f"`{name}`" in text or name in text for name in ("azure.sh", "helm-values.yaml", "workload.yaml"))


def test_nothing_looks_like_a_place_to_fill_in(out: Path) -> None:
    for path in out.rglob("*"):
        if path.is_file() and path.name != "README.md":
            text = path.read_text()
            assert "@{" not in text
            assert "None" not in text.replace("--condition=None", "")
            assert "TODO" not in text


def _paragraphs(text: str) -> list[list[str]]:
    """Lines of text that belong together; blocks, tables, headings and indented lines do not count."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL).strip()
    parts = re.split(r"\n(?=- )|\n\n+", prose)
    return [part.split("\n") for part in parts if part and not part.startswith(("|", "#", "    "))]


def test_pages_are_filled_evenly_with_whatever_was_put_in(out: Path) -> None:
    for page in (out / "README.md", out / "message-to-registry-owner.md"):
        for lines in _paragraphs(page.read_text()) if page.exists() else []:
            for line, following in pairwise(lines):
                assert len(line) <= 110 or " " not in line.strip().removeprefix("- ")
                assert len(f"{line} {following.split()[0]}") > 110, line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\n\nc\n", "a b\n\nc\n"),
        ("- a\n  b\n- c\n", "- a b\n- c\n"),
        ("```sh\na\nb\n```\n", "```sh\na\nb\n```\n"),
        ("| a |\n|---|\n| b |\n\n# c\n    d\n", "| a |\n|---|\n| b |\n\n# c\n    d\n"),
        ("a\n- " + "b " * 60 + "\n", "a\n- " + " ".join("b" * 54) + "\n  " + " ".join("b" * 6) + "\n"),
        ("a " + "b" * 200 + " c\n", "a\n" + "b" * 200 + "\nc\n"),
        ("- " + "b" * 200 + "\n- " + "c" * 200 + " d\n", "- " + "b" * 200 + "\n- " + "c" * 200 + "\n  d\n"),
    ],
    ids=["paragraphs", "items", "block", "table and heading", "long item", "long word", "long word in an item"],
)
def test_only_prose_is_filled_anew(text: str, expected: str) -> None:
    assert wrapped(text) == expected


# --- wrong Terraform is noticed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ("principal_id", "object_id", "has no attribute object_id"),
        ("parent_id", "identity_id", "no argument identity_id"),
        ("  location            =", "  region =", "no argument region"),
        ("var.cluster\n", "var.klaster\n", "var.klaster is not declared"),
        ('"pull" {\n  for_each', '"puller" {\n  for_each', ""),
        (
            "azurerm_user_assigned_identity.pull.id",
            "azurerm_user_assigned_identity.pull.ident",
            "has no attribute ident",
        ),
    ],
    ids=["attribute", "argument", "required", "variable", "harmless", "reference"],
)
def test_the_judge_of_terraform_sees_mistakes(before: str, after: str, word: str, tmp_path: Path) -> None:
    case = next(each for each in CASES if each.mode == "token-file-entra" and each.owner == "vendor")
    folder = complete(tmp_path, case) / "terraform"
    text = (folder / "azure.tf").read_text()
    assert before in text
    (folder / "azure.tf").write_text(text.replace(before, after))
    found = faults(folder)
    assert any(word in fault for fault in found) if word else not found


# --- before everything is known ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_first_run_leaves_out_what_is_not_known_and_says_so(case: Case, tmp_path: Path) -> None:
    told = write(tmp_path / "out", case.answers)
    there = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    text = (tmp_path / "out/README.md").read_text()
    absent = {name for name in OURS if f"| `{name}` |" in text}
    assert absent
    assert not absent & there
    assert "Not yet" in told
    assert {"azure.sh", "values.yaml", "workload.yaml", "README.md"} <= there
    # Nothing that names an id of Azure's can be there.
    assert "message-to-registry-owner.md" not in there
    assert "google.sh" not in there
    assert faults(tmp_path / "out/terraform") == []


# --- special cases ----------------------------------------------------------------------------------------------------


def test_a_second_vendor_has_everything_of_its_own(tmp_path: Path) -> None:
    case = Case("token-file", "vendor", impersonated=True, extra={"trust": "cluster", "instance": "acme"})
    out = complete(tmp_path, case)
    values = yaml.safe_load((out / "helm-values.yaml").read_text())
    jsonschema.validate(values, json.loads((_CHART / "values.schema.json").read_text()))
    assert (values["instance"], values["metrics"]) == ("acme", {"port": 9466})
    assert values["settings"]["registries"] == ["us-docker.pkg.dev/bifrost-project/"]
    entry = yaml.safe_load((out / "credential-provider-entry.yaml").read_text())["providers"][0]
    assert entry["name"] == "azure-gar-credential-provider.acme"
    assert entry["args"] == ["--config=/etc/azure-gar-credential-provider/acme/config.json"]
    subject = "system:serviceaccount:azure-gar-credential-provider-acme:azure-gar-credential-provider-acme"
    assert f"| subject | `{subject}` |" in (out / "message-to-registry-owner.md").read_text()
    assert not (out / "kustomization.yaml").exists()


def test_a_subject_too_long_for_google_is_shortened_everywhere(tmp_path: Path) -> None:
    names = ["a" * 60 + "/" + "b" * 60, "bifrost/bifrost-sa"]
    case = Case(
        "service-account", "own", impersonated=False, extra={**PODS, "serviceAccounts": names, "trust": "cluster"}
    )
    out = complete(tmp_path, case)
    script = (out / "google.sh").read_text()
    assert "assertion.sub.extract(" in script
    assert f"/subject/{'a' * 60}:{'b' * 60}" in script
    assert "/subject/bifrost:bifrost-sa" in script
    variables = json.loads((out / "terraform/terraform.tfvars.json").read_text())
    assert variables["subject_prefix"] == "system:serviceaccount:"


@pytest.mark.parametrize(
    ("extra", "issuer", "resource", "audience"),
    [
        (
            {"entraResource": "api://gcp-wif-hardened", "entraAudience": WORLD.app_v2_id},
            f"https://login.microsoftonline.com/{WORLD.tenant_id}/v2.0",
            "api://gcp-wif-hardened",
            WORLD.app_v2_id,
        ),
        (
            {"entraResource": "api://gcp-wif-example", "entraTokenVersion": "1"},
            f"https://sts.windows.net/{WORLD.tenant_id}/",
            "api://gcp-wif-example",
            "api://gcp-wif-example",
        ),
        (
            {"cloud": "usgov", "entraAudience": "11111111-0000-4000-8000-000000000000"},
            f"https://login.microsoftonline.us/{WORLD.tenant_id}/v2.0",
            "api://AzureADTokenExchangeUSGov",
            "11111111-0000-4000-8000-000000000000",
        ),
        (
            {"cloud": "china", "entraAudience": "11111111-0000-4000-8000-000000000000"},
            f"https://login.partner.microsoftonline.cn/{WORLD.tenant_id}/v2.0",
            "api://AzureADTokenExchangeChina",
            "11111111-0000-4000-8000-000000000000",
        ),
    ],
    ids=["own-app-v2", "own-app-v1", "usgov", "china"],
)
@pytest.mark.parametrize("identity", ["kubelet", "own"])
def test_other_resources_and_clouds(
    identity: str, extra: dict[str, str], issuer: str, resource: str, audience: str, tmp_path: Path
) -> None:
    case = Case("", "vendor", impersonated=True, extra={"identity": identity, **extra})
    out = complete(tmp_path, case)
    text = (out / "message-to-registry-owner.md").read_text()
    assert f"| issuer | `{issuer}` |" in text
    assert f"| allowed audience | `{audience}` |" in text
    config = json.loads((out / "config.json").read_text())["identity"]
    if identity == "kubelet":
        assert config["resource"] == resource
    else:
        assert config["entra"]["cloud"] == extra.get("cloud", "public")
        assert config["entra"].get("scope", f"{resource}/.default") == f"{resource}/.default"
        audiences = {"usgov": "api://AzureADTokenExchangeUSGov", "china": "api://AzureADTokenExchangeChina"}
        wanted = audiences.get(extra.get("cloud", ""), "api://AzureADTokenExchange")
        assert f"AUDIENCE={wanted}\n" in (out / "azure.sh").read_text()


def test_the_vendors_client_id_selector_makes_the_identity_explicit(tmp_path: Path) -> None:
    vendor = WORLD.vendor_file("gcloud")
    vendor["credential_source"]["url"] += f"&client_id={WORLD.client_id}"
    (tmp_path / "vendor.json").write_text(json.dumps(vendor))
    write(tmp_path / "out", {**BASE, "vendorFile": str(tmp_path / "vendor.json")})
    assert not (tmp_path / "out/config.json").exists()
    (tmp_path / "outputs.json").write_text(json.dumps(_OUTPUTS))
    code, _, _ = call("--again", str(tmp_path / "out"), "--azure-outputs", str(tmp_path / "outputs.json"))
    assert code == 0
    assert json.loads((tmp_path / "out/config.json").read_text())["identity"]["clientId"] == KUBELET_CLIENT


def test_own_google_side_and_a_credential_file_that_exists_go_together(tmp_path: Path) -> None:
    vendor = vendor_file(tmp_path, impersonated=True)
    answers = {**BASE, "googleOwner": "own", "googleProject": OWN_GOOGLE["googleProject"], "trust": "cluster"}
    (tmp_path / "outputs.json").write_text(json.dumps(_OUTPUTS))
    write(tmp_path / "out", answers, "--vendor-file", str(vendor), "--azure-outputs", str(tmp_path / "outputs.json"))
    script = (tmp_path / "out/google.sh").read_text()
    assert f"ACCOUNT={WORLD.service_account_email}" in script
    assert (tmp_path / "out/credential-config.json").read_bytes() == vendor.read_bytes()
