"""Artifact Registry: the challenge, the token endpoint that judges a Google token, and the gate before the images."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from typing import Any, Protocol

from tests.cloud.googleapi import bearer
from tests.cloud.keys import BadToken
from tests.cloud.state import GoogleToken, State
from tests.cloud.wire import Answer, Request
from tests.cloud.world import CLOUD_PLATFORM, READ_ONLY

#: `aud` and `iss` of the bearer tokens given out, as the registry behind is configured to expect them.
SERVICE = "artifact-registry"
ISSUER = "loopback-cloud"
_USERS = ("oauth2accesstoken", "_token")
_HEAD = {"Content-Type": "application/json", "Docker-Distribution-Api-Version": "registry/2.0"}
_NAME = r"[a-z0-9]+(?:[._-][a-z0-9]+)*(?:/[a-z0-9]+(?:[._-][a-z0-9]+)*)*"
_ROUTE = re.compile(rf"/v2/({_NAME})/(manifests|blobs|tags)/(.+)")


class Store(Protocol):
    """What lies behind the gate: in-memory images or a real registry."""

    def answer(self, request: Request, name: str, kind: str, reference: str) -> Answer: ...


def error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Answer:
    """OCI distribution specification, error codes."""
    return Answer.of_json(status, {"errors": [{"code": code, "message": message}]}, {**_HEAD, **(headers or {})})


def repository_of(host: str, name: str) -> str | None:
    """Resource name of the Artifact Registry repository that holds an image; None if the path names none."""
    parts = name.split("/")
    if host.endswith("-docker.pkg.dev"):
        place = host[: -len("-docker.pkg.dev")]
        return f"projects/{parts[0]}/locations/{place}/repositories/{parts[1]}" if len(parts) >= 3 else None
    return f"projects/{parts[0]}/locations/us/repositories/{host}" if len(parts) >= 2 else None


class ArtifactRegistry:
    """Hop `registry`."""

    def __init__(self, state: State, store: Store) -> None:
        self._state = state
        self.store = store

    def __call__(self, request: Request) -> Answer:
        with self._state.lock:
            if request.path == "/v2/token":
                return self._token_endpoint(request)
            if request.path == "/v2/":
                granted = self._presented(request)
                return self._unauthorized(request, "") if granted is None else Answer.of_json(200, {}, dict(_HEAD))
        return self._content(request)

    def _denied(self, resource: str, *, anonymous: bool = False) -> Answer:
        permission = '"artifactregistry.repositories.downloadArtifacts"'
        text = f'Permission {permission} denied on resource "{resource}" (or it may not exist)'
        if anonymous:
            text = (
                f"Unauthenticated request. Unauthenticated requests do not have permission {permission} on resource"
                f' "{resource}" (or it may not exist)'
            )
        return error(403, "DENIED", text + self._state.canary_text())

    def _unauthorized(self, request: Request, scope: str) -> Answer:
        """401: with a challenge when nothing was presented, without when what was presented is no good."""
        if request.header("authorization") is not None:
            return error(
                401, "UNAUTHORIZED", "not authenticated: No valid credential was supplied." + self._state.canary_text()
            )
        realm = f'Bearer realm="https://{request.host}/v2/token"'
        if scope:
            realm += f',service="{request.host}",scope="{scope}"'
        text = "not authenticated: No credential was supplied."
        return error(401, "UNAUTHORIZED", text, {"WWW-Authenticate": realm})

    def _google_token(self, request: Request) -> GoogleToken | None:
        """The Google access token in Basic, if it is alive and its scope covers reading."""
        scheme, _, encoded = (request.header("authorization") or "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode("latin-1").partition(":")
        except binascii.Error:
            return None
        token = self._state.tokens.get(password)
        if user not in _USERS or token is None or token.expires <= self._state.now("registry"):
            return None
        return token if {READ_ONLY, CLOUD_PLATFORM} & set(token.scopes) else None

    def _token_endpoint(self, request: Request) -> Answer:
        if request.method != "GET":
            return error(405, "UNSUPPORTED", "The operation is unsupported.", {"Allow": "GET"})
        wanted = [value for key, value in request.query if key == "scope"]
        names = [scope.split(":")[1] for scope in wanted if scope.startswith("repository:") and scope.count(":") == 2]
        resources = [repository_of(request.host, name) or name for name in names]
        if request.header("authorization") is None:
            return self._denied(resources[0] if resources else "projects/-", anonymous=True)
        token = self._google_token(request)
        if token is None:
            return self._unauthorized(request, "")
        for resource in resources:
            if token.member not in self._state.repositories.get(resource, ()):
                return self._denied(resource)
        life = self._state.options.registry_token_life
        text = self._state.note_issued("registry", self.bearer_for(names, life, token.member))
        return Answer.of_json(200, {"token": text, "expires_in": life}, dict(_HEAD))

    def bearer_for(self, names: list[str], life: int, subject: str, actions: tuple[str, ...] = ("pull",)) -> str:
        """A token in the registry's own JWT format (distribution's docs/spec/auth/jwt)."""
        now = int(self._state.now("registry"))
        claims = {
            "iss": ISSUER,
            "sub": subject,
            "aud": SERVICE,
            "exp": now + life,
            "nbf": now - 10,
            "iat": now,
            "jti": str(uuid.uuid4()),
            "access": [{"type": "repository", "name": name, "actions": list(actions)} for name in names],
        }
        return self._state.registry_key.sign(claims)

    def _presented(self, request: Request) -> dict[str, Any] | GoogleToken | None:
        """A valid bearer's claims, or a Google token given as Basic, which Artifact Registry takes too."""
        text = bearer(request)
        if text is None:
            return self._google_token(request)
        try:
            claims = self._state.registry_key.verify(text)
        except BadToken:
            return None
        return claims if float(claims["exp"]) > self._state.now("registry") else None

    def _content(self, request: Request) -> Answer:
        found = _ROUTE.fullmatch(request.path)
        name = found[1] if found else ""
        resource = repository_of(request.host, name)
        if found is None or resource is None:
            return error(400, "NAME_INVALID", "invalid image name")
        with self._state.lock:
            granted = self._presented(request)
            if granted is None:
                return self._unauthorized(request, f"repository:{name}:pull")
            if request.method not in ("GET", "HEAD"):
                # Pushing needs more than a read-only scope: refused like a bad token.
                return error(401, "UNAUTHORIZED", "not authenticated: No valid credential was supplied.")
            if isinstance(granted, GoogleToken):
                allowed = granted.member in self._state.repositories.get(resource, ())
            else:
                allowed = any(entry["name"] == name and "pull" in entry["actions"] for entry in granted["access"])
            if not allowed:
                return self._denied(resource)
        return self.store.answer(request, name, found[2], found[3])
