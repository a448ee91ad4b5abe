"""Entra ID: client credentials with a federated client assertion, in the three clouds, refusing in AADSTS codes."""

from __future__ import annotations

import secrets
import time
import uuid
from typing import Any

from tests.cloud.keys import BadToken, peek
from tests.cloud.state import FederatedCredential, Identity, Resource, State
from tests.cloud.wire import Answer, Request
from tests.cloud.world import CLOUDS, AzureCloud

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_DOCS = "https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
_CHECK = (
    f"Check your federated identity credential Subject, Audience and Issuer against the presented assertion. {_DOCS}"
)
_LEEWAY = 300


class Refusal(Exception):
    """An AADSTS error: number, OAuth error, text, HTTP status."""

    def __init__(self, code: int, error: str, text: str, status: int = 401) -> None:
        super().__init__(code)
        self.code, self.error, self.text, self.status = code, error, text, status


def cloud_of(tenant_id: str) -> AzureCloud:
    """The cloud a tenant lives in."""
    return next(cloud for cloud in CLOUDS.values() if cloud.tenant_id == tenant_id)


def mint(
    state: State, identity: Identity, resource: Resource, *, issued: float, expires: float
) -> tuple[str, dict[str, Any]]:
    """An app-only access token for a resource, v1 or v2 as the resource's manifest says, with its claims."""
    cloud = cloud_of(identity.tenant_id)
    version_1 = resource.version == 1
    claims: dict[str, Any] = {
        "aud": resource.audience,
        "iss": f"https://sts.windows.net/{cloud.tenant_id}/" if version_1 else cloud.issuer,
        "iat": int(issued),
        "nbf": int(issued),
        "exp": int(expires),
        **({"appid": identity.client_id, "appidacr": "2"} if version_1 else {"azp": identity.client_id, "azpacr": "2"}),
        **({"idp": f"https://sts.windows.net/{cloud.tenant_id}/"} if version_1 else {}),
        "idtyp": "app",
        "oid": identity.object_id,
        "sub": identity.object_id,
        "tid": identity.tenant_id,
        "uti": secrets.token_urlsafe(16),
        "ver": "1.0" if version_1 else "2.0",
    }
    return state.entra_key.sign(claims), claims


