"""Azure Instance Metadata Service: the identity endpoint, strict in header, version and parameters."""

from __future__ import annotations

from typing import Any

from tests.cloud.entra import mint
from tests.cloud.state import Identity, State
from tests.cloud.wire import Answer, Request

_PATH = "/metadata/identity/oauth2/token"
_VERSIONS = ("2018-02-01", "2019-08-01", "2020-06-01", "2021-02-01", "2021-11-01", "2021-11-15", "2021-12-13")
#: Query parameter that selects an identity -> attribute of `Identity`.
_SELECTORS = {"client_id": "client_id", "object_id": "object_id", "msi_res_id": "resource_id"}
_SERVER = {"Server": "IMDS/150.870.65.1854"}
_MANY = (
    "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token"
    " request"
)
_LATEST = ["2021-12-13", "2021-11-15", "2021-11-01"]


class Metadata:
    """Hop `imds`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def __call__(self, request: Request) -> Answer:
        with self._state.lock:
            return self._identity_token(request)

    def _refuse(self, status: int, error: str, description: str) -> Answer:
        text = description + self._state.canary_text()
        return Answer.of_json(status, {"error": error, "error_description": text}, _SERVER)

    def _identity_token(self, request: Request) -> Answer:
        if request.header("x-forwarded-for") is not None:
            return self._refuse(400, "bad_request_103", "Requests that were forwarded are not served")
        if (request.header("metadata") or "").lower() != "true":
            return self._refuse(400, "bad_request_102", "Required metadata header not specified")
        if request.path != _PATH:
            return Answer(404, dict(_SERVER))
        if request.method != "GET":
            return Answer(405, {**_SERVER, "Allow": "GET"})
        query = dict(request.query)
        if len(query) != len(request.query):
            return self._refuse(400, "invalid_request", "A query parameter is specified more than once")
        if query.get("api-version") not in _VERSIONS:
            text = "Bad request. api-version is invalid or was not specified in the request."
            return Answer.of_json(400, {"error": text, "newest-versions": _LATEST}, _SERVER)
        if not query.get("resource"):
            return self._refuse(400, "invalid_request", "Required query variable 'resource' is missing")
        found = self._identity(query)
        return found if isinstance(found, Answer) else self._token(found, query["resource"])

    def _identity(self, query: dict[str, str]) -> Identity | Answer:
        assigned = [
            each for each in self._state.identities if each.resource_id and each.client_id in self._state.assigned
        ]
        selectors = [name for name in _SELECTORS if name in query]
        if len(selectors) > 1:
            return self._refuse(
                400, "invalid_request", "Only one of client_id, object_id and msi_res_id may be specified"
            )
        if selectors:
            name = selectors[0]
            asked = query[name].lower()
            found = [each for each in assigned if getattr(each, _SELECTORS[name]).lower() == asked]
            return found[0] if found else self._refuse(400, "invalid_request", "Identity not found")
        if len(assigned) > 1:
            return self._refuse(400, "invalid_request", _MANY)
        return assigned[0] if assigned else self._refuse(400, "invalid_request", "Identity not found")

    def _token(self, identity: Identity, uri: str) -> Answer:
        resource = next((each for each in self._state.resources[identity.tenant_id] if each.uri == uri), None)
        if resource is None:
            text = f"AADSTS500011: The resource principal named {uri} was not found in the tenant named Example."
            return self._refuse(400, "invalid_resource", text)
        now = self._state.now("imds")
        cached = self._state.metadata_tokens.get((identity.client_id, uri))
        if cached is None or int(cached["expires_on"]) <= now:
            cached = self._fresh(identity, uri, now)
            self._state.metadata_tokens[identity.client_id, uri] = cached
        left = int(int(cached["expires_on"]) - now)
        # Counted down, as a cached token's is; every value is a string here, unlike at Entra.
        return Answer.of_json(200, {**cached, "expires_in": str(left)}, _SERVER)

    def _fresh(self, identity: Identity, uri: str, now: float) -> dict[str, Any]:
        resource = next(each for each in self._state.resources[identity.tenant_id] if each.uri == uri)
        life = self._state.options.imds_token_life
        token, claims = mint(self._state, identity, resource, issued=now - 300, expires=now + life)
        self._state.note_issued("imds", token)
        return {
            "access_token": token,
            "client_id": identity.client_id,
            "expires_in": str(int(life)),
            "expires_on": str(claims["exp"]),
            "ext_expires_in": str(int(life)),
            "not_before": str(claims["nbf"]),
            "resource": uri,
            "token_type": "Bearer",
        }
