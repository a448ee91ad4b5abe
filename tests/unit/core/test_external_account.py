"""The vendor's external_account file: two authors whose files load as they are, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.core.making import (
    AUDIENCE,
    GCLOUD,
    GUIDE,
    IAM_URL,
    TOKEN_AUDIENCE,
    VENDOR_PATH,
    changed,
    compiled,
    make_world,
    read_vendor,
    refused_vendor,
    settings_files,
)

PATH = "/etc/somewhere/credential-config.json"
IMDS_URL = (
    "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api://AzureADTokenExchange"
)
ACCOUNT_PATH = "/v1/projects/-/serviceAccounts/bifrost-pull@bifrost-dist.iam.gserviceaccount.com:generateAccessToken"


BY_NAME: dict[str, tuple[dict[str, Any], str, str]] = {
    "service account key": (
        {"type": "service_account", "private_key": "canary", "client_email": "a@b"},
        "credential-config-key",
        "service account key",
    ),
    "executable source": (
        changed(GUIDE, "credential_source", to={"executable": {"command": "/bin/canary"}}),
        "credential-config-source",
        "credential_source.executable",
    ),
    "executable beside a file": (
        changed(GUIDE, "credential_source", "executable", to={"command": "/bin/canary"}),
        "credential-config-source",
        "executable sources are never followed",
    ),
    "certificate source": (
        changed(GUIDE, "credential_source", to={"certificate": {"use_default_certificate_config": True}}),
        "credential-config-source",
        "credential_source.certificate",
    ),
    "AWS source": (
        changed(GUIDE, "credential_source", to={"environment_id": "aws1", "url": "http://169.254.169.254/latest/x"}),
        "credential-config-source",
        "credential_source.environment_id: AWS",
    ),
    "AWS region": (
        changed(GUIDE, "credential_source", "region_url", to="http://169.254.169.254/latest/canary"),
        "credential-config-source",
        "credential_source.region_url: AWS",
    ),
    "AWS verification": (
        changed(GUIDE, "credential_source", "regional_cred_verification_url", to="https://sts.canary"),
        "credential-config-source",
        "credential_source.regional_cred_verification_url: AWS",
    ),
    "AWS session token": (
        changed(GUIDE, "credential_source", "imdsv2_session_token_url", to="http://canary"),
        "credential-config-source",
        "credential_source.imdsv2_session_token_url: AWS",
    ),
    "client id": (changed(GUIDE, "client_id", to="canary"), "credential-config-invalid", "client_id"),
    "client secret": (changed(GUIDE, "client_secret", to="canary"), "credential-config-invalid", "client_secret"),
    "workforce pool": (
        changed(GUIDE, "workforce_pool_user_project", to="canary"),
        "credential-config-invalid",
        "workforce_pool_user_project",
    ),
}


@pytest.mark.parametrize(("document", "code", "named"), BY_NAME.values(), ids=BY_NAME.keys())
def test_what_google_auth_would_follow_is_refused_by_name(document: dict[str, Any], code: str, named: str) -> None:
    error = refused_vendor(document)
    assert error.code == code
    assert named in error.cause
    assert "canary" not in error.line()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": (
        changed(GUIDE, "token_uri", to="https://x"),
        "token_uri: Extra inputs are not permitted; did you mean token_url?",
    ),
    "unknown key in the source": (changed(GUIDE, "credential_source", "fil", to="/x"), "credential_source.fil: "),
    "other type": (changed(GUIDE, "type", to="authorized_user"), "type: "),
    "no type": (changed(GUIDE, "type"), "type: "),
    "no audience": (changed(GUIDE, "audience"), "audience: "),
    "no token_url": (changed(GUIDE, "token_url"), "token_url: "),
    "no credential_source": (changed(GUIDE, "credential_source"), "credential_source: "),
    "token_url a number": (changed(GUIDE, "token_url", to=1), "token_url: "),
    "lifetime too short": (
        changed(GUIDE, "service_account_impersonation", to={"token_lifetime_seconds": 599}),
        "service_account_impersonation.token_lifetime_seconds: ",
    ),
    "lifetime too long": (
        changed(GUIDE, "service_account_impersonation", to={"token_lifetime_seconds": 43201}),
        "service_account_impersonation.token_lifetime_seconds: ",
    ),
    "lifetime a text": (
        changed(GUIDE, "service_account_impersonation", to={"token_lifetime_seconds": "1h"}),
        "service_account_impersonation.token_lifetime_seconds: ",
    ),
    "lifetime true": (
        changed(GUIDE, "service_account_impersonation", to={"token_lifetime_seconds": True}),
        "service_account_impersonation.token_lifetime_seconds: ",
    ),
    "source of nothing": (
        changed(GUIDE, "credential_source", to={"format": {"type": "text"}}),
        "credential_source must have one of file and url",
    ),
    "source of both": (
        changed(GUIDE, "credential_source", "url", to=IMDS_URL),
        "credential_source must have one of file and url",
    ),
    "format unknown": (
        changed(GUIDE, "credential_source", "format", to={"type": "xml"}),
        "credential_source.format.type: ",
    ),
    "JSON without a field": (
        changed(GUIDE, "credential_source", "format", to={"type": "json"}),
        "credential_source.format ",
    ),
    "JSON with an empty field": (
        changed(GUIDE, "credential_source", "format", to={"type": "json", "subject_token_field_name": ""}),
        "credential_source.format ",
    ),
    "JSON with no name as field": (
        changed(GUIDE, "credential_source", "format", to={"type": "json", "subject_token_field_name": "a b"}),
        "credential_source.format ",
    ),
    "access token as subject": (
        changed(GUIDE, "subject_token_type", to="urn:ietf:params:oauth:token-type:access_token"),
        "subject_token_type is none of",
    ),
    "AWS request as subject": (
        changed(GUIDE, "subject_token_type", to="urn:ietf:params:aws:token-type:aws4_request"),
        "subject_token_type is none of",
    ),
    "quota project of no name": (
        changed(GUIDE, "quota_project_id", to="a\r\nHost: canary"),
        "quota_project_id is no project id",
    ),
    "quota project with a newline": (
        changed(GUIDE, "quota_project_id", to="project\n"),
        "quota_project_id is no project id",
    ),
}


@pytest.mark.parametrize(("document", "named"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_value_is_named_by_its_field(document: dict[str, Any], named: str) -> None:
    error = refused_vendor(document)
    assert error.code == "credential-config-invalid"
    assert error.cause.startswith(f"{VENDOR_PATH}: {named}")


NOT_JSON = {
    "empty": (b"", "not JSON"),
    "two values": (b"{}{}", "more than one"),
    "not UTF-8": (b"\xff", "not UTF-8"),
    "duplicate key": (b'{"type":"external_account","type":"service_account"}', "duplicate"),
    "list": (b"[]", "the document"),
    "text": (b'"external_account"', "the document"),
}


@pytest.mark.parametrize(("content", "reason"), NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_is_no_json_object_is_refused(content: bytes, reason: str) -> None:
    assert reason in refused_vendor(content).cause


AUDIENCES = {
    "with scheme": "https:" + AUDIENCE,
    "project by name": AUDIENCE.replace("123456789012", "bifrost-dist"),
    "other service": AUDIENCE.replace("iam.googleapis.com", "iam.evil.example"),
    "look-alike": AUDIENCE.replace("iam.googleapis.com", "iam.googleapis.com.evil.example"),
    "region": AUDIENCE.replace("global", "europe-west1"),
    "workforce pool": "//iam.googleapis.com/locations/global/workforcePools/pool/providers/provider",
    "without provider": AUDIENCE.partition("/providers")[0],
    "newline at the end": AUDIENCE + "\n",
    "slash at the end": AUDIENCE + "/",
    "placeholder of the guide": AUDIENCE.replace("123456789012", "BIFROST_PROJECT_NUMBER"),
    "empty": "",
}


@pytest.mark.parametrize("audience", AUDIENCES.values(), ids=AUDIENCES.keys())
def test_audiences_that_google_would_refuse_late(audience: str) -> None:
    error = refused_vendor(changed(GUIDE, "audience", to=audience))
    assert f"{VENDOR_PATH}: audience is not //iam.googleapis.com/projects/NUMBER/" in error.cause
    assert "projectNumber" in error.remedy
    assert ("must not start with https" in error.cause) is audience.startswith("https")


IDS = {
    "pool too short": ("pool", AUDIENCE.replace("acme-azure-pool", "abc")),
    "pool too long": ("pool", AUDIENCE.replace("acme-azure-pool", "a" * 33)),
    "pool in upper case": ("pool", AUDIENCE.replace("acme", "ACME")),
    "no pool": ("pool", AUDIENCE.replace("acme-azure-pool", "")),
    "provider too short": ("provider", AUDIENCE.rpartition("/")[0] + "/abc"),
    "placeholder as provider": ("provider", AUDIENCE.rpartition("/")[0] + "/BIFROST_PROVIDER"),
}


@pytest.mark.parametrize(("kind", "audience"), IDS.values(), ids=IDS.keys())
def test_an_id_that_google_never_gave_is_not_blamed_on_the_projects_number(kind: str, audience: str) -> None:
    error = refused_vendor(changed(GUIDE, "audience", to=audience))
    assert f"{VENDOR_PATH}: audience names a {kind} that cannot be" in error.cause
    assert "number" not in error.cause + error.remedy
    assert "ask the vendor" in error.remedy


def test_the_guides_file_loads_as_the_vendor_hands_it_out(tmp_path: Path) -> None:
    settings_files(tmp_path, {}, GUIDE)
    plan = compiled(make_world(tmp_path))
    assert plan["source"] == "token-file"
    assert plan["audience"] == AUDIENCE
    assert plan["token_url"] == "https://sts.googleapis.com/v1/token"
    assert plan["impersonation_url"] == IAM_URL
    assert plan["service_account"] == "bifrost-pull@bifrost-dist.iam.gserviceaccount.com"
    assert (plan["lifetime"], plan["quota_project"], plan["token_field"]) == (3600, None, None)


def test_gclouds_file_loads_as_it_is_written(tmp_path: Path) -> None:
    settings_files(tmp_path, {}, GCLOUD)
    plan = compiled(make_world(tmp_path))
    assert (plan["source"], plan["resource"], plan["selector"]) == (
        "managed-identity",
        "api://AzureADTokenExchange",
        None,
    )
    assert (plan["impersonation_url"], plan["service_account"]) == (None, None)


def test_gclouds_file_with_a_service_account_and_without_app_id_uri() -> None:
    document = changed(GCLOUD, "token_info_url")
    document["service_account_impersonation_url"] = IAM_URL
    document["service_account_impersonation"] = {"token_lifetime_seconds": 43200}
    document["credential_source"]["url"] = IMDS_URL.replace("api://AzureADTokenExchange", TOKEN_AUDIENCE)
    account = read_vendor(document)
    assert (account.source, account.imds_resource) == ("managed-identity", TOKEN_AUDIENCE)
    assert account.plan()["lifetime"] == 43200


@pytest.mark.parametrize("kind", ["jwt", "id_token"])
def test_both_names_of_a_jwt(kind: str) -> None:
    name = f"urn:ietf:params:oauth:token-type:{kind}"
    assert read_vendor({**GUIDE, "subject_token_type": name}).plan()["subject_token_type"] == name


@pytest.mark.parametrize("seconds", [600, 3600, 43200])
def test_lifetimes_that_iam_grants(seconds: int) -> None:
    document = {**GUIDE, "service_account_impersonation": {"token_lifetime_seconds": seconds}}
    assert read_vendor(document).plan()["lifetime"] == seconds


def test_a_quota_project_is_kept() -> None:
    assert (
        read_vendor({**GUIDE, "quota_project_id": "example.com:a-project"}).plan()["quota_project"]
        == "example.com:a-project"
    )


def test_the_guides_account_of_a_domain_project() -> None:
    url = IAM_URL.replace("bifrost-dist", "bifrost-dist.example.com")
    assert read_vendor({**GUIDE, "service_account_impersonation_url": url}).service_account == (
        "bifrost-pull@bifrost-dist.example.com.iam.gserviceaccount.com"
    )
