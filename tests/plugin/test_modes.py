"""Every way to an answer: three sources, with and without Entra ID, impersonated and direct; what each hop is sent."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.modes import MODES, MODES_BY_NAME, Mode
from tests.cloud.world import CLOUDS, IAM_SCOPE, JWT_TYPE, READ_ONLY, WORLD
from tests.plugin.expect import V1, assert_answers, assert_not_ours, assert_untouched, hops, last_token, only_call
from tests.plugin.settings import asking, edit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cloud.api import CloudApi
    from tests.cloud.modes import Setting
    from tests.plugin.runner import InProcess, Outcome, Runner
    from tests.plugin.settings import SettingsFactory

CLIENT_ID_KEY = "azure.workload.identity/client-id"
TENANT_ID_KEY = "azure.workload.identity/tenant-id"
#: What Google grants: generateAccessToken an hour, STS two seconds less.
LIFE = {"iam": 3600, "sts": 3598}
#: A managed identity of the other clouds' tenants is not on the node pool, so these modes have an Entra hop.
ENTRA_MODES = [mode.name for mode in MODES if mode.entra]
TOKEN_MODES = [mode.name for mode in MODES if mode.source != "managed-identity"]


def _assert_good(outcome: Outcome, cloud: CloudApi, mode: Mode) -> None:
    """A whole answer, by exactly the hops of the mode."""
    assert hops(cloud) == mode.hops
    last = mode.hops[-1]
    assert_answers(outcome, last_token(cloud, last), life=LIFE[last])


def _first_token(cloud: CloudApi, setting: Setting) -> str:
    return setting.token or last_token(cloud, "imds")


# --- what is not ours -------------------------------------------------------------------------------------------------

FOREIGN = [
    "docker.io/library/nginx",
    "mcr.microsoft.com/oss/kubernetes/pause",
    "evil-docker.pkg.dev.example.com/p/r/i",
    "us-docker.pkg.dev.evil.example/p/r/i",
    "localhost/p/r/i",
    "localhost:5000/us-docker.pkg.dev/p/r/i",
    "[::1]:5000/p/r/i",
    "10.0.0.1/us-docker.pkg.dev/i",
]
UNCLAIMED = ["docker.pkg.dev/p/r/i", "us-docker.pkg.dev:5000/p/r/i", "sub.us-docker.pkg.dev/p/r/i", "gcr.io/p/i"]


@pytest.mark.parametrize("image", FOREIGN)
def test_foreign_image_gets_an_empty_answer_and_nobody_is_called(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, image: str
) -> None:
    setting = asking(settings(), image)
    assert_not_ours(ask(setting.request, setting.config))
    assert_untouched(cloud)


@pytest.mark.parametrize("image", UNCLAIMED)
def test_googles_registry_that_no_entry_names_gets_an_empty_answer(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, image: str
) -> None:
    setting = asking(settings(), image)
    assert_not_ours(ask(setting.request, setting.config))
    assert cloud.calls() == []


def test_foreign_image_needs_no_service_account_token(ask: Runner, settings: SettingsFactory, cloud: CloudApi) -> None:
    setting = asking(settings("service-account-direct"), "docker.io/library/nginx", serviceAccountToken=None)
    assert_not_ours(ask(setting.request, setting.config))
    assert_untouched(cloud)


def test_repository_beside_the_path_prefix_is_foreign(ask: Runner, settings: SettingsFactory, cloud: CloudApi) -> None:
    registries = ["us-docker.pkg.dev/vendor-a/"]
    setting = asking(settings(registries=registries), "us-docker.pkg.dev/vendor-ab/r/i")
    assert_not_ours(ask(setting.request, setting.config))
    assert cloud.calls() == []


# --- the ten modes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("author", ["guide", "gcloud"])
@pytest.mark.parametrize("name", MODES_BY_NAME)
def test_mode_answers(ask: Runner, settings: SettingsFactory, cloud: CloudApi, name: str, author: str) -> None:
    mode = MODES_BY_NAME[name]
    setting = settings(name)
    if author == "gcloud":
        provider = json.loads((setting.config.parent / "credential-config.json").read_text())["audience"]
        kind = "gcloud" if mode.impersonated else "gcloud-direct"
        _vendor(setting, cloud.vendor_file(kind, provider.rpartition("/")[2]))
    _assert_good(ask(setting.request, setting.config), cloud, mode)


@pytest.mark.parametrize("name", MODES_BY_NAME)
def test_google_gets_exactly_what_the_exchange_needs(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, name: str
) -> None:
    mode = MODES_BY_NAME[name]
    setting = settings(name)
    in_process(setting.request, setting.config)

    call = only_call(cloud, "sts")
    assert (call["method"], call["host"], call["target"]) == ("POST", "sts.googleapis.com", "/v1/token")
    audience = json.loads((setting.config.parent / "credential-config.json").read_text())["audience"]
    assert call["form"] == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": audience,
        "scope": IAM_SCOPE if mode.impersonated else READ_ONLY,
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token": last_token(cloud, "entra") if mode.entra else _first_token(cloud, setting),
        "subject_token_type": JWT_TYPE,
    }
    _assert_headers(call, {"content-type", "x-goog-api-client"})
    _assert_metrics(call, rf"google-byoid-sdk sa-impersonation/{str(mode.impersonated).lower()} config-lifetime/false")
    if not mode.impersonated:
        return

    call = only_call(cloud, "iam")
    path = f"/v1/projects/-/serviceAccounts/{WORLD.service_account_email}:generateAccessToken"
    assert (call["method"], call["host"], call["target"]) == ("POST", "iamcredentials.googleapis.com", path)
    assert call["json"] == {"delegates": None, "scope": [READ_ONLY], "lifetime": "3600s"}
    _assert_headers(call, {"content-type", "x-goog-api-client", "authorization"})
    assert call["headers"]["authorization"] == f"Bearer {last_token(cloud, 'sts')}"
    _assert_metrics(call, "auth-request-type/at cred-type/imp")


def test_imds_gets_one_plain_request_with_one_selector(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi
) -> None:
    setting = settings()
    in_process(setting.request, setting.config)
    call = only_call(cloud, "imds")
    assert (call["method"], call["path"]) == ("GET", "/metadata/identity/oauth2/token")
    assert call["query"] == {
        "api-version": "2018-02-01",
        "resource": WORLD.exchange_resource,
        "client_id": WORLD.client_id,
    }
    assert call["headers"] == {"host": "169.254.169.254", "accept-encoding": "identity", "metadata": "true"}
    assert call["body"] == ""


@pytest.mark.parametrize("name", ENTRA_MODES)
def test_entra_gets_the_first_token_as_client_assertion(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, name: str
) -> None:
    setting = settings(name)
    in_process(setting.request, setting.config)
    call = only_call(cloud, "entra")
    target = f"/{WORLD.tenant_id}/oauth2/v2.0/token"
    assert (call["method"], call["host"], call["target"]) == ("POST", "login.microsoftonline.com", target)
    assert call["form"] == {
        "client_id": WORLD.client_id,
        "scope": "api://AzureADTokenExchange/.default",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": setting.token,
        "grant_type": "client_credentials",
    }
    _assert_headers(call, {"content-type", "accept"})


def _assert_headers(call: dict[str, Any], own: set[str]) -> None:
    """No header that nobody asked for: no cookie, no user's Authorization, no forwarding."""
    assert set(call["headers"]) == own | {"host", "accept-encoding", "content-length"}
    assert call["headers"]["host"] == call["host"]


