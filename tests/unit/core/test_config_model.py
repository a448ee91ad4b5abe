"""config.json: every rule, and an error text that names file, field and the nearest known key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from credprovider.settings_model import READ_ONLY, parse_config
from tests.unit.core.making import (
    CLIENT_ID,
    TENANT_ID,
    TOKEN_AUDIENCE,
    changed,
    compiled,
    make_world,
    refusal,
    settings_files,
    write,
)

MANAGED: dict[str, Any] = {"identity": {"source": "managed-identity", "clientId": CLIENT_ID}}
FILE: dict[str, Any] = {"identity": {"source": "token-file", "tokenAudience": TOKEN_AUDIENCE}}
PODS: dict[str, Any] = {"identity": {"source": "service-account", "tokenAudience": TOKEN_AUDIENCE}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    settings_files(tmp_path)
    return tmp_path


UNKNOWN = {
    "at the top": (("registrys",), ["x"], "registrys", "registries"),
    "snake case": (("credential_config",), "x", "credential_config", "credentialConfig"),
    "in identity": (("identity", "clientID"), CLIENT_ID, "identity.clientID", "clientId"),
    "in entra": (("identity", "entra", "tenant"), TENANT_ID, "identity.entra.tenant", "tenantId"),
    "in serviceAccount": (
        ("identity", "serviceAccount", "requiredAnnotations"),
        [],
        "identity.serviceAccount.requiredAnnotations",
        "requiredAnnotationKeys",
    ),
    "in network": (("network", "httpProxy"), "http://p:1", "network.httpProxy", "httpsProxy"),
    "in cache": (("cache", "enable"), True, "cache.enable", "enabled"),
}


@pytest.mark.parametrize(("path", "value", "named", "near"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_an_unknown_key_is_named_with_the_nearest_known(
    folder: Path, path: tuple[str, ...], value: object, named: str, near: str
) -> None:
    write(folder / "config.json", changed({}, *path, to=value))
    error = refusal(make_world(folder))
    assert error.code == "settings-invalid"
    assert error.cause == f"{folder}/config.json: unknown key {named}; did you mean {near}?"


def test_an_unknown_key_like_no_other_is_named_alone(folder: Path) -> None:
    write(folder / "config.json", {"zzz": 1})
    assert refusal(make_world(folder)).cause == f"{folder}/config.json: unknown key zzz"


def test_there_is_no_switch_for_tests(folder: Path) -> None:
    for name in ("insecure", "insecureSkipVerify", "allowHttp", "stsEndpoint", "imdsEndpoint", "debug", "test"):
        write(folder / "config.json", {name: True})
        assert f"unknown key {name}" in refusal(make_world(folder)).cause


WRONG: dict[str, tuple[tuple[str, ...], object]] = {
    "credentialConfig a number": (("credentialConfig",), 1),
    "credentialConfig empty": (("credentialConfig",), ""),
    "credentialConfig with NUL": (("credentialConfig",), "a\0b"),
    "credentialConfig with half a character": (("credentialConfig",), "\ud800"),
    "identity a text": (("identity",), "managed-identity"),
    "identity.source unknown": (("identity", "source"), "managed_identity"),
    "identity.source a list": (("identity", "source"), ["managed-identity", "token-file"]),
    "identity.clientId no GUID": (("identity", "clientId"), "node-identity"),
    "identity.clientId with a newline": (("identity", "clientId"), CLIENT_ID + "\n"),
    "identity.clientId a number": (("identity", "clientId"), 22222222),
    "identity.resource with a space": (("identity", "resource"), "api://a b"),
    "identity.resource empty": (("identity", "resource"), ""),
    "identity.resource too long": (("identity", "resource"), "a" * 513),
    "identity.tokenFile relative": (("identity", "tokenFile"), "token"),
    "identity.tokenFile with NUL": (("identity", "tokenFile"), "/a\0b"),
    "identity.tokenAudience with a newline": (("identity", "tokenAudience"), "a\nb"),
    "identity.tokenAudience not ASCII": (("identity", "tokenAudience"), "äpi"),
    "identity.serviceAccount a boolean": (("identity", "serviceAccount"), True),
    "identity.serviceAccount.require a text": (("identity", "serviceAccount", "require"), "true"),
    "identity.serviceAccount.require a number": (("identity", "serviceAccount", "require"), 1),
    "identity.serviceAccount.cacheType unknown": (("identity", "serviceAccount", "cacheType"), "token"),
    "identity.serviceAccount.requiredAnnotationKeys a text": (
        ("identity", "serviceAccount", "requiredAnnotationKeys"),
        "a/b",
    ),
    "identity.serviceAccount.requiredAnnotationKeys.0 no key": (
        ("identity", "serviceAccount", "requiredAnnotationKeys"),
        ["a/b/c"],
    ),
    "identity.serviceAccount.optionalAnnotationKeys.1 no key": (
        ("identity", "serviceAccount", "optionalAnnotationKeys"),
        ["a", "-b"],
    ),
    "identity.entra a text": (("identity", "entra"), "public"),
    "identity.entra.tenantId a name": (("identity", "entra", "tenantId"), "contoso.onmicrosoft.com"),
    "identity.entra.tenantId a path": (("identity", "entra", "tenantId"), "../x"),
    "identity.entra.clientId no GUID": (("identity", "entra", "clientId"), "x"),
    "identity.entra.scope with a space": (("identity", "entra", "scope"), "a/.default b/.default"),
    "identity.entra.cloud unknown": (("identity", "entra", "cloud"), "germany"),
    "identity.entra.cloud a host": (("identity", "entra", "cloud"), "https://login.evil.example"),
    "registries empty": (("registries",), []),
    "registries a text": (("registries",), "us-docker.pkg.dev"),
    "registries.0 a number": (("registries",), [1]),
    "registries.0 null": (("registries",), [None]),
    "scopes empty": (("scopes",), []),
    "scopes.0 two in one": (("scopes",), ["a b"]),
    "scopes.0 a number": (("scopes",), [1]),
    "universeDomain one label": (("universeDomain",), "localhost"),
    "universeDomain upper case": (("universeDomain",), "GoogleApis.com"),
    "universeDomain with a port": (("universeDomain",), "googleapis.com:443"),
    "universeDomain with a newline": (("universeDomain",), "googleapis.com\n"),
    "universeDomain a pattern": (("universeDomain",), ".*.com"),
    "network a list": (("network",), []),
    "network.httpsProxy a number": (("network", "httpsProxy"), 3128),
    "network.noProxy a list": (("network", "noProxy"), ["a"]),
    "network.caFile relative": (("network", "caFile"), "ca.pem"),
    "cache a boolean": (("cache",), False),
    "cache.enabled a text": (("cache", "enabled"), "false"),
    "cache.enabled a number": (("cache", "enabled"), 0),
}


@pytest.mark.parametrize(("name", "path", "value"), [(name, *case) for name, case in WRONG.items()], ids=WRONG.keys())
def test_a_wrong_value_is_named_by_its_field(folder: Path, name: str, path: tuple[str, ...], value: object) -> None:
    write(folder / "config.json", changed({}, *path, to=value))
    error = refusal(make_world(folder))
    assert error.code == "settings-invalid"
    assert error.cause.startswith(f"{folder}/config.json: {name.split(maxsplit=1)[0]}: ")
    assert "Value error" not in error.cause


NOT_JSON = {
    "empty": (b"", "not JSON"),
    "YAML": (b"registries:\n- us-docker.pkg.dev\n", "not JSON"),
    "comment": (b"{} // mine", "more than one JSON value"),
    "trailing comma": (b'{"registries":["us-docker.pkg.dev"],}', "not JSON"),
    "not UTF-8": (b'{"\xff":1}', "not UTF-8"),
    "duplicate key": (b'{"cache":{},"cache":{}}', "duplicate key"),
    "NaN": (b'{"cache":NaN}', "NaN"),
}


@pytest.mark.parametrize(("content", "reason"), NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_is_not_json_is_refused_by_file(folder: Path, content: bytes, reason: str) -> None:
    write(folder / "config.json", content)
    error = refusal(make_world(folder))
    assert error.code == "settings-not-json"
    assert f"{folder}/config.json: " in error.cause
    assert reason in error.cause


@pytest.mark.parametrize("document", [[], 1, None, "text"], ids=["list", "number", "null", "text"])
def test_what_is_no_object_is_refused(folder: Path, document: object) -> None:
    write(folder / "config.json", json.dumps(document))
    error = refusal(make_world(folder))
    assert error.code == "settings-invalid"
    assert "the document" in error.cause


MISPLACED = {
    "clientId with token-file": (FILE, "clientId", CLIENT_ID, "identity.entra.clientId"),
    "resource with token-file": (FILE, "resource", "api://x", "identity.entra.scope"),
    "serviceAccount with token-file": (FILE, "serviceAccount", {}, "token-file"),
    "clientId with service-account": (PODS, "clientId", CLIENT_ID, "identity.entra.clientId"),
    "tokenFile with service-account": (PODS, "tokenFile", "/run/token", "service-account"),
    "tokenFile with managed-identity": (MANAGED, "tokenFile", "/run/token", "managed-identity"),
    "tokenAudience with managed-identity": (MANAGED, "tokenAudience", "x", "managed-identity"),
    "serviceAccount with managed-identity": (MANAGED, "serviceAccount", {}, "managed-identity"),
    "entra with managed-identity": (MANAGED, "entra", {}, "Entra's already"),
}


@pytest.mark.parametrize(("config", "key", "value", "hint"), MISPLACED.values(), ids=MISPLACED.keys())
def test_a_key_that_the_source_would_ignore_is_refused(
    folder: Path, config: dict[str, Any], key: str, value: object, hint: str
) -> None:
    write(folder / "config.json", changed(config, "identity", key, to=value))
    error = refusal(make_world(folder))
    assert error.code == "settings-misplaced"
    assert f"identity.{key} has no meaning" in error.cause
    assert hint in error.cause


def _entra(config: dict[str, Any], **changes: object) -> dict[str, Any]:
    block: dict[str, object] = {"tenantId": TENANT_ID, "clientId": CLIENT_ID}
    return changed(config, "identity", "entra", to={**block, **changes})


RULES = {
    "registry outside Google": (
        {**MANAGED, "registries": ["us-docker.pkg.dev", "evil.example"]},
        "settings-registries",
        "registries.1 reaches outside",
    ),
    "registry with a scheme": (
        {**MANAGED, "registries": ["https://us-docker.pkg.dev"]},
        "settings-registries",
        "registries.0 has a scheme",
    ),
    "registry twice": (
        {**MANAGED, "registries": ["gcr.io", "us-docker.pkg.dev", "gcr.io"]},
        "settings-registries",
        "registries.2 is there already",
    ),
    "proxy by https": ({**MANAGED, "network": {"httpsProxy": "https://proxy:3128"}}, "settings-proxy", "http://"),
    "proxy without host": ({**MANAGED, "network": {"httpsProxy": "http://"}}, "settings-proxy", "proxy"),
    "proxy with a bad port": ({**MANAGED, "network": {"httpsProxy": "http://proxy:port"}}, "settings-proxy", "proxy"),
    "resource as a scope": (
        changed(MANAGED, "identity", "resource", to="api://x/.default"),
        "settings-resource",
        "identity.resource",
    ),
    "scope without /.default": (_entra(FILE, scope="api://x"), "settings-entra", "identity.entra.scope"),
    "entra without tenant": (_entra(FILE, tenantId=None), "settings-entra", "identity.entra.tenantId is missing"),
    "entra without client": (_entra(FILE, clientId=None), "settings-entra", "identity.entra.clientId is missing"),
    "entra without client, in pods": (
        _entra(PODS, clientId=None),
        "settings-entra",
        "list azure.workload.identity/client-id",
    ),
    "entra without tenant, in pods": (
        _entra(PODS, tenantId=None),
        "settings-entra",
        "list azure.workload.identity/tenant-id",
    ),
    "no audience for a file": (
        {"identity": {"source": "token-file"}},
        "settings-token-audience",
        "identity.tokenAudience",
    ),
    "no audience for pods": (
        {"identity": {"source": "service-account"}},
        "settings-token-audience",
        "identity.tokenAudience",
    ),
    "required annotation, tokens not required": (
        changed(PODS, "identity", "serviceAccount", to={"require": False, "requiredAnnotationKeys": ["a/b"]}),
        "settings-service-account",
        "requiredAnnotationKeys needs require true",
    ),
    "annotation both required and optional": (
        changed(
            PODS,
            "identity",
            "serviceAccount",
            to={"requiredAnnotationKeys": ["a/b"], "optionalAnnotationKeys": ["a/b"]},
        ),
        "settings-service-account",
        "both required and optional",
    ),
}


@pytest.mark.parametrize(("config", "code", "reason"), RULES.values(), ids=RULES.keys())
def test_rules_between_fields(folder: Path, config: dict[str, Any], code: str, reason: str) -> None:
    write(folder / "config.json", config)
    error = refusal(make_world(folder))
    assert error.code == code
    assert reason in error.cause + error.remedy


def test_an_empty_object_is_enough(folder: Path) -> None:
    write(folder / "config.json", {})
    plan = compiled(make_world(folder))
    assert (plan["source"], plan["registry_texts"], plan["scopes"]) == ("token-file", ["*-docker.pkg.dev"], [READ_ONLY])
    assert (plan["universe_domain"], plan["cache_enabled"]) == ("googleapis.com", True)
    assert (plan["https_proxy"], plan["no_proxy"], plan["ca_file"]) == (None, None, None)


def test_every_key_of_the_contract_is_known() -> None:
    document = {
        "$schema": "./config.schema.json",
        "credentialConfig": "credential-config.json",
        "identity": {
            "source": "service-account",
            "clientId": CLIENT_ID,
            "resource": "api://AzureADTokenExchange",
            "tokenFile": "/run/azure-gar-credential-provider/azure-identity-token",
            "tokenAudience": "api://AzureADTokenExchange",
            "serviceAccount": {
                "require": True,
                "cacheType": "ServiceAccount",
                "requiredAnnotationKeys": ["azure.workload.identity/client-id"],
                "optionalAnnotationKeys": ["azure.workload.identity/tenant-id", "plain"],
            },
            "entra": {
                "tenantId": TENANT_ID,
                "clientId": CLIENT_ID,
                "scope": "api://AzureADTokenExchange/.default",
                "cloud": "usgov",
            },
        },
        "registries": ["*-docker.pkg.dev"],
        "scopes": [READ_ONLY],
        "universeDomain": "googleapis.com",
        "network": {"httpsProxy": None, "noProxy": None, "caFile": None},
        "cache": {"enabled": True},
    }
    model = parse_config("config.json", json.dumps(document).encode())
    assert model.model_dump(by_alias=True) == document
