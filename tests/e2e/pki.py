"""Certificates and keys of one control plane: who serves, who asks, who signs ServiceAccount tokens."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from pathlib import Path


class Pki:
    """A folder of PEM files.

    Attributes:
        ca: who is trusted as server and as client.
        signing_key: of ServiceAccount tokens.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA(key_type=trustme.KeyType.RSA)
        self.ca = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca))
        self.signing_key = folder / "service-account.pem"
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        self.signing_key.write_bytes(pem)

    def client(self, name: str, group: str) -> Path:
        """Certificate and key of a Kubernetes user, in one file."""
        return self._issue(name.replace(":", "-"), name, group, "client")

    def serving(self, name: str, *identities: str) -> Path:
        """Certificate and key of a server that is reached by these names and addresses, in one file."""
        return self._issue(f"{name}-server", name, "test", *identities)

    def kubeconfig(self, certificate: Path, server: str) -> Path:
        """A kubeconfig for a client; whole in itself, so that it can be carried elsewhere."""
        own = base64.b64encode(certificate.read_bytes()).decode()
        authority = base64.b64encode(self.ca.read_bytes()).decode()
        user = {"client-certificate-data": own, "client-key-data": own}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority-data": authority}}],
            "users": [{"name": "user", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "user"}}],
            "current-context": "test",
        }
        path = certificate.with_suffix(".kubeconfig")
        path.write_text(json.dumps(content))
        return path

    def _issue(self, file: str, name: str, group: str, *identities: str) -> Path:
        leaf = self._authority.issue_cert(
            *identities, common_name=name, organization_name=group, key_type=trustme.KeyType.RSA
        )
        path = self._folder / f"{file}.pem"
        leaf.private_key_and_cert_chain_pem.write_to_path(str(path))
        return path
