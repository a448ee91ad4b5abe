"""The product's identity modes, each with settings that succeed in a fresh cloud and the kubelet's request."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cloud.api import CloudApi


@dataclass(frozen=True)
class Mode:
    """Where the first token comes from, whether Entra ID is passed, whether a service account is impersonated."""

    source: str
    entra: bool
    impersonated: bool

    @property
    def name(self) -> str:
        """E.g. `token-file-entra-impersonated`."""
        middle = ["entra"] if self.entra else []
        return "-".join([self.source, *middle, "impersonated" if self.impersonated else "direct"])

    @property
    def hops(self) -> list[str]:
        """Hops called for one cold answer, in order."""
        first = ["imds"] if self.source == "managed-identity" else ["entra"] if self.entra else []
        return [*first, "sts", *(["iam"] if self.impersonated else [])]


MODES: tuple[Mode, ...] = tuple(
    Mode(source, entra, impersonated)
    for source in ("managed-identity", "token-file", "service-account")
    for entra in ((False,) if source == "managed-identity" else (False, True))
    for impersonated in (False, True)
)
MODES_BY_NAME = {mode.name: mode for mode in MODES}


@dataclass(frozen=True)
class Setting:
    """What was written for one mode, and what the kubelet says to the plugin then."""

    config: Path
    request: bytes
    token: str | None  # the first token, where the cloud made it: the file's, or the request's


def set_up(folder: Path, cloud: CloudApi, mode: Mode, *, lifetime: float = 3600, **changes: Any) -> Setting:
    """Writes config.json, the vendor's file and a token file into `folder`.

    Args:
        folder: made if it is not there.
        cloud: signs the first token.
        mode: one of `MODES`.
        lifetime: of that token, in seconds.
        changes: top-level keys of config.json to add or replace.
    """
    world = cloud.world
    folder.mkdir(parents=True, exist_ok=True)
    through_cluster = mode.source != "managed-identity" and not mode.entra
    provider = world.cluster_provider if through_cluster else world.entra_provider
    audience = world.cluster_audience if through_cluster else world.exchange_resource
    identity: dict[str, Any] = {"source": mode.source}
    token = None
    if mode.source == "managed-identity":
        identity |= {"clientId": world.client_id, "resource": world.exchange_resource}
    else:
        identity["tokenAudience"] = audience
    if mode.source == "token-file":
        names = (world.relay_namespace, world.relay_service_account)
        token = cloud.kubernetes_token(*names, audience=audience, lifetime=lifetime)
        identity["tokenFile"] = str(folder / "azure-identity-token")
        _write(folder / "azure-identity-token", token)
    if mode.source == "service-account":
        token = cloud.kubernetes_token(audience=audience, lifetime=lifetime)
        identity["serviceAccount"] = {"require": True}
    if mode.entra:
        identity["entra"] = {"tenantId": world.tenant_id, "clientId": world.client_id}
    vendor = cloud.vendor_file("guide" if mode.impersonated else "direct", provider)
    _write(folder / "credential-config.json", json.dumps(vendor, indent=2))
    config = {"identity": identity, "registries": ["*-docker.pkg.dev"], **changes}
    _write(folder / "config.json", json.dumps(config, indent=2))
    request = kubelet_request(world.image, token if mode.source == "service-account" else None)
    return Setting(folder / "config.json", request, token)


def kubelet_request(image: str, token: str | None = None, **fields: Any) -> bytes:
    """A v1 CredentialProviderRequest; the kubelet leaves the tag out."""
    request: dict[str, Any] = {
        "kind": "CredentialProviderRequest",
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        "image": image.rpartition(":")[0] or image,
    }
    if token is not None:
        request["serviceAccountToken"] = token
    return json.dumps({**request, **fields}, separators=(",", ":")).encode() + b"\n"


def _write(path: Path, text: str) -> None:
    """As the installer leaves files: nobody else may write, and the token nobody else may read."""
    path.touch(mode=0o600)
    path.write_text(text)
    path.chmod(0o600)