def _assert_metrics(call: dict[str, Any], rest: str) -> None:
    """google-auth's own usage header, which Google's support asks for."""
    assert re.fullmatch(rf"gl-python/\S+ auth/\S+ {rest}.*", call["headers"]["x-goog-api-client"])


# --- Entra's three clouds ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "told_by"),
    [("in-process", "settings"), ("in-process", "AZURE_AUTHORITY_HOST"), ("frozen", "settings")],
    indirect=["ask"],
)
@pytest.mark.parametrize("azure", CLOUDS)
@pytest.mark.parametrize("name", ENTRA_MODES)
def test_entra_of_each_azure_cloud(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, name: str, azure: str, told_by: str
) -> None:
    place = CLOUDS[azure]
    token = cloud.kubernetes_token(audience=place.exchange_resource)
    entra = {
        "tenantId": place.tenant_id,
        "clientId": WORLD.client_id,
        "cloud": azure if told_by == "settings" else None,
    }
    entra = {key: value for key, value in entra.items() if value is not None}
    identity = {"entra": entra, "tokenAudience": place.exchange_resource}
    setting = settings(name, identity=identity, vendor={"audience": WORLD.audience(place.provider)})
    environ = {"AZURE_AUTHORITY_HOST": f"https://{place.authority}/"} if told_by != "settings" else {}
    if name.startswith("token-file"):
        (setting.config.parent / "azure-identity-token").write_text(token)
    else:
        setting = asking(setting, serviceAccountToken=token)

    _assert_good(ask(setting.request, setting.config, **environ), cloud, MODES_BY_NAME[name])
    call = only_call(cloud, "entra")
    assert call["host"] == place.authority
    assert call["form"]["scope"] == place.exchange_resource + "/.default"


