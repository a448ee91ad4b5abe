"""The small read-only registry of the cloud: images in memory, by host and name."""

from __future__ import annotations

import json

from tests.cloud.images import MANIFEST_TYPE, Image, digest, make_image
from tests.cloud.registry import error
from tests.cloud.wire import Answer, Request

_HEAD = {"Docker-Distribution-Api-Version": "registry/2.0"}


class MemoryStore:
    """Serves manifests, blobs and tag lists (OCI distribution specification, pull)."""

    def __init__(self, references: tuple[str, ...]) -> None:
        self._images: dict[tuple[str, str], dict[str, Image]] = {}
        for reference in references:
            self.add(reference, make_image())

    def add(self, reference: str, image: Image) -> None:
        """`HOST/NAME:TAG`."""
        host, _, rest = reference.partition("/")
        name, _, tag = rest.rpartition(":")
        self._images.setdefault((host, name), {})[tag] = image

    def answer(self, request: Request, name: str, kind: str, reference: str) -> Answer:
        """One GET or HEAD that has passed the gate."""
        tags = self._images.get((request.host, name))
        if tags is None:
            return error(404, "NAME_UNKNOWN", f'Repository "{name}" not found')
        if kind == "tags":
            body = {"name": name, "tags": sorted(tags)}
            return Answer(200, {**_HEAD, "Content-Type": "application/json"}, json.dumps(body).encode())
        if kind == "manifests":
            by_digest = {digest(image.manifest): image for image in tags.values()}
            image = tags.get(reference) or by_digest.get(reference)
            if image is None:
                return error(404, "MANIFEST_UNKNOWN", f'Failed to fetch "{reference}"')
            return Answer(
                200,
                {**_HEAD, "Content-Type": MANIFEST_TYPE, "Docker-Content-Digest": digest(image.manifest)},
                image.manifest,
            )
        blob = next((image.blobs[reference] for image in tags.values() if reference in image.blobs), None)
        if blob is None:
            return error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        return Answer(
            200, {**_HEAD, "Content-Type": "application/octet-stream", "Docker-Content-Digest": reference}, blob
        )
