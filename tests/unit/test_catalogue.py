"""The error catalogue: all samples are explained, all entries can be met, and no answer makes it fail or leak."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credprovider.catalogue import Evidence, diagnose, entries, is_transient, issuer_kind, placeholders
from credprovider.errors import EXIT_CODES, LINE_LIMIT
from credprovider.refusal import safe_text
from credprovider.transport import TRANSIENT_STATUSES

_VECTORS = Path(__file__).parent.parent / "vectors" / "http_samples.json"
_SAMPLES: dict[str, Any] = {each["name"]: each for each in json.loads(_VECTORS.read_text(encoding="utf-8"))}
_HOPS = {
    "azure-imds": "imds",
    "entra": "entra",
    "gcp-sts": "sts",
    "gcp-iamcredentials": "iam",
    "artifact-registry": "registry",
}
_RAW = json.loads((Path(diagnose.__code__.co_filename).parent / "catalogue.json").read_text(encoding="utf-8"))

_TENANT = "11111111-1111-4111-8111-111111111111"
_V1, _V2 = f"https://sts.windows.net/{_TENANT}/", f"https://login.microsoftonline.com/{_TENANT}/v2.0"
_CLUSTER = f"https://westeurope.oic.prod-aks.azure.com/{_TENANT}/55555555-5555-4555-8555-555555555555/"
_K8S = {"iss": _CLUSTER, "aud": "api://AzureADTokenExchange", "sub": "system:serviceaccount:bifrost:bifrost-sa"}
_ENTRA = {
    "iss": _V2,
    "aud": "fb60f99c-7a34-4190-8149-302f77469936",
    "sub": "33333333-3333-4333-8333-333333333333",
    "azp": "22222222-2222-4222-8222-222222222222",
}
FACTS = {
    "audience": "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/hub/providers/hub",
    "project_number": "123456789012",
    "pool": "hub-azure-pool",
    "provider": "hub-azure-provider",
    "service_account": "bifrost-puller@bifrost-project.iam.gserviceaccount.com",
    "project": "bifrost-project",
    "registry_project": "bifrost-project",
    "location": "europe-west1",
    "repository": "hub",
    "host": "europe-west1-docker.pkg.dev",
    "image": "europe-west1-docker.pkg.dev/bifrost-project/hub/bifrost",
    "resource": "api://AzureADTokenExchange",
    "client_id": "22222222-2222-4222-8222-222222222222",
    "token_file": "/run/azure-gar-credential-provider/azure-identity-token",
}


def _sample(name: str, **more: Any) -> Evidence:
    response = _SAMPLES[name]["response"]
    return Evidence(
        hop=_HOPS[_SAMPLES[name]["service"]],
        status=response["status"],
        body=(response["body"] or "").encode(),
        headers=response["headers"],
        **more,
    )


#: Sample, what else is known, code and service's code to be told.
_ANSWERS: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("imds_400_identity_not_found", {}, "imds-identity-not-assigned", "invalid_request"),
    ("imds_400_missing_metadata_header", {}, "imds-intercepted", "bad_request_102"),
    ("imds_400_bad_api_version", {}, "imds-api-version", None),
    ("imds_404_updating", {}, "imds-busy", None),
    ("imds_410_gone_updating", {}, "imds-busy", "gone"),
    ("imds_429_throttled", {}, "imds-busy", "too_many_requests"),
    ("imds_500_aad_unreachable", {}, "imds-server-error", "unknown"),
    ("imds_via_proxy_html", {}, "imds-intercepted", None),
    ("entra_AADSTS700213_subject", {"claims": _K8S}, "entra-subject-mismatch", "AADSTS700213"),
    ("entra_AADSTS90002_unknown_tenant", {}, "entra-tenant-unknown", "AADSTS90002"),
    ("entra_AADSTS500011_unknown_resource", {}, "entra-resource-unknown", "AADSTS500011"),
    ("entra_AADSTS700024_expired_assertion", {}, "entra-assertion-expired", "AADSTS700024"),
    ("entra_AADSTS50013_bad_signature", {}, "entra-assertion-signature", "AADSTS50013"),
    ("entra_AADSTS7000215_invalid_secret", {}, "entra-secret-refused", "AADSTS7000215"),
    ("entra_AADSTS501051_assignment_required", {}, "entra-assignment-required", "AADSTS501051"),
    ("entra_429_throttled", {}, "entra-throttled", "AADSTS90055"),
    ("entra_503_transient", {}, "entra-unavailable", "AADSTS90033"),
    ("sts_400_audience_mismatch", {}, "sts-audience-mismatch", "invalid_grant"),
    (
        "sts_400_issuer_mismatch_k8s_token_to_entra_provider",
        {"claims": _K8S},
        "sts-issuer-cluster-token",
        "invalid_grant",
    ),
    ("sts_400_issuer_mismatch_k8s_token_to_entra_provider", {}, "sts-issuer-cluster-token", "invalid_grant"),
    ("sts_400_issuer_mismatch_v1_v2", {"claims": _ENTRA}, "sts-issuer-token-version", "invalid_grant"),
    ("sts_400_issuer_mismatch_v1_v2", {}, "sts-issuer-token-version", "invalid_grant"),
    ("sts_400_attribute_condition", {}, "sts-attribute-condition", "unauthorized_client"),
    ("sts_400_issuer_unreachable", {}, "sts-issuer-unreachable", "invalid_grant"),
    ("sts_400_unknown_pool_or_provider", {}, "sts-provider-unknown", "invalid_target"),
    ("sts_400_bad_audience_format", {}, "sts-audience-format", "invalid_request"),
    ("sts_400_no_scope", {}, "sts-scope-missing", "invalid_request"),
    ("sts_429_quota", {}, "sts-throttled", "RESOURCE_EXHAUSTED"),
    ("sts_503_empty_body", {}, "sts-unavailable", None),
    ("sts_200_not_json_captive_proxy", {"failure": "not-json"}, "network-web-page", None),
    ("sts_ok_without_expires_in", {"failure": "no-expiry"}, "token-expiry-missing", None),
    ("iam_403_getAccessToken", {"impersonated": True}, "iam-subject-not-bound", "PERMISSION_DENIED"),
    (
        "iam_403_getAccessToken",
        {"claims": _ENTRA, "facts": {"bound_subject": _ENTRA["azp"]}, "impersonated": True},
        "iam-subject-is-client-id",
        "PERMISSION_DENIED",
    ),
    (
        "iam_403_getAccessToken",
        {"claims": _ENTRA, "facts": {"bound_subject": _ENTRA["sub"]}, "impersonated": True},
        "iam-subject-not-bound",
        "PERMISSION_DENIED",
    ),
    ("iam_404_sa_not_found", {}, "iam-service-account-unknown", "NOT_FOUND"),
    ("iam_400_no_scope", {}, "iam-argument-invalid", "INVALID_ARGUMENT"),
    ("iam_401_federated_token_expired", {}, "iam-token-rejected", "UNAUTHENTICATED"),
    ("iam_429_quota", {}, "iam-throttled", "RESOURCE_EXHAUSTED"),
    ("ar_403_no_reader_role", {}, "registry-reader-missing", "DENIED"),
    ("ar_403_no_reader_role", {"impersonated": True}, "registry-reader-missing-service-account", "DENIED"),
    ("ar_403_token_endpoint_no_reader_role", {}, "registry-reader-missing", "DENIED"),
    ("ar_403_anonymous", {}, "registry-anonymous", "DENIED"),
    ("ar_400_name_invalid", {}, "registry-name-invalid", "NAME_INVALID"),
    ("ar_401_readonly_scope_push_refused", {}, "registry-token-rejected", "UNAUTHORIZED"),
    ("ar_401_ping_challenge", {}, "registry-no-credential", "UNAUTHORIZED"),
    ("ar_401_manifest_challenge", {}, "registry-no-credential", "UNAUTHORIZED"),
    ("ar_401_bad_or_expired_token_no_challenge", {}, "registry-token-rejected", "UNAUTHORIZED"),
    ("ar_404_manifest_unknown", {}, "registry-image-unknown", "MANIFEST_UNKNOWN"),
]


@pytest.mark.parametrize(
    ("sample", "more", "code", "service_error"), _ANSWERS, ids=[f"{each[0]}-{each[2]}" for each in _ANSWERS]
)
def test_sample_answer_is_explained(sample: str, more: dict[str, Any], code: str, service_error: str | None) -> None:
    error = diagnose(_sample(sample, **more))
    assert (error.code, error.service_error) == (code, service_error)


def test_no_error_sample_is_left_out() -> None:
    refused = {name for name, each in _SAMPLES.items() if each["response"]["status"] >= 400}
    assert refused <= {each[0] for each in _ANSWERS}


def _oauth(error: str, description: str) -> bytes:
    return json.dumps({"error": error, "error_description": description}).encode()


def _entra(number: int) -> dict[str, Any]:
    return {"hop": "entra", "status": 401, "body": json.dumps({"error": "x", "error_codes": [number]}).encode()}


def _sts(description: str, error: str = "invalid_grant", **more: Any) -> dict[str, Any]:
    return {"hop": "sts", "status": 400, "body": _oauth(error, description), **more}


def _rpc(hop: str, status: int, message: str, reason: str = "") -> dict[str, Any]:
    body = {"error": {"code": status, "message": message, "status": "X", "details": [{"reason": reason}]}}
    return {"hop": hop, "status": status, "body": json.dumps(body).encode()}


def _issuer(sent: str, expected: str) -> dict[str, Any]:
    return _sts(f"The issuer in ID Token {sent} does not match the expected ones: {expected}", claims={"iss": sent})


#: One piece of evidence for each entry.
WAYS: dict[str, dict[str, Any]] = {
    "deadline-exceeded": {"hop": "entra", "failure": "deadline"},
    "imds-identity-not-assigned": {"hop": "imds", "status": 400, "body": _oauth("x", "Identity not found")},
    "imds-identity-ambiguous": {
        "hop": "imds",
        "status": 400,
        "body": _oauth("x", "Multiple user assigned identities exist, please specify one"),
    },
    "imds-intercepted": {"hop": "imds", "status": 400, "body": _oauth("bad_request_102", "")},
    "imds-api-version": {"hop": "imds", "status": 400, "body": _oauth("Bad request. api-version is invalid", "")},
    "entra-resource-unknown": {"hop": "imds", "status": 400, "body": _oauth("x", "AADSTS500011: No such resource.")},
    "imds-busy": {"hop": "imds", "failure": "timeout"},
    "imds-server-error": {"hop": "imds", "status": 502},
    "imds-unreachable": {"hop": "imds", "failure": "refused"},
    "imds-refused": {"hop": "imds", "status": 405},
    "network-web-page": {"hop": "iam", "status": 404, "headers": {"Content-Type": "text/html; charset=utf-8"}},
    "entra-issuer-mismatch": _entra(700211),
    "entra-audience-mismatch": _entra(7002121),
    "entra-subject-mismatch": _entra(7002138),
    "entra-credential-missing": _entra(70021),
    "entra-client-unknown": _entra(700016),
    "entra-tenant-unknown": _entra(900382),
    "entra-scope-invalid": _entra(70011),
    "entra-assertion-expired": _entra(500133),
    "entra-assertion-signature": _entra(700027),
    "entra-assignment-required": _entra(501051),
    "entra-secret-refused": _entra(7000215),
    "entra-assertion-not-allowed": _entra(700227),
    "entra-assertion-malformed": _entra(50027),
    "entra-throttled": {"hop": "entra", "status": 429},
    "entra-unavailable": {"hop": "entra", "status": 504},
    "entra-refused": _entra(1234567),
    "network-service-perimeter": _rpc("iam", 403, "", "SECURITY_POLICY_VIOLATED"),
    "iam-api-disabled": _rpc("iam", 403, "X has not been used in project 987654321098 before or it is disabled."),
    "sts-audience-mismatch": _sts("The audience in ID Token [a,b] does not match the expected audience."),
    "sts-issuer-cluster-token": _issuer(_CLUSTER, _V2),
    "sts-issuer-token-version": _issuer(_V1, _V2),
    "sts-issuer-mismatch": _issuer(_V2, _CLUSTER),
    "sts-attribute-condition": _sts("The given credential is rejected by the attribute condition."),
    "sts-provider-unknown": _sts("", "invalid_target"),
    "sts-audience-format": _sts('Invalid value for "audience".'),
    "sts-token-stale": _sts("ID Token issued at 1795435200 is stale to sign-in."),
    "sts-issuer-unreachable": _sts("Error connecting to the given credential\u2019s issuer."),
    "sts-token-unverifiable": _sts("Unable to verify the ID Token signature."),
    "sts-subject-too-long": _sts("The size of mapped attribute google.subject exceeds the 127 bytes limit."),
    "sts-scope-missing": _sts("Scope(s) must be provided."),
    "sts-throttled": _sts("", "quota_exceeded"),
    "sts-unavailable": {"hop": "sts", "status": 500},
    "sts-refused": _sts("Something new."),
    "iam-subject-is-client-id": {
        **_rpc("registry", 403, 'Permission "artifactregistry.repositories.downloadArtifacts" denied'),
        "claims": _ENTRA,
        "facts": {"bound_subject": _ENTRA["azp"]},
    },
    "iam-subject-not-bound": _rpc("iam", 403, "", "IAM_PERMISSION_DENIED"),
    "iam-service-account-unknown": _rpc("iam", 404, "Not found; Gaia id not found for email x"),
    "iam-lifetime": _rpc("iam", 400, "They can not have lifetimes of more than 1 hour."),
    "iam-quota-project": _rpc("iam", 403, "", "USER_PROJECT_DENIED"),
    "iam-scope-insufficient": _rpc("iam", 403, "", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
    "iam-argument-invalid": _rpc("iam", 400, "Request contains an invalid argument."),
    "iam-token-rejected": {"hop": "iam", "status": 401},
    "iam-throttled": {"hop": "iam", "status": 429},
    "iam-unavailable": {"hop": "iam", "status": 503},
    "iam-refused": {"hop": "iam", "status": 418},
    "registry-anonymous": _rpc("registry", 403, "Unauthenticated request. downloadArtifacts"),
    "registry-reader-missing": {"hop": "registry", "status": 403},
    "registry-reader-missing-service-account": {"hop": "registry", "status": 403, "impersonated": True},
    "registry-token-rejected": {"hop": "registry", "status": 401},
    "registry-no-credential": {"hop": "registry", "status": 401, "headers": {"www-authenticate": "Bearer"}},
    "registry-name-invalid": {"hop": "registry", "status": 400, "body": b'{"errors":[{"code":"NAME_INVALID"}]}'},
    "registry-image-unknown": {"hop": "registry", "status": 404},
    "registry-throttled": {"hop": "registry", "status": 429},
    "registry-unavailable": {"hop": "registry", "status": 503},
    "registry-refused": {"hop": "registry", "status": 416},
    "kubelet-audience-not-allowed": {
        "hop": "kubelet",
        "body": b'serviceaccounts "x" is forbidden: audience "api://A" not found in pod spec volume, system:node:n',
    },
    "kubelet-plugin-not-called": {"hop": "kubelet", "body": b"failed to fetch anonymous token: 403 Forbidden"},
    "service-account-token-missing": {"hop": "request", "failure": "no-service-account-token"},
    "kubelet-config-invalid": {"hop": "kubelet", "failure": "config-invalid"},
    "kubelet-entry-missing": {"hop": "kubelet", "failure": "not-listed"},
    "kubelet-match-images": {"hop": "kubelet", "failure": "not-matched"},
    "kubelet-entry-audience": {"hop": "kubelet", "failure": "entry-audience"},
    "kubelet-config-not-loaded": {"hop": "kubelet", "failure": "not-loaded"},
    "kubelet-executable-missing": {"hop": "kubelet", "failure": "no-executable"},
    "clock-wrong": {"hop": "clock", "failure": "clock"},
    "image-not-ours": {"hop": "image", "failure": "not-ours"},
    "image-foreign": {"hop": "image", "failure": "foreign"},
    "plugin-crashed": {"hop": "plugin", "failure": "crash"},
    "plugin-answer-refused": {"hop": "plugin", "failure": "answer"},
    "service-account-token-not-given": {"hop": "service-account", "failure": "not-given"},
    "token-file-missing": {"hop": "token-file", "failure": "token-file-missing"},
    "token-file-expired": {"hop": "token-file", "failure": "token-file-expired"},
    "registry-no-challenge": {"hop": "registry", "failure": "no-challenge"},
    "registry-realm-foreign": {"hop": "registry", "failure": "foreign-realm"},
    "network-dns": {"hop": "sts", "failure": "dns"},
    "network-refused": {"hop": "sts", "failure": "refused"},
    "network-reset": {"hop": "sts", "failure": "reset"},
    "network-timeout": {"hop": "sts", "failure": "timeout"},
    "network-unreachable": {"hop": "sts", "failure": "unreachable"},
    "network-tls-untrusted": {"hop": "sts", "failure": "tls-untrusted"},
    "network-tls-expired": {"hop": "sts", "failure": "tls-expired"},
    "network-tls-hostname": {"hop": "sts", "failure": "tls-hostname"},
    "network-tls": {"hop": "sts", "failure": "tls"},
    "network-proxy-authentication": {"hop": "sts", "failure": "proxy", "status": 407},
    "network-proxy-denied": {"hop": "sts", "failure": "proxy", "status": 403},
    "network-proxy": {"hop": "sts", "failure": "proxy", "status": 502},
    "network-redirect": {"hop": "sts", "failure": "redirect", "status": 307},
    "network-oversize": {"hop": "sts", "failure": "oversize", "status": 200},
    "network-truncated": {"hop": "sts", "failure": "truncated", "status": 200},
    "network-not-http": {"hop": "sts", "failure": "not-http"},
    "network-not-json": {"hop": "sts", "failure": "not-json", "status": 200},
    "token-missing": {"hop": "sts", "failure": "no-token", "status": 200},
    "token-expiry-missing": {"hop": "sts", "failure": "no-expiry", "status": 200},
    "network-unexpected-answer": {"hop": "sts", "status": 204},
}


@pytest.mark.parametrize("code", [entry.code for entry in entries()])
def test_each_entry_can_be_met(code: str) -> None:
    assert diagnose(Evidence(**WAYS[code])).code == code


@pytest.mark.parametrize(
    ("hop", "status", "code"),
    [
        *[(hop, 499, f"{hop}-refused") for hop in ("imds", "entra", "sts", "iam", "registry")],
        *[(hop, 599, f"{hop}-unavailable") for hop in ("entra", "sts", "iam", "registry")],
        *[(hop, 429, f"{hop}-throttled") for hop in ("entra", "sts", "iam", "registry")],
        *[(hop, 302, "network-unexpected-answer") for hop in ("imds", "entra", "sts", "iam", "registry", "kubelet")],
        ("sts", None, "network-unexpected-answer"),
        ("nowhere", 999, "network-unexpected-answer"),
    ],
)
def test_unknown_answer_falls_to_its_hops_own_entry(hop: str, status: int | None, code: str) -> None:
    assert diagnose(Evidence(hop=hop, status=status, body=b"\x00\xff")).code == code


@pytest.mark.parametrize("hop", ["imds", "entra", "sts", "iam", "registry"])
def test_statuses_that_are_tried_again_are_transient_here_too(hop: str) -> None:
    assert all(is_transient(Evidence(hop=hop, status=status)) for status in TRANSIENT_STATUSES)
    assert not is_transient(Evidence(hop=hop, status=400))


def test_all_forty_one_pairs_are_there_once() -> None:
    assert sorted(entry.number for entry in entries() if entry.number is not None) == list(range(1, 42))


def test_data_holds_only_what_the_matcher_knows() -> None:
    codes = [entry.code for entry in entries()]
    assert len(set(codes)) == len(codes)
    prefixes = (
        r"(imds|entra|sts|iam|registry|kubelet|clock|image|plugin|network|token|service-account|deadline)(-[a-z0-9]+)+"
    )
    assert [code for code in codes if not re.fullmatch(prefixes, code)] == []
    families = {entry.family for entry in entries() if entry.family} | set(_RAW["families"].values())
    assert families <= EXIT_CODES.keys()
    assert {key for entry in _RAW["entries"] for key in entry} <= {
        *("code", "number", "family", "hops", "match", "cause", "remedy", "retry")
    }
    used = {name for entry in entries() for name in re.findall(r"\{([a-z_|]+)\}", entry.cause + entry.remedy)}
    assert {name for each in used for name in each.split("|")} - placeholders().keys() == {"rest"}


@pytest.mark.parametrize("facts", [{}, FACTS], ids=["nothing known", "all known"])
@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.code)
def test_each_entry_fits_the_line(entry: Any, facts: dict[str, str]) -> None:
    way = WAYS[entry.code]
    known = {**(_ENTRA if "issuer" not in entry.code else {}), **way.get("claims", {})} if facts else {}
    error = diagnose(
        Evidence(**{**way, "facts": {**facts, **way.get("facts", {})}, "claims": known or way.get("claims")})
    )
    line = error.line()
    assert len(line) <= LINE_LIMIT
    assert not line.endswith("...")
    assert "\n" not in line
    assert not re.search(r"\{[a-z_]+\}", line.replace("{rest}", ""))
    assert error.cause.endswith(".")
    assert error.remedy.count("`") % 2 == 0
    assert error.exit_code in EXIT_CODES.values()


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.code)
def test_each_entry_fits_the_line_with_the_longest_names_that_clouds_give(entry: Any) -> None:
    pool = f"projects/123456789012/locations/global/workloadIdentityPools/{'p' * 32}/providers/{'q' * 32}"
    longest = {
        "audience": f"//iam.googleapis.com/{pool}",
        "token_audience": f"https://iam.googleapis.com/{pool}",
        "pool": "p" * 32,
        "provider": "q" * 32,
        "account_id": "a" * 30,
        "project": "j" * 30,
        "service_account": f"{'a' * 30}@{'j' * 30}.iam.gserviceaccount.com",
        "registry_project": "r" * 30,
        "location": "northamerica-northeast1",
        "repository": "e" * 40,
        "image": f"northamerica-northeast1-docker.pkg.dev/{'r' * 30}/{'e' * 40}/{'i' * 40}",
    }
    way = WAYS[entry.code]
    claims = {"iss": _CLUSTER, "aud": longest["token_audience"], "sub": f"system:serviceaccount:{'n' * 40}:{'s' * 63}"}
    facts = {**FACTS, **longest, **way.get("facts", {})}
    line = diagnose(Evidence(**{"claims": claims, **way, "facts": facts})).line()
    assert len(line) <= LINE_LIMIT
    assert not line.endswith("...")


def test_commands_carry_the_users_own_values() -> None:
    error = diagnose(_sample("iam_403_getAccessToken", claims=_ENTRA, facts=FACTS, impersonated=True))
    member = f"principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/hub-azure-pool/subject/{_ENTRA['sub']}"
    assert f"add-iam-policy-binding {FACTS['service_account']} --project=bifrost-project" in error.remedy
    assert f'--member="{member}"' in error.remedy
    assert error.claims == _ENTRA


def test_what_is_not_known_is_named_in_capitals() -> None:
    error = diagnose(_sample("sts_400_attribute_condition"))
    assert (
        "describe projects/PROJECT_NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"
        in error.remedy
    )
    assert "assertion.sub=='SUB'" in error.remedy


def test_checked_ids_of_the_answer_fill_what_settings_do_not_know() -> None:
    denied = diagnose(_sample("ar_403_no_reader_role"))
    assert "binding containers --project=example-project --location=us-central1 " in denied.remedy
    disabled = diagnose(Evidence(**WAYS["iam-api-disabled"], facts=FACTS))
    assert "--project=987654321098`" in disabled.remedy
    audience = diagnose(_sample("sts_400_audience_mismatch"))
    assert '--allowed-audiences="api://AzureADTokenExchange"' in audience.remedy
    issuer = diagnose(_sample("sts_400_issuer_mismatch_v1_v2", claims=_ENTRA))
    assert f"the provider trusts {_V1}" in issuer.cause
    kubelet = diagnose(Evidence(**WAYS["kubelet-audience-not-allowed"]))
    assert '"resources":["api://A"]' in kubelet.remedy


def test_trace_ids_and_retry_after_are_handed_on() -> None:
    error = diagnose(_sample("entra_429_throttled"))
    assert error.retry_after == 5
    assert error.trace == {
        "trace_id": "00000000-0000-4000-8000-000000000001",
        "correlation_id": "00000000-0000-4000-8000-000000000002",
    }


@pytest.mark.parametrize("value", ["", "-1", "1e9", "9999999", "\u0664", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_retry_after_that_is_no_short_delay_counts_for_nothing(value: str) -> None:
    assert diagnose(Evidence(hop="sts", status=429, headers={"Retry-After": value})).retry_after is None


@pytest.mark.parametrize(
    "error",
    [
        "invalid_grant",
        ["a"],
        5,
        None,
        True,
        1e400,
        {"status": 5},
        {"details": "x"},
        {"details": [1, {"reason": []}]},
        {},
    ],
    ids=str,
)
def test_error_of_any_type_is_read(error: object) -> None:
    body = json.dumps({"error": error, "error_description": error, "error_codes": error, "trace_id": error}).encode()
    assert diagnose(Evidence(hop="sts", status=400, body=body)).code == "sts-refused"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 65536,
        b'{"error":' * 20000,
        b"\xff\xfe{",
        b"\xef\xbb\xbf{}",
        b"9" * 65536,
        b'{"error_codes":[' + b"9" * 6000 + b"]}",
    ],
    ids=["deep list", "deep object", "UTF-16", "byte order mark", "long number", "long code"],
)
def test_body_that_breaks_parsers_is_survived(body: bytes) -> None:
    assert diagnose(Evidence(hop="entra", status=400, body=body)).code == "entra-refused"


@pytest.mark.parametrize(
    "value", ["x; reboot", "$(reboot)", "`reboot`", "a'b", 'a"b', "a\nb", "--flag", "a|b", "a>b", "a\\b", ""], ids=repr
)
def test_value_that_a_shell_would_act_upon_stays_out_of_commands(value: str) -> None:
    error = diagnose(_sample("iam_403_getAccessToken", claims={"sub": value}, facts={"service_account": value}))
    assert "add-iam-policy-binding SERVICE_ACCOUNT --project=PROJECT" in error.remedy
    assert "/subject/SUB" in error.remedy


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("eyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.c2ln", "(hidden)"),
        ("before ya29.c.c0ASRK0GaB after", "before (hidden) after"),
        ("x" * 39 + "A", "(hidden)"),
        ("f" * 64, "(hidden)"),
        ("a\nb\x1b[31m\u202e", "a?b?[31m?"),
        ("a." * 150, "a." * 98 + "a..."),
        (_CLUSTER, _CLUSTER),
        (_K8S["sub"], _K8S["sub"]),
        (FACTS["audience"], FACTS["audience"]),
        (
            "system:serviceaccount:kube-system:" + "long-" * 12 + "name"[:3],
            "system:serviceaccount:kube-system:" + "long-" * 12 + "nam",
        ),
    ],
)
def test_text_is_shown_without_tokens(text: str, shown: str) -> None:
    assert safe_text(text) == shown


@pytest.mark.parametrize(
    ("issuer", "subject", "kind"),
    [
        (_CLUSTER, "", "kubernetes"),
        ("https://kubernetes.default.svc", "system:serviceaccount:a:b", "kubernetes"),
        (_V1, "", "entra-v1"),
        (_V2, "", "entra-v2"),
        ("https://login.microsoftonline.us/t/v2.0", "", "entra-v2"),
        ("https://token.actions.githubusercontent.com", "repo:a/b", None),
        ("https://sts.windows.net.example.com/t/", "", None),
        ("", "", None),
    ],
)
def test_issuers_are_told_apart(issuer: str, subject: str, kind: str | None) -> None:
    assert issuer_kind(issuer, subject) == kind


_CANARIES = ("ya29.CANARY-0123456789", "eyJhbGciCANARY", "CANARY" * 8)
_ALL_WAYS = [
    *[name for name, each in _SAMPLES.items() if each["response"]["status"] >= 400 and each["response"]["body"]],
    *[code for code, way in WAYS.items() if "body" in way],
]
_TEMPLATES: list[str] = [
    _SAMPLES[way]["response"]["body"] if way in _SAMPLES else WAYS[way]["body"].decode() for way in _ALL_WAYS
]
_HOP = st.sampled_from(["imds", "entra", "sts", "iam", "registry", "kubelet", "nowhere"])
_FAILURE = st.sampled_from([None, None, *sorted({way["failure"] for way in WAYS.values() if "failure" in way})])
_ID_LIKE = re.compile(r"[A-Za-z0-9_:/.-]{4,}")


@st.composite
def _spoilt(draw: st.DrawFn) -> bytes:
    """A service's own answer with a token in place of one of its words, or put in anywhere."""
    body, canary = draw(st.sampled_from(_TEMPLATES)), draw(st.sampled_from(_CANARIES))
    words = [word.span() for word in _ID_LIKE.finditer(body)]
    where = draw(st.integers(0, len(body)))
    start, end = draw(st.sampled_from([*words, (where, where)]))
    return (body[:start] + canary + body[end:]).encode()


