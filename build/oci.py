"""Packs a folder as an OCI image layout, the same bytes for the same content: ``oci.py ROOT OUT < order.json``.

Runs in the build stage, whose zlib is pinned, so that the compressed layer is the same on every machine. Formats: OCI
image specification 1.1, "Image Layout" and "Image Configuration".
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
from typing import Any

_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"


def layer(root: str, epoch: int) -> bytes:
    """A tar archive of a folder: sorted, everything root's, no time later than the one given (seconds since 1970)."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(_paths(root)):
            entry = archive.gettarinfo(os.path.join(root, path), arcname=path)
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.mtime = min(int(entry.mtime), epoch)
            if entry.isreg():
                with open(os.path.join(root, path), "rb") as file:
                    archive.addfile(entry, file)
            else:
                archive.addfile(entry)
    return content.getvalue()


def _paths(root: str) -> list[str]:
    return [
        os.path.relpath(os.path.join(place, name), root)
        for place, folders, names in os.walk(root)
        for name in [*folders, *names]
    ]


class Layout:
    """An image layout in a folder that does not exist yet."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        os.makedirs(os.path.join(folder, "blobs", "sha256"))
        self._write("oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())

    def _write(self, path: str, content: bytes) -> None:
        with open(os.path.join(self._folder, path), "wb") as file:
            file.write(content)

    def add(self, content: bytes, media_type: str) -> dict[str, Any]:
        """Store a blob; its descriptor."""
        digest = hashlib.sha256(content).hexdigest()
        self._write(f"blobs/sha256/{digest}", content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    def finish(self, manifest: dict[str, Any], platform: dict[str, str], name: str) -> None:
        """Name the image's manifest in the index."""
        entry = {**manifest, "platform": platform, "annotations": {"org.opencontainers.image.ref.name": name}}
        self._write("index.json", _canonical({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [entry]}))


def _canonical(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def pack(root: str, folder: str, config: dict[str, Any], epoch: int, name: str) -> str:
    """Write the layout; the digest of the image's manifest.

    Args:
        root: what the image holds.
        folder: the layout's, to be made.
        config: the image's configuration, without its file system.
        epoch: seconds since 1970.
        name: reference in the layout, a version.
    """
    content = layer(root, epoch)
    layout = Layout(folder)
    part = layout.add(gzip.compress(content, 9, mtime=0), _LAYER)
    difference = "sha256:" + hashlib.sha256(content).hexdigest()
    full = {**config, "rootfs": {"type": "layers", "diff_ids": [difference]}}
    description = layout.add(_canonical(full), _CONFIG)
    labels = config["config"]["Labels"]
    document = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": description,
        "layers": [part],
        "annotations": labels,
    }
    manifest = layout.add(_canonical(document), _MANIFEST)
    layout.finish(manifest, {"os": "linux", "architecture": config["architecture"]}, name)
    return str(manifest["digest"])


if __name__ == "__main__":
    order = json.load(sys.stdin)
    print(pack(sys.argv[1], sys.argv[2], order["config"], order["epoch"], order["name"]))