# --- where ids come from ----------------------------------------------------------------------------------------------


def test_client_and_tenant_from_the_pods_annotations(ask: Runner, settings: SettingsFactory, cloud: CloudApi) -> None:
    name = "service-account-entra-impersonated"
    pods = {"requiredAnnotationKeys": [CLIENT_ID_KEY], "optionalAnnotationKeys": [TENANT_ID_KEY]}
    annotations = {CLIENT_ID_KEY: WORLD.client_id, TENANT_ID_KEY: WORLD.tenant_id, "other": "x"}
    setting = settings(name, identity={"entra": {}, "serviceAccount": pods})
    setting = asking(setting, serviceAccountAnnotations=annotations)
    _assert_good(ask(setting.request, setting.config), cloud, MODES_BY_NAME[name])
    assert only_call(cloud, "entra")["form"]["client_id"] == WORLD.client_id


def test_settings_win_over_annotations(ask: Runner, settings: SettingsFactory, cloud: CloudApi) -> None:
    name = "service-account-entra-direct"
    pods = {"requiredAnnotationKeys": [CLIENT_ID_KEY]}
    setting = settings(name, identity={"serviceAccount": pods})
    setting = asking(setting, serviceAccountAnnotations={CLIENT_ID_KEY: WORLD.kubelet_client_id})
    _assert_good(ask(setting.request, setting.config), cloud, MODES_BY_NAME[name])
    assert only_call(cloud, "entra")["form"]["client_id"] == WORLD.client_id


@pytest.mark.parametrize(
    "annotations",
    [
        pytest.param({}, id="absent"),
        pytest.param({CLIENT_ID_KEY: ""}, id="empty"),
        pytest.param({CLIENT_ID_KEY: "bifrost"}, id="no-guid"),
        pytest.param({CLIENT_ID_KEY: WORLD.client_id + "/../../evil"}, id="path"),
    ],
)
def test_annotation_that_is_no_client_id_is_an_error_of_the_request(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, annotations: dict[str, str]
) -> None:
    pods = {"requiredAnnotationKeys": [CLIENT_ID_KEY]}
    entra = {"tenantId": WORLD.tenant_id}
    setting = settings("service-account-entra-direct", identity={"entra": entra, "serviceAccount": pods})
    setting = asking(setting, serviceAccountAnnotations=annotations)
    outcome = ask(setting.request, setting.config)
    assert (outcome.code, outcome.error) == (2, "service-account-annotation")
    assert CLIENT_ID_KEY in outcome.line
    assert cloud.calls() == []


def test_client_and_tenant_from_azures_variables(ask: Runner, settings: SettingsFactory, cloud: CloudApi) -> None:
    name = "token-file-entra-impersonated"
    setting = settings(name, identity={"entra": {}})
    environ = {"AZURE_CLIENT_ID": WORLD.client_id, "AZURE_TENANT_ID": WORLD.tenant_id}
    _assert_good(ask(setting.request, setting.config, **environ), cloud, MODES_BY_NAME[name])


