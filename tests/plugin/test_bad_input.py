"""What must be refused: each bad request and each bad file by its name, with one line, and with nobody called."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.world import WORLD
from tests.plugin.settings import asking, edit

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cloud.api import CloudApi
    from tests.cloud.modes import Setting
    from tests.plugin.runner import InProcess, Runner
    from tests.plugin.settings import SettingsFactory

_REQUEST = {
    "kind": "CredentialProviderRequest",
    "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
    "image": "us-docker.pkg.dev/p/r/i",
}


def _request(**changes: Any) -> bytes:
    document = {**_REQUEST, **changes}
    return json.dumps({name: value for name, value in document.items() if value is not None}).encode()


@dataclass(frozen=True)
class Bad:
    """Bytes on stdin, the error's code and a word that its line must hold."""

    name: str
    raw: bytes
    error: str
    word: str


_GOOD = _request()
REQUESTS = [
    Bad("nothing", b"", "request-empty", "stdin"),
    Bad("blanks", b" \r\n\t ", "request-empty", "stdin"),
    Bad("one-byte-too-long", _GOOD.ljust((1 << 20) + 1), "request-too-large", "1048576"),
    Bad("two-mebibytes", _GOOD.ljust(2 << 20), "request-too-large", "1048576"),
    Bad("not-utf-8", _GOOD.replace(b"us-", b"\xff\xfe-"), "request-not-json", "UTF-8"),
    Bad("byte-order-mark", b"\xef\xbb\xbf" + _GOOD, "request-not-json", "JSON"),
    Bad("not-json", b"kind: CredentialProviderRequest\n", "request-not-json", "JSON"),
    Bad("cut-json", _GOOD[:-10], "request-not-json", "JSON"),
    Bad("two-values", _GOOD + b"\n" + _GOOD, "request-not-json", "more than one"),
    Bad("value-and-garbage", _GOOD + b"}", "request-not-json", "more than one"),
    Bad("duplicate-key", _GOOD[:-1] + b',"image":"x.pkg.dev/y"}', "request-not-json", "duplicate"),
    Bad("not-a-number", _GOOD[:-1] + b',"x":NaN}', "request-not-json", "JSON"),
    Bad("deep", b"[" * 100_000 + b"]" * 100_000, "request-not-json", "deep"),
    Bad("list", b"[]", "request-not-object", "object"),
    Bad("string", b'"us-docker.pkg.dev/p/r/i"', "request-not-object", "object"),
    Bad("wrong-kind", _request(kind="CredentialProviderResponse"), "request-wrong-kind", "kind"),
    Bad("no-kind", _request(kind=None), "request-wrong-kind", "kind"),
    Bad("kind-is-a-list", _request(kind=["CredentialProviderRequest"]), "request-wrong-kind", "kind"),
    Bad("version-to-come", _request(apiVersion="credentialprovider.kubelet.k8s.io/v2"), "request-wrong-version", "v1"),
    Bad("version-of-another-group", _request(apiVersion="v1"), "request-wrong-version", "apiVersion"),
    Bad("version-is-a-dict", _request(apiVersion={"a": 1}), "request-wrong-version", "apiVersion"),
    Bad("no-version", _request(apiVersion=None), "request-wrong-version", "apiVersion"),
    Bad("no-image", _request(image=None), "request-without-image", "image"),
    Bad("empty-image", _request(image=""), "request-without-image", "image"),
    Bad("image-is-a-number", _request(image=1), "request-without-image", "image"),
    Bad("image-with-tag", _request(image="us-docker.pkg.dev/p/r/i:v1"), "request-image-invalid", "tag"),
    Bad("image-with-digest", _request(image="us-docker.pkg.dev/p/r/i@sha256:00"), "request-image-invalid", "digest"),
    Bad("user-before-host", _request(image="us-docker.pkg.dev@evil.example/p/r"), "request-image-invalid", "@"),
    Bad("upper-case-host", _request(image="US-docker.pkg.dev/p/r/i"), "request-image-upper-case", "upper-case"),
    Bad("upper-case-path", _request(image="us-docker.pkg.dev/P/r/i"), "request-image-invalid", "image"),
    Bad("no-host", _request(image="nginx"), "request-image-short", "image"),
    Bad("no-path", _request(image="us-docker.pkg.dev"), "request-image-short", "image"),
    Bad("no-path-after-slash", _request(image="us-docker.pkg.dev/"), "request-image-short", "image"),
    Bad("colon-without-port", _request(image="us-docker.pkg.dev:/p/r"), "request-image-invalid", "host"),
    Bad("port-that-is-none", _request(image="[::1]:http/p/r"), "request-image-invalid", "host"),
    Bad("scheme", _request(image="https://us-docker.pkg.dev/p/r/i"), "request-image", "image"),
    Bad("newline-in-image", _request(image="us-docker.pkg.dev/p/r/i\n"), "request-image-invalid", "image"),
    Bad("nul-in-image", _request(image="us-docker.pkg.dev/p/\0/i"), "request-image-invalid", "image"),
    Bad("lone-surrogate", _request(image="us-docker.pkg.dev/p/\ud800/i"), "request-image-invalid", "image"),
    Bad("digit-of-another-script", _request(image="us-docker.pkg.dev:\u0663/p/r"), "request-image-invalid", "image"),
    Bad("homograph-host", _request(image="us-docker.\u0440kg.dev/p/r/i"), "request-image-invalid", "image"),
    Bad("too-long-an-image", _request(image="us-docker.pkg.dev/" + "a/" * 200 + "a"), "request-image-too-long", "255"),
    Bad("token-is-a-list", _request(serviceAccountToken=["x"]), "request-token-garbled", "serviceAccountToken"),
    Bad("token-too-long", _request(serviceAccountToken="x" * 16385), "request-token-too-large", "serviceAccountToken"),
    Bad(
        "annotations-are-a-list",
        _request(serviceAccountAnnotations=[]),
        "request-annotations-garbled",
        "serviceAccountAnnotations",
    ),
    Bad(
        "annotation-is-a-number",
        _request(serviceAccountAnnotations={"a": 1}),
        "request-annotations-garbled",
        "serviceAccountAnnotations",
    ),
]


