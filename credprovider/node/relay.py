"""Brings the DaemonSet's projected ServiceAccount token to where the plugin reads it, whole and for root alone."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from credprovider.claims import read_claims
from credprovider.node.refusal import Refusal
from credprovider.protocol import TOKEN_LIMIT
from credprovider.secret import Secret
from credprovider.world import DEFAULT_STATE_DIRECTORY

if TYPE_CHECKING:
    from credprovider.node.host import Host
    from credprovider.settings import Settings

_REMEDY = "compare the projected volume of the DaemonSet with identity.tokenAudience of config.json"


def relay_token(host: Host, source: str, settings: Settings) -> float:
    """Copy the token, if it has changed.

    Args:
        host: the node.
        source: path of this process: the projected volume's file, which the kubelet renews.
        settings: valid ones, whose source is ``token-file``.

    Returns:
        When the token expires, in seconds since 1970.

    Raises:
        Refusal: there is no token, it is no JWT, expired, or for another audience; what the node has stays.
        OSError: as the node's disk says.
    """
    token = _read(source)
    try:
        claims = read_claims(token)
    except ValueError as error:
        raise Refusal("relay-token-invalid", f"the token to relay {error}", _REMEDY) from None
    if claims.is_expired(host.clock.wall()):
        raise Refusal("relay-token-expired", "the token to relay has expired", "see why the kubelet does not renew it")
    if settings.token_audience not in claims.audience.split(","):
        cause = f"the token to relay is for {claims.shown().get('aud', 'nobody')}, not for {settings.token_audience}"
        raise Refusal("relay-token-audience", cause, _REMEDY)
    destination = settings.token_file or ""
    plain = token.reveal()
    content = (json.dumps({settings.token_field: plain}) if settings.token_field else plain).encode("ascii")
    if host.read_if_there(destination) != content:
        _make_folder(host, os.path.dirname(destination))
        host.put(destination, content, mode=0o600)
    return claims.expires


def _read(path: str) -> Secret:
    try:
        with open(path, "rb") as file:
            content = file.read(TOKEN_LIMIT + 1)
        return Secret(content.decode("ascii").strip())
    except OSError as error:
        cause = f"cannot read the token to relay, {path}: {os.strerror(error.errno or 0)}"
        raise Refusal("relay-token-missing", cause, "see the projected volume of the DaemonSet") from None
    except ValueError:
        raise Refusal("relay-token-invalid", "the token to relay is not ASCII", _REMEDY) from None


def _make_folder(host: Host, folder: str) -> None:
    """Runtime state is for root alone; a folder elsewhere is its owner's to make."""
    if folder == DEFAULT_STATE_DIRECTORY or folder.startswith(f"{DEFAULT_STATE_DIRECTORY}/"):
        host.make_folder(DEFAULT_STATE_DIRECTORY, 0o700)
        host.make_folder(folder, 0o700)
    elif not host.is_folder(folder):
        raise Refusal(
            "relay-folder-missing", f"{folder}, where the token is to go, is not there", "set identity.tokenFile"
        )