class TokenService:
    """Hop `entra`: the v2.0 token endpoint, and the discovery documents of its issuers."""

    def __init__(self, state: State) -> None:
        self._state = state

    def __call__(self, request: Request) -> Answer:
        parts = request.path.strip("/").split("/")
        with self._state.lock:
            if parts[1:] == ["oauth2", "v2.0", "token"]:
                try:
                    return self._grant(request, parts[0])
                except Refusal as refusal:
                    return self.refuse(refusal)
            return self._discovery(request.host, parts)

    def refuse(self, refusal: Refusal, retry_after: int | None = None) -> Answer:
        """Microsoft's error body."""
        now = self._state.now("entra")
        stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(now))
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        ids = f"Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}"
        body = {
            "error": refusal.error,
            "error_description": f"AADSTS{refusal.code}: {refusal.text}{self._state.canary_text()} {ids}",
            "error_codes": [refusal.code],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={refusal.code}",
        }
        headers = {"Cache-Control": "no-store, no-cache", "x-ms-request-id": trace}
        if retry_after is not None:
            headers["Retry-After"] = str(retry_after)
        return Answer.of_json(refusal.status, body, headers)

    def _discovery(self, host: str, parts: list[str]) -> Answer:
        cloud = next(cloud for cloud in CLOUDS.values() if cloud.authority == host)
        if parts == [cloud.tenant_id, "discovery", "v2.0", "keys"]:
            return Answer.of_json(200, {"keys": [self._state.entra_key.jwk()]})
        if parts == [cloud.tenant_id, "v2.0", ".well-known", "openid-configuration"]:
            keys = f"https://{host}/{cloud.tenant_id}/discovery/v2.0/keys"
            return Answer.of_json(200, {"issuer": cloud.issuer, "jwks_uri": keys})
        return Answer(404)

    def _grant(self, request: Request, tenant: str) -> Answer:
        if request.method != "POST":
            raise Refusal(
                900561,
                "invalid_request",
                f"The endpoint only accepts POST requests. Received a {request.method} request.",
                400,
            )
        form = request.form()
        if form is None:
            raise Refusal(
                900144, "invalid_request", "The request body must be a form without repeated parameters.", 400
            )
        self._check_tenant(request.host, tenant)
        if "grant_type" not in form:
            text = "The request body must contain the following parameter: 'grant_type'."
            raise Refusal(900144, "invalid_request", text, 400)
        if form["grant_type"] != "client_credentials":
            raise Refusal(
                70003,
                "unsupported_grant_type",
                f"The app requested an unsupported grant type '{form['grant_type']}'.",
                400,
            )
        identity = self._client(form.get("client_id", ""), tenant)
        resource = self._resource(form.get("scope", ""), tenant)
        self._check_assertion(form, identity)
        if resource.assignment_required:
            text = (
                f"Application '{identity.client_id}'(puller) is not assigned to a role for the application"
                f" '{resource.app_id}'(gcp)."
            )
            raise Refusal(501051, "invalid_grant", text, 400)
        now, life = self._state.now("entra"), self._state.options.entra_token_life
        token, _ = mint(self._state, identity, resource, issued=now - 300, expires=now + life + 1)
        self._state.note_issued("entra", token)
        body = {"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token}
        return Answer.of_json(200, body, {"Cache-Control": "no-store, no-cache", "x-ms-request-id": str(uuid.uuid4())})

    def _check_tenant(self, host: str, tenant: str) -> None:
        known = next((cloud for cloud in CLOUDS.values() if cloud.tenant_id == tenant), None)
        if known is None:
            text = (
                f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into"
                " the correct cloud. Check with your subscription administrator, this may happen if there are no active"
                " subscriptions for the tenant."
            )
            raise Refusal(90002, "invalid_request", text, 400)
        if known.authority != host:
            raise Refusal(
                900382, "invalid_request", "Confidential Client is not supported in Cross Cloud request.", 400
            )

    def _client(self, client_id: str, tenant: str) -> Identity:
        for identity in self._state.identities:
            if identity.client_id == client_id.lower() and identity.tenant_id == tenant:
                return identity
        text = (
            f"Application with identifier '{client_id}' was not found in the directory 'Example'. This can happen if"
            " the application has not been installed by the administrator of the tenant or consented to by any user in"
            " the tenant. You may have sent your authentication request to the wrong tenant."
        )
        raise Refusal(700016, "unauthorized_client", text, 400)

    def _resource(self, scope: str, tenant: str) -> Resource:
        uri, suffix = scope[: -len("/.default")], scope[-len("/.default") :]
        if suffix != "/.default" or " " in scope:
            text = (
                f"The provided value for scope {scope} is not valid. Client credential flows must have a scope value"
                " with /.default suffixed to the resource identifier (application ID URI)."
            )
            raise Refusal(1002012, "invalid_scope", text, 400)
        for resource in self._state.resources[tenant]:
            if resource.uri == uri:
                return resource
        text = (
            f"The resource principal named {uri} was not found in the tenant named Example. This can happen if the"
            " application has not been installed by the administrator of the tenant or consented to by any user in the"
            " tenant. You might have sent your authentication request to the wrong tenant."
        )
        raise Refusal(500011, "invalid_resource", text, 400)

    def _check_assertion(self, form: dict[str, str], identity: Identity) -> None:
        if "client_secret" in form:
            text = f"Invalid client secret provided. Ensure it is the secret value, for app '{identity.client_id}'."
            raise Refusal(7000215, "invalid_client", text)
        if form.get("client_assertion_type") != ASSERTION_TYPE or not form.get("client_assertion"):
            text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
            raise Refusal(7000218, "invalid_client", text)
        assertion = form["client_assertion"]
        try:
            header, claims = peek(assertion)
        except BadToken:
            raise Refusal(50027, "invalid_request", "JWT token is invalid or malformed.", 400) from None
        owner = (identity.client_id, identity.tenant_id)
        trusted = [each for each in self._state.federated_credentials if (each.client_id, each.tenant_id) == owner]
        _check_federated(claims, trusted)
        key = self._state.signing_key(claims["iss"])
        try:
            if key is None:
                raise BadToken("key")
            key.verify(assertion)
        except BadToken as error:
            reason = (
                "The key was not found."
                if error.kind == "key"
                else "The provided signature value did not match the expected one."
            )
            used = f"Thumbprint of key used by client: '{header.get('kid')}'"
            text = f"Assertion failed signature validation. [Reason - {reason}, {used}]"
            raise Refusal(50013, "invalid_client", text) from None
        self._check_time(claims)

    def _check_time(self, claims: dict[str, Any]) -> None:
        now = self._state.now("entra")
        start, end = float(claims.get("nbf", 0)), float(claims.get("exp", 0))
        if not start - _LEEWAY <= now <= end + _LEEWAY:
            shown = [time.strftime("%Y-%m-%dT%H:%M:%S.0000000Z", time.gmtime(each)) for each in (now, start, end)]
            text = (
                f"Client assertion is not within its valid time range. Current time: {shown[0]}, assertion valid from"
                f" {shown[1]}, expiry time of assertion {shown[2]}. Review the documentation at"
                " https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."
            )
            raise Refusal(700024, "invalid_client", text)


def _check_federated(claims: dict[str, Any], trusted: list[FederatedCredential]) -> None:
    """The assertion against the identity's federated credentials: issuer, subject, audience, all case-sensitive."""
    issuer, subject, audience = claims.get("iss"), claims.get("sub"), claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if not trusted:
        text = (
            "No matching federated identity record found for presented assertion."
            f" Assertion Issuer: '{issuer}'. Assertion Subject: '{subject}'. Assertion Audience: '{audiences[0]}'."
            f" {_DOCS}"
        )
        raise Refusal(70021, "invalid_request", text, 400)
    prefix = "No matching federated identity record found for presented assertion"
    same_issuer = [each for each in trusted if each.issuer == issuer]
    if not same_issuer:
        raise Refusal(700211, "invalid_client", f"{prefix} issuer '{issuer}'. {_CHECK}")
    same_subject = [each for each in same_issuer if each.subject == subject]
    if not same_subject:
        alike = any(each.subject.lower() == str(subject).lower() for each in same_issuer)
        case = " The subject matches with different casing." if alike else ""
        code = 7002138 if alike else 700213
        raise Refusal(code, "invalid_client", f"{prefix} subject '{subject}'.{case} {_CHECK}")
    if not any(each.audience in audiences for each in same_subject):
        raise Refusal(700212, "invalid_client", f"{prefix} audience '{audiences[0]}'. {_CHECK}")
