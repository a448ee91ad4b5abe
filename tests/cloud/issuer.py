"""The AKS cluster's OIDC issuer: discovery and keys, and tokens in the shape the Kubernetes API server gives."""

from __future__ import annotations

import time
import uuid
from typing import Any

from tests.cloud.state import State
from tests.cloud.wire import Answer, Request
from tests.cloud.world import WORLD


class ClusterIssuer:
    """Hop `issuer`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def __call__(self, request: Request) -> Answer:
        base = "/" + WORLD.cluster_issuer.split("/", 3)[3]
        if request.path == f"{base}.well-known/openid-configuration":
            keys = f"{WORLD.cluster_issuer}openid/v1/jwks"
            return Answer.of_json(200, {"issuer": WORLD.cluster_issuer, "jwks_uri": keys})
        if request.path == f"{base}openid/v1/jwks":
            return Answer.of_json(200, {"keys": [self._state.cluster_key.jwk()]})
        return Answer(404)


def kubernetes_token(
    state: State,
    namespace: str,
    service_account: str,
    *,
    uid: str,
    audience: str,
    lifetime: float,
    claims: dict[str, Any],
) -> str:
    """A bound ServiceAccount token (TokenRequest); `claims` replace or, with None, remove single claims."""
    now = int(time.time())
    body: dict[str, Any] = {
        "aud": [audience],
        "exp": int(now + lifetime),
        "iat": now,
        "iss": WORLD.cluster_issuer,
        "jti": str(uuid.uuid4()),
        "kubernetes.io": {
            "namespace": namespace,
            "node": {"name": "aks-nodepool1-00000000-vmss000000", "uid": "77777777-7777-4777-8777-777777777777"},
            "pod": {"name": f"{service_account}-0", "uid": "88888888-8888-4888-8888-888888888888"},
            "serviceaccount": {"name": service_account, "uid": uid},
        },
        "nbf": now,
        "sub": f"system:serviceaccount:{namespace}:{service_account}",
        **claims,
    }
    body = {name: value for name, value in body.items() if value is not None}
    return state.note_issued("kubernetes", state.cluster_key.sign(body))
