"""From zero to an answer: what `setup` writes is run, sent and installed as it is, and then the plugin pulls."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from credprovider.commands import node
from tests.cloud.modes import kubelet_request
from tests.cloud.pull import Puller
from tests.cloud.world import WORLD
from tests.node.trees import CONFIG, PROGRAM, make_bundle, make_tree
from tests.plugin.runner import InProcess
from tests.setup.clouds import Clouds, bring_message
from tests.setup.runs import CASES, PROVIDER, Case, call, vendor_file, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cloud.api import CloudApi


def _work(case: Case, clouds: Clouds, cloud: CloudApi, tmp_path: Path) -> Path:
    """The steps of the folder's README, one after the other."""
    out = tmp_path / "out"
    write(out, case.answers)
    done = clouds.run(out / "azure.sh")
    assert done.returncode == 0, done.stderr
    clouds.bring_azure(cloud)
    code, _, told = call("--again", str(out))
    assert code == 0, told
    if case.owner == "own":
        done = clouds.run(out / "google.sh")
        assert done.returncode == 0, done.stderr
        clouds.bring_google(cloud)
    else:
        text = (out / "message-to-registry-owner.md").read_text()
        bring_message(cloud, text, PROVIDER, impersonated=case.impersonated)
        vendor = vendor_file(tmp_path, impersonated=case.impersonated)
        code, _, told = call("--again", str(out), "--vendor-file", str(vendor))
        assert code == 0, told
        assert (out / "credential-config.json").read_bytes() == vendor.read_bytes()
    assert "Not yet" not in told
    assert "nothing in this folder is left" in (out / "README.md").read_text()
    return out


def _install(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, dict[str, Any]]:
    """`node install` on an AKS tree; the tree, and our entry in it."""
    monkeypatch.setattr(node, "running_bundle", lambda: make_bundle(tmp_path).folder)
    tree = make_tree(tmp_path)
    stderr = io.StringIO()
    argv = ["install", "--root", str(tree), "--no-restart", "--settings", str(out)]
    assert node.run(argv, io.BytesIO(), io.BytesIO(), stderr) == 0, stderr.getvalue()
    entries = yaml.safe_load((tree / CONFIG[1:]).read_text())["providers"]
    (entry,) = (each for each in entries if each["name"] == PROGRAM)
    written = yaml.safe_load((out / "credential-provider-entry.yaml").read_text())["providers"]
    assert written == [entry]
    return tree, entry


