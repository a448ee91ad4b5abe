"""A small registry client, as containerd uses a credential: challenge, token, manifest, blobs, digests verified."""

from __future__ import annotations

import base64
import json
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.cloud.images import CONFIG_TYPE, MANIFEST_TYPE, digest

if TYPE_CHECKING:
    from pathlib import Path

_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class PullError(Exception):
    """A step of the pull went wrong; the text says which and how, without the credential."""


@dataclass(frozen=True)
class Blob:
    """A verified part of an image."""

    kind: str  # manifest | config | layer
    digest: str
    content: bytes


class Puller:
    """Pulls from registries that the CA in `ca_file` speaks for; no proxy, no redirects to other schemes."""

    def __init__(self, ca_file: Path) -> None:
        context = ssl.create_default_context(cafile=str(ca_file))
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def pull(self, image: str, username: str, password: str) -> list[Blob]:
        """Manifest, config and layers of `HOST/NAME:TAG`; PullError when it cannot be had or a digest is wrong."""
        host, _, rest = image.partition("/")
        name, _, tag = rest.rpartition(":")
        basic = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
        bearer = self._bearer(host, name, basic)
        body, headers = self._get(f"https://{host}/v2/{name}/manifests/{tag}", bearer, MANIFEST_TYPE)
        manifest = Blob("manifest", digest(body), body)
        if headers.get("Docker-Content-Digest") != manifest.digest:
            raise PullError("the manifest is not what Docker-Content-Digest says")
        listed = json.loads(body)
        parts = [listed["config"], *listed["layers"]]
        return [manifest, *(self._blob(host, name, part, bearer) for part in parts)]

    def _bearer(self, host: str, name: str, basic: str) -> str:
        """Docker's token authentication: asked without a credential, the registry says where to bring it."""
        try:
            self._get(f"https://{host}/v2/", None)
        except PullError as refusal:
            challenge = getattr(refusal.__cause__, "headers", {}).get("WWW-Authenticate", "")
        else:
            raise PullError("the registry asked for no credential")
        found = dict(_CHALLENGE.findall(challenge))
        if not challenge.startswith("Bearer ") or "realm" not in found:
            raise PullError("no Bearer challenge")
        query = urllib.parse.urlencode({"service": found.get("service", host), "scope": f"repository:{name}:pull"})
        body, _ = self._get(f"{found['realm']}?{query}", basic)
        return f"Bearer {json.loads(body)['token']}"

    def _blob(self, host: str, name: str, part: dict[str, Any], bearer: str) -> Blob:
        body, _ = self._get(f"https://{host}/v2/{name}/blobs/{part['digest']}", bearer)
        if digest(body) != part["digest"] or len(body) != part["size"]:
            raise PullError(f"blob {part['digest']} has other content")
        return Blob("config" if part["mediaType"] == CONFIG_TYPE else "layer", part["digest"], body)

    def _get(self, url: str, authorization: str | None, accept: str = "*/*") -> tuple[bytes, Any]:
        request = urllib.request.Request(url, headers={"Accept": accept})  # noqa: S310 - https, from our own hand
        if authorization is not None:
            request.add_unredirected_header("Authorization", authorization)
        try:
            with self._opener.open(request, timeout=20) as answer:
                return answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            error.close()
            raise PullError(f"{url.partition('?')[0]}: status {error.code}") from error
        except OSError as error:
            raise PullError(f"{url.partition('?')[0]}: {error}") from error
