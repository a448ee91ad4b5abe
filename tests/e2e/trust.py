"""Entra ID and Google verify a real API server's tokens, by the keys that it publishes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.cloud.keys import SigningKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cloud.control import Cloud
    from tests.e2e.control_plane import ControlPlane


class _PublishedKey(SigningKey):
    """An issuer's key from its JWKS, to verify with; what the cloud itself signs in that name no longer verifies."""

    def __init__(self, jwk: dict[str, Any]) -> None:
        super().__init__()
        key = RSAAlgorithm.from_jwk(jwk)
        assert isinstance(key, rsa.RSAPublicKey)
        self.public = key
        self.kid = str(jwk["kid"])


@contextlib.contextmanager
def trusting(cloud: Cloud, control_plane: ControlPlane) -> Iterator[None]:
    """For as long as this lasts, the cluster's issuer is this API server."""
    state = cloud.core.state
    before = state.cluster_key
    (jwk,) = control_plane.jwks()
    state.cluster_key = _PublishedKey(jwk)
    try:
        yield
    finally:
        state.cluster_key = before
