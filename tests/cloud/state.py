"""What the cloud's services share and tests change: directory, pools, accounts, grants, issued tokens, clocks."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from tests.cloud.keys import SigningKey
from tests.cloud.world import CLOUDS, PUBLIC, WORLD


@dataclass
class Identity:
    """A managed identity or app registration of a tenant."""

    client_id: str
    object_id: str
    resource_id: str
    tenant_id: str = PUBLIC.tenant_id


@dataclass
class Resource:
    """Something a token can be asked for: its manifest, not the endpoint, decides the token's version."""

    uri: str
    audience: str
    version: int = 2
    assignment_required: bool = False
    app_id: str = "00000000-0000-4000-8000-0000000000ee"


@dataclass
class FederatedCredential:
    """A trust of one identity in one issuer, subject and audience."""

    client_id: str
    issuer: str
    subject: str
    audience: str
    tenant_id: str = PUBLIC.tenant_id


@dataclass
class Provider:
    """A workload identity pool provider; no allowed audience means its own https: name only."""

    name: str
    issuer: str
    allowed_audiences: list[str] = field(default_factory=list)
    condition: str = ""
    mapping: str = "assertion.sub"
    disabled: bool = False


@dataclass
class GoogleToken:
    """An access token that Google gave out."""

    kind: str  # federated | service-account
    member: str
    scopes: tuple[str, ...]
    expires: float


@dataclass
class Options:
    """Knobs of the services that are no faults."""

    imds_token_life: float = 86400.0
    entra_token_life: int = 86399
    sts_max_life: int = 3600
    iam_max_life: int = 3600
    iam_api_enabled: bool = True
    pool_disabled: bool = False
    issuer_reachable: bool = True
    registry_token_life: int = 43200
    proxy_credentials: str = ""  # USER:PASSWORD demanded by the proxy


def _identities() -> list[Identity]:
    found = [
        Identity(WORLD.client_id, WORLD.object_id, WORLD.resource_id),
        Identity(WORLD.kubelet_client_id, WORLD.kubelet_object_id, WORLD.kubelet_resource_id),
    ]
    # The same identity exists in the other clouds' tenants, so that a test has to change the cloud only.
    others = (cloud for cloud in CLOUDS.values() if cloud is not PUBLIC)
    return found + [Identity(WORLD.client_id, WORLD.object_id, "", cloud.tenant_id) for cloud in others]


def _resources() -> dict[str, list[Resource]]:
    """Per tenant."""
    found = {cloud.tenant_id: [Resource(cloud.exchange_resource, cloud.exchange_audience)] for cloud in CLOUDS.values()}
    found[PUBLIC.tenant_id] += [
        Resource(WORLD.app_v1_uri, WORLD.app_v1_uri, version=1),
        Resource(WORLD.app_v2_uri, WORLD.app_v2_id, app_id=WORLD.app_v2_id),
    ]
    return found


def _federated_credentials() -> list[FederatedCredential]:
    return [
        FederatedCredential(WORLD.client_id, WORLD.cluster_issuer, subject, cloud.exchange_resource, cloud.tenant_id)
        for cloud in CLOUDS.values()
        for subject in (WORLD.subject, WORLD.relay_subject)
    ]


def _providers() -> dict[str, Provider]:
    found = [Provider(cloud.provider, cloud.issuer, [cloud.exchange_audience]) for cloud in CLOUDS.values()]
    found += [
        Provider(WORLD.cluster_provider, WORLD.cluster_issuer),
        Provider(WORLD.app_v1_provider, f"https://sts.windows.net/{WORLD.tenant_id}/", [WORLD.app_v1_uri]),
        Provider(WORLD.app_v2_provider, PUBLIC.issuer, [WORLD.app_v2_id]),
    ]
    return {provider.name: provider for provider in found}


def _trusted_members() -> set[str]:
    subjects = (WORLD.object_id, WORLD.kubelet_object_id, WORLD.subject, WORLD.relay_subject)
    return {WORLD.principal(subject) for subject in subjects}


def _repositories() -> dict[str, set[str]]:
    readers = {*_trusted_members(), f"serviceAccount:{WORLD.service_account_email}"}
    places = (
        "us/repositories/hub",
        "europe/repositories/hub",
        "europe-west1/repositories/hub",
        "us/repositories/gcr.io",
    )
    return {f"projects/{WORLD.project}/locations/{place}": set(readers) for place in places}


class State:
    """One mutable world. Keys survive `reset`, so that tokens made before it still verify."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.cluster_key, self.entra_key, self.registry_key = SigningKey(), SigningKey(), SigningKey()
        self.reset()

    def reset(self) -> None:
        """Everything as in a fresh cloud."""
        with self.lock:
            self.identities = _identities()
            self.assigned = [WORLD.client_id, WORLD.kubelet_client_id]
            self.resources = _resources()
            self.federated_credentials = _federated_credentials()
            self.providers = _providers()
            self.accounts: dict[str, set[str]] = {WORLD.service_account_email: _trusted_members()}
            self.repositories = _repositories()
            self.tokens: dict[str, GoogleToken] = {}
            self.options = Options()
            self.skews: dict[str, float] = {}
            self.canaries: list[str] = []
            self.issued: list[dict[str, str]] = []
            self.metadata_tokens: dict[tuple[str, str], dict[str, Any]] = {}

    def now(self, hop: str) -> float:
        """Seconds since the epoch by this hop's own clock."""
        return time.time() + self.skews.get(hop, 0.0)

    def note_issued(self, hop: str, token: str) -> str:
        """Remembers a token for `issued` and hands it back."""
        with self.lock:
            self.issued.append({"hop": hop, "token": token})
        return token

    def google_token(self, hop: str, token: GoogleToken) -> str:
        """A new opaque access token of about 1 kB, carrying the canaries, that stands for `token`."""
        prefix = "ya29.d." if token.kind == "federated" else "ya29.c."
        marks = "".join(f"{canary}-" for canary in self.canaries)
        text = prefix + marks + secrets.token_urlsafe(720)
        with self.lock:
            self.tokens[text] = token
        return self.note_issued(hop, text)

    def canary_text(self) -> str:
        """What error texts carry besides the service's own words."""
        return "".join(f" {canary}" for canary in self.canaries)

    def signing_key(self, issuer: str) -> SigningKey | None:
        """The key that signs for an issuer that exists."""
        if issuer == WORLD.cluster_issuer:
            return self.cluster_key
        for cloud in CLOUDS.values():
            if issuer in (cloud.issuer, f"https://sts.windows.net/{cloud.tenant_id}/"):
                return self.entra_key
        return None
