"""Images that run: one static program, made by the test itself, for no registry can be asked."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from typing import TYPE_CHECKING

from tests.cloud.images import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, Image, digest

if TYPE_CHECKING:
    from pathlib import Path

#: This machine in Go's words.
PLATFORM = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "unknown")


def runnable(program: Path, *arguments: str) -> Image:
    """An image that runs a static program with these arguments."""
    tarred = _tar({"guest": program.read_bytes()})
    layer = gzip.compress(tarred, mtime=0)
    config = {
        "architecture": PLATFORM,
        "os": "linux",
        "config": {"Entrypoint": ["/guest", *arguments]},
        "rootfs": {"type": "layers", "diff_ids": [digest(tarred)]},
    }
    config_bytes = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _descriptor(CONFIG_TYPE, config_bytes),
        "layers": [_descriptor(LAYER_TYPE, layer)],
    }
    return Image(json.dumps(manifest).encode(), {digest(config_bytes): config_bytes, digest(layer): layer})


def archive(image: Image, name: str) -> bytes:
    """The image as an OCI layout in a tar file, which a container runtime imports under this name."""
    manifest = _descriptor(MANIFEST_TYPE, image.manifest)
    manifest["annotations"] = {"io.containerd.image.name": name}
    index = {"schemaVersion": 2, "manifests": [manifest]}
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": json.dumps(index).encode()}
    blobs = {digest(image.manifest): image.manifest, **image.blobs}
    return _tar({**files, **{f"blobs/{name.replace(':', '/')}": content for name, content in blobs.items()}})


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


def _tar(files: dict[str, bytes]) -> bytes:
    tarred = io.BytesIO()
    with tarfile.open(fileobj=tarred, mode="w", format=tarfile.USTAR_FORMAT) as out:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            out.addfile(entry, io.BytesIO(content))
    return tarred.getvalue()