@pytest.mark.parametrize("bad", REQUESTS, ids=lambda bad: bad.name)
def test_bad_request_is_refused_by_name(ask: Runner, settings: SettingsFactory, cloud: CloudApi, bad: Bad) -> None:
    outcome = ask(bad.raw, settings().config)
    assert outcome.code == 2
    assert outcome.error.startswith(bad.error)
    assert outcome.hop == "request"
    assert bad.word in outcome.line
    assert cloud.connections() == []


def test_longest_request_is_answered(ask: Runner, settings: SettingsFactory) -> None:
    setting = settings()
    assert ask(setting.request.ljust(1 << 20), setting.config).code == 0


# --- the token in the request -----------------------------------------------------------------------------------------


def _expired(cloud: CloudApi) -> str:
    return cloud.kubernetes_token(audience=WORLD.cluster_audience, lifetime=-120)


TOKENS: dict[str, tuple[Callable[[CloudApi], str | None], str]] = {
    "absent": (lambda _: None, "service-account-token-missing"),
    "empty": (lambda _: "", "service-account-token-missing"),
    "expired": (_expired, "request-token-expired"),
    "expired-and-cached": (_expired, "request-token-expired"),
    "two-segments": (lambda cloud: cloud.kubernetes_token().rpartition(".")[0], "request-token-garbled"),
    "four-segments": (lambda cloud: cloud.kubernetes_token() + ".x", "request-token-garbled"),
    "empty-signature": (lambda cloud: cloud.kubernetes_token().rpartition(".")[0] + ".", "request-token-garbled"),
    "newline": (lambda cloud: cloud.kubernetes_token() + "\n", "request-token-garbled"),
    "header-injection": (lambda cloud: cloud.kubernetes_token() + "\r\nX-Evil: 1", "request-token-garbled"),
    "payload-no-json": (lambda _: "eyJhbGciOiJSUzI1NiJ9.bm90IGpzb24.c2ln", "request-token-garbled"),
    "payload-a-list": (lambda _: "eyJhbGciOiJSUzI1NiJ9.W10.c2ln", "request-token-garbled"),
    "without-exp": (lambda cloud: cloud.kubernetes_token(exp=None), "request-token-garbled"),
    "without-sub": (lambda cloud: cloud.kubernetes_token(sub=None), "request-token-garbled"),
    "exp-a-text": (lambda cloud: cloud.kubernetes_token(exp="tomorrow"), "request-token-garbled"),
    "opaque": (lambda _: "ya29.c.opaque", "request-token-garbled"),
}


@pytest.mark.parametrize("name", TOKENS)
def test_bad_token_in_the_request_gets_nothing(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, name: str
) -> None:
    make, error = TOKENS[name]
    setting = settings("service-account-direct")
    if name == "expired-and-cached":
        assert ask(setting.request, setting.config).code == 0
    token = make(cloud)
    calls = len(cloud.calls())
    setting = asking(setting, serviceAccountToken=token)
    outcome = ask(setting.request, setting.config)
    assert (outcome.code, outcome.error) == (2, error)
    assert not token or token.strip() not in outcome.line
    assert len(cloud.calls()) == calls


