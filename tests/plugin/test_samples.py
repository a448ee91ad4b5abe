"""Every recorded exchange with Azure and Google as a literal answer: successes answer, refusals are told by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.plugin.expect import assert_answers, only_call
from tests.plugin.faults import EXIT_CODE
from tests.plugin.listener import answering
from tests.plugin.runner import quick

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi
    from tests.plugin.runner import InProcess, Outcome
    from tests.plugin.settings import SettingsFactory

_PATH = Path(__file__).parent.parent / "vectors" / "http_samples.json"
_HOPS = {"azure-imds": "imds", "entra": "entra", "gcp-sts": "sts", "gcp-iamcredentials": "iam"}
SAMPLES = {each["name"]: each for each in json.loads(_PATH.read_bytes()) if each["service"] in _HOPS}
#: Modes in which the hop's answer is the next to matter.
_MODES = {
    "imds": "managed-identity-direct",
    "entra": "token-file-entra-direct",
    "sts": "managed-identity-direct",
    "iam": "managed-identity-impersonated",
}
#: The recorded expireTime, an hour after this.
_DATE = {"Content-Type": "application/json; charset=UTF-8", "Date": "Mon, 23 Nov 2026 12:00:00 GMT"}

#: Sample -> the error's code.
ERRORS = {
    "imds_400_identity_not_found": "imds-identity-not-assigned",
    "imds_400_missing_metadata_header": "imds-intercepted",
    "imds_400_bad_api_version": "imds-api-version",
    "imds_404_updating": "imds-busy",
    "imds_410_gone_updating": "imds-busy",
    "imds_429_throttled": "imds-busy",
    "imds_500_aad_unreachable": "imds-server-error",
    "imds_via_proxy_html": "imds-intercepted",
    "entra_AADSTS700213_subject": "entra-subject-mismatch",
    "entra_AADSTS90002_unknown_tenant": "entra-tenant-unknown",
    "entra_AADSTS500011_unknown_resource": "entra-resource-unknown",
    "entra_AADSTS700024_expired_assertion": "entra-assertion-expired",
    "entra_AADSTS50013_bad_signature": "entra-assertion-signature",
    "entra_AADSTS7000215_invalid_secret": "entra-secret-refused",
    "entra_AADSTS501051_assignment_required": "entra-assignment-required",
    "entra_429_throttled": "entra-throttled",
    "entra_503_transient": "entra-unavailable",
    "sts_ok_without_expires_in": "token-expiry-missing",
    "sts_400_audience_mismatch": "sts-audience-mismatch",
    "sts_400_issuer_mismatch_k8s_token_to_entra_provider": "sts-issuer-cluster-token",
    "sts_400_issuer_mismatch_v1_v2": "sts-issuer-token-version",
    "sts_400_attribute_condition": "sts-attribute-condition",
    "sts_400_issuer_unreachable": "sts-issuer-unreachable",
    "sts_400_unknown_pool_or_provider": "sts-provider-unknown",
    "sts_400_bad_audience_format": "sts-audience-format",
    "sts_400_no_scope": "sts-scope-missing",
    "sts_429_quota": "sts-throttled",
    "sts_503_empty_body": "sts-unavailable",
    "sts_200_not_json_captive_proxy": "network-web-page",
    "iam_403_getAccessToken": "iam-subject-not-bound",
    "iam_404_sa_not_found": "iam-service-account-unknown",
    "iam_400_no_scope": "iam-argument-invalid",
    "iam_401_federated_token_expired": "iam-token-rejected",
    "iam_429_quota": "iam-throttled",
}
#: Samples whose meaning lies in the token that was sent.
_MODE_OF_SAMPLE = {"sts_400_issuer_mismatch_k8s_token_to_entra_provider": "token-file-direct"}
#: Sample -> seconds that the token in it has left, or that the hop after it grants.
LIVES = {
    "imds_ok_user_assigned_by_client_id": 3598,
    "imds_ok_cached_half_life_left": 3598,
    "imds_ok_custom_app_id_uri_v1_token": 3598,
    "entra_ok_v2_fixed_audience": 3598,
    "entra_ok_v1_custom_app_id_uri": 3598,
    "sts_ok_for_impersonation": 3599,
    "sts_ok_direct_readonly_scope": 3598,
    "sts_ok_short_because_subject_expires_soon": 598,
    "iam_ok": 3600,
    "iam_ok_fractional_expire_time": 3600,
}


def test_every_sample_has_its_expectation() -> None:
    assert set(SAMPLES) == set(ERRORS) | set(LIVES)


def _token_in(name: str) -> str:
    body = json.loads(SAMPLES[name]["response"]["body"])
    return str(body.get("access_token") or body["accessToken"])


@pytest.fixture
def play(in_process: InProcess, settings: SettingsFactory, cloud: CloudApi) -> Any:
    """Has a sample answered by its hop, and asks; pauses between tries are not slept."""

    def run(name: str) -> Outcome:
        hop = _HOPS[SAMPLES[name]["service"]]
        dated: dict[str, Any] = {"headers": _DATE} if name.startswith("iam_ok") else {}
        cloud.fault(hop, "literal", sample=name, **dated)
        if name in LIVES and hop in ("imds", "entra"):
            cloud.fault("sts", "literal", sample="sts_ok_direct_readonly_scope")  # the recorded signature is none
        in_process.world["sleep"] = lambda _: None
        setting = settings(_MODE_OF_SAMPLE.get(name, _MODES[hop]))
        return in_process(setting.request, setting.config)

    return run


@pytest.mark.parametrize("name", ERRORS)
def test_refusal_is_told_by_its_name(play: Any, name: str) -> None:
    outcome = play(name)
    hop = _HOPS[SAMPLES[name]["service"]]
    assert (outcome.code, outcome.error, outcome.hop) == (EXIT_CODE[hop], ERRORS[name], hop)
    assert outcome.status == SAMPLES[name]["response"]["status"]


@pytest.mark.parametrize("name", LIVES)
def test_success_answers(play: Any, cloud: CloudApi, name: str) -> None:
    outcome = play(name)
    if name.startswith(("imds", "entra")):
        assert only_call(cloud, "sts")["form"]["subject_token"] == _token_in(name)
        assert_answers(outcome, _token_in("sts_ok_direct_readonly_scope"), life=LIVES[name])
    else:
        assert_answers(outcome, _token_in(name), life=LIVES[name])


@pytest.mark.parametrize("name", ["imds_ok_user_assigned_by_client_id", "entra_ok_v2_fixed_audience"])
def test_azure_gets_what_was_recorded(play: Any, cloud: CloudApi, name: str) -> None:
    _assert_as_recorded(play, cloud, name)


@pytest.mark.parametrize("name", ["sts_ok_for_impersonation", "sts_ok_direct_readonly_scope", "iam_ok"])
def test_google_gets_what_was_recorded(play: Any, cloud: CloudApi, name: str) -> None:
    _assert_as_recorded(play, cloud, name)


def _assert_as_recorded(play: Any, cloud: CloudApi, name: str) -> None:
    """Method, host, query, header names and fields; values are another tenant's and project's."""
    play(name)
    recorded = SAMPLES[name]["request"]
    call = only_call(cloud, _HOPS[SAMPLES[name]["service"]])
    url = urlsplit(recorded["url"])
    assert (call["method"], call["host"]) == (recorded["method"], url.netloc)
    assert set(call["query"]) == set(parse_qs(url.query))
    own = {header.lower() for header in recorded["headers"]}
    assert set(call["headers"]) - {"host", "accept-encoding", "content-length"} == own
    if call["form"] is not None:
        assert set(call["form"]) == set(parse_qs(recorded["body"]))
    elif call["json"] is not None:
        assert call["json"] == json.loads(recorded["body"])


# --- bodies made to break parsers -------------------------------------------------------------------------------------

_FEDERATED = {"access_token": "ya29.d.x", "token_type": "Bearer"}
BREAKERS: list[tuple[str, str, str | dict[str, Any], str]] = [
    ("imds", "list", "[]", "network-not-json"),
    ("imds", "no-token", {"expires_in": "86399"}, "token-missing"),
    ("imds", "token-a-number", {"access_token": 1}, "token-missing"),
    ("imds", "token-empty", {"access_token": ""}, "token-missing"),
    ("imds", "token-opaque", {"access_token": "EwBIA8l6BAAU"}, "imds-token-opaque"),
    ("imds", "token-with-newline", {"access_token": "a.b.c\r\nX-Evil: 1"}, "imds-token-opaque"),
    ("imds", "token-too-long", {"access_token": "a." + "b" * 20_000 + ".c"}, "imds-token-opaque"),
    ("imds", "deep", "[" * 30_000, "network-not-json"),
    ("imds", "not-utf-8", "\udcff\udcfe", "network-not-json"),
    ("imds", "long-number", '{"access_token":' + "1" * 5_000 + "}", "network-not-json"),
    ("entra", "null", "null", "network-not-json"),
    ("entra", "no-token", {"token_type": "Bearer", "expires_in": 86399}, "token-missing"),
    ("entra", "token-opaque", {"access_token": "EwBIA8l6BAAU"}, "entra-token-opaque"),
    ("sts", "list", "[]", "network-not-json"),
    ("sts", "string", '"ya29.d.x"', "network-not-json"),
    ("sts", "null", "null", "network-not-json"),
    ("sts", "deep", "[" * 30_000, "network-not-json"),
    ("sts", "not-utf-8", "\udcff\udcfe", "network-not-json"),
    ("sts", "no-token", {"expires_in": 3599}, "token-missing"),
    ("sts", "token-null", {**_FEDERATED, "access_token": None, "expires_in": 3599}, "token-missing"),
    ("sts", "token-with-newline", {**_FEDERATED, "access_token": "ya29\r\nX: 1", "expires_in": 3599}, "token-missing"),
    ("sts", "token-with-blank", {**_FEDERATED, "access_token": "ya29 x", "expires_in": 3599}, "token-missing"),
    ("sts", "token-not-ascii", {**_FEDERATED, "access_token": "ya29é", "expires_in": 3599}, "token-missing"),
    ("sts", "life-null", {**_FEDERATED, "expires_in": None}, "token-expiry-missing"),
    ("sts", "life-negative", {**_FEDERATED, "expires_in": -1}, "token-expiry-missing"),
    ("sts", "life-a-bool", {**_FEDERATED, "expires_in": True}, "token-expiry-missing"),
    ("sts", "life-a-word", {**_FEDERATED, "expires_in": "1h"}, "token-expiry-missing"),
    ("sts", "life-no-number", '{"access_token":"x","expires_in":NaN}', "token-expiry-missing"),
    ("sts", "life-endless", '{"access_token":"x","expires_in":Infinity}', "token-expiry-missing"),
    ("sts", "life-zero", {**_FEDERATED, "expires_in": 0}, "sts-token-short-lived"),
    ("sts", "life-a-minute", {**_FEDERATED, "expires_in": 60}, "sts-token-short-lived"),
    ("iam", "list", "[]", "network-not-json"),
    ("iam", "no-token", {"expireTime": "2036-11-23T13:00:00Z"}, "token-missing"),
    ("iam", "snake-case", {"access_token": "x", "expires_in": 3600}, "token-missing"),
    ("iam", "no-life", {"accessToken": "ya29.c.x"}, "token-expiry-missing"),
    ("iam", "life-a-number", {"accessToken": "ya29.c.x", "expireTime": 1795438800}, "token-expiry-missing"),
    ("iam", "life-local", {"accessToken": "ya29.c.x", "expireTime": "2036-11-23T13:00:00"}, "token-expiry-missing"),
    ("iam", "life-no-date", {"accessToken": "ya29.c.x", "expireTime": "2036-13-41T99:00:00Z"}, "token-expiry-missing"),
    ("iam", "life-past", {"accessToken": "ya29.c.x", "expireTime": "2020-11-23T13:00:00Z"}, "iam-token-short-lived"),
    ("iam", "not-utf-8", "\udcff\udcfe", "network-not-json"),
]


@pytest.mark.parametrize(
    ("hop", "body", "error"),
    [pytest.param(hop, body, error, id=f"{hop}-{name}") for hop, name, body, error in BREAKERS],
)
def test_success_that_is_none_is_refused(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, hop: str, body: str | dict[str, Any], error: str
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    cloud.fault(hop, "literal", headers={"Content-Type": "application/json"}, body=text)
    setting = settings(_MODES[hop])
    outcome = in_process(setting.request, setting.config)
    assert (outcome.code, outcome.error, outcome.hop) == (EXIT_CODE[hop], error, hop)


@pytest.mark.parametrize("life", ["3599", 3599, 3599.5, 1e6, 999_999_999], ids=str)
def test_life_in_odd_forms_is_read_and_never_longer_than_google_grants(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, life: Any
) -> None:
    body = json.dumps({**_FEDERATED, "expires_in": life})
    cloud.fault("sts", "literal", headers={"Content-Type": "application/json"}, body=body)
    setting = settings()
    outcome = in_process(setting.request, setting.config)
    assert_answers(outcome, "ya29.d.x", life=min(float(life), 12 * 3600))


# --- HTTP made to break clients ---------------------------------------------------------------------------------------

ODD_HEADERS = {
    "compressed": {"Content-Encoding": "gzip"},
    "other-type": {"Content-Type": "text/plain"},
    "cookie": {"Set-Cookie": "a=b; Path=/"},
    "retry-after-on-success": {"Retry-After": "3600"},
    "date-that-is-none": {"Date": "tomorrow"},
    "date-out-of-range": {"Date": "Mon, 23 Nov 99999 12:00:00 GMT"},
}


@pytest.mark.parametrize("headers", ODD_HEADERS.values(), ids=ODD_HEADERS)
def test_odd_header_of_a_good_answer_does_no_harm(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, headers: dict[str, str]
) -> None:
    body = json.dumps({"accessToken": "ya29.c.x", "expireTime": "2099-01-01T00:00:00Z"})
    cloud.fault("iam", "literal", headers={"Content-Type": "application/json", **headers}, body=body)
    setting = settings("managed-identity-impersonated")
    assert_answers(in_process(setting.request, setting.config), "ya29.c.x", life=3600)


_OK = b"HTTP/1.1 200 OK\r\n"
RAW: dict[str, tuple[bytes, bool, str]] = {
    "closes-at-once": (b"", False, "imds-unreachable"),
    "ssh": (b"SSH-2.0-OpenSSH_9.2\r\n", False, "network-not-http"),
    "http-2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", False, "network-not-http"),
    "zeros": (b"\0" * 1000, False, "network-not-http"),
    "no-status": (b"HTTP/1.1\r\n\r\n", False, "network-not-http"),
    "status-of-six-digits": (b"HTTP/1.1 200200 OK\r\n\r\n{}", False, "network-not-http"),
    "status-line-without-end": (b"HTTP/1.1 200 " + b"x" * 1000, True, "network-not-http"),
    "header-without-end": (_OK + b"X: " + b"x" * 70_000, True, "network-not-http"),
    "headers-without-end": (_OK + b"X: x\r\n" * 200, False, "network-not-http"),
    "continue-without-end": (b"HTTP/1.1 100 Continue\r\n\r\n", True, "network-oversize"),
    "chunk-without-end": (_OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", True, "network-oversize"),
    "chunk-that-is-none": (_OK + b"Transfer-Encoding: chunked\r\n\r\n{}", False, "imds-unreachable"),
    "chunk-cut": (_OK + b"Transfer-Encoding: chunked\r\n\r\n40\r\n{}", False, "imds-unreachable"),
    "body-without-end": (_OK + b"\r\n" + b" " * 1000, True, "network-oversize"),
    "negative-length": (_OK + b"Content-Length: -1\r\n\r\n{}", False, "token-missing"),
    "length-no-number": (_OK + b"Content-Length: x\r\n\r\n{}", False, "token-missing"),
    "two-lengths": (_OK + b"Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}", False, "token-missing"),
    "header-of-other-bytes": (_OK + b"X: \xff\xfe\0\r\nContent-Length: 2\r\n\r\n{}", False, "token-missing"),
    "no-content": (b"HTTP/1.1 204 No Content\r\n\r\n", False, "network-unexpected-answer"),
    "other-protocol": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", False, "network-unexpected-answer"),
    "http-0.9": (b'{"access_token":"a.b.c"}', False, "network-not-http"),
}


@pytest.mark.parametrize("name", RAW)
def test_what_is_no_http_is_told_so_and_ends(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, name: str
) -> None:
    """At IMDS's address, where no TLS keeps others out."""
    content, endless, error = RAW[name]
    in_process.limits = quick(total=60, connect=10, read=30)
    in_process.world["sleep"] = lambda _: None
    cloud.fault("imds", "refused")
    setting = settings()
    with answering(content, endless=endless, address=("169.254.169.254", 80)):
        outcome = in_process(setting.request, setting.config)
    assert (outcome.code, outcome.error, outcome.hop) == (4, error, "imds")
