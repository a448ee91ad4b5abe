"""The stand-ins of IMDS and Entra ID refuse what Microsoft refuses, in its words, and give real tokens otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.keys import peek
from tests.cloud.talk import Talk, forged
from tests.cloud.world import CHINA, CLOUDS, PUBLIC, USGOV, WORLD, AzureCloud

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi


@pytest.mark.parametrize(
    ("headers", "parameters", "status", "words"),
    [
        pytest.param({}, {}, 400, "bad_request_102 Required metadata header not specified", id="no metadata header"),
        pytest.param({"Metadata": "true", "X-Forwarded-For": "1.2.3.4"}, {}, 400, "forwarded", id="forwarded"),
        pytest.param(None, {"api__version": "1999-01-01"}, 400, "api-version is invalid", id="version"),
        pytest.param(None, {"api__version": None}, 400, "api-version is invalid", id="no version"),
        pytest.param(None, {"resource": None}, 400, "'resource' is missing", id="no resource"),
        pytest.param(None, {"resource": "api://typo"}, 400, "invalid_resource AADSTS500011", id="unknown resource"),
        pytest.param(None, {"resource": f"{WORLD.exchange_resource}/.default"}, 400, "500011", id="scope as resource"),
        pytest.param(None, {"client_id": None}, 400, "Multiple user assigned identities exist", id="no selector"),
        pytest.param(None, {"client_id": WORLD.object_id}, 400, "Identity not found", id="object id as client id"),
        pytest.param(None, {"object_id": WORLD.object_id}, 400, "Only one of", id="two selectors"),
    ],
)
def test_imds_refuses(
    cloud: CloudApi, headers: dict[str, str] | None, parameters: dict[str, Any], status: int, words: str
) -> None:
    reply = Talk(cloud).imds(headers, **parameters)
    assert (reply.status, words in reply.error) == (status, True), reply.error


def test_imds_takes_get_only_and_each_parameter_once(cloud: CloudApi) -> None:
    url = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=a"
    talk, headers = Talk(cloud), {"Metadata": "true"}
    assert talk.request(url, headers=headers, method="PUT").status == 405
    assert "more than once" in talk.request(f"{url}&resource=b", headers=headers).error


@pytest.mark.parametrize(
    ("selector", "value"),
    [("client_id", WORLD.client_id), ("object_id", WORLD.object_id), ("msi_res_id", WORLD.resource_id)],
)
def test_imds_answers_in_strings_with_a_token_of_the_identity_selected(
    cloud: CloudApi, selector: str, value: str
) -> None:
    parameters: dict[str, Any] = {"client_id": None, selector: value}
    answer = Talk(cloud).imds(**parameters).json
    assert all(isinstance(each, str) for each in answer.values())
    _, claims = peek(answer["access_token"])
    assert (claims["sub"], claims["azp"], claims["aud"]) == (WORLD.object_id, WORLD.client_id, WORLD.exchange_audience)
    assert int(answer["expires_on"]) == claims["exp"]


def test_imds_needs_no_selector_where_one_identity_is_assigned(cloud: CloudApi) -> None:
    cloud.assign_identities(WORLD.kubelet_client_id)
    assert Talk(cloud).imds(client_id=None).json["client_id"] == WORLD.kubelet_client_id
    assert "Identity not found" in Talk(cloud).imds().error


def test_imds_hands_out_the_same_token_until_it_expires(cloud: CloudApi) -> None:
    talk = Talk(cloud)
    first = talk.identity_token()
    assert talk.identity_token() == first
    cloud.skew("imds", 90000)
    assert talk.identity_token() != first


@pytest.mark.parametrize(
    ("fields", "claims", "code", "error"),
    [
        pytest.param({"grant_type": "password"}, {}, 70003, "unsupported_grant_type", id="grant"),
        pytest.param({"grant_type": None}, {}, 900144, "invalid_request", id="no grant"),
        pytest.param({"client_id": WORLD.object_id}, {}, 700016, "unauthorized_client", id="object id as client"),
        pytest.param({"scope": WORLD.exchange_resource}, {}, 1002012, "invalid_scope", id="no /.default"),
        pytest.param({"scope": "api://typo/.default"}, {}, 500011, "invalid_resource", id="unknown resource"),
        pytest.param({"client_secret": "x"}, {}, 7000215, "invalid_client", id="secret"),
        pytest.param({"client_assertion_type": "jwt"}, {}, 7000218, "invalid_client", id="assertion type"),
        pytest.param({"client_assertion": "garbled"}, {}, 50027, "invalid_request", id="garbled"),
        pytest.param({}, {"iss": WORLD.cluster_issuer.rstrip("/")}, 700211, "invalid_client", id="issuer's slash"),
        pytest.param({}, {"sub": "system:serviceaccount:apps:other"}, 700213, "invalid_client", id="subject"),
        pytest.param({}, {"sub": WORLD.subject.upper()}, 7002138, "invalid_client", id="subject's case"),
        pytest.param({}, {"aud": ["https://example"]}, 700212, "invalid_client", id="audience"),
        pytest.param({}, {"exp": 1000000000, "nbf": 999990000}, 700024, "invalid_client", id="expired"),
    ],
)
def test_entra_refuses(cloud: CloudApi, fields: dict[str, Any], claims: dict[str, Any], code: int, error: str) -> None:
    sent = {"client_assertion": cloud.kubernetes_token(**claims), **fields}
    reply = Talk(cloud).entra(**sent)
    assert (reply.json["error_codes"], reply.json["error"]) == ([code], error)
    assert reply.json["error_description"].startswith(f"AADSTS{code}: ")
    assert {"timestamp", "trace_id", "correlation_id", "error_uri"} <= set(reply.json)


def test_entra_refuses_a_signature_of_a_key_that_the_issuer_no_longer_has(cloud: CloudApi) -> None:
    token = cloud.kubernetes_token()
    cloud.rotate_key("cluster")
    assert Talk(cloud).entra(client_assertion=token).json["error_codes"] == [50013]


def test_entra_refuses_a_changed_token(cloud: CloudApi) -> None:
    reply = Talk(cloud).entra(client_assertion=forged(cloud.kubernetes_token(), cloud.kubernetes_token()))
    assert reply.json["error_codes"] == [50013]
    assert "signature value did not match" in reply.json["error_description"]


def test_entra_refuses_an_identity_without_federated_credentials(cloud: CloudApi) -> None:
    cloud.federated_credentials()
    reply = Talk(cloud).entra()
    assert (reply.status, reply.json["error_codes"]) == (400, [70021])


def test_entra_refuses_the_unassigned_where_assignment_is_required(cloud: CloudApi) -> None:
    cloud.resource(WORLD.app_v2_uri, assignment_required=True)
    assert Talk(cloud).entra(scope=f"{WORLD.app_v2_uri}/.default").json["error_codes"] == [501051]


@pytest.mark.parametrize(
    ("tenant", "code"), [("00000000-0000-4000-8000-00000000dead", 90002), (USGOV.tenant_id, 900382)]
)
def test_entra_refuses_tenants_that_are_not_its_own(cloud: CloudApi, tenant: str, code: int) -> None:
    assert Talk(cloud).entra(tenant=tenant).json["error_codes"] == [code]


@pytest.mark.parametrize("place", [PUBLIC, USGOV, CHINA], ids=sorted(CLOUDS, reverse=True))
def test_entra_exchanges_in_each_cloud(cloud: CloudApi, place: AzureCloud) -> None:
    assertion = cloud.kubernetes_token(audience=place.exchange_resource)
    scope = f"{place.exchange_resource}/.default"
    reply = Talk(cloud).entra(place.authority, place.tenant_id, client_assertion=assertion, scope=scope)
    assert reply.status == 200, reply.error
    _, claims = peek(reply.json["access_token"])
    assert (claims["iss"], claims["aud"], claims["ver"]) == (place.issuer, place.exchange_audience, "2.0")
    assert isinstance(reply.json["expires_in"], int)


@pytest.mark.parametrize(
    ("uri", "audience", "issuer", "client"),
    [
        (WORLD.app_v1_uri, WORLD.app_v1_uri, f"https://sts.windows.net/{WORLD.tenant_id}/", "appid"),
        (WORLD.app_v2_uri, WORLD.app_v2_id, PUBLIC.issuer, "azp"),
    ],
    ids=["v1", "v2"],
)
def test_the_resource_decides_the_version_of_the_token(
    cloud: CloudApi, uri: str, audience: str, issuer: str, client: str
) -> None:
    _, claims = peek(Talk(cloud).entra(scope=f"{uri}/.default").json["access_token"])
    assert (claims["aud"], claims["iss"], claims[client]) == (audience, issuer, WORLD.client_id)


def test_issuers_publish_their_keys(cloud: CloudApi) -> None:
    talk = Talk(cloud)
    for issuer, token in (
        (WORLD.cluster_issuer, cloud.kubernetes_token()),
        (f"{PUBLIC.issuer}/", talk.identity_token()),
    ):
        found = talk.request(f"{issuer}.well-known/openid-configuration").json
        keys = talk.request(found["jwks_uri"]).json["keys"]
        assert peek(token)[0]["kid"] in [key["kid"] for key in keys]
        assert found["issuer"] == peek(token)[1]["iss"]