def test_file_wins_over_variables(ask: Runner, settings: SettingsFactory, cloud: CloudApi) -> None:
    setting = settings()
    environ = {"AZURE_CLIENT_ID": WORLD.kubelet_client_id, "GOOGLE_APPLICATION_CREDENTIALS": "/absent"}
    edit(setting.config, credentialConfig="credential-config.json")
    _assert_good(ask(setting.request, setting.config, **environ), cloud, MODES_BY_NAME["managed-identity-direct"])
    assert only_call(cloud, "imds")["query"]["client_id"] == WORLD.client_id


def test_token_file_and_vendor_file_from_variables(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, tmp_path: Path
) -> None:
    setting = settings("token-file-direct", identity={"tokenFile": None})
    moved = setting.config.parent.rename(tmp_path / "elsewhere")
    (tmp_path / "config.json").write_bytes((moved / "config.json").read_bytes())
    environ = {
        "AZURE_FEDERATED_TOKEN_FILE": str(moved / "azure-identity-token"),
        "GOOGLE_APPLICATION_CREDENTIALS": str(moved / "credential-config.json"),
    }
    outcome = ask(setting.request, tmp_path / "config.json", **environ)
    _assert_good(outcome, cloud, MODES_BY_NAME["token-file-direct"])


def test_kubelet_identity_of_azure_json_without_client_id(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, tmp_path: Path
) -> None:
    azure_json = tmp_path / "azure.json"
    azure_json.write_text(json.dumps({"userAssignedIdentityID": WORLD.kubelet_client_id, "aadClientSecret": "msi"}))
    azure_json.chmod(0o600)
    in_process.world["azure_json"] = str(azure_json)
    setting = settings(identity={"clientId": None})
    _assert_good(in_process(setting.request, setting.config), cloud, MODES_BY_NAME["managed-identity-direct"])
    assert only_call(cloud, "imds")["query"]["client_id"] == WORLD.kubelet_client_id


def test_imds_is_asked_without_a_selector_when_nothing_names_one(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi
) -> None:
    setting = settings(identity={"clientId": None})
    outcome = in_process(setting.request, setting.config)
    assert (outcome.code, outcome.error, outcome.hop) == (4, "imds-identity-ambiguous", "imds")
    assert set(only_call(cloud, "imds")["query"]) == {"api-version", "resource"}
    cloud.assign_identities(WORLD.kubelet_client_id)
    alone = settings("managed-identity-impersonated", identity={"clientId": None})
    assert in_process(alone.request, alone.config).code == 0


@pytest.mark.parametrize(
    ("selector", "value"),
    [("client_id", WORLD.client_id), ("object_id", WORLD.object_id), ("msi_res_id", WORLD.resource_id)],
    ids=["client_id", "object_id", "msi_res_id"],
)
def test_selector_in_the_vendors_imds_url(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, selector: str, value: str
) -> None:
    vendor = cloud.vendor_file("gcloud")
    vendor["credential_source"]["url"] += f"&{selector}={value}"
    setting = settings()
    edit(setting.config, identity=None)
    _vendor(setting, vendor)
    _assert_good(ask(setting.request, setting.config), cloud, MODES_BY_NAME["managed-identity-impersonated"])
    assert only_call(cloud, "imds")["query"][selector] == value


def test_source_follows_from_the_vendors_file(ask: Runner, settings: SettingsFactory, cloud: CloudApi) -> None:
    setting = settings("token-file-direct", identity={"source": None})
    _assert_good(ask(setting.request, setting.config), cloud, MODES_BY_NAME["token-file-direct"])