@pytest.mark.parametrize("version", ["v1beta1", "v1alpha1"])
def test_versions_without_the_field_carry_no_token(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, version: str
) -> None:
    setting = asking(settings("service-account-direct"), apiVersion=f"credentialprovider.kubelet.k8s.io/{version}")
    outcome = ask(setting.request, setting.config)
    assert (outcome.code, outcome.error) == (2, "service-account-token-missing")
    assert version in outcome.line
    assert cloud.calls() == []


# --- the token in the file --------------------------------------------------------------------------------------------

FILES: dict[str, tuple[Callable[[CloudApi], bytes | None], str]] = {
    "absent": (lambda _: None, "token-file-missing"),
    "empty": (lambda _: b"", "token-file-garbled"),
    "blank": (lambda _: b"\n", "token-file-garbled"),
    "binary": (lambda _: b"\xff\xfe\0", "token-file-garbled"),
    "two-tokens": (lambda cloud: b"\n".join([cloud.kubernetes_token().encode()] * 2), "token-file-garbled"),
    "too-large": (lambda _: b"x" * 70_000, "token-file-garbled"),
    "longer-than-a-token": (lambda _: b"a." + b"x" * 17_000 + b".c", "token-file-garbled"),
    "expired": (lambda cloud: _expired(cloud).encode(), "token-file-expired"),
}


@pytest.mark.parametrize("name", FILES)
def test_bad_token_file_is_an_error_of_the_azure_side(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, name: str
) -> None:
    make, error = FILES[name]
    setting = settings("token-file-direct")
    path = setting.config.parent / "azure-identity-token"
    content = make(cloud)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    outcome = ask(setting.request, setting.config)
    assert (outcome.code, outcome.error, outcome.hop) == (4, error, "token-file")
    assert cloud.calls() == []


@pytest.mark.parametrize(
    "content", ["", "no JSON", "[]", "{}", '{"id_token": null}', '{"id_token": 1}', '{"id_token": "ü"}'], ids=str
)
def test_json_token_file_without_its_field(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, content: str
) -> None:
    source = {"file": "/var/run/token.json", "format": {"type": "json", "subject_token_field_name": "id_token"}}
    setting = settings("token-file-direct", vendor={"credential_source": source})
    (setting.config.parent / "azure-identity-token").write_text(content)
    outcome = in_process(setting.request, setting.config)
    assert (outcome.code, outcome.error, outcome.hop) == (4, "token-file-garbled", "token-file")
    assert cloud.calls() == []


@pytest.mark.parametrize("kind", ["group-writable", "world-writable", "folder", "fifo", "foreign"])
def test_token_file_that_others_could_have_written_is_not_read(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, kind: str
) -> None:
    setting = settings("token-file-direct")
    path = setting.config.parent / "azure-identity-token"
    _spoil(path, kind)
    outcome = ask(setting.request, setting.config)
    assert (outcome.code, outcome.hop) == (4, "token-file")
    assert outcome.error in ("token-file-unsafe", "token-file-unreadable")
    assert str(path) in outcome.line
    assert cloud.calls() == []


def _spoil(path: Any, kind: str) -> None:
    if kind == "group-writable":
        path.chmod(0o620)
    elif kind == "world-writable":
        path.chmod(0o602)
    elif kind == "foreign":
        _give_away(path)
    else:
        path.unlink()
        path.mkdir() if kind == "folder" else os.mkfifo(path)


def _give_away(path: Any) -> None:
    try:
        os.chown(path, 65534, -1)
    except OSError:
        pytest.skip("this user namespace has no second user")


# --- settings ---------------------------------------------------------------------------------------------------------

_IAM = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts"


@dataclass(frozen=True)
class BadSettings:
    """What is wrong in config.json, its identity block or the vendor's file; the error's code; words of its line."""

    name: str
    words: tuple[str, ...]
    error: str = "settings-invalid"
    config: dict[str, Any] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)
    vendor: dict[str, Any] = field(default_factory=dict)


def _vendor(name: str, words: tuple[str, ...], error: str = "credential-config-invalid", **vendor: Any) -> BadSettings:
    return BadSettings(name, ("credential-config.json", *words), error, vendor=vendor)


def _source(name: str, words: tuple[str, ...], error: str = "credential-config-invalid", **source: Any) -> BadSettings:
    return _vendor(name, words, error, credential_source=source)


