"""The way out of the node: proxy or none, which CA, and what of the environment must not count."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import trustme

import credprovider.network
from tests.cloud.world import WORLD
from tests.plugin.expect import assert_answers, hops, last_token, only_call
from tests.plugin.listener import answering
from tests.plugin.runner import quick

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cloud.api import CloudApi
    from tests.plugin.runner import Frozen, InProcess, Runner
    from tests.plugin.settings import SettingsFactory

_AUTHORITY = "login.microsoftonline.com:443"
_STS = "sts.googleapis.com:443"
_IAM = "iamcredentials.googleapis.com:443"
PROXY = WORLD.proxy_url


@pytest.fixture
def stranger(tmp_path: Path) -> str:
    """A bundle with a CA that signed nothing here."""
    path = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return str(path)


# --- which proxy ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told_by", ["settings", "HTTPS_PROXY", "https_proxy"])
@pytest.mark.parametrize(
    ("mode", "proxied"),
    [
        ("managed-identity-impersonated", {_STS, _IAM}),
        ("token-file-entra-impersonated", {_AUTHORITY, _STS, _IAM}),
        ("service-account-direct", {_STS}),
    ],
)
def test_all_but_imds_goes_through_the_proxy(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, mode: str, proxied: set[str], told_by: str
) -> None:
    setting = settings(mode, **({"network": {"httpsProxy": PROXY}} if told_by == "settings" else {}))
    outcome = ask(setting.request, setting.config, **({} if told_by == "settings" else {told_by: PROXY}))
    assert outcome.code == 0
    assert sorted(cloud.proxied()) == sorted(proxied)
    tokens_sent = [call["headers"].get("proxy-authorization") for call in cloud.calls()]
    assert set(tokens_sent) == {None}


def test_proxy_without_a_scheme_is_an_http_proxy(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi
) -> None:
    setting = settings(network={"httpsProxy": "proxy.corp.example:3128"})
    assert in_process(setting.request, setting.config).code == 0
    assert cloud.proxied() == [_STS]


@pytest.mark.parametrize(
    "variable",
    ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "GRPC_PROXY", "FTP_PROXY", "PROXY", "REQUEST_METHOD"],
)
def test_variable_of_another_scheme_makes_no_proxy(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, variable: str
) -> None:
    setting = settings("managed-identity-impersonated")
    assert in_process(setting.request, setting.config, **{variable: PROXY}).code == 0
    assert cloud.connections("proxy") == []


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_imds_is_never_reached_by_a_proxy(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, variable: str
) -> None:
    """Whatever answers at the proxy's port must not see the request for the node's identity."""
    cloud.fault("proxy", "reset", at="connect")
    cloud.fault("sts", "status", status=400)
    setting = settings()
    ask(setting.request, setting.config, **{variable: PROXY, "NO_PROXY": "sts.googleapis.com"})
    assert hops(cloud) == ["imds", "sts"]
    assert cloud.connections("proxy") == []


def test_settings_win_over_the_environments_proxy(ask: Runner, settings: SettingsFactory, cloud: CloudApi) -> None:
    setting = settings(network={"httpsProxy": PROXY})
    assert ask(setting.request, setting.config, HTTPS_PROXY="http://absent.example:1").code == 0
    assert cloud.proxied() == [_STS]


def test_empty_proxy_in_settings_is_no_proxy(ask: Runner, settings: SettingsFactory, cloud: CloudApi) -> None:
    setting = settings(network={"httpsProxy": ""})
    assert ask(setting.request, setting.config, HTTPS_PROXY="http://absent.example:1").code == 0
    assert cloud.connections("proxy") == []
    assert cloud.looked_up() == []


EXEMPT = {
    "sts.googleapis.com": {_IAM},
    ".googleapis.com": set(),
    "googleapis.com": set(),
    "*.googleapis.com": set(),
    "*": set(),
    "STS.GoogleAPIs.com": {_IAM},
    " 169.254.169.254 , sts.googleapis.com ,, ": {_IAM},
    "sts.googleapis.com:443": {_IAM},
    "sts.googleapis.com:8443": {_STS, _IAM},
    "apis.com": {_STS, _IAM},
    "s.googleapis.com": {_STS, _IAM},
    "10.0.0.0/8,fd00::/8,168.63.129.16,.svc": {_STS, _IAM},
    ".": {_STS, _IAM},
    "": {_STS, _IAM},
}


@pytest.mark.parametrize("told_by", ["settings", "NO_PROXY", "no_proxy"])
@pytest.mark.parametrize("entries", EXEMPT, ids=lambda entries: entries.strip() or "none")
def test_exempt_hosts_are_reached_directly(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, entries: str, told_by: str
) -> None:
    network = {"noProxy": entries} if told_by == "settings" else {}
    setting = settings("managed-identity-impersonated", network=network)
    environ = {"HTTPS_PROXY": PROXY, **({} if told_by == "settings" else {told_by: entries})}
    assert in_process(setting.request, setting.config, **environ).code == 0
    assert set(cloud.proxied()) == EXEMPT[entries]


def test_empty_exemption_in_settings_is_none(ask: Runner, settings: SettingsFactory, cloud: CloudApi) -> None:
    setting = settings(network={"noProxy": ""})
    assert ask(setting.request, setting.config, HTTPS_PROXY=PROXY, NO_PROXY="*").code == 0
    assert cloud.proxied() == [_STS]


# --- what the proxy wants, and what it does ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "user", ["puller:s3cret", "puller:", "pull%40corp:s%3Acr%2Ft", "p%C3%BCller:%E2%82%AC"], ids=str
)
def test_proxy_gets_the_credentials_it_wants(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, user: str
) -> None:
    plain = {"pull%40corp:s%3Acr%2Ft": "pull@corp:s:cr/t", "p%C3%BCller:%E2%82%AC": "püller:€"}.get(user, user)
    cloud.configure(proxy_credentials=plain)
    setting = settings(network={"httpsProxy": f"http://{user}@proxy.corp.example:3128"})
    assert in_process(setting.request, setting.config).code == 0
    assert cloud.proxied() == [_STS]
    assert "proxy-authorization" not in only_call(cloud, "sts")["headers"]


@pytest.mark.parametrize("user", ["", "puller:wrong@"], ids=["none", "wrong"])
def test_proxy_that_wants_other_credentials(ask: Runner, settings: SettingsFactory, cloud: CloudApi, user: str) -> None:
    cloud.configure(proxy_credentials="puller:s3cret")
    setting = settings(network={"httpsProxy": f"http://{user}proxy.corp.example:3128"})
    outcome = ask(setting.request, setting.config)
    assert (outcome.code, outcome.error, outcome.hop) == (5, "network-proxy-authentication", "sts")
    assert outcome.status == 407
    assert "wrong" not in outcome.line
    assert cloud.calls("sts") == []


PROXY_FAULTS: dict[str, tuple[str, dict[str, Any], str, int | None]] = {
    "refused": ("refused", {}, "network-refused", None),
    "reset": ("reset", {"at": "connect"}, "network-reset", None),
    "reset-after-request": ("reset", {"at": "request"}, "network-reset", None),
    "name-unknown": ("dns", {}, "network-dns", None),
    "hang": ("hang", {"at": "connect"}, "network-timeout", None),
    "hang-after-request": ("hang", {}, "network-timeout", None),
    "drip": ("drip", {"seconds": 0.05}, "network-timeout", None),
    "403": ("status", {"status": 403}, "network-proxy-denied", 403),
    "502": ("status", {"status": 502}, "network-proxy", 502),
    "302": ("redirect", {"status": 302}, "network-proxy", 302),
    "page": ("html", {}, "network-tls", None),
    "endless": ("oversize", {}, "network-proxy-denied", 403),
}


@pytest.mark.parametrize("name", PROXY_FAULTS)
def test_fault_of_the_proxy_is_told_from_one_behind_it(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, name: str
) -> None:
    kind, options, error, status = PROXY_FAULTS[name]
    waits = kind in ("hang", "drip")
    in_process.limits = quick(connect=0.3 if waits else 10, read=10, total=30)
    in_process.world["sleep"] = lambda _: None
    cloud.fault("proxy", kind, **options)
    setting = settings(network={"httpsProxy": PROXY})
    outcome = in_process(setting.request, setting.config)
    assert (outcome.code, outcome.error, outcome.hop, outcome.status) == (5, error, "sts", status)
    assert cloud.calls("sts") == []
    assert cloud.connections("elsewhere") == []


def test_proxy_that_cannot_reach_google(in_process: InProcess, settings: SettingsFactory, cloud: CloudApi) -> None:
    cloud.fault("sts", "refused")
    setting = settings(network={"httpsProxy": PROXY})
    outcome = in_process(setting.request, setting.config)
    assert (outcome.error, outcome.status) == ("network-proxy", 502)


GARBAGE: dict[str, tuple[bytes, str]] = {
    "closes-at-once": (b"", "network-proxy"),
    "ssh": (b"SSH-2.0-OpenSSH_9.2\r\n", "network-proxy"),
    "half-a-line": (b"HTTP/1.1 200", "network-proxy"),
    "no-status": (b"HTTP/1.1\r\n\r\n", "network-proxy"),
    "word-for-status": (b"HTTP/1.1 OK\r\n\r\n", "network-proxy"),
    "digits-of-another-script": (b"HTTP/1.1 \xb2\xb0\xb0 OK\r\n\r\n", "network-proxy"),
    "long-status": (b"HTTP/1.1 2000 OK\r\n\r\n", "network-proxy"),
    "zeros": (b"\0" * 100, "network-proxy"),
    "no-tls-behind": (b"HTTP/1.1 200 Connection established\r\n\r\nhello\r\n\r\n", "network-tls"),
    "closes-after-tunnel": (b"HTTP/1.1 200 Connection established\r\n\r\n", "network-reset"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_proxy_that_is_none(in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, name: str) -> None:
    content, error = GARBAGE[name]
    in_process.world["sleep"] = lambda _: None
    with answering(content) as port:
        setting = settings(network={"httpsProxy": f"http://127.0.0.1:{port}"})
        outcome = in_process(setting.request, setting.config)
    assert (outcome.code, outcome.error, outcome.hop) == (5, error, "sts")
    assert cloud.calls("sts") == []


def test_proxy_whose_headers_never_end(in_process: InProcess, settings: SettingsFactory) -> None:
    with answering(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000, endless=True) as port:
        setting = settings(network={"httpsProxy": f"http://127.0.0.1:{port}"})
        outcome = in_process(setting.request, setting.config)
    assert (outcome.code, outcome.error) == (5, "network-proxy")


# --- which CA ---------------------------------------------------------------------------------------------------------


def test_ca_file_of_settings_comes_first(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, stranger: str
) -> None:
    setting = settings(network={"caFile": str(cloud.ca_file)})
    assert ask(setting.request, setting.config, SSL_CERT_FILE=stranger).code == 0


def test_ca_file_of_settings_is_the_only_one(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, stranger: str
) -> None:
    setting = settings(network={"caFile": stranger})
    outcome = ask(setting.request, setting.config, SSL_CERT_FILE=str(cloud.ca_file))
    assert (outcome.code, outcome.error) == (5, "network-tls-untrusted")


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"])
def test_cas_of_other_programs_do_not_count(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, stranger: str, variable: str
) -> None:
    setting = settings()
    outcome = in_process(setting.request, setting.config, **{"SSL_CERT_FILE": stranger, variable: str(cloud.ca_file)})
    assert outcome.error == "network-tls-untrusted"


def test_ca_variable_that_names_no_file_is_an_error_of_settings(ask: Runner, settings: SettingsFactory) -> None:
    setting = settings()
    outcome = ask(setting.request, setting.config, SSL_CERT_FILE="/absent.pem")
    assert (outcome.code, outcome.error) == (3, "settings-ca-file")
    assert "SSL_CERT_FILE" in outcome.line
    assert "/absent.pem" in outcome.line


@pytest.mark.parametrize(
    "content", ["", "no certificate\n", "-----BEGIN CERTIFICATE-----\n!\n"], ids=["empty", "text", "cut"]
)
def test_ca_file_without_a_certificate_is_an_error_of_settings(
    ask: Runner, settings: SettingsFactory, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(content)
    setting = settings(network={"caFile": str(path)})
    outcome = ask(setting.request, setting.config)
    assert (outcome.code, outcome.error) == (3, "settings-ca-file")
    assert str(path) in outcome.line


@pytest.mark.parametrize("present", ["first", "second", "none"])
def test_nodes_own_bundles_come_before_certifi(
    in_process: InProcess,
    settings: SettingsFactory,
    cloud: CloudApi,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    stranger: str,
    present: str,
) -> None:
    good, absent = str(cloud.ca_file), str(tmp_path / "absent")
    bundles = {"first": (good, stranger), "second": (absent, good), "none": (absent, absent)}[present]
    monkeypatch.setattr(credprovider.network, "NODE_BUNDLES", bundles)
    setting = settings()
    outcome = in_process(setting.request, setting.config, SSL_CERT_FILE=None)
    if present == "none":
        assert outcome.error == "network-tls-untrusted"
    else:
        assert outcome.code == 0


def test_executable_trusts_the_nodes_bundle(frozen: Frozen, settings: SettingsFactory, cloud: CloudApi) -> None:
    setting = settings()
    assert frozen(setting.request, setting.config, SSL_CERT_FILE=None).error == "network-tls-untrusted"
    edited = settings(scopes=["https://www.googleapis.com/auth/cloud-platform"])  # the failure is remembered
    bundle = credprovider.network.NODE_BUNDLES[0]
    subprocess.run(["mount", "--bind", str(cloud.ca_file), bundle], check=True)
    try:
        assert frozen(edited.request, edited.config, SSL_CERT_FILE=None).code == 0
    finally:
        subprocess.run(["umount", bundle], check=True)


# --- what must not count ----------------------------------------------------------------------------------------------


def test_netrc_replaces_no_bearer_token(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, tmp_path: Path
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login user password secret\n")
    netrc.chmod(0o600)
    setting = settings("token-file-entra-impersonated")
    assert ask(setting.request, setting.config, HOME=str(tmp_path), NETRC=str(netrc)).code == 0
    assert "authorization" not in only_call(cloud, "entra")["headers"]
    assert "authorization" not in only_call(cloud, "sts")["headers"]
    assert only_call(cloud, "iam")["headers"]["authorization"] == f"Bearer {last_token(cloud, 'sts')}"


@pytest.mark.parametrize("vendor_file_is_beside", [True, False])
def test_openssls_settings_of_the_node_do_not_count(
    frozen: Frozen, settings: SettingsFactory, cloud: CloudApi, tmp_path: Path, vendor_file_is_beside: bool
) -> None:
    """A node in FIPS mode names providers that the bundle's OpenSSL does not have."""
    path = tmp_path / "openssl.cnf"
    sections = ["openssl_conf = all", "config_diagnostics = 1", "[all]", "providers = list", "ssl_conf = ssl"]
    sections += ["[list]", "fips = fips", "[fips]", "activate = 1", "module = /absent/fips.so"]
    sections += ["[ssl]", "system_default = tls", "[tls]", "MinProtocol = TLSv9", "CipherString = NONE"]
    path.write_text("\n".join(sections))
    environ = {"OPENSSL_CONF": str(path), "OPENSSL_MODULES": "/absent", "OPENSSL_ENGINES": "/absent"}
    setting = settings()
    if not vendor_file_is_beside:  # then nothing is dialled before settings are validated
        elsewhere = setting.config.parent / "credential-config.json"
        environ["GOOGLE_APPLICATION_CREDENTIALS"] = str(elsewhere.rename(tmp_path / "vendor.json"))
    outcome = frozen(setting.request, setting.config, **environ)
    assert outcome.code == 0, outcome.stderr
    assert_answers(outcome, last_token(cloud, "sts"), life=3598)