def _assert_no_canary(evidence: Evidence) -> None:
    error = diagnose(evidence)
    shown = error.line() + repr([error.claims, error.trace, error.service_error, error.cause, error.remedy, error.args])
    assert "CANARY" not in shown
    assert error.line().isprintable()
    assert len(error.line()) <= LINE_LIMIT


@pytest.mark.parametrize("way", _ALL_WAYS, ids=str)
def test_token_in_place_of_any_word_of_an_answer_is_not_shown(way: str) -> None:
    """Nothing else is known here, so that whatever the answer says is what would be shown."""
    evidence = _sample(way) if way in _SAMPLES else Evidence(**{**WAYS[way], "facts": {}, "claims": {}})
    body = evidence.body.decode()
    for start, end in {word.span() for word in _ID_LIKE.finditer(body)}:
        for canary in _CANARIES:
            for spoilt in (
                canary,
                body[start:end] + canary,
                canary + body[start:end],
                f"https://example.com/{canary}/",
            ):
                evidence.body = (body[:start] + spoilt + body[end:]).encode()
                _assert_no_canary(evidence)


@settings(max_examples=200, deadline=None)
@given(_HOP, st.sampled_from([None, 200, 307, 400, 401, 403, 404, 429, 500]), _FAILURE, _spoilt(), st.booleans())
def test_token_in_an_answer_is_never_shown(
    hop: str, status: int | None, failure: str | None, body: bytes, known: bool
) -> None:
    more: dict[str, Any] = {"claims": _ENTRA, "facts": FACTS} if known else {}
    _assert_no_canary(Evidence(hop=hop, status=status, failure=failure, body=body, **more))


@settings(max_examples=200, deadline=None)
@given(_HOP, st.integers(100, 599), st.binary(max_size=300), st.sampled_from(_CANARIES), st.text(max_size=20))
def test_any_bytes_and_any_claims_are_survived_and_kept(
    hop: str, status: int, body: bytes, canary: str, text: str
) -> None:
    headers = dict.fromkeys(("Retry-After", "WWW-Authenticate", "Content-Type"), text + canary)
    claims = dict.fromkeys(("iss", "aud", "sub", "azp"), text + canary)
    _assert_no_canary(
        Evidence(
            hop=hop, status=status, body=body + canary.encode() + body, headers=headers, claims=claims, facts=claims
        )
    )
