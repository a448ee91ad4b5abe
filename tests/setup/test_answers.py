"""Answers by flags, a values file or a person on a terminal: all three write the same bytes, none lets a bad one by."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credprovider.setup.forms import FORMS, check
from credprovider.setup.inputs import INPUTS
from tests.cloud.world import WORLD
from tests.setup.runs import BASE, CASES, OWN_GOOGLE, PODS, Case, call, flags, vendor_file, write

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOT = Path(__file__).parent.parent.parent


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- what is missing or wrong -----------------------------------------------------------------------------------------


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    code, out, told = call("--out", str(tmp_path / "out"), "--pulled-by=service-accounts", "--google-owner=own")
    assert (code, out) == (2, "")
    missing = {line.split()[0] for line in told.splitlines() if "is missing" in line}
    expected = {"cluster", "resourceGroup", "subscription", "tenant", "kubernetesVersion", "image", "installerImage"}
    assert missing == expected | {"serviceAccounts", "googleProject", "googleProjectNumber", "googleProvider"}
    assert "nothing was written" in told
    assert list(tmp_path.iterdir()) == []


_POD_MODE: dict[str, Any] = {"mode": "service-account", "serviceAccounts": ["a/b"]}
#: An answer, a bad text for it, and a word of the complaint.
WRONG = [
    ({"tenant": "contoso.onmicrosoft.com"}, "GUID"),
    ({"image": "docker.io/library/nginx"}, "not in Google's registries"),
    ({"image": "us-docker.pkg.dev/UPPER/x"}, "lower case"),
    ({"installerImage": "us-docker.pkg.dev/p/r/i:1"}, "cannot pull from before"),
    ({"installerImage": "x.azurecr.io/i:latest"}, "latest"),
    ({"installerImage": "installer:1"}, "must name its registry"),
    ({"kubernetesVersion": "1.29"}, "needs Kubernetes 1.30"),
    ({"kubernetesVersion": "new"}, "1.34"),
    ({**PODS, "kubernetesVersion": "1.33"}, "needs Kubernetes 1.34"),
    ({**PODS, "identity": "kubelet"}, "must be own"),
    ({**PODS, "mode": "token-file"}, "contradicts"),
    ({"workload": "Bifrost/sa"}, "NAMESPACE/SERVICEACCOUNT"),
    ({**PODS, "serviceAccounts": ["a/b", "a/b"]}, "twice"),
    ({**PODS, "serviceAccounts": [f"a/b{n}" for n in range(21)]}, "more than 20"),
    ({"serviceAccounts": ["a/b"]}, "no meaning with pulledBy node; use --workload"),
    ({"mode": "token-file", "serviceAccounts": ["a/b"]}, "no meaning with mode token-file; use --workload"),
    ({**_POD_MODE, "workload": "x/y"}, "no meaning with mode service-account; use --service-accounts"),
    ({**PODS, "workload": "x/y"}, "no meaning with pulledBy service-accounts; use --service-accounts"),
    ({"trust": "cluster", "identity": "own"}, "identity (--identity) has no meaning with trust cluster\n"),
    ({"mode": "token-file", "identity": "own"}, "identity (--identity) has no meaning with mode token-file\n"),
    ({"trust": "cluster", "identityName": "mine"}, "no meaning without identity own\n"),
    ({"identityName": "mine"}, "no meaning with identity kubelet\n"),
    ({"entraTokenVersion": "1"}, "no meaning without entraResource\n"),
    ({"googleProject": WORLD.project}, "no meaning with googleOwner vendor\n"),
    ({**OWN_GOOGLE, "googleProject": "123456789012"}, "not the project's number"),
    ({**OWN_GOOGLE, "googlePool": "gcp-pool"}, "gcp-"),
    ({**OWN_GOOGLE, "image": "us-docker.pkg.dev/p/image"}, "to be granted"),
    ({**OWN_GOOGLE, "image": "us-docker.pkg.dev/123456789012/r/image"}, "names its project by number"),
    ({"cloud": "usgov", "entraResource": "api://mine"}, "entraAudience (--entra-audience) is missing"),
    ({"entraResource": "api://mine"}, "entraAudience (--entra-audience) is missing"),
    ({"cloud": "usgov", "entraResource": "api://mine", "entraTokenVersion": "1"}, "public cloud only"),
    ({"registries": ["evil.example"]}, "outside Google's registries"),
    ({"registries": ["europe-docker.pkg.dev"]}, "do not cover"),
    ({"instance": "acme", "registries": ["us-docker.pkg.dev"]}, "path prefix"),
    ({"instance": "Acme"}, "lower-case"),
    ({"vendorFile": "/nowhere/at/all.json"}, "cannot be read: No such file"),
]


@pytest.mark.parametrize(("change", "word"), WRONG, ids=lambda value: str(value)[:60] if isinstance(value, str) else "")
def test_a_wrong_answer_is_told_and_nothing_is_written(change: dict[str, Any], word: str, tmp_path: Path) -> None:
    code, _, told = call("--out", str(tmp_path / "out"), *flags({**BASE, **change}))
    assert code == 2
    assert word in told
    assert list(tmp_path.iterdir()) == []


def test_an_answer_to_what_the_vendors_file_tells_has_no_meaning(tmp_path: Path) -> None:
    vendor = vendor_file(tmp_path, impersonated=True)
    code, _, told = call("--out", str(tmp_path / "out"), *flags({**BASE, **OWN_GOOGLE}), "--vendor-file", str(vendor))
    assert code == 2
    assert "googlePool (--google-pool) has no meaning with vendorFile\n" in told


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"type": "service_account"}, "service account key"),
        ({"audience": "https://iam.googleapis.com/x"}, "must not start with https:"),
        ({"token_url": "https://sts.evil.example/v1/token"}, "token_url"),
        ({"credential_source": {"executable": {"command": "x"}}}, "executable"),
    ],
    ids=["key", "audience", "host", "executable"],
)
def test_a_bad_vendors_file_is_refused_in_the_loaders_words(change: dict[str, Any], word: str, tmp_path: Path) -> None:
    path = tmp_path / "vendor.json"
    path.write_text(json.dumps(WORLD.vendor_file() | change))
    code, _, told = call("--out", str(tmp_path / "out"), *flags(BASE), "--vendor-file", str(path))
    assert code == 2
    assert "credential-config" in told
    assert word in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("cluster: [", "neither YAML nor JSON"),
        ("- cluster", "mapping"),
        ("cluster: a\ncluster: b\n", "twice"),
        ("klaster: a\n", "klaster is not known"),
        ("cluster: &a x\nresourceGroup: *a\n", "alias"),
        ("cluster: {a: b}\n", "must be a text"),
        ("!!python/object/apply:os.system [id]", "neither YAML nor JSON"),
        ("cluster: |\n  a\n  b\n", "letters, digits"),
    ],
)
def test_a_bad_values_file_is_refused(text: str, word: str, tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(text)
    code, _, told = call("--out", str(tmp_path / "out"), "--values", str(tmp_path / "values.yaml"))
    assert code == 2
    assert word in told


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"tenantId": "00000000-0000-4000-8000-000000000000"}, "another tenant"),
        ({"principalId": "x"}, "principalId: is no GUID"),
        ({"oidcIssuerUrl": "http://x"}, "oidcIssuerUrl"),
        ({"token": "x"}, "token"),
    ],
    ids=["tenant", "guid", "issuer", "unknown"],
)
def test_outputs_of_another_folder_are_refused(change: dict[str, Any], word: str, tmp_path: Path) -> None:
    outputs = {
        "subscriptionId": BASE["subscription"],
        "tenantId": BASE["tenant"],
        "clientId": WORLD.client_id,
        "principalId": WORLD.object_id,
        **change,
    }
    (tmp_path / "o.json").write_text(json.dumps(outputs))
    code, _, told = call("--out", str(tmp_path / "out"), *flags(BASE), "--azure-outputs", str(tmp_path / "o.json"))
    assert code == 2
    assert word in told


# --- hostile values ---------------------------------------------------------------------------------------------------

_HOSTILE = [
    "'",
    '"',
    "`id`",
    "$(id)",
    "${x}",
    "\n",
    "\r",
    "\\",
    ";",
    "&",
    "|",
    "<",
    ">",
    "#{",
    "%{",
    "@{program}",
    " ",
    "é",
    "\0",
]


@pytest.mark.parametrize("mark", _HOSTILE, ids=repr)
def test_no_kind_of_answer_lets_a_language_mark_by(mark: str) -> None:
    samples = {
        "cluster": "aks",
        "resource-group": "rg",
        "guid": WORLD.tenant_id,
        "location": "westeurope",
        "identity": "ident",
        "service-account": "ns/sa",
        "resource": "api://x",
        "audience": "x",
        "project": "my-project",
        "project-number": "12345",
        "pool": "pool",
        "google-account": WORLD.service_account_email,
        "instance": "acme",
        "port": "9466",
        "base": "./base",
        "registry": "us-docker.pkg.dev",
        "image": WORLD.image,
        "installer-image": "x.azurecr.io/i:1",
        "version": "1.34",
    }
    assert sorted(samples) == _KINDS
    for kind, good in samples.items():
        check(kind, good)
        for place in (0, len(good) // 2, len(good)):
            with pytest.raises(ValueError, match=r"."):
                check(kind, good[:place] + mark + good[place:])


_KINDS = sorted((set(FORMS) | {"image", "installer-image", "version"}) - {"path"})
_TEXTS = st.text(st.sampled_from("aA1-./:@'\"`$(){}\\\n\t;&|<>#%*! é\0"), max_size=40)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kind=st.sampled_from(_KINDS), text=_TEXTS)
def test_what_passes_a_form_is_harmless_in_every_language(kind: str, text: str) -> None:
    try:
        passed = check(kind, text)
    except ValueError:
        return
    assert not set(passed) & set("'\"`${}\\\n\r\t;&|<>#%! é\0")


@pytest.mark.parametrize("entry", [entry for entry in INPUTS if entry.kind != "path"], ids=lambda entry: entry.name)
def test_a_hostile_answer_is_refused_whichever_way_it_comes(entry: Any, tmp_path: Path) -> None:
    answers = {**BASE, entry.name: "x'; touch pwned; '\n"}
    code, _, told = call("--out", str(tmp_path / "out"), *flags(answers))
    assert code == 2
    assert "pwned" not in told
    (tmp_path / "values.json").write_text(json.dumps(answers))
    assert call("--out", str(tmp_path / "out"), "--values", str(tmp_path / "values.json"))[0] == 2
    assert not (tmp_path / "out").exists()


# --- three ways, one result -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_values_file_and_flags_write_the_same(case: Case, tmp_path: Path) -> None:
    write(tmp_path / "by-flags", case.answers)
    for name, dump in (("v.json", json.dumps), ("v.yaml", yaml.safe_dump)):
        (tmp_path / name).write_text(dump(case.answers))
        code, _, told = call("--out", str(tmp_path / f"by-{name}"), "--values", str(tmp_path / name))
        assert code == 0, told
        assert contents(tmp_path / f"by-{name}") == contents(tmp_path / "by-flags")
    # And what was written is itself a values file that writes the same.
    code, _, told = call("--out", str(tmp_path / "by-own"), "--values", str(tmp_path / "by-flags/values.yaml"))
    assert code == 0, told
    assert contents(tmp_path / "by-own") == contents(tmp_path / "by-flags")


def converse(arguments: list[str], replies: Mapping[str, str | list[str]], cwd: Path) -> tuple[int, str]:
    """A person on a terminal: replies answer, in turn, the question that holds their key; others get a mere Enter."""
    left = {key: [reply] if isinstance(reply, str) else list(reply) for key, reply in replies.items()}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.environ["PYTHONPATH"] = str(_ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "credprovider", "setup", *arguments])  # noqa: S606
    seen, answered = "", 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.05)[0]:
            continue
        try:
            piece = os.read(terminal, 4096).decode()
        except OSError:
            break
        if not piece:
            break
        seen += piece
        if re.search(r": $", seen[answered:]):
            question = seen[answered:].rstrip().splitlines()[-1]
            answered = len(seen)
            key = next((key for key in left if key in question), None)
            os.write(terminal, ((left[key].pop(0) if key else "") + "\n").encode())
            if key and not left[key]:
                del left[key]
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert not left, (left, seen)
    return os.waitstatus_to_exitcode(status), seen


_REPLIES = {
    "Name of the AKS cluster": BASE["cluster"],
    "Its resource group": BASE["resourceGroup"],
    "subscription": BASE["subscription"],
    "tenant's id": BASE["tenant"],
    "Version of Kubernetes": BASE["kubernetesVersion"],
    "An image to pull": BASE["image"],
    "Where you keep": BASE["installerImage"],
}


@pytest.mark.parametrize(
    ("replies", "answers"),
    [
        ({}, {}),
        ({"Which managed identity": "own"}, {"identity": "own"}),
        ({"Who may pull": "service-accounts", "Which ServiceAccounts": "bifrost/bifrost-sa, other/puller"}, PODS),
        (
            {
                "Who owns the Google": "own",
                "Whom Google trusts": "cluster",
                "Google project with": WORLD.project,
                "project's number": WORLD.project_number,
                "Workload identity pool": WORLD.pool,
                "Its provider": "setup-provider",
            },
            {**OWN_GOOGLE, "trust": "cluster"},
        ),
    ],
    ids=["defaults", "own-identity", "service-accounts", "own-google"],
)
def test_a_person_on_a_terminal_writes_the_same_as_flags(
    replies: dict[str, str], answers: dict[str, Any], tmp_path: Path
) -> None:
    code, seen = converse(["--out", "by-person"], {**_REPLIES, **replies}, tmp_path)
    assert code == 0, seen
    write(tmp_path / "by-flags", {**BASE, **answers})
    assert contents(tmp_path / "by-person") == contents(tmp_path / "by-flags")
    assert "▸" in seen


def test_a_wrong_reply_is_explained_and_asked_again(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"type": "service_account"}')
    vendor = vendor_file(tmp_path, impersonated=True)
    replies = {
        **_REPLIES,
        "Name of the AKS cluster": ["", "bad name", BASE["cluster"]],
        "Who may pull": ["everybody", "node"],
        "The external_account file": ["bad.json", "absent.json", vendor.name],
    }
    code, seen = converse(["--out", "out"], replies, tmp_path)
    assert code == 0, seen
    for word in (
        "an answer is needed",
        "beginning and ending",
        "must be one of node",
        "service account key",
        "No such",
    ):
        assert word in seen
    assert (tmp_path / "out/credential-config.json").read_bytes() == vendor.read_bytes()


def test_leaving_early_writes_nothing(tmp_path: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.environ["PYTHONPATH"] = str(_ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "credprovider", "setup", "--out", "out"])  # noqa: S606
    seen = b""
    while b": " not in seen:
        seen += os.read(terminal, 4096)
    os.write(terminal, b"\x04")
    try:
        while piece := os.read(terminal, 4096):
            seen += piece
    except OSError:
        pass
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 2
    assert b"nothing was written" in seen
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal_nobody_is_asked(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, "-m", "credprovider", "setup", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, input="aks\n", capture_output=True, text=True, env=environ, check=False)
    assert done.returncode == 2
    assert "is missing" in done.stderr


# --- the folder -------------------------------------------------------------------------------------------------------


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("mine")
    code, _, told = call("--out", str(out), *flags(BASE))
    assert code == 2
    assert "--force" in told
    assert contents(out) == {"mine": b"mine"}
    (tmp_path / "file").write_text("")
    assert call("--out", str(tmp_path / "file"), *flags(BASE))[0] == 2


def test_force_keeps_what_is_not_ours_and_takes_away_what_is_no_longer_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, {**BASE, **PODS, "trust": "cluster"})
    foreign = {"mine": b"mine", "terraform/terraform.tfstate": b"state", "base/kustomization.yaml": b"x"}
    for name, content in foreign.items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_bytes(content)
    (out / "google.sh").write_text("of another run")
    write(out, BASE, "--force")
    write(tmp_path / "fresh", BASE)
    assert contents(out) == {**contents(tmp_path / "fresh"), **foreign}


def test_a_refused_run_leaves_an_earlier_folder_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, BASE)
    before = contents(out)
    assert call("--out", str(out), "--force", *flags({**BASE, "tenant": "x"}))[0] == 2
    assert contents(out) == before


def test_again_is_idempotent_and_takes_flags_as_changes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, BASE, "--vendor-file", str(vendor_file(tmp_path, impersonated=True)))
    before = contents(out)
    for _ in range(2):
        assert call("--again", str(out))[0] == 0
        assert contents(out) == before
    assert call("--again", str(out), "--identity=own")[0] == 0
    assert "identity: own" in (out / "values.yaml").read_text()
    assert not list(out.glob(".setup.*"))


_LED = {case.id: case for case in CASES if case.owner == "vendor" and case.impersonated}
_CHANGES = [(before, after) for before in _LED for after in _LED if before != after]


def _as_flags(case: Case) -> list[str]:
    """How a person names the mode, with the answers that it does not imply."""
    more = {name: value for name, value in case.extra.items() if name in {"serviceAccounts", "identity"}}
    return flags({**more, "mode": case.mode})


@pytest.mark.parametrize(("before", "after"), _CHANGES)
def test_again_leads_from_every_mode_to_every_other(before: str, after: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, _LED[before].answers, "--vendor-file", str(vendor_file(tmp_path, impersonated=True)))
    code, _, told = call("--again", str(out), *_as_flags(_LED[after]))
    assert code == 0, told
    write(tmp_path / "fresh", _LED[after].answers, "--vendor-file", str(tmp_path / "from-vendor.json"))
    # README.md and the message differ in nothing either: no answer of the mode before is left.
    assert contents(out) == contents(tmp_path / "fresh")


@pytest.mark.parametrize(
    ("changes", "mode"),
    [
        (["--trust=cluster"], "token-file"),
        (["--identity=own"], "token-file-entra"),
        (["--pulled-by=service-accounts", "--service-accounts=a/b"], "service-account-entra"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_changed_answer_takes_the_defaults_anew(changes: list[str], mode: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, BASE)
    code, _, told = call("--again", str(out), *changes)
    assert code == 0, told
    assert f"Mode {mode}:" in told


def test_an_answer_that_was_given_outlives_a_change_of_another(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, {**BASE, "identity": "own", "identityName": "mine", "registries": ["us-docker.pkg.dev"]})
    assert call("--again", str(out), "--kubernetes-version=1.33")[0] == 0
    stored = yaml.safe_load((out / "values.yaml").read_text())
    assert (stored["identityName"], stored["registries"]) == ("mine", ["us-docker.pkg.dev"])


def _outputs(**more: str) -> str:
    found = {"subscriptionId": BASE["subscription"], "tenantId": BASE["tenant"]}
    return json.dumps({**found, "clientId": WORLD.client_id, "principalId": WORLD.object_id, **more})


@pytest.mark.parametrize(
    ("change", "stays"),
    [("--kubernetes-version=1.33", True), ("--identity=own", False), ("--cluster=another", False)],
)
def test_ids_of_another_identity_do_not_outlive_the_change_to_it(change: str, stays: bool, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, BASE)
    (out / "azure-outputs.json").write_text(_outputs(oidcIssuerUrl="https://issuer.example/x/"))
    code, _, told = call("--again", str(out), change)
    assert code == 0, told
    assert (out / "azure-outputs.json").exists() == stays
    assert (out / "message-to-registry-owner.md").exists() == stays
    assert ("azure.sh, then" in told) != stays


@pytest.mark.parametrize(
    ("trust", "kind", "doubts"), [("entra", "guide", True), ("entra", "gcloud", False), ("cluster", "guide", False)]
)
def test_a_file_for_the_clusters_token_is_doubted_where_entras_is_sent(
    trust: str, kind: str, doubts: bool, tmp_path: Path
) -> None:
    (tmp_path / "o.json").write_text(_outputs(oidcIssuerUrl="https://issuer.example/x/"))
    vendor = tmp_path / "vendor.json"
    vendor.write_text(json.dumps(WORLD.vendor_file(kind)))
    files = ["--vendor-file", str(vendor), "--azure-outputs", str(tmp_path / "o.json")]
    told = write(tmp_path / "out", {**BASE, "trust": trust}, *files)
    assert ("warning: The file reads a token from a file" in told) == doubts
    message = (tmp_path / "out/message-to-registry-owner.md").read_text()
    assert ("which of them your provider trusts" in " ".join(message.split())) == doubts


def test_what_azure_has_not_told_yet_is_waited_for(tmp_path: Path) -> None:
    outputs = tmp_path / "o.json"
    outputs.write_text(_outputs())
    told = write(tmp_path / "out", {**BASE, "identity": "own"}, "--azure-outputs", str(outputs))
    assert "Not yet: config.json" in told
    assert "oidcIssuerUrl" in (tmp_path / "out/azure.sh").read_text()


@pytest.mark.parametrize(
    "argv", [[], ["--bogus"], ["--again", "x", "--out", "y"], ["--mode"], ["--out", "x", "y\nz"]], ids=str
)
def test_usage_error_is_one_line(argv: list[str]) -> None:
    code, out, told = call(*argv)
    assert (code, out) == (2, "")
    assert told.startswith("azure-gar-credential-provider setup: error: ")
    assert told.endswith("; --help tells more\n")
    assert told.count("\n") == 1


def test_a_folder_that_is_not_there_cannot_be_made_again(tmp_path: Path) -> None:
    code, _, told = call("--again", str(tmp_path / "nothing"))
    assert code == 2
    assert "values.yaml cannot be read" in told


def test_help_names_every_answer() -> None:
    code, out, _ = call("--help")
    assert code == 0
    assert all(entry.flag in out for entry in INPUTS)