def _registry(name: str, entry: str, word: str) -> BadSettings:
    return BadSettings(
        name, ("config.json", "registries.1", word), "settings-registries", {"registries": ["gcr.io", entry]}
    )


SETTINGS = [
    BadSettings("unknown-key", ("config.json", "registry", "registries"), config={"registry": ["gcr.io"]}),
    BadSettings("unknown-key-inside", ("identity.clientID", "clientId"), identity={"clientID": WORLD.client_id}),
    BadSettings("unknown-key-deep", ("network.httpProxy", "httpsProxy"), config={"network": {"httpProxy": "x"}}),
    BadSettings("snake-case-key", ("credential_config",), config={"credential_config": "x"}),
    BadSettings("switch-that-weakens", ("network.insecure",), config={"network": {"insecure": True}}),
    BadSettings("text-for-list", ("registries",), config={"registries": "*-docker.pkg.dev"}),
    BadSettings("empty-list", ("registries",), config={"registries": []}),
    BadSettings("no-scope", ("scopes",), config={"scopes": []}),
    BadSettings("text-for-bool", ("cache.enabled",), config={"cache": {"enabled": "yes"}}),
    BadSettings("number-for-text", ("universeDomain",), config={"universeDomain": 1}),
    BadSettings("list-for-object", ("network",), config={"network": []}),
    BadSettings("no-guid", ("identity.clientId",), identity={"clientId": "bifrost-pull-identity"}),
    BadSettings("no-such-source", ("identity.source",), identity={"source": "executable"}),
    BadSettings("proxy-by-https", ("http://",), "settings-proxy", {"network": {"httpsProxy": "https://user:pw@p"}}),
    BadSettings("proxy-that-is-none", ("http://",), "settings-proxy", {"network": {"httpsProxy": "http://p:x"}}),
    BadSettings("ca-file-absent", ("/absent.pem",), "settings-ca-file", {"network": {"caFile": "/absent.pem"}}),
    BadSettings("ca-file-relative", ("network.caFile",), config={"network": {"caFile": "ca.pem"}}),
    BadSettings("vendor-file-absent", ("absent.json",), "settings-unreadable", {"credentialConfig": "absent.json"}),
    BadSettings("other-universe", ("universe_domain",), "credential-config-invalid", {"universeDomain": "tpc.example"}),
    _registry("registry-elsewhere", "docker.io", "outside"),
    _registry("registry-everything", "*", "outside"),
    _registry("registry-every-host", "*.*.*", "outside"),
    _registry("registry-lookalike", "evil-docker.pkg.dev.example.com", "outside"),
    _registry("registry-suffix-only", "*pkg.dev", "outside"),
    _registry("registry-with-scheme", "https://us-docker.pkg.dev", "scheme"),
    _registry("registry-with-open-prefix", "us-docker.pkg.dev/vendor-a", "/"),
    _registry("registry-with-user", "us-docker.pkg.dev@evil.example", "host"),
    _registry("registry-with-bad-port", "us-docker.pkg.dev:0", "port"),
    _vendor("foreign-token-url", ("token_url",), token_url="https://sts.googleapis.com.evil.example/v1/token"),
    _vendor("token-url-by-http", ("token_url",), token_url="http://sts.googleapis.com/v1/token"),
    _vendor("token-url-with-user", ("token_url",), token_url="https://sts.googleapis.com@evil.example/v1/token"),
    _vendor("token-url-with-port", ("token_url",), token_url="https://sts.googleapis.com:8443/v1/token"),
    _vendor("token-url-with-query", ("token_url",), token_url="https://sts.googleapis.com/v1/token?x=1"),
    _vendor("token-url-elsewhere", ("token_url",), token_url="https://sts.googleapis.com/v1/oauthtoken"),
    _vendor("token-url-of-other-service", ("token_url",), token_url="https://iamcredentials.googleapis.com/v1/token"),
    _vendor("foreign-info-url", ("token_info_url",), token_info_url="https://evil.example/v1/introspect"),
    _vendor(
        "foreign-impersonation-url",
        ("service_account_impersonation_url",),
        service_account_impersonation_url=f"https://evil.example/v1/projects/-/serviceAccounts/{WORLD.service_account_email}:generateAccessToken",
    ),
    _vendor(
        "impersonation-url-of-another-verb",
        ("service_account_impersonation_url",),
        service_account_impersonation_url=f"{_IAM}/{WORLD.service_account_email}:signJwt",
    ),
    _vendor(
        "impersonation-url-with-two-accounts",
        ("service_account_impersonation_url",),
        service_account_impersonation_url=f"{_IAM}/../{WORLD.service_account_email}:generateAccessToken",
    ),
    _vendor("audience-as-url", ("audience", "https:"), audience="https:" + WORLD.audience()),
    _vendor("audience-with-project-id", ("audience", "number"), audience=WORLD.audience().replace("123456789012", "p")),
    _vendor("audience-with-newline", ("audience",), audience=WORLD.audience() + "\n"),
    _vendor("saml", ("subject_token_type",), subject_token_type="urn:ietf:params:oauth:token-type:saml2"),
    _vendor("lifetime-too-long", ("token_lifetime",), service_account_impersonation={"token_lifetime_seconds": 43201}),
    _vendor("lifetime-a-text", ("token_lifetime",), service_account_impersonation={"token_lifetime_seconds": "1h"}),
    _vendor("unknown-vendor-key", ("audiance",), audiance="x"),
    _vendor("client-secret", ("client_secret",), client_secret="s3cret"),
    _vendor("service-account-key", ("key",), "credential-config-key", type="service_account"),
    _source("foreign-url-source", ("credential_source.url",), url="https://evil.example/token"),
    _source(
        "metadata-look-alike",
        ("credential_source.url",),
        url="http://169.254.169.254@evil.example/metadata/identity/oauth2/token?resource=x",
    ),
    _source("other-metadata", ("credential_source.url",), url="http://169.254.169.254/metadata/instance?resource=x"),
    _source("executable-source", ("executable",), "credential-config-source", executable={"command": "/bin/sh"}),
    _source("certificate-source", ("certificate",), "credential-config-source", certificate={}),
    _source("aws-source", ("AWS",), "credential-config-source", environment_id="aws1", region_url="http://x"),
    _source("two-sources", ("credential_source",), file="/x", url="http://169.254.169.254/"),
    _source("no-source", ("credential_source",)),
]


