"""Google Security Token Service: a subject JWT for a federated access token, with all that a pool provider checks."""

from __future__ import annotations

import re
from typing import Any

from tests.cloud.condition import holds, mapped
from tests.cloud.googleapi import headers, rpc_error
from tests.cloud.keys import BadToken, peek
from tests.cloud.state import GoogleToken, Provider, State
from tests.cloud.wire import Answer, Request
from tests.cloud.world import JWT_TYPE, WORLD

SERVER = "scaffolding on HTTPServer2"
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"
_SUBJECT_TYPES = (JWT_TYPE, "urn:ietf:params:oauth:token-type:id_token")
_FIELDS = {"grant_type", "audience", "scope", "requested_token_type", "subject_token", "subject_token_type", "options"}
_AUDIENCE = re.compile(
    r"//iam\.googleapis\.com/projects/([^/]+)/locations/global/workloadIdentityPools/([a-z0-9-]{4,32})/providers/([a-z0-9-]{4,32})"
)
_LEEWAY = 60  # seconds either way
_LONGEST = 48 * 3600  # from iat to exp
_SUBJECT_LIMIT = 127  # bytes


class Refusal(Exception):
    """An OAuth error, always with status 400."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error, self.description = error, description


class TokenExchange:
    """Hop `sts`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def __call__(self, request: Request) -> Answer:
        if request.path != "/v1/token":
            return rpc_error(self._state, SERVER, 404, "Requested entity was not found.")
        if request.method != "POST":
            return Answer(405, {"Allow": "POST"})
        with self._state.lock:
            try:
                return self._exchange(request)
            except Refusal as refusal:
                return self.refuse(refusal)

    def refuse(self, refusal: Refusal) -> Answer:
        """RFC 6749 section 5.2, as STS words it."""
        body = {"error": refusal.error, "error_description": refusal.description + self._state.canary_text()}
        return Answer.of_json(400, body, headers(SERVER), indent=2)

    def _exchange(self, request: Request) -> Answer:
        form = request.form()
        if form is None or set(form) - _FIELDS:
            raise Refusal("invalid_request", "The request body must be a form without unknown or repeated parameters.")
        if request.header("authorization") is not None:
            raise Refusal("invalid_client", "Client authentication is not accepted for workload identity pools.")
        provider = self._provider(form)
        scopes = tuple(form.get("scope", "").split())
        if not scopes:
            raise Refusal("invalid_request", "Scope(s) must be provided.")
        if not all(scope.startswith("https://www.googleapis.com/auth/") for scope in scopes):
            raise Refusal("invalid_scope", "Some requested scopes were invalid.")
        claims = self._verified(form.get("subject_token", ""), provider)
        member = WORLD.principal(self._subject(provider, claims))
        return self._answer(claims, member, scopes)

    def _provider(self, form: dict[str, str]) -> Provider:
        if form.get("grant_type") != GRANT_TYPE:
            raise Refusal("unsupported_grant_type", f"Invalid grant_type. It must be {GRANT_TYPE}.")
        if form.get("requested_token_type") != ACCESS_TOKEN_TYPE:
            raise Refusal("invalid_request", "Invalid value for requested_token_type.")
        if form.get("subject_token_type") not in _SUBJECT_TYPES:
            raise Refusal("invalid_request", "Invalid value for subject_token_type.")
        found = _AUDIENCE.fullmatch(form.get("audience", ""))
        if found is None:
            text = (
                'Invalid value for "audience". This value should be the full resource name of the Identity Provider.'
                " See https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token for the list of possible"
                " formats."
            )
            raise Refusal("invalid_request", text)
        number, pool, name = found.groups()
        provider = self._state.providers.get(name)
        known = number == WORLD.project_number and pool == WORLD.pool and not self._state.options.pool_disabled
        if not known or provider is None or provider.disabled:
            text = (
                'The target service indicated by the "audience" parameters is invalid. This might either be because the'
                " pool or provider is disabled or deleted or because it doesn't exist."
            )
            raise Refusal("invalid_target", text)
        return provider

    def _verified(self, token: str, provider: Provider) -> dict[str, Any]:
        try:
            _, claims = peek(token)
        except BadToken:
            raise Refusal("invalid_grant", "Unable to parse the ID Token.") from None
        if claims.get("iss") != provider.issuer:
            found = f"The issuer in ID Token {claims.get('iss')}"
            text = f"{found} does not match the expected one in config: {provider.issuer}"
            raise Refusal("invalid_grant", text)
        self._check_audience(claims, provider)
        key = self._state.signing_key(provider.issuer)
        if key is None or not self._state.options.issuer_reachable:
            raise Refusal("invalid_grant", "Error connecting to the given credential's issuer.")
        try:
            key.verify(token)
        except BadToken as error:
            if error.kind == "key":
                raise Refusal("invalid_grant", "Error connecting to the given credential's issuer.") from None
            raise Refusal("invalid_grant", "Unable to verify the ID Token signature.") from None
        self._check_time(claims)
        if not holds(provider.condition, claims):
            raise Refusal("unauthorized_client", "The given credential is rejected by the attribute condition.")
        return claims

    def _check_audience(self, claims: dict[str, Any], provider: Provider) -> None:
        audience = claims.get("aud")
        given = audience if isinstance(audience, list) else [audience]
        name = WORLD.audience(provider.name)
        # Setting allowed audiences replaces the default, it does not add to it.
        if not set(given) & set(provider.allowed_audiences or ["https:" + name, name]):
            raise Refusal(
                "invalid_grant", f"The audience in ID Token [{given[0]}] does not match the expected audience."
            )

    def _check_time(self, claims: dict[str, Any]) -> None:
        now = self._state.now("sts")
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, (int, float)) or not isinstance(expires, (int, float)):
            raise Refusal("invalid_grant", "Unable to parse the ID Token.")
        if expires < now - _LEEWAY or issued > now + _LEEWAY or expires - issued > _LONGEST:
            raise Refusal("invalid_grant", f"ID Token issued at {int(issued)} is stale to sign-in.")

    def _subject(self, provider: Provider, claims: dict[str, Any]) -> str:
        subject = mapped(provider.mapping, claims)
        if len(subject.encode()) > _SUBJECT_LIMIT:
            text = f"The size of mapped attribute google.subject exceeds the {_SUBJECT_LIMIT} bytes limit."
            raise Refusal(
                "invalid_grant",
                f"{text} Either modify your attribute mapping or the incoming assertion to produce a shorter one.",
            )
        return subject

    def _answer(self, claims: dict[str, Any], member: str, scopes: tuple[str, ...]) -> Answer:
        now = self._state.now("sts")
        left = min(int(float(claims["exp"]) - now), self._state.options.sts_max_life)
        if left <= 1:
            return rpc_error(self._state, SERVER, 500, "Internal error encountered.")
        token = self._state.google_token("sts", GoogleToken("federated", member, scopes, now + left))
        body: dict[str, Any] = {"access_token": token, "issued_token_type": ACCESS_TOKEN_TYPE, "token_type": "Bearer"}
        # Observed: with two seconds left STS answers 200 without expires_in.
        if left > 2:
            body["expires_in"] = left - 2
        return Answer.of_json(200, body, headers(SERVER), indent=2)
