"""Makes CredentialProviderConfig documents for tests."""

from __future__ import annotations

import json
from typing import Any

from credprovider.kubelet.request import V1

CONFIG_V1 = "kubelet.config.k8s.io/v1"

TOKEN_ATTRIBUTES: dict[str, Any] = {
    "serviceAccountTokenAudience": "api://AzureADTokenExchange",
    "cacheType": "ServiceAccount",
    "requireServiceAccount": True,
}


def provider(**changes: Any) -> dict[str, Any]:
    """A sound provider; a value of ``...`` takes the field out."""
    sound = {"name": "p", "matchImages": ["*-docker.pkg.dev"], "defaultCacheDuration": "0s", "apiVersion": V1}
    return {name: value for name, value in (sound | changes).items() if value is not ...}


def document(*providers: Any, **changes: Any) -> str:
    """A configuration as JSON; without providers it has one sound one."""
    whole = {"apiVersion": CONFIG_V1, "kind": "CredentialProviderConfig", "providers": list(providers) or [provider()]}
    return json.dumps({name: value for name, value in (whole | changes).items() if value is not ...})
