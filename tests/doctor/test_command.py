"""The command: its arguments, its exit codes, what it does without a token, without root, away from a node."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugin.settings import edit
from tests.unit.shell_lines import complaints, simple_commands

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cloud.api import CloudApi
    from tests.doctor.patient import Patient
    from tests.plugin.settings import SettingsFactory

_DIRECT = "managed-identity-direct"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["a", "b"], "unrecognized arguments"),
        (["us-docker.pkg.dev/P/r/i"], "is no image name"),
        (["us-docker.pkg.dev/p/r/i:-"], "is no image name"),
        (["--format", "xml"], "invalid choice"),
        (["--service-account-token", "/absent"], "cannot be read"),
        (["--service-account-annotation", "k"], "not of the form K=V"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_argument_is_a_usage_error(patient: Patient, arguments: list[str], complaint: str) -> None:
    found = patient.run(*arguments)
    assert (found.code, found.stdout) == (2, b"")
    assert complaint in found.stderr


def test_instance_that_cannot_be_one_is_refused(patient: Patient) -> None:
    found = patient.run("--instance", "../x")
    assert (found.code, found.stdout) == (6, b"")
    assert found.stderr.startswith("azure-gar-credential-provider: node-instance-name [node]: ")


def test_help_is_given(patient: Patient) -> None:
    found = patient.run("--help")
    assert found.code == 0
    assert b"--service-account-token FILE" in found.stdout


def _break(case: tuple[Patient, CloudApi, Any], hop: str) -> None:
    _, cloud, setting = case
    if hop == "settings":
        setting.config.chmod(0o666)
    else:
        cloud.fault(hop, "status", status=400)


@pytest.mark.parametrize(
    ("hop", "first", "code"),
    [("settings", "settings", 3), ("imds", "first-token", 4), ("sts", "sts", 5), ("registry", "registry", 8)],
)
def test_exit_code_is_the_first_failing_hops_family(
    patient: Patient, settings: SettingsFactory, cloud: CloudApi, hop: str, first: str, code: int
) -> None:
    setting = settings(_DIRECT)
    _break((patient, cloud, setting), hop)
    found = patient.examine(setting)
    assert (found.document["firstFailure"], found.code) == (first, code)


def test_first_failure_counts_when_there_are_several(
    patient: Patient, settings: SettingsFactory, cloud: CloudApi
) -> None:
    cloud.fault("registry", "status", status=503)
    cloud.fault("sts", "status", status=503)
    found = patient.examine(settings(_DIRECT))
    assert [each["hop"] for each in found.document["hops"] if each["status"] == "failed"] == ["sts", "registry"]
    assert found.code == 5


def test_bug_is_told_without_what_it_says(
    patient: Patient, settings: SettingsFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("ya29.secret")

    monkeypatch.setattr("credprovider.doctor.token_hops.exchange", fail)
    found = patient.examine(settings(_DIRECT))
    assert found.code == 70
    assert "ya29" not in found.stderr + found.stdout.decode()
    assert found.stderr.startswith("azure-gar-credential-provider: bug [RuntimeError at test_command.py:")


# --- images -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("gcr.io/bifrost-project/bifrost:latest", "image-not-ours"),
        ("docker.io/library/nginx:1", "image-foreign"),
        ("nginx", "image-foreign"),
        ("us-docker.pkg.dev.example.com/a/b/c:1", "image-foreign"),
    ],
)
def test_image_of_somebody_else_is_told_and_its_host_left_alone(
    patient: Patient, settings: SettingsFactory, cloud: CloudApi, image: str, code: str
) -> None:
    found = patient.examine(settings(_DIRECT), image=image)
    assert (found.failing["hop"], found.failing["error"]["code"], found.code) == ("image", code, 3)
    assert cloud.connections("registry") == []
    assert found.hop("plugin")["because"] == "image"
    assert found.statuses["sts"] == "ok"


def test_image_that_is_not_there_is_told(patient: Patient, settings: SettingsFactory, cloud: CloudApi) -> None:
    found = patient.examine(settings(_DIRECT), image=cloud.world.image.replace(":latest", ":v9"))
    assert (found.failing["hop"], found.failing["error"]["code"], found.code) == (
        "manifest",
        "registry-image-unknown",
        8,
    )
    assert "us-docker.pkg.dev/bifrost-project/hub --include-tags" in found.commands
    assert found.statuses["plugin"] == "ok"


def test_repository_that_may_not_be_read_is_told(patient: Patient, settings: SettingsFactory) -> None:
    found = patient.examine(settings(_DIRECT), image="us-docker.pkg.dev/bifrost-project/other/app:1")
    assert (found.failing["hop"], found.failing["error"]["code"]) == ("registry-token", "registry-reader-missing")
    assert "add-iam-policy-binding other --project=bifrost-project --location=us " in found.commands


def test_image_without_a_repository_is_told(patient: Patient, settings: SettingsFactory) -> None:
    found = patient.examine(settings(_DIRECT), image="us-docker.pkg.dev/bifrost-project:1")
    assert found.failing["hop"] in ("registry-token", "manifest")
    assert found.code == 8


# --- the registry's odd ways ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("challenge", "code"),
    [
        ('Bearer realm="https://elsewhere.example/v2/token"', "registry-realm-foreign"),
        ('Bearer realm="https://us-docker.pkg.dev@elsewhere.example/v2/token"', "registry-realm-foreign"),
        ('Bearer realm="https://us-docker.pkg.dev:444/v2/token"', "registry-realm-foreign"),
        ('Bearer realm="http://us-docker.pkg.dev/v2/token"', "registry-realm-foreign"),
        ('Basic realm="https://us-docker.pkg.dev/v2/token"', "registry-no-challenge"),
        ("Bearer", "registry-no-challenge"),
        ("", "registry-no-challenge"),
    ],
)
def test_token_goes_to_no_other_host(
    patient: Patient, settings: SettingsFactory, cloud: CloudApi, challenge: str, code: str
) -> None:
    headers = {"WWW-Authenticate": challenge} if challenge else {}
    cloud.fault("registry", "literal", status=401, headers=headers, body="{}")
    found = patient.examine(settings(_DIRECT))
    assert (found.failing["hop"], found.failing["error"]["code"]) == ("registry", code)
    assert cloud.connections("elsewhere") == []
    assert not [call for call in cloud.calls("registry") if "authorization" in call["headers"]]


@pytest.mark.parametrize("path", ["/v2/token", "/manifests/"])
def test_redirect_of_the_registry_is_not_followed(
    patient: Patient, settings: SettingsFactory, cloud: CloudApi, path: str
) -> None:
    cloud.fault("registry", "redirect", path=path)
    found = patient.examine(settings(_DIRECT))
    assert (found.failing["error"]["code"], found.code) == ("network-redirect", 8)
    assert cloud.connections("elsewhere") == []


def test_google_token_is_shown_to_the_registry_alone_and_as_basic_once(
    patient: Patient, settings: SettingsFactory, cloud: CloudApi
) -> None:
    patient.examine(settings(_DIRECT)).assert_green()
    sent = [call["headers"].get("authorization", "") for call in cloud.calls("registry")]
    assert [text.partition(" ")[0] for text in sent] == ["", "Basic", "Bearer"]
    user, _, password = base64.b64decode(sent[1].partition(" ")[2]).decode().partition(":")
    assert user == "oauth2accesstoken"
    assert password in cloud.issued("sts")
    assert not [call for call in cloud.calls() if call["hop"] != "registry" and password in json.dumps(call)]


# --- the network ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options", "code"),
    [
        ("refused", {}, "network-refused"),
        ("dns", {"how": "absent"}, "network-dns"),
        ("reset", {"at": "tls"}, "network-reset"),
        ("hang", {"at": "tls"}, "network-timeout"),
        ("expired", {}, "network-tls-expired"),
        ("wrong-name", {}, "network-tls-hostname"),
        ("untrusted", {}, "network-tls-untrusted"),
    ],
)
@pytest.mark.parametrize(("service", "exit_code"), [("entra", 4), ("sts", 5), ("iam", 5), ("registry", 8)])
def test_way_that_is_barred_is_told_before_anything_is_sent(
    patient: Patient,
    settings: SettingsFactory,
    cloud: CloudApi,
    service: str,
    exit_code: int,
    kind: str,
    options: dict[str, Any],
    code: str,
) -> None:
    cloud.fault(service, kind, **options)
    patient.world["sleep"] = lambda _: None
    found = patient.examine(settings("token-file-entra-impersonated"))
    assert (found.failing["hop"], found.failing["error"]["code"], found.code) == (f"reach-{service}", code, exit_code)
    host = {"entra": "login.microsoftonline.com", "registry": "us-docker.pkg.dev"}.get(service, "googleapis.com")
    assert host in found.failing["error"]["cause"]
    assert host in found.commands
    assert cloud.calls(service) == []


def test_fault_of_a_moment_is_survived(patient: Patient, settings: SettingsFactory, cloud: CloudApi) -> None:
    patient.world["sleep"] = lambda _: None
    cloud.fault("sts", "reset", times=1, at="tls")
    patient.examine(settings(_DIRECT)).assert_green()


def test_proxy_is_named(patient: Patient, settings: SettingsFactory, cloud: CloudApi) -> None:
    found = patient.examine(settings(_DIRECT, network={"httpsProxy": cloud.world.proxy_url}))
    found.assert_green()
    assert "through the proxy proxy.corp.example:3128" in found.hop("reach-sts")["summary"]
    assert "proxy" not in found.hop("reach-imds")["summary"]


def test_password_of_the_proxy_is_not_shown(patient: Patient, settings: SettingsFactory, cloud: CloudApi) -> None:
    cloud.configure(proxy_credentials="user:pa55word")
    proxy = cloud.world.proxy_url.replace("://", "://user:pa55word@")
    found = patient.examine(settings(_DIRECT, network={"httpsProxy": proxy}), "--verbose")
    found.assert_green()
    assert b"pa55word" not in found.stdout


def test_proxy_that_wants_a_password_is_told(patient: Patient, settings: SettingsFactory, cloud: CloudApi) -> None:
    cloud.configure(proxy_credentials="user:pa55word")
    found = patient.examine(settings(_DIRECT, network={"httpsProxy": cloud.world.proxy_url}))
    assert (found.failing["hop"], found.failing["error"]["code"]) == ("reach-sts", "network-proxy-authentication")


@pytest.mark.parametrize(("seconds", "side"), [(7200, "behind"), (-7200, "ahead")])
def test_wrong_clock_is_told_as_such(
    patient: Patient, settings: SettingsFactory, cloud: CloudApi, seconds: float, side: str
) -> None:
    cloud.skew("sts", seconds)
    found = patient.examine(settings(_DIRECT))
    assert (found.failing["hop"], found.failing["error"]["code"], found.code) == ("clock", "clock-wrong", 6)
    assert f" s {side} of Google's" in found.failing["error"]["cause"]
    assert "chronyc makestep" in found.commands


def test_clock_that_forgives_is_good(patient: Patient, settings: SettingsFactory, cloud: CloudApi) -> None:
    cloud.skew("sts", 40)
    patient.examine(settings(_DIRECT)).assert_green()


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_pods_token_that_was_not_given_is_asked_for(patient: Patient, settings: SettingsFactory) -> None:
    setting = settings("service-account-direct")
    found = patient.run(patient.cloud.world.image, "--config", str(setting.config), "--format", "json")
    assert found.code == 0
    assert (found.document["ok"], found.document["complete"]) == (True, False)
    hop = found.hop("first-token")
    assert hop["status"] == "not-reached"
    audience = patient.cloud.world.cluster_audience
    assert f"--audience {audience} >token" in hop["hint"]["commands"][0]
    assert found.hop("plugin")["because"] == "first-token"


def test_token_may_come_from_stdin(patient: Patient, settings: SettingsFactory) -> None:
    setting = settings("service-account-direct")
    assert setting.token is not None
    arguments = [patient.cloud.world.image, "--config", str(setting.config), "--format", "json"]
    found = patient.run(*arguments, "--service-account-token", "-", stdin=setting.token.encode() + b"\n")
    found.assert_green()


def test_annotations_choose_the_identity(patient: Patient, settings: SettingsFactory) -> None:
    world, key = patient.cloud.world, "azure.workload.identity"
    setting = settings("service-account-entra-direct")
    block = json.loads(setting.config.read_text())["identity"]
    listed = {"requiredAnnotationKeys": [f"{key}/client-id", f"{key}/tenant-id"]}
    edit(setting.config, identity={**block, "entra": {}, "serviceAccount": listed})
    missing = patient.examine(setting)
    assert (missing.failing["hop"], missing.code) == ("entra", 2)
    pairs = (f"{key}/client-id={world.client_id}", f"{key}/tenant-id={world.tenant_id}")
    given = [word for pair in pairs for word in ("--service-account-annotation", pair)]
    patient.examine(setting, *given).assert_green()


def test_relayed_token_is_not_there_away_from_a_node(patient: Patient, settings: SettingsFactory) -> None:
    setting = settings("token-file-entra-direct")
    (setting.config.parent / "azure-identity-token").unlink()
    found = patient.examine(setting)
    assert (found.code, found.statuses["first-token"]) == (0, "not-reached")
    command = found.hop("first-token")["hint"]["commands"][0]
    assert command == (
        "kubectl create token azure-gar-credential-provider -n azure-gar-credential-provider"
        " --audience api://AzureADTokenExchange >token"
    )


def test_given_token_stands_for_the_relayed_one(patient: Patient, settings: SettingsFactory) -> None:
    setting = settings("token-file-entra-direct")
    path = setting.config.parent / "azure-identity-token"
    found = patient.examine(setting, "--service-account-token", str(path))
    assert found.statuses["sts"] == "ok"


def test_expired_token_of_a_file_is_told(patient: Patient, settings: SettingsFactory, cloud: CloudApi) -> None:
    setting = settings("token-file-direct")
    path = setting.config.parent / "azure-identity-token"
    path.write_text(cloud.kubernetes_token(lifetime=-600, audience=cloud.world.cluster_audience))
    found = patient.examine(setting)
    assert (found.failing["hop"], found.failing["error"]["code"], found.code) == (
        "first-token",
        "token-file-expired",
        4,
    )
    assert "kubectl get pods -n azure-gar-credential-provider -o wide" in found.commands
    assert re.search(r"expired 6\d\d s ago", found.failing["error"]["cause"])


def test_metadata_service_that_is_not_here_is_no_fault_away_from_a_node(
    patient: Patient, settings: SettingsFactory, cloud: CloudApi
) -> None:
    cloud.fault("imds", "refused")
    patient.world["sleep"] = lambda _: None
    found = patient.examine(settings(_DIRECT))
    assert (found.code, found.statuses["reach-imds"]) == (0, "not-reached")
    assert found.hop("sts")["because"] == "reach-imds"
    assert found.statuses["registry"] == "ok"


def test_long_subject_is_warned_of_before_it_is_refused(
    patient: Patient, settings: SettingsFactory, cloud: CloudApi
) -> None:
    setting = settings("token-file-direct")
    token = cloud.kubernetes_token("n" * 60, "s" * 60, audience=cloud.world.cluster_audience)
    (setting.config.parent / "azure-identity-token").write_text(token)
    found = patient.examine(setting)
    assert found.hop("first-token")["facts"]["google.subject"].startswith("143 of 127 bytes")
    assert "143 bytes" in found.hop("first-token")["warnings"][0]


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        ("managed-identity-direct", {"sub": "object_id", "azp": "client_id"}),
        ("token-file-direct", {"sub": "relay_subject", "iss": "cluster_issuer"}),
    ],
)
def test_claims_are_shown_with_their_meaning(
    patient: Patient, settings: SettingsFactory, mode: str, wanted: dict[str, str]
) -> None:
    hop = patient.examine(settings(mode)).hop("first-token")
    for claim, name in wanted.items():
        assert hop["facts"][claim].startswith(getattr(patient.cloud.world, name))
    assert hop["facts"]["left"].endswith(("min", "s"))


def _unreadable(setting: Any) -> None:
    setting.config.unlink()


def _unknown_key(setting: Any) -> None:
    edit(setting.config, registry=["x"])


def _foreign_owner_of_vendor(setting: Any) -> None:
    (setting.config.parent / "credential-config.json").chmod(0o622)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_unreadable, "settings-unreadable"),
        (_unknown_key, "settings-invalid"),
        (_foreign_owner_of_vendor, "settings-unsafe-mode"),
    ],
)
def test_settings_that_cannot_be_used_stop_all_but_the_node(
    patient: Patient, settings: SettingsFactory, spoil: Callable[[Any], None], code: str
) -> None:
    setting = settings(_DIRECT)
    spoil(setting)
    found = patient.examine(setting)
    assert (found.failing["hop"], found.failing["error"]["code"], found.code) == ("settings", code, 3)
    assert {name for name, status in found.statuses.items() if status != "not-reached"} <= {
        *("settings", "kubelet", "bundle")
    }


# --- the plugin's own run ---------------------------------------------------------------------------------------------


def test_own_program_is_run_where_no_kubelet_names_one(patient: Patient, settings: SettingsFactory) -> None:
    setting = settings(_DIRECT)
    patient.examine(setting)
    ((argv, stdin, environ),) = patient.plugin.asked
    assert argv == ["plugin", f"--config={setting.config}"]
    assert stdin == setting.request
    assert environ == patient.environ


def test_command_for_a_node_keeps_tag_and_digest(patient: Patient, settings: SettingsFactory) -> None:
    name, digest = patient.cloud.world.image.rpartition(":")[0], "sha256:" + "0" * 64
    for image in (f"{name}:latest", f"{name}@{digest}"):
        hint = patient.examine(settings(_DIRECT), image=image).hop("kubelet")["hint"]
        assert hint["commands"][0].endswith(f" doctor {image}")


def test_command_for_a_node_leads_to_the_pod_that_is_on_it(patient: Patient, settings: SettingsFactory) -> None:
    for name in ("NODE_NAME", "aks-nodepool1-12345678-vmss000000"):
        hint = patient.examine(settings(_DIRECT)).hop("kubelet")["hint"]
        (line,) = hint["commands"]
        pods, words = simple_commands(line)
        assert pods[-2:] == ["--field-selector", f"spec.nodeName={name}"]
        assert words[:5] == ["kubectl", "exec", "-n", "azure-gar-credential-provider", "SUBSTITUTED"]
        assert [complaints(each) for each in (pods, words)] == [[], []]
        assert list(hint["unknown"]) == (["NODE_NAME"] if name == "NODE_NAME" else [])
        patient.environ["NODE_NAME"] = "aks-nodepool1-12345678-vmss000000"


def test_interruption_ends_without_a_traceback(
    patient: Patient, settings: SettingsFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("credprovider.doctor.token_hops.exchange", interrupt)
    found = patient.examine(settings(_DIRECT))
    assert (found.code, found.stderr) == (130, "")