def _first_token(entry: dict[str, Any], out: Path, tree: Path, state: Path, cloud: CloudApi) -> str | None:
    """What the kubelet or the DaemonSet brings, with exactly the audience that the files ask for."""
    attributes = entry.get("tokenAttributes")
    if attributes is not None:
        rules = [each for each in yaml.safe_load_all((out / "rbac.yaml").read_text()) if each["kind"] == "ClusterRole"]
        assert rules[0]["rules"][0]["resources"] == [attributes["serviceAccountTokenAudience"]]
        return cloud.kubernetes_token("bifrost", "bifrost-sa", audience=attributes["serviceAccountTokenAudience"])
    identity = json.loads((tree / f"etc/{PROGRAM}/config.json").read_text())["identity"]
    if identity["source"] == "token-file":
        audience = identity.get("tokenAudience", WORLD.exchange_resource)
        state.mkdir(mode=0o700, exist_ok=True)
        path = state / "azure-identity-token"
        path.write_text(cloud.kubernetes_token(PROGRAM, PROGRAM, audience=audience))
        path.chmod(0o600)
    return None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_is_written_leads_to_a_pull_without_an_edit(
    case: Case, cloud: CloudApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clouds = Clouds(tmp_path)
    out = _work(case, clouds, cloud, tmp_path)
    tree, entry = _install(out, tmp_path, monkeypatch)
    state = tmp_path / "state"
    token = _first_token(entry, out, tree, state, cloud)
    plugin = InProcess(state, {"SSL_CERT_FILE": str(cloud.ca_file)})
    plugin.world["azure_json"] = str(tree / "etc/kubernetes/azure.json")
    (argument,) = entry["args"]
    config = tree / argument.removeprefix("--config=/")
    outcome = plugin(kubelet_request(WORLD.image, token), config)
    assert outcome.code == 0, outcome.stderr
    blobs = Puller(cloud.ca_file).pull(WORLD.image, "oauth2accesstoken", outcome.password)
    assert {blob.kind for blob in blobs} >= {"manifest", "layer"}
    _assert_run_again_changes_nothing(out, clouds)


@pytest.mark.parametrize("case", [each for each in CASES if "service-account" in each.mode], ids=lambda case: case.id)
def test_a_service_account_that_was_not_named_gets_nothing(
    case: Case, cloud: CloudApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = _work(case, Clouds(tmp_path), cloud, tmp_path)
    tree, entry = _install(out, tmp_path, monkeypatch)
    audience = entry["tokenAttributes"]["serviceAccountTokenAudience"]
    plugin = InProcess(tmp_path / "state", {"SSL_CERT_FILE": str(cloud.ca_file)})
    token = cloud.kubernetes_token("bifrost", "somebody-else", audience=audience)
    outcome = plugin(kubelet_request(WORLD.image, token), tree / f"etc/{PROGRAM}/config.json")
    assert outcome.code in {4, 5}


def _assert_run_again_changes_nothing(out: Path, clouds: Clouds) -> None:
    before, outputs = clouds.world, (out / "azure-outputs.json").read_bytes()
    for script in ("azure.sh", "google.sh"):
        if (out / script).exists():
            assert clouds.run(out / script).returncode == 0
    after = clouds.world
    assert (after["azure"], after["google"]) == (before["azure"], before["google"])
    assert (out / "azure-outputs.json").read_bytes() == outputs
    calls = [" ".join(each) for each in after["log"][len(before["log"]) :]]
    assert not [each for each in calls if " create" in each or " update" in each]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"cloud": "AzureChinaCloud"}, "another cloud"),
        ({"tenant": "00000000-0000-4000-8000-000000000000"}, "another tenant"),
        ({"clusters": {}}, "ResourceNotFound"),
    ],
    ids=["cloud", "tenant", "cluster"],
)
def test_azure_script_stops_before_it_changes_anything(change: dict[str, Any], word: str, tmp_path: Path) -> None:
    clouds = Clouds(tmp_path)
    clouds.change(azure=clouds.world["azure"] | change)
    case = next(each for each in CASES if each.mode == "token-file-entra")
    write(tmp_path / "out", case.answers)
    done = clouds.run(tmp_path / "out/azure.sh")
    assert done.returncode != 0
    assert word in done.stderr
    assert clouds.world["azure"]["identities"] == {}
    assert not (tmp_path / "out/azure-outputs.json").exists()


@pytest.mark.parametrize(
    "command", ["aks show", "aks update", "identity show", "identity create", "identity federated-credential show"]
)
def test_azure_script_ends_with_the_first_command_that_fails(command: str, tmp_path: Path) -> None:
    clouds = Clouds(tmp_path)
    clouds.change(fail={command: 1})
    case = next(each for each in CASES if each.mode == "token-file-entra")
    write(tmp_path / "out", case.answers)
    done = clouds.run(tmp_path / "out/azure.sh")
    assert done.returncode == 1
    assert "as ordered" in done.stderr
    assert clouds.world["log"][-1][1:][: len(command.split())] == command.split()
    assert not (tmp_path / "out/azure-outputs.json").exists()


def test_a_credential_with_another_issuer_is_corrected(cloud: CloudApi, tmp_path: Path) -> None:
    clouds = Clouds(tmp_path)
    case = next(each for each in CASES if each.mode == "token-file-entra")
    out = _work(case, clouds, cloud, tmp_path)
    world = clouds.world
    (identity,) = world["azure"]["identities"].values()
    (federation,) = identity["federations"].values()
    right, federation["issuer"] = dict(federation), "https://elsewhere.example/"
    clouds.write(world)
    assert clouds.run(out / "azure.sh").returncode == 0
    (identity,) = clouds.world["azure"]["identities"].values()
    assert list(identity["federations"].values()) == [right]


def test_google_script_never_changes_a_provider_that_is_there(cloud: CloudApi, tmp_path: Path) -> None:
    clouds = Clouds(tmp_path)
    case = next(each for each in CASES if each.mode == "token-file" and each.owner == "own")
    out = _work(case, clouds, cloud, tmp_path)
    world = clouds.world
    world["google"]["pools"][WORLD.pool][PROVIDER]["attributeCondition"] = "assertion.sub == 'another'"
    world["google"]["repositories"] = world["google"]["accounts"] = {}
    clouds.write(world)
    done = clouds.run(out / "google.sh")
    assert done.returncode == 1
    assert "attribute condition" in done.stderr
    assert "update-oidc" in done.stderr
    assert clouds.world["google"] == world["google"]