@pytest.mark.parametrize(
    ("resource", "provider"),
    [(WORLD.app_v1_uri, WORLD.app_v1_provider), (WORLD.app_v2_uri, WORLD.app_v2_provider)],
    ids=["v1-tokens", "v2-tokens"],
)
@pytest.mark.parametrize("name", ["managed-identity-impersonated", "token-file-entra-direct"])
def test_app_registration_of_ones_own(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, name: str, resource: str, provider: str
) -> None:
    entra = {"tenantId": WORLD.tenant_id, "clientId": WORLD.client_id, "scope": resource + "/.default"}
    identity = {"entra": entra} if MODES_BY_NAME[name].entra else {"resource": resource}
    setting = settings(name, identity=identity, vendor={"audience": WORLD.audience(provider)})
    _assert_good(ask(setting.request, setting.config), cloud, MODES_BY_NAME[name])


@pytest.mark.parametrize("ending", ["\n", "\r\n", " \n\n"], ids=["newline", "crlf", "blanks"])
def test_blanks_after_the_token_in_the_file_are_not_sent(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, ending: str
) -> None:
    setting = settings("token-file-direct")
    (setting.config.parent / "azure-identity-token").write_text(f"{setting.token}{ending}")
    _assert_good(ask(setting.request, setting.config), cloud, MODES_BY_NAME["token-file-direct"])
    assert only_call(cloud, "sts")["form"]["subject_token"] == setting.token


def test_token_in_a_field_of_a_json_file(ask: Runner, settings: SettingsFactory, cloud: CloudApi) -> None:
    source = {"file": "/var/run/token.json", "format": {"type": "json", "subject_token_field_name": "id_token"}}
    setting = settings("token-file-direct", vendor={"credential_source": source})
    (setting.config.parent / "azure-identity-token").write_text(json.dumps({"id_token": setting.token, "more": 1}))
    _assert_good(ask(setting.request, setting.config), cloud, MODES_BY_NAME["token-file-direct"])


# --- forms of request, registries and endpoints -----------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
def test_answers_in_the_version_asked(ask: Runner, settings: SettingsFactory, cloud: CloudApi, version: str) -> None:
    api_version = V1.removesuffix("v1") + version
    setting = asking(settings(), apiVersion=api_version)
    outcome = ask(setting.request, setting.config)
    assert_answers(outcome, last_token(cloud, "sts"), life=LIFE["sts"], api_version=api_version)
    setting = asking(setting, "docker.io/library/nginx")
    assert_not_ours(ask(setting.request, setting.config), api_version)


def test_unknown_request_fields_are_ignored(ask: Runner, settings: SettingsFactory, cloud: CloudApi) -> None:
    setting = asking(settings(), podName="web-0", newIn137={"deep": [1, None]})
    _assert_good(ask(setting.request, setting.config), cloud, MODES_BY_NAME["managed-identity-direct"])


def test_every_entry_of_registries_is_a_key(ask: Runner, settings: SettingsFactory, cloud: CloudApi) -> None:
    registries = ["us-docker.pkg.dev/bifrost-project/", "*.gcr.io", "gcr.io", "europe-docker.pkg.dev:8443"]
    setting = settings(registries=registries)
    outcome = ask(setting.request, setting.config)
    assert_answers(outcome, last_token(cloud, "sts"), life=LIFE["sts"], registries=registries)


def test_scopes_of_settings_are_asked_for(ask: Runner, settings: SettingsFactory, cloud: CloudApi) -> None:
    scopes = ["https://www.googleapis.com/auth/cloud-platform", READ_ONLY]
    for name in ("managed-identity-direct", "managed-identity-impersonated"):
        setting = settings(name, scopes=scopes)
        assert ask(setting.request, setting.config).code == 0
    direct, impersonated = cloud.calls("sts")
    assert direct["form"]["scope"] == " ".join(scopes)
    assert impersonated["form"]["scope"] == IAM_SCOPE
    assert only_call(cloud, "iam")["json"]["scope"] == scopes