def test_google_auths_own_switches_do_not_count(ask: Runner, settings: SettingsFactory, cloud: CloudApi) -> None:
    setting = settings("managed-identity-impersonated")
    environ = {
        "GOOGLE_API_USE_CLIENT_CERTIFICATE": "true",
        "GOOGLE_API_CERTIFICATE_CONFIG": "/absent.json",
        "GOOGLE_API_USE_MTLS_ENDPOINT": "always",
        "GOOGLE_CLOUD_UNIVERSE_DOMAIN": "evil.example",
        "GOOGLE_CLOUD_QUOTA_PROJECT": "someone-elses",
        "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1",
        "GCE_METADATA_HOST": "127.0.0.1:1",
        "CLOUDSDK_CONFIG": "/absent",
    }
    assert_answers(ask(setting.request, setting.config, **environ), last_token(cloud, "iam"), life=3600)
    assert hops(cloud) == ["imds", "sts", "iam"]
    assert "x-goog-user-project" not in only_call(cloud, "iam")["headers"]


def test_cached_answer_opens_no_connection(ask: Runner, settings: SettingsFactory, cloud: CloudApi) -> None:
    setting = settings("token-file-entra-impersonated")
    ask(setting.request, setting.config)
    before = len(cloud.connections())
    assert ask(setting.request, setting.config).code == 0
    assert len(cloud.connections()) == before
