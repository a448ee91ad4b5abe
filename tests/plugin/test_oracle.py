"""Google's own two steps as the oracle: `google.auth.identity_pool` beside our exchange, over the same transport.

What differs on purpose:

- The requests to STS and IAM are the same in every form field, header and JSON value. Of the usage header one word is
  not: a life that the vendor's file sets to the default hour counts as configured with google-auth, here it does not.
- google-auth believes an absolute expireTime on the node's clock; we count it from the server's own Date, less the
  second that both are cut by.
- Errors: google-auth's carry the answer's body, in one case the token itself; ours come from the catalogue.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from google.auth import exceptions
from google.auth import transport as google_transport

from credprovider.deadline import Deadline
from credprovider.dial import Dialer
from credprovider.settings import load_settings
from credprovider.token_cache import MARGIN_SECONDS
from tests.cloud.modes import MODES_BY_NAME
from tests.cloud.world import CLOUD_PLATFORM, READ_ONLY
from tests.plugin.expect import last_token

if TYPE_CHECKING:
    from credprovider.transport import Reply, Transport
    from tests.cloud.api import CloudApi
    from tests.cloud.modes import Setting
    from tests.plugin.runner import InProcess
    from tests.plugin.settings import SettingsFactory

#: Headers of the transport, not of the request.
_TRANSPORT = {"accept-encoding", "content-length", "host"}


class _Answer(google_transport.Response):
    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    @property
    def status(self) -> int:
        return self._reply.status

    @property
    def headers(self) -> Any:
        return self._reply.headers

    @property
    def data(self) -> bytes:
        return self._reply.body


class _Way(google_transport.Request):
    """The product's transport, for google-auth."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __call__(
        self, url: Any, method: Any = "GET", body: Any = None, headers: Any = None, timeout: Any = None, **_: Any
    ) -> _Answer:
        del timeout
        content = body.encode() if isinstance(body, str) else body
        return _Answer(self._transport.send(method, url, headers or {}, content))


def _oracle(vendor: dict[str, Any], scopes: list[str], token: str) -> Any:
    from google.auth import identity_pool

    class Supplier(identity_pool.SubjectTokenSupplier):
        def get_subject_token(self, context: Any, request: Any) -> str:
            del context, request
            return token

    return identity_pool.Credentials(
        vendor["audience"],
        vendor["subject_token_type"],
        token_url=vendor["token_url"],
        subject_token_supplier=Supplier(),
        service_account_impersonation_url=vendor.get("service_account_impersonation_url"),
        service_account_impersonation_options=vendor.get("service_account_impersonation"),
        quota_project_id=vendor.get("quota_project_id"),
        scopes=scopes,
    )


def _refresh(in_process: InProcess, setting: Setting, scopes: list[str]) -> Any:
    """Google-auth's credentials for a setting, refreshed once."""
    assert setting.token is not None
    vendor = json.loads((setting.config.parent / "credential-config.json").read_text())
    world = in_process.make_world(setting.config, in_process.environ)
    dialer = Dialer(world, Deadline(30))
    oracle = _oracle(vendor, scopes, setting.token)
    try:
        oracle.refresh(_Way(dialer.dial(load_settings(world, None))))
    finally:
        dialer.close()
    return oracle


def _comparable(call: dict[str, Any], token: str) -> dict[str, Any]:
    """What must be the same: all that a service looks at, the token of the hop before replaced by a word."""
    headers = {name: value for name, value in call["headers"].items() if name not in _TRANSPORT}
    if "authorization" in headers:
        headers["authorization"] = headers["authorization"].replace(token, "TOKEN")
    content = {"form": call["form"], "json": call["json"]}
    return {"method": call["method"], "host": call["host"], "target": call["target"], "headers": headers, **content}


CASES: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "direct": ("token-file-direct", {}, [READ_ONLY]),
    "direct-two-scopes": ("token-file-direct", {}, [READ_ONLY, CLOUD_PLATFORM]),
    "impersonated": ("token-file-impersonated", {}, [READ_ONLY]),
    "impersonated-two-scopes": ("token-file-impersonated", {}, [READ_ONLY, CLOUD_PLATFORM]),
    "shorter-life": (
        "token-file-impersonated",
        {"service_account_impersonation": {"token_lifetime_seconds": 1800}},
        [READ_ONLY],
    ),
    "life-of-an-hour-told": (
        "token-file-impersonated",
        {"service_account_impersonation": {"token_lifetime_seconds": 3600}},
        [READ_ONLY],
    ),
    "quota-project": ("token-file-impersonated", {"quota_project_id": "billing-project"}, [READ_ONLY]),
    "quota-project-direct": ("token-file-direct", {"quota_project_id": "billing-project"}, [READ_ONLY]),
}


@pytest.mark.parametrize("name", CASES)
def test_google_is_sent_what_google_auth_sends(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("GOOGLE_API_USE_CLIENT_CERTIFICATE", "false")
    mode, changes, scopes = CASES[name]
    setting = settings(mode, vendor=changes, scopes=scopes)

    outcome = in_process(setting.request, setting.config)
    federated = last_token(cloud, "sts")
    ours = [_comparable(call, federated) for call in cloud.calls()]
    assert len(ours) == len(MODES_BY_NAME[mode].hops)

    oracle = _refresh(in_process, setting, scopes)
    federated = last_token(cloud, "sts")
    theirs = [_comparable(call, federated) for call in cloud.calls()[len(ours) :]]
    if name == "life-of-an-hour-told":
        headers = theirs[0]["headers"]
        headers["x-goog-api-client"] = headers["x-goog-api-client"].replace("lifetime/true", "lifetime/false")
    assert ours == theirs

    # Both were granted the same; we never promise more of it.
    left = (oracle.expiry - dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)).total_seconds()
    assert outcome.cache_seconds <= left - MARGIN_SECONDS + 5
    assert oracle.token == last_token(cloud, MODES_BY_NAME[mode].hops[-1])


@pytest.mark.parametrize("hop", ["sts", "iam"])
def test_what_google_auth_refuses_is_refused_here(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, hop: str
) -> None:
    cloud.fault(hop, "status", status=403)
    setting = settings("token-file-impersonated")
    assert in_process(setting.request, setting.config).hop == hop
    with pytest.raises(exceptions.GoogleAuthError):
        _refresh(in_process, setting, [READ_ONLY])


@pytest.mark.parametrize("hop", ["sts", "iam"])
def test_where_google_auth_stumbles_we_do_not(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, hop: str
) -> None:
    """An expireTime with fractions of a second: good for us. A life that is missing: an error with a name."""
    setting = settings("token-file-impersonated" if hop == "iam" else "token-file-direct")
    if hop == "iam":
        body: dict[str, Any] = {"accessToken": "ya29.c.x", "expireTime": "2099-01-01T00:00:00.5Z"}
    else:
        body = {"access_token": "ya29.d.x", "token_type": "Bearer"}
    cloud.fault(hop, "literal", headers={"Content-Type": "application/json"}, body=json.dumps(body))
    with pytest.raises((exceptions.RefreshError, TypeError)):
        _refresh(in_process, setting, [READ_ONLY])
    outcome = in_process(setting.request, setting.config)
    if hop == "iam":
        assert outcome.password == "ya29.c.x"
    else:
        assert outcome.error == "token-expiry-missing"
