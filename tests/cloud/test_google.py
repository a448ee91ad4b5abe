"""The stand-ins of STS, IAM Credentials and Artifact Registry refuse what Google refuses, and what passes pulls."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.modes import MODES
from tests.cloud.pull import Puller, PullError
from tests.cloud.talk import Talk, forged
from tests.cloud.world import CLOUD_PLATFORM, IAM_SCOPE, READ_ONLY, WORLD

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi
    from tests.cloud.modes import Mode

_FOREIGN = WORLD.audience().replace(WORLD.project_number, "999999999999")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({"grant_type": "password"}, "unsupported_grant_type", id="grant type"),
        pytest.param({"requested_token_type": None}, "invalid_request", id="no token type"),
        pytest.param({"subject_token_type": "saml"}, "invalid_request", id="subject type"),
        pytest.param({"surplus": "x"}, "invalid_request", id="unknown field"),
        pytest.param({"audience": "https:" + WORLD.audience()}, 'Invalid value for "audience"', id="https audience"),
        pytest.param({"audience": WORLD.audience("nosuch")}, "invalid_target", id="unknown provider"),
        pytest.param({"audience": _FOREIGN}, "invalid_target", id="other project"),
        pytest.param({"audience": WORLD.audience(WORLD.cluster_provider)}, "The issuer in ID Token", id="issuer"),
        pytest.param({"audience": WORLD.audience(WORLD.app_v2_provider)}, "The audience in ID Token", id="audience"),
        pytest.param({"scope": None}, "invalid_request Scope(s) must be provided.", id="no scope"),
        pytest.param({"scope": "everything"}, "invalid_scope", id="bogus scope"),
        pytest.param({"subject_token": "garbled"}, "Unable to parse the ID Token", id="garbled"),
    ],
)
def test_sts_refuses(cloud: CloudApi, fields: dict[str, Any], words: str) -> None:
    talk = Talk(cloud)
    reply = talk.sts(**{"subject_token": talk.identity_token(), **fields})
    assert (reply.status, words in reply.error) == (400, True), reply.error


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"disabled": True}, "invalid_target"),
        ({"allowed_audiences": ["https://example"]}, "does not match the expected audience"),
        ({"allowed_audiences": []}, "does not match the expected audience"),
        ({"condition": "assertion.sub == 'x'"}, "unauthorized_client The given credential is rejected"),
        ({"issuer": "https://issuer.example/"}, "does not match the expected one in config: https://issuer.example/"),
    ],
    ids=["disabled", "audiences replaced", "default audience only", "condition", "issuer"],
)
def test_sts_refuses_by_the_provider_as_it_is_configured(cloud: CloudApi, changes: dict[str, Any], words: str) -> None:
    cloud.provider(**changes)
    talk = Talk(cloud)
    assert words in talk.sts(talk.identity_token()).error


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"exp": int(time.time()) - 120}, "is stale to sign-in"),
        ({"iat": int(time.time()) + 600}, "is stale to sign-in"),
        ({"exp": int(time.time()) + 49 * 3600}, "is stale to sign-in"),
        ({"sub": f"system:serviceaccount:{'n' * 63}:{'s' * 63}"}, "exceeds the 127 bytes limit"),
    ],
    ids=["expired", "from the future", "longer than 48 h", "long subject"],
)
def test_sts_refuses_cluster_tokens(cloud: CloudApi, claims: dict[str, Any], words: str) -> None:
    token = cloud.kubernetes_token(audience=WORLD.cluster_audience, **claims)
    assert words in Talk(cloud).sts(token, audience=WORLD.audience(WORLD.cluster_provider)).error


def test_sts_refuses_wrong_signatures_and_unknown_keys(cloud: CloudApi) -> None:
    talk, audience = Talk(cloud), WORLD.audience(WORLD.cluster_provider)
    token = cloud.kubernetes_token(audience=WORLD.cluster_audience)
    changed = forged(token, cloud.kubernetes_token())
    assert "Unable to verify the ID Token signature" in talk.sts(changed, audience=audience).error
    cloud.rotate_key("cluster")
    assert "Error connecting to the given credential's issuer" in talk.sts(token, audience=audience).error


@pytest.mark.parametrize(("left", "granted"), [(600, 598), (3, 1), (7200, 3598)])
def test_sts_grants_what_is_left_of_the_subject_but_an_hour_at_most(cloud: CloudApi, left: int, granted: int) -> None:
    token = cloud.kubernetes_token(audience=WORLD.cluster_audience, lifetime=left)
    answer = Talk(cloud).sts(token, audience=WORLD.audience(WORLD.cluster_provider)).json
    assert granted - 2 <= answer.get("expires_in", 0) <= granted


def test_iam_refuses_without_a_living_federated_token(cloud: CloudApi) -> None:
    talk = Talk(cloud)
    assert talk.iam("ya29.nonsense").status == 401
    token = talk.federated_token()
    cloud.skew("iam", 3700)
    assert talk.iam(token).error.startswith("UNAUTHENTICATED ")


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"scope": None}, 400, "Request contains an invalid argument."),
        ({"scope": []}, 400, "Request contains an invalid argument."),
        ({"scope": ["everything"]}, 400, "Request contains an invalid argument."),
        ({"lifetime": "1h"}, 400, "Invalid value at 'lifetime'"),
        ({"lifetime": "43200s"}, 400, "can not have lifetimes of more than 1 hour"),
        ({"surplus": 1}, 400, 'Unknown name "surplus"'),
        ({"account": "nosuch@p.iam.gserviceaccount.com"}, 404, "Gaia id not found for email nosuch@"),
    ],
    ids=["no scope", "empty scope", "bogus scope", "lifetime", "long lifetime", "unknown field", "no such account"],
)
def test_iam_refuses(cloud: CloudApi, fields: dict[str, Any], status: int, words: str) -> None:
    talk = Talk(cloud)
    reply = talk.iam(talk.federated_token(), **fields)
    assert (reply.status, words in reply.error) == (status, True), reply.error


def test_iam_refuses_a_token_that_was_exchanged_for_another_scope(cloud: CloudApi) -> None:
    talk = Talk(cloud)
    assert "insufficient authentication scopes" in talk.iam(talk.federated_token(READ_ONLY)).error
    assert talk.iam(talk.federated_token(CLOUD_PLATFORM)).status == 200


def test_iam_refuses_the_unbound_and_a_disabled_api(cloud: CloudApi) -> None:
    talk = Talk(cloud)
    cloud.unbind(WORLD.object_id)
    assert "iam.serviceAccounts.getAccessToken" in talk.iam(talk.federated_token()).error
    cloud.bind(WORLD.object_id)
    assert talk.iam(talk.federated_token()).status == 200
    cloud.configure(iam_api_enabled=False)
    assert talk.iam(talk.federated_token()).json["error"]["details"][0]["reason"] == "SERVICE_DISABLED"


def _chain(cloud: CloudApi, mode: Mode) -> str:
    """The access token that a mode ends with."""
    talk = Talk(cloud)
    audience = WORLD.audience()
    if mode.source == "managed-identity":
        token = talk.identity_token()
    elif mode.entra:
        token = talk.entra().json["access_token"]
    else:
        token = cloud.kubernetes_token(audience=WORLD.cluster_audience)
        audience = WORLD.audience(WORLD.cluster_provider)
    if not mode.impersonated:
        return str(talk.sts(token, audience=audience, scope=READ_ONLY).json["access_token"])
    federated = talk.sts(token, audience=audience, scope=IAM_SCOPE).json["access_token"]
    return str(talk.iam(federated).json["accessToken"])


@pytest.mark.parametrize("mode", MODES, ids=[mode.name for mode in MODES])
def test_every_identity_mode_leads_to_a_pulled_image(cloud: CloudApi, mode: Mode) -> None:
    parts = Puller(cloud.ca_file).pull(WORLD.image, "oauth2accesstoken", _chain(cloud, mode))
    assert [part.kind for part in parts] == ["manifest", "config", "layer"]


@pytest.mark.parametrize("image", WORLD.images)
def test_every_preloaded_image_can_be_pulled(cloud: CloudApi, image: str) -> None:
    assert Puller(cloud.ca_file).pull(image, "oauth2accesstoken", Talk(cloud).federated_token(READ_ONLY))


def test_the_registry_refuses_a_token_for_another_purpose(cloud: CloudApi) -> None:
    with pytest.raises(PullError, match="token: status 401"):
        Puller(cloud.ca_file).pull(WORLD.image, "oauth2accesstoken", Talk(cloud).federated_token(IAM_SCOPE))


def test_the_registry_refuses_who_may_not_read(cloud: CloudApi) -> None:
    token = Talk(cloud).federated_token(READ_ONLY)
    cloud.revoke(WORLD.object_id)
    with pytest.raises(PullError, match="token: status 403"):
        Puller(cloud.ca_file).pull(WORLD.image, "oauth2accesstoken", token)


def test_the_registry_challenges_only_those_who_bring_nothing(cloud: CloudApi) -> None:
    talk, url = Talk(cloud), "https://us-docker.pkg.dev/v2/bifrost-project/hub/bifrost/manifests/latest"
    assert 'scope="repository:bifrost-project/hub/bifrost:pull"' in talk.request(url).headers["WWW-Authenticate"]
    basic = base64.b64encode(b"oauth2accesstoken:ya29.expired").decode()
    assert "WWW-Authenticate" not in talk.request(url, headers={"Authorization": f"Basic {basic}"}).headers
    base = "https://us-docker.pkg.dev/v2"
    assert "Unauthenticated request" in talk.request(f"{base}/token?scope=repository:a/b/c:pull").error
    assert talk.request(f"{base}/bifrost-project/manifests/v1").error == "NAME_INVALID invalid image name"