@pytest.mark.parametrize("form", ["{}.googleapis.com", "{}.us-east1.rep.googleapis.com", "{}-private.p.googleapis.com"])
def test_forms_of_googles_endpoints(ask: Runner, settings: SettingsFactory, cloud: CloudApi, form: str) -> None:
    path = f"/v1/projects/-/serviceAccounts/{WORLD.service_account_email}:generateAccessToken"
    vendor = {
        "token_url": f"https://{form.format('sts')}/v1/token",
        "token_info_url": f"https://{form.format('sts')}/v1/introspect",
        "service_account_impersonation_url": f"https://{form.format('iamcredentials')}{path}",
    }
    setting = settings("managed-identity-impersonated", vendor=vendor)
    _assert_good(ask(setting.request, setting.config), cloud, MODES_BY_NAME["managed-identity-impersonated"])
    assert only_call(cloud, "sts")["host"] == form.format("sts")
    assert only_call(cloud, "iam")["host"] == form.format("iamcredentials")


def test_another_universe_is_another_place(in_process: InProcess, settings: SettingsFactory, cloud: CloudApi) -> None:
    audience = WORLD.audience().replace("googleapis.com", "apis.tpc.example")
    vendor = {
        "universe_domain": "apis.tpc.example",
        "audience": audience,
        "token_url": "https://sts.apis.tpc.example/v1/token",
    }
    setting = settings(vendor=vendor, universeDomain="apis.tpc.example", registries=["docker.apis.tpc.example"])
    setting = asking(setting, "docker.apis.tpc.example/p/r/i")
    outcome = in_process(setting.request, setting.config)
    assert (outcome.code, outcome.error, outcome.hop) == (5, "network-dns", "sts")
    assert set(cloud.looked_up()) == {"sts.apis.tpc.example"}
    assert hops(cloud) == ["imds"]


def test_lifetime_and_quota_project_of_the_vendors_file(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi
) -> None:
    vendor = {
        "service_account_impersonation": {"token_lifetime_seconds": 1800},
        "quota_project_id": "billing-project",
    }
    setting = settings("managed-identity-impersonated", vendor=vendor)
    assert_answers(ask(setting.request, setting.config), last_token(cloud, "iam"), life=1800)
    call = only_call(cloud, "iam")
    assert call["json"]["lifetime"] == "1800s"
    assert call["headers"]["x-goog-user-project"] == "billing-project"
    assert "config-lifetime/true" in only_call(cloud, "sts")["headers"]["x-goog-api-client"]


# --- the cache --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODES_BY_NAME)
def test_second_question_is_answered_without_a_call(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, name: str
) -> None:
    setting = settings(name)
    first = in_process(setting.request, setting.config)
    again = asking(setting, "europe-docker.pkg.dev/bifrost-project/hub/other")
    second = in_process(again.request, again.config)
    assert second.password == first.password
    assert second.cache_seconds <= first.cache_seconds
    assert hops(cloud) == MODES_BY_NAME[name].hops


def test_without_cache_nothing_is_kept(ask: Runner, settings: SettingsFactory, cloud: CloudApi) -> None:
    setting = settings(cache={"enabled": False})
    ask(setting.request, setting.config)
    ask(setting.request, setting.config)
    assert len(cloud.calls("sts")) == 2
    assert [path for path in ask.state.rglob("*") if path.is_file() and path.stat().st_size] == []


@pytest.mark.parametrize("name", TOKEN_MODES)
def test_other_service_account_gets_no_cached_token(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, name: str
) -> None:
    """The same name with another uid is another account: it was deleted and made anew."""
    setting = settings(name)
    first = ask(setting.request, setting.config)
    source = MODES_BY_NAME[name].source
    namespace, account = (
        (WORLD.namespace, WORLD.service_account)
        if source == "service-account"
        else (WORLD.relay_namespace, WORLD.relay_service_account)
    )
    audience = WORLD.exchange_resource if MODES_BY_NAME[name].entra else WORLD.cluster_audience
    token = cloud.kubernetes_token(namespace, account, uid="99999999-9999-4999-8999-000000000001", audience=audience)
    if source == "service-account":
        setting = asking(setting, serviceAccountToken=token)
    else:
        (setting.config.parent / "azure-identity-token").write_text(token)
    second = ask(setting.request, setting.config)
    assert second.password != first.password
    assert len(cloud.calls("sts")) == 2


def _vendor(setting: Setting, document: dict[str, Any]) -> None:
    (setting.config.parent / "credential-config.json").write_text(json.dumps(document))
