"""The stand-ins speak like the recorded exchanges: same status, same keys, same words where those were seen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.faults import sample
from tests.cloud.talk import Talk, forged
from tests.cloud.world import READ_ONLY, WORLD

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cloud.api import CloudApi
    from tests.cloud.talk import Reply

_HTTPS = "https://us-docker.pkg.dev/v2"
_IMAGE = f"{_HTTPS}/bifrost-project/hub/bifrost/manifests"


def _bearer(talk: Talk) -> dict[str, str]:
    return {"Authorization": f"Bearer {talk.registry_token('bifrost-project/hub/bifrost')}"}


def _unbound(talk: Talk, cloud: CloudApi) -> Reply:
    cloud.unbind()
    return talk.iam(talk.federated_token())


def _unread(talk: Talk, cloud: CloudApi) -> Reply:
    cloud.revoke()
    return talk.registry_token_reply("bifrost-project/hub/bifrost")


def _conditioned(talk: Talk, cloud: CloudApi) -> Reply:
    cloud.provider(condition="assertion.sub == 'x'")
    return talk.sts(talk.identity_token())


def _unreachable(talk: Talk, cloud: CloudApi) -> Reply:
    cloud.configure(issuer_reachable=False)
    return talk.sts(talk.identity_token())


_SAME: dict[str, Callable[[Talk, CloudApi], Reply]] = {
    "imds_ok_user_assigned_by_client_id": lambda talk, _: talk.imds(),
    "imds_400_identity_not_found": lambda talk, _: talk.imds(client_id="22222222-2222-4222-8222-2222222222ff"),
    "imds_400_missing_metadata_header": lambda talk, _: talk.imds({}),
    "imds_400_bad_api_version": lambda talk, _: talk.imds(api__version="1999-01-01"),
    "entra_ok_v2_fixed_audience": lambda talk, _: talk.entra(),
    "entra_AADSTS700213_subject": lambda talk, cloud: talk.entra(client_assertion=cloud.kubernetes_token("x", "y")),
    "entra_AADSTS90002_unknown_tenant": lambda talk, _: talk.entra(tenant="00000000-0000-4000-8000-00000000dead"),
    "entra_AADSTS500011_unknown_resource": lambda talk, _: talk.entra(scope="api://gcp-wif-typo/.default"),
    "sts_ok_for_impersonation": lambda talk, _: talk.sts(talk.identity_token()),
    "sts_400_attribute_condition": _conditioned,
    "sts_400_issuer_unreachable": _unreachable,
    "sts_400_unknown_pool_or_provider": lambda talk, _: talk.sts("x.y.z", audience=WORLD.audience("nosuch")),
    "sts_400_bad_audience_format": lambda talk, _: talk.sts("x.y.z", audience="https:" + WORLD.audience()),
    "sts_400_no_scope": lambda talk, _: talk.sts(talk.identity_token(), scope=None),
    "iam_ok": lambda talk, _: talk.iam(talk.federated_token()),
    "iam_403_getAccessToken": _unbound,
    "iam_400_no_scope": lambda talk, _: talk.iam(talk.federated_token(), scope=None),
    "iam_401_federated_token_expired": lambda talk, _: talk.iam("ya29.expired"),
    "ar_401_ping_challenge": lambda talk, _: talk.request(f"{_HTTPS}/"),
    "ar_200_token_endpoint": lambda talk, _: talk.registry_token_reply("bifrost-project/hub/bifrost"),
    "ar_403_token_endpoint_no_reader_role": _unread,
    "ar_404_manifest_unknown": lambda talk, _: talk.request(f"{_IMAGE}/nope", headers=_bearer(talk)),
    "ar_400_name_invalid": lambda talk, _: talk.request(f"{_HTTPS}/bifrost-project/manifests/v1"),
}


@pytest.mark.parametrize("name", _SAME)
def test_like_the_recorded_exchange(cloud: CloudApi, name: str) -> None:
    recorded = sample(name)["response"]
    reply = _SAME[name](Talk(cloud), cloud)
    assert reply.status == recorded["status"]
    assert _shape(reply.json) == _shape(json.loads(recorded["body"]))
    assert {"Content-Type", "Server", "Docker-Distribution-Api-Version"} & set(recorded["headers"]) <= set(
        reply.headers
    )


def test_a_forged_signature_is_called_by_its_name(cloud: CloudApi) -> None:
    token = forged(cloud.kubernetes_token(audience=WORLD.cluster_audience), cloud.kubernetes_token())
    reply = Talk(cloud).sts(token, audience=WORLD.audience(WORLD.cluster_provider), scope=READ_ONLY)
    assert reply.json == {
        "error": "invalid_grant",
        "error_description": "Unable to verify the ID Token signature.",
    }


def _shape(value: Any) -> Any:
    """Keys, types, and the first words of sentences: what a client may depend on."""
    if isinstance(value, dict):
        return {key: _shape(each) for key, each in value.items() if key != "newest-versions"}
    if isinstance(value, list):
        return [_shape(each) for each in value[:1]]
    return value.split("'")[0].split('resource "')[0].split(" Trace ID")[0][:40] if _is_sentence(value) else type(value)


def _is_sentence(value: Any) -> bool:
    return isinstance(value, str) and value.count(" ") > 3
