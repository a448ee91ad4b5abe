"""A plain client of the cloud's services, for tests of the cloud itself: says what it is told to, believes nothing."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.cloud.entra import ASSERTION_TYPE
from tests.cloud.sts import ACCESS_TOKEN_TYPE, GRANT_TYPE
from tests.cloud.world import IAM_SCOPE, JWT_TYPE, READ_ONLY

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi

_REGISTRY = "us-docker.pkg.dev"
_METADATA = "http://169.254.169.254/metadata/identity/oauth2/token"


@dataclass(frozen=True)
class Reply:
    """Status, headers and body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """What a refusal says: AADSTS number, OAuth error or google.rpc status, then the text."""
        found = self.json
        if "errors" in found:
            return f"{found['errors'][0]['code']} {found['errors'][0]['message']}"
        if isinstance(found["error"], dict):
            return f"{found['error']['status']} {found['error']['message']}"
        return f"{found['error']} {found.get('error_description', '')}"


class Talk:
    """Requests with working defaults; keyword arguments (`__` for `-`) replace or, with None, remove parameters."""

    def __init__(self, cloud: CloudApi) -> None:
        self._cloud, self._world = cloud, cloud.world
        context = ssl.create_default_context(cafile=str(cloud.ca_file))
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def request(
        self, url: str, body: bytes | None = None, headers: dict[str, str] | None = None, method: str | None = None
    ) -> Reply:
        """Any request; OSError when there is no answer."""
        asked = urllib.request.Request(url, data=body, headers=headers or {}, method=method)  # noqa: S310 - ours
        try:
            with self._opener.open(asked, timeout=10) as answer:
                return Reply(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return Reply(refusal.code, dict(refusal.headers), refusal.read())

    def imds(self, headers: dict[str, str] | None = None, **parameters: Any) -> Reply:
        """The identity endpoint."""
        defaults = {
            "api-version": "2018-02-01",
            "resource": self._world.exchange_resource,
            "client_id": self._world.client_id,
        }
        sent = {"Metadata": "true"} if headers is None else headers
        return self.request(f"{_METADATA}?{_form(defaults, parameters)}", headers=sent)

    def entra(self, host: str = "login.microsoftonline.com", tenant: str | None = None, **fields: Any) -> Reply:
        """The v2.0 token endpoint, with a token of the workload's ServiceAccount as assertion."""
        defaults = {
            "client_id": self._world.client_id,
            "scope": f"{self._world.exchange_resource}/.default",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": fields.get("client_assertion") or self._cloud.kubernetes_token(),
            "grant_type": "client_credentials",
        }
        url = f"https://{host}/{tenant or self._world.tenant_id}/oauth2/v2.0/token"
        return self.request(url, _form(defaults, fields).encode())

    def sts(self, subject_token: str | None, host: str = "sts.googleapis.com", **fields: Any) -> Reply:
        """The token exchange at the Entra provider, for the scope that impersonation needs."""
        defaults = {
            "grant_type": GRANT_TYPE,
            "audience": self._world.audience(),
            "scope": IAM_SCOPE,
            "requested_token_type": ACCESS_TOKEN_TYPE,
            "subject_token": subject_token or "",
            "subject_token_type": JWT_TYPE,
        }
        return self.request(f"https://{host}/v1/token", _form(defaults, fields).encode())

    def iam(self, bearer: str, account: str | None = None, **fields: Any) -> Reply:
        """GenerateAccessToken."""
        own = self._world.service_account_email
        url = self._world.impersonation_url.replace(own, account or own)
        defaults = {"delegates": None, "scope": [READ_ONLY], "lifetime": "3600s"}
        body = json.dumps({**defaults, **fields}).encode()
        return self.request(url, body, {"Content-Type": "application/json", "Authorization": f"Bearer {bearer}"})

    def identity_token(self) -> str:
        """The managed identity's token from IMDS."""
        return str(self.imds().json["access_token"])

    def federated_token(self, scope: str = IAM_SCOPE) -> str:
        """A federated Google token for the managed identity."""
        return str(self.sts(self.identity_token(), scope=scope).json["access_token"])

    def registry_token_reply(self, name: str) -> Reply:
        """Artifact Registry's token endpoint, as the managed identity."""
        credential = base64.b64encode(f"oauth2accesstoken:{self.federated_token(READ_ONLY)}".encode()).decode()
        query = urllib.parse.urlencode({"service": _REGISTRY, "scope": f"repository:{name}:pull"})
        return self.request(f"https://{_REGISTRY}/v2/token?{query}", headers={"Authorization": f"Basic {credential}"})

    def registry_token(self, name: str) -> str:
        """A bearer token for pulling one image."""
        return str(self.registry_token_reply(name).json["token"])


def forged(token: str, other: str) -> str:
    """A token with the signature of another one: well formed, of a known key, and wrong."""
    return f"{token.rpartition('.')[0]}.{other.rpartition('.')[2]}"


def _form(defaults: dict[str, str], changes: dict[str, str | None]) -> str:
    sent = {**defaults, **{name.replace("__", "-"): value for name, value in changes.items()}}
    return urllib.parse.urlencode({name: value for name, value in sent.items() if value is not None})
