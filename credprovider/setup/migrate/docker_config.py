"""Which registries a pull secret serves, and whether by Google's access tokens; nothing else of it is kept; pure."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, Any

from credprovider.setup.migrate.shape import at, mapping, text

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Types of Secrets that may be named in ``imagePullSecrets``, and the key that holds their docker config.
DOCKER_TYPES = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}

#: Google's user name for an access token in place of a password.
_TOKEN_USER = "oauth2accesstoken"

#: Shown for a key of ``auths`` that is no host; it counts as a foreign registry.
NO_HOST = "(not a host)"

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?(?::[0-9]{1,5})?")


def registry_hosts(secret: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The hosts that a Secret has credentials for, sorted.

    Args:
        secret: the whole object; user names, passwords and tokens in it are parsed over, not kept.

    Returns:
        None if the Secret holds no docker config that can be read, so that nothing is known.
    """
    return tuple(sorted({_host(name) for name in _entries(secret)})) or None


def holds_access_tokens(secret: Mapping[str, Any]) -> bool:
    """Are all its credentials access tokens of Google's, which die within the hour?

    Args:
        secret: the whole object.
    """
    entries = [mapping(entry) for entry in _entries(secret).values()]
    return bool(entries) and all(entry.get("username") or entry.get("auth") for entry in entries)


def _entries(secret: Mapping[str, Any]) -> dict[str, Any]:
    """Host -> of each of its credentials, whether the user is `_TOKEN_USER`; empty if nothing can be read."""
    key = DOCKER_TYPES.get(text(secret.get("type")), "")
    content = text(at(secret, "stringData", key)) or _decoded(text(at(secret, "data", key)))
    try:
        config = mapping(json.loads(content, object_pairs_hook=_without_leaves))
    except (ValueError, RecursionError):
        return {}
    if key == ".dockerconfigjson":
        others = set(config) - {"auths", "HttpHeaders"}
        config = {**mapping(config.get("auths")), **dict.fromkeys(others)}
    return config


def is_google(host: str) -> bool:
    """Is the host of Artifact Registry, or of the Container Registry that it replaced?"""
    name = host.partition(":")[0]
    return name == "gcr.io" or name.endswith((".pkg.dev", ".gcr.io"))


def host_of(reference: str) -> str:
    """The host of a registry's address as `docker login` takes it, in lower case; `NO_HOST` if it has none."""
    return _host(reference)


def _decoded(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=False).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _without_leaves(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value if isinstance(value, dict) else _is_token_user(name, value) for name, value in pairs}


def _is_token_user(name: str, value: object) -> bool | None:
    """Is a member of an entry the user name that goes with an access token, alone or before a password?"""
    if name == "username":
        return value == _TOKEN_USER
    return _decoded(text(value)).startswith(f"{_TOKEN_USER}:") if name == "auth" else None


def _host(key: str) -> str:
    host = key.lower().removeprefix("https://").removeprefix("http://").partition("/")[0]
    return host if "." in host and _HOST.fullmatch(host) else NO_HOST
