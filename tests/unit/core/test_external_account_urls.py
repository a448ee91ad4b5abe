"""Where the vendor's file may send tokens: Google's hosts and IMDS, and nothing that only looks like them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.core.making import AUDIENCE, GCLOUD, GUIDE, IMDS_URL, VENDOR_PATH, changed, read_vendor, refused_vendor

ACCOUNT_PATH = "/v1/projects/-/serviceAccounts/bifrost-pull@bifrost-dist.iam.gserviceaccount.com:generateAccessToken"


#: Forms of a URL whose host only looks like HOST's, or that say more than host and path.
LOOK_ALIKES = {
    "foreign": "https://evil.example{path}",
    "longer domain": "https://{host}.evil.example{path}",
    "shorter domain": "https://{short}{path}",
    "glued": "https://evil-{host}{path}",
    "below": "https://evil.{host}{path}",
    "user": "https://{host}@evil.example{path}",
    "user and password": "https://user:password@{host}{path}",
    "upper case": "https://{upper}{path}",
    "port": "https://{host}:443{path}",
    "other port": "https://{host}:8443{path}",
    "empty port": "https://{host}:{path}",
    "plain HTTP": "http://{host}{path}",
    "upper-case scheme": "HTTPS://{host}{path}",
    "no scheme": "{host}{path}",
    "scheme-relative": "//{host}{path}",
    "backslash": "https://evil.example\\@{host}{path}",
    "trailing newline": "https://{host}{path}\n",
    "newline inside": "https://{host}\n.evil.example{path}",
    "tab inside": "https://{host}\t.evil.example{path}",
    "leading space": " https://{host}{path}",
    "trailing space": "https://{host}{path} ",
    "query": "https://{host}{path}?x=1",
    "empty query": "https://{host}{path}?",
    "fragment": "https://{host}{path}#x",
    "path parameter": "https://{host}{path};x",
    "slash at the end": "https://{host}{path}/",
    "two slashes": "https://{host}/{path}",
    "trailing dot": "https://{host}.{path}",
    "IPv6 literal": "https://[::1]{path}",
    "half a bracket": "https://[{host}{path}",
    "IPv4": "https://127.0.0.1{path}",
    "not ASCII": "https://{host}\uff0eevil.example{path}",
    "percent": "https://{host}%2eevil.example{path}",
    "private without a name": "https://{service}-.p.googleapis.com{path}",
    "private of dots": "https://{service}-a.b.p.googleapis.com{path}",
    "private of another service": "https://storage-xyz.p.googleapis.com{path}",
    "private elsewhere": "https://{service}-xyz.p.evil.example{path}",
    "regional without a region": "https://{service}..rep.googleapis.com{path}",
    "regional of dots": "https://{service}.a.b.rep.googleapis.com{path}",
    "regional elsewhere": "https://{service}.europe-west1.rep.evil.example{path}",
    "another universe": "https://{service}.s3nsapis.fr{path}",
    "another service": "https://storage.googleapis.com{path}",
    "host alone": "https://{host}",
    "empty": "",
}


def _look_alike(form: str, service: str, path: str) -> str:
    host = f"{service}.googleapis.com"
    return form.format(host=host, service=service, path=path, upper=host.upper(), short="googleapis.com")


@pytest.mark.parametrize("form", LOOK_ALIKES.values(), ids=LOOK_ALIKES.keys())
@pytest.mark.parametrize(
    ("field", "service", "path"),
    [
        ("token_url", "sts", "/v1/token"),
        ("token_info_url", "sts", "/v1/introspect"),
        ("service_account_impersonation_url", "iamcredentials", ACCOUNT_PATH),
    ],
    ids=["token_url", "token_info_url", "impersonation"],
)
def test_urls_that_would_hand_the_token_to_somebody_else(form: str, field: str, service: str, path: str) -> None:
    url = _look_alike(form, service, path)
    error = refused_vendor(changed(GUIDE, field, to=url))
    assert error.code == "credential-config-invalid"
    assert f"{VENDOR_PATH}: {field} is not https://{service}.googleapis.com/" in error.cause
    assert "evil" not in error.line()


IMPERSONATION_PATHS = {
    "other method": ACCOUNT_PATH.replace("generateAccessToken", "signJwt"),
    "other version": ACCOUNT_PATH.replace("/v1/", "/v2/"),
    "named project": ACCOUNT_PATH.replace("/-/", "/bifrost-dist/"),
    "unique id": "/v1/projects/-/serviceAccounts/123456789012345678901:generateAccessToken",
    "person": "/v1/projects/-/serviceAccounts/somebody@gmail.com:generateAccessToken",
    "other domain": ACCOUNT_PATH.replace("gserviceaccount.com", "evil.example"),
    "dots up": ACCOUNT_PATH.replace("/-/", "/-/../-/"),
    "encoded": ACCOUNT_PATH.replace("@", "%40"),
    "empty name": ACCOUNT_PATH.replace("bifrost-pull@", "@"),
    "placeholder of the guide": ACCOUNT_PATH.replace("bifrost-pull@bifrost-dist", "BIFROST_SA@BIFROST_PROJECT"),
}


@pytest.mark.parametrize("path", IMPERSONATION_PATHS.values(), ids=IMPERSONATION_PATHS.keys())
def test_impersonation_paths_that_are_no_generate_access_token(path: str) -> None:
    url = "https://iamcredentials.googleapis.com" + path
    assert (
        "service_account_impersonation_url is not"
        in refused_vendor(changed(GUIDE, "service_account_impersonation_url", to=url)).cause
    )


IMDS_URLS = {
    "another host": IMDS_URL.replace("169.254.169.254", "169.254.169.253"),
    "name": IMDS_URL.replace("169.254.169.254", "metadata.google.internal"),
    "look-alike": IMDS_URL.replace("169.254.169.254", "169.254.169.254.evil.example"),
    "user": IMDS_URL.replace("169.254.169.254", "169.254.169.254@evil.example"),
    "port": IMDS_URL.replace("169.254.169.254", "169.254.169.254:8080"),
    "HTTPS": IMDS_URL.replace("http:", "https:"),
    "another path": IMDS_URL.replace("/metadata/identity/oauth2/token", "/metadata/instance"),
    "AWS": "http://169.254.169.254/latest/meta-data/iam/security-credentials",
    "decimal address": IMDS_URL.replace("169.254.169.254", "2852039166"),
    "half a bracket": "http://[169.254.169.254/metadata",
    "GitHub's": "https://pipelines.actions.githubusercontent.com/x?audience=y",
    "a file": "file:///etc/shadow",
    "no resource": IMDS_URL.partition("&resource")[0],
    "empty resource": IMDS_URL.replace("api://AzureADTokenExchange", ""),
    "two resources": IMDS_URL + "&resource=b",
    "resource with a space": IMDS_URL + "%20b",
    "several identities": IMDS_URL + "&client_id=a&object_id=b",
    "one identity twice": IMDS_URL + "&client_id=a&client_id=b",
    "unknown parameter": IMDS_URL + "&mi_res_id=a",
    "fragment": IMDS_URL + "#x",
    "newline at the end": IMDS_URL + "\n",
    "empty": "",
}


@pytest.mark.parametrize("url", IMDS_URLS.values(), ids=IMDS_URLS.keys())
def test_url_sources_other_than_imds_are_refused(url: str) -> None:
    error = refused_vendor(changed(GCLOUD, "credential_source", "url", to=url))
    assert f"{VENDOR_PATH}: credential_source.url " in error.cause
    assert "evil" not in error.line()


ALLOWED = {
    "global": "{service}.googleapis.com",
    "regional": "{service}.europe-west1.rep.googleapis.com",
    "private": "{service}-my-endpoint1.p.googleapis.com",
}


@pytest.mark.parametrize("host", ALLOWED.values(), ids=ALLOWED.keys())
def test_global_regional_and_private_endpoints_are_googles(host: str) -> None:
    sts, iam = (f"https://{host.format(service=service)}" for service in ("sts", "iamcredentials"))
    document = {
        **GUIDE,
        "token_url": sts + "/v1/token",
        "token_info_url": sts + "/v1/introspect",
        "service_account_impersonation_url": iam + ACCOUNT_PATH,
    }
    plan = read_vendor(document).plan()
    assert (plan["token_url"], plan["impersonation_url"]) == (sts + "/v1/token", iam + ACCOUNT_PATH)


UNIVERSE = {
    **GUIDE,
    "universe_domain": "s3nsapis.fr",
    "token_url": "https://sts.s3nsapis.fr/v1/token",
    "service_account_impersonation_url": "https://iamcredentials.s3nsapis.fr" + ACCOUNT_PATH,
}


@pytest.mark.parametrize("service", ["googleapis.com", "s3nsapis.fr"])
def test_another_universe_when_config_names_it(service: str) -> None:
    document = {**UNIVERSE, "audience": AUDIENCE.replace("googleapis.com", service)}
    assert read_vendor(document, "s3nsapis.fr").plan()["token_url"] == "https://sts.s3nsapis.fr/v1/token"


@pytest.mark.parametrize(
    ("document", "universe"),
    [
        (UNIVERSE, "googleapis.com"),
        (GUIDE, "s3nsapis.fr"),
        ({**UNIVERSE, "universe_domain": "evil.example"}, "s3nsapis.fr"),
    ],
    ids=["file's alone", "config's alone", "two others"],
)
def test_universes_must_be_the_same(document: dict[str, Any], universe: str) -> None:
    error = refused_vendor(document, universe)
    assert "universe_domain differs from universeDomain" in error.cause
    assert "evil" not in error.line()


def test_in_another_universe_the_default_hosts_are_foreign() -> None:
    assert "token_url" in refused_vendor({**UNIVERSE, "token_url": GUIDE["token_url"]}, "s3nsapis.fr").cause
