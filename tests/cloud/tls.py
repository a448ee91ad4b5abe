"""Certificates of the cloud: one private CA that the product is told of, and wrong ones on demand."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

import trustme

CA_FILE = "ca.pem"
#: Variants of a host's certificate: the right one, and each way to be wrong.
VARIANTS = ("good", "expired", "wrong-name", "untrusted")


class Certificates:
    """Issues server contexts per host and variant, once each; writes the CA to a file."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA(organization_name="Loopback cloud")
        self._stranger = trustme.CA(organization_name="Nobody trusts this CA")
        self._contexts: dict[tuple[str, str], ssl.SSLContext] = {}
        self.ca_file = folder / CA_FILE
        self._authority.cert_pem.write_to_path(str(self.ca_file))

    def leaf(self, *names: str) -> trustme.LeafCert:
        """A fresh certificate signed by the CA, for uses other than TLS."""
        return self._authority.issue_cert(*names)

    def context(self, host: str, variant: str = "good") -> ssl.SSLContext:
        """The server side of TLS 1.2 or newer for `host`."""
        key = (host, variant)
        if key not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.set_alpn_protocols(["http/1.1"])
            self._issue(host, variant).configure_cert(context)
            self._contexts[key] = context
        return self._contexts[key]

    def _issue(self, host: str, variant: str) -> trustme.LeafCert:
        if variant == "expired":
            past = dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=2)
            return self._authority.issue_cert(host, not_before=past - dt.timedelta(days=30), not_after=past)
        if variant == "wrong-name":
            return self._authority.issue_cert("another-host.example")
        if variant == "untrusted":
            return self._stranger.issue_cert(host)
        return self._authority.issue_cert(host)