#: A few of each kind for the executable; all of them in this process.
_FROZEN = {"unknown-key", "no-guid", "ca-file-absent", "registry-elsewhere", "foreign-token-url", "executable-source"}


@pytest.mark.parametrize(
    ("ask", "bad"),
    [
        pytest.param(runner, bad, id=f"{runner}-{bad.name}")
        for runner in ("in-process", "frozen")
        for bad in SETTINGS
        if runner == "in-process" or bad.name in _FROZEN
    ],
    indirect=["ask"],
)
def test_bad_settings_are_refused_by_field(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, bad: BadSettings
) -> None:
    setting = settings("managed-identity-impersonated", identity=bad.identity, vendor=bad.vendor)
    edit(setting.config, **bad.config)
    outcome = ask(setting.request, setting.config)
    assert (outcome.code, outcome.error, outcome.hop) == (3, bad.error, "settings")
    assert [word for word in bad.words if word not in outcome.line] == []
    assert not {"pw", "s3cret"} & set(outcome.line.replace(":", " ").replace("@", " ").split())
    assert cloud.calls() == []


@pytest.mark.parametrize("kind", ["group-writable", "world-writable", "folder", "fifo", "foreign"])
@pytest.mark.parametrize("file", ["config.json", "credential-config.json"])
def test_settings_that_others_could_have_written_are_refused(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, file: str, kind: str
) -> None:
    setting = settings()
    _spoil(setting.config.parent / file, kind)
    outcome = ask(setting.request, setting.config)
    assert (outcome.code, outcome.hop) == (3, "settings")
    assert str(setting.config.parent / file) in outcome.line
    assert cloud.connections() == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"cache":{},"cache":{}}', b"null", b"{}\n{}"])
@pytest.mark.parametrize("file", ["config.json", "credential-config.json"])
def test_settings_that_are_not_one_json_object_are_refused(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, file: str, content: bytes
) -> None:
    setting = settings()
    (setting.config.parent / file).write_bytes(content)
    outcome = in_process(setting.request, setting.config)
    assert (outcome.code, outcome.hop) == (3, "settings")
    assert str(setting.config.parent / file) in outcome.line
    assert cloud.connections() == []


def test_settings_gone_bad_end_what_was_cached(ask: Runner, settings: SettingsFactory) -> None:
    setting = settings()
    assert ask(setting.request, setting.config).code == 0
    _make_writable(setting)
    assert ask(setting.request, setting.config).error == "settings-unsafe-mode"


def _make_writable(setting: Setting) -> None:
    (setting.config.parent / "credential-config.json").chmod(0o666)
