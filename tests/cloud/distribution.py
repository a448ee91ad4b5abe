"""A real registry behind the cloud's gate: Debian's docker-registry, which verifies the tokens that the gate gives."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from tests.cloud.googleapi import bearer
from tests.cloud.images import MANIFEST_TYPE, Image, make_image
from tests.cloud.registry import ISSUER, SERVICE
from tests.cloud.wire import Answer, Request

if TYPE_CHECKING:
    from tests.cloud.keys import SigningKey
    from tests.cloud.registry import ArtifactRegistry

BINARY = "docker-registry"
_PORT = 5000
_PASSED_ON = ("accept", "range")
_DROPPED = {"date", "connection", "transfer-encoding", "content-length"}


class DistributionStore:
    """Runs `docker-registry serve` with token authentication and the references given preloaded; `close` ends it."""

    def __init__(self, gate: ArtifactRegistry, key: SigningKey, references: tuple[str, ...]) -> None:
        binary = shutil.which(BINARY) or shutil.which(BINARY, path="/usr/bin:/usr/local/bin")
        if binary is None:
            raise RuntimeError(f"{BINARY} is not installed (apt-get install {BINARY})")
        self._gate = gate
        self._folder = Path(tempfile.mkdtemp(prefix="registry."))
        config = self._configure(key)
        with (self._folder / "log").open("wb") as log:
            # The child must not outlive a cloud that is killed.
            command = ["setpriv", "--pdeathsig", "KILL", binary, "serve", str(config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env={"OTEL_TRACES_EXPORTER": "none"})
        self._await()
        for name, tag in {reference.partition("/")[2].rpartition(":")[::2] for reference in references}:
            self._push(name, tag, make_image())

    def close(self) -> None:
        """Ends the registry and forgets its content."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def answer(self, request: Request, name: str, kind: str, reference: str) -> Answer:
        """Passes one GET or HEAD on; a client's bearer as it is, so that the registry itself judges it."""
        token = bearer(request) or self._gate.bearer_for([name], 60, "gate")
        # Clients send one Accept line per media type.
        headers = {name: ", ".join(value for key, value in request.headers if key == name) for name in _PASSED_ON}
        headers = {key: value for key, value in headers.items() if value}
        status, found, body = self._call(request.method, f"/v2/{name}/{kind}/{reference}", token, headers=headers)
        kept = {key: value for key, value in found.items() if key.lower() not in _DROPPED}
        if request.method == "HEAD":
            kept["Content-Length"] = found.get("Content-Length", "0")
        return Answer(status, kept, body)

    def _configure(self, key: SigningKey) -> Path:
        """JSON is YAML: the registry's own configuration format."""
        bundle = self._folder / "token-signer.pem"
        bundle.write_bytes(_self_signed(key))
        token = {
            "realm": "https://us-docker.pkg.dev/v2/token",
            "service": SERVICE,
            "issuer": ISSUER,
            "rootcertbundle": str(bundle),
        }
        config = {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(self._folder / "data")}},
            "http": {"addr": f"127.0.0.1:{_PORT}", "secret": "loopback"},
            "auth": {"token": token},
        }
        path = self._folder / "config.yml"
        path.write_text(json.dumps(config))
        return path

    def _await(self) -> None:
        for _ in range(100):
            try:
                if self._call("GET", "/v2/", "")[0] == http.client.UNAUTHORIZED:
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"{BINARY} did not start: {(self._folder / 'log').read_text()[-2000:]}")

    def _call(
        self, method: str, path: str, token: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", _PORT, timeout=20)
        sent = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        connection.request(method, path, body=body or None, headers=sent)
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return found

    def _push(self, name: str, tag: str, image: Image) -> None:
        """OCI distribution specification, push: blobs in one piece each, then the manifest."""
        token = self._gate.bearer_for([name], 300, "gate", ("pull", "push"))
        for blob_digest, content in image.blobs.items():
            _, headers, _ = self._call("POST", f"/v2/{name}/blobs/uploads/", token)
            location = headers["Location"].partition(f"127.0.0.1:{_PORT}")[2] or headers["Location"]
            upload = f"{location}&digest={blob_digest}"
            status, _, body = self._call("PUT", upload, token, content, {"Content-Type": "application/octet-stream"})
            _expect_created(status, body)
        path = f"/v2/{name}/manifests/{tag}"
        status, _, body = self._call("PUT", path, token, image.manifest, {"Content-Type": MANIFEST_TYPE})
        _expect_created(status, body)


def _expect_created(status: int, body: bytes) -> None:
    if status != http.client.CREATED:
        raise RuntimeError(f"preloading the registry: {status} {body.decode(errors='replace')}")


def _self_signed(key: SigningKey) -> bytes:
    """A certificate for a signing key: the registry wants its trusted keys in certificates."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
    now = dt.datetime.now(dt.timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public, x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
    return builder.sign(key.private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
