"""Google IAM Credentials: generateAccessToken for a federated principal that the service account is bound to."""

from __future__ import annotations

import re
from typing import Any

from tests.cloud.googleapi import BAD_CREDENTIALS, bearer, headers, rpc_error
from tests.cloud.state import GoogleToken, State
from tests.cloud.wire import Answer, Request, timestamp
from tests.cloud.world import CLOUD_PLATFORM, IAM_SCOPE, WORLD

SERVER = "ESF"
_PATH = re.compile(r"/v1/projects/-/serviceAccounts/([^/:]+):generateAccessToken")
_LIFETIME = re.compile(r"(\d+)(\.\d{1,9})?s")
_FIELDS = {"delegates", "scope", "lifetime"}
_DEFAULT_LIFE = 3600


class Credentials:
    """Hop `iam`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def __call__(self, request: Request) -> Answer:
        found = _PATH.fullmatch(request.path.replace("%40", "@"))
        if found is None or request.method != "POST":
            return self._refuse(404, "Requested entity was not found.")
        with self._state.lock:
            return self._generate(request, found[1])

    def _refuse(self, status: int, message: str, info: dict[str, Any] | None = None) -> Answer:
        return rpc_error(self._state, SERVER, status, message, info=info)

    def _generate(self, request: Request, account: str) -> Answer:
        now = self._state.now("iam")
        caller = self._state.tokens.get(bearer(request) or "")
        if caller is None or caller.expires <= now:
            return self._refuse(401, BAD_CREDENTIALS)
        if not {IAM_SCOPE, CLOUD_PLATFORM} & set(caller.scopes):
            info = {"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "domain": "googleapis.com"}
            return self._refuse(403, "Request had insufficient authentication scopes.", info)
        body = request.json()
        if body is None:
            return self._refuse(400, "Invalid JSON payload received.")
        if unknown := sorted(set(body) - _FIELDS):
            return self._refuse(400, f'Invalid JSON payload received. Unknown name "{unknown[0]}": Cannot find field.')
        if not self._state.options.iam_api_enabled:
            return self._api_disabled()
        members = self._state.accounts.get(account)
        if members is None:
            return self._refuse(404, f"Not found; Gaia id not found for email {account}")
        if not self._bound(caller, members):
            text = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
            metadata = {"permission": "iam.serviceAccounts.getAccessToken"}
            return self._refuse(
                403, text, {"reason": "IAM_PERMISSION_DENIED", "domain": "iam.googleapis.com", "metadata": metadata}
            )
        return self._token(body, account, now)

    def _api_disabled(self) -> Answer:
        number = WORLD.project_number
        text = (
            f"IAM Service Account Credentials API has not been used in project {number} before or it is disabled."
            " Enable it by visiting https://console.developers.google.com/apis/api/iamcredentials.googleapis.com/overview"
            f"?project={number} then retry."
        )
        metadata = {"service": "iamcredentials.googleapis.com", "consumer": f"projects/{number}"}
        return self._refuse(403, text, {"reason": "SERVICE_DISABLED", "domain": "googleapis.com", "metadata": metadata})

    @staticmethod
    def _bound(caller: GoogleToken, members: set[str]) -> bool:
        pool = caller.member.partition("/subject/")[0].replace("principal://", "principalSet://") + "/*"
        return caller.kind == "federated" and bool(members & {caller.member, pool})

    def _token(self, body: dict[str, Any], account: str, now: float) -> Answer:
        scopes = body.get("scope")
        listed = isinstance(scopes, list) and scopes and all(isinstance(scope, str) for scope in scopes)
        if not listed or not all(scope.startswith("https://www.googleapis.com/auth/") for scope in scopes or ()):
            return self._refuse(400, "Request contains an invalid argument.")
        if body.get("delegates") not in (None, []):
            return self._refuse(
                403, "Permission 'iam.serviceAccounts.implicitDelegation' denied on resource (or it may not exist)."
            )
        found = _LIFETIME.fullmatch(str(body.get("lifetime", f"{_DEFAULT_LIFE}s")))
        if found is None:
            return self._refuse(400, "Invalid value at 'lifetime' (type.googleapis.com/google.protobuf.Duration)")
        life = int(found[1]) or _DEFAULT_LIFE
        if life > self._state.options.iam_max_life:
            text = (
                "Service account access tokens can not have lifetimes of more than 1 hour. Use the organization policy"
                " constraints/iam.allowServiceAccountCredentialLifetimeExtension to allow up to 12 hours."
            )
            return self._refuse(400, text)
        member = f"serviceAccount:{account}"
        token = self._state.google_token("iam", GoogleToken("service-account", member, tuple(scopes or ()), now + life))
        return Answer.of_json(
            200, {"accessToken": token, "expireTime": timestamp(now + life)}, headers(SERVER), indent=2
        )