_POOL, _EACH = WORLD.pool, f"{WORLD.pool}/{PROVIDER}"


@pytest.mark.parametrize(
    ("key", "state", "word"),
    [
        (_POOL, {"state": "DELETED"}, f"the pool {WORLD.pool} is deleted"),
        (_POOL, {"disabled": True}, f"the pool {WORLD.pool} is disabled"),
        (_EACH, {"state": "DELETED"}, f"the provider {PROVIDER} is deleted"),
        (_EACH, {"state": "DELETED", "disabled": True}, f"the provider {PROVIDER} is deleted"),
        (_EACH, {"disabled": True}, f"the provider {PROVIDER} is disabled"),
        (_EACH, {"state": "STATE_UNSPECIFIED"}, f"the provider {PROVIDER} is in the state STATE_UNSPECIFIED"),
    ],
    ids=["pool deleted", "pool disabled", "provider deleted", "provider both", "provider disabled", "odd state"],
)
def test_google_script_is_not_done_where_pool_or_provider_is_not_in_force(
    key: str, state: dict[str, Any], word: str, cloud: CloudApi, tmp_path: Path
) -> None:
    clouds = Clouds(tmp_path)
    case = next(each for each in CASES if each.mode == "token-file" and each.owner == "own")
    out = _work(case, clouds, cloud, tmp_path)
    world = clouds.world
    world["google"] |= {"states": {key: state}, "repositories": {}, "accounts": {}}
    clouds.write(world)
    done = clouds.run(out / "google.sh")
    assert done.returncode == 1
    assert word in done.stderr
    assert "done" not in done.stderr
    assert clouds.world["google"] == world["google"]
    # The command that it shows does what it says, as often as it shows one.
    while shown := re.search(r"^  (gcloud .*)$", done.stderr, re.MULTILINE):
        mended = clouds.run_line(shown[1])
        assert mended.returncode == 0, mended.stderr
        done = clouds.run(out / "google.sh")
    assert (done.returncode == 0) == ("UNSPECIFIED" not in word), done.stderr


@pytest.mark.parametrize("case", [each for each in CASES if each.owner == "own"], ids=lambda case: case.id)
def test_google_script_names_projects_by_their_ids(case: Case, cloud: CloudApi, tmp_path: Path) -> None:
    clouds = Clouds(tmp_path)
    _work(case, clouds, cloud, tmp_path)
    projects = [
        word.partition("=")[2] for call in clouds.world["log"] for word in call if word.startswith("--project=")
    ]
    assert projects
    assert not any(project.isdigit() for project in projects)


@pytest.mark.parametrize("command", ["iam workload-identity-pools list --location=global", "iam service-accounts list"])
def test_stand_in_for_gcloud_refuses_a_projects_number_as_gcloud_does(command: str, tmp_path: Path) -> None:
    clouds = Clouds(tmp_path)
    refused = clouds.run_line(f"gcloud {command} --project=123456789012 --filter=x --format=x")
    assert refused.returncode == 1
    assert "set to Project number" in refused.stderr


@pytest.mark.parametrize(
    "command",
    ["projects describe bifrost-project --format='value(projectNumber)'", "services enable sts.googleapis.com"],
)
def test_stand_in_for_gcloud_takes_a_projects_number_where_gcloud_does(command: str, tmp_path: Path) -> None:
    done = Clouds(tmp_path).run_line(f"gcloud {command} --project=123456789012")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "projects describe",
        "iam workload-identity-pools list",
        "iam workload-identity-pools providers list",
        "iam service-accounts list",
    ],
)
def test_google_script_makes_nothing_when_it_cannot_look(command: str, tmp_path: Path) -> None:
    clouds = Clouds(tmp_path)
    case = next(each for each in CASES if each.mode == "token-file" and each.owner == "own" and each.impersonated)
    out = tmp_path / "out"
    write(out, case.answers)
    assert clouds.run(out / "azure.sh").returncode == 0
    assert call("--again", str(out))[0] == 0
    clouds.change(fail={command: 1})
    done = clouds.run(out / "google.sh")
    assert done.returncode == 1
    assert clouds.world["log"][-1][1:][: len(command.split())] == command.split()
