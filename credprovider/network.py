"""Which proxy and which CA: settings first, then the environment as Go and curl read it; for `dial`."""

from __future__ import annotations

import os
import urllib.parse

from credprovider.settings import settings_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from credprovider.errors import ProviderError

#: The node's own bundles carry what AKS's custom CA and HTTP proxy features add: Debian's and Ubuntu's; Azure Linux's.
NODE_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


class Proxy:
    """An HTTP proxy: where it listens, and ``user:password`` if it wants them."""

    __slots__ = ("address", "authorization")

    def __init__(self, address: tuple[str, int], authorization: str | None) -> None:
        self.address = address
        self.authorization = authorization


class Network:
    """How to get out of the node.

    Attributes:
        ca_file: PEM bundle that servers are verified against.
    """

    def __init__(self, proxy: Proxy | None, exempt: list[str], ca_file: str) -> None:
        self._proxy = proxy
        self._exempt = exempt
        self.ca_file = ca_file

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self.ca_file)

    def _parts(self) -> tuple[object, ...]:
        return (self._proxy and (self._proxy.address, self._proxy.authorization), self._exempt, self.ca_file)

    def unusable_ca(self) -> ProviderError:
        """The error to raise when OpenSSL finds no certificate in `ca_file`."""
        return settings_error(
            "settings-ca-file",
            f"{self.ca_file} holds no certificate in PEM form that could be read",
            "correct network.caFile or SSL_CERT_FILE, or remove it to use the node's CA bundle",
        )

    def proxy_for(self, host: str) -> Proxy | None:
        """The proxy to reach `host` by, or None for the direct way."""
        return None if any(_is_exempt(host, entry) for entry in self._exempt) else self._proxy


def network_of(configured: Mapping[str, str | None], environ: Mapping[str, str]) -> Network:
    """What settings and environment say together.

    Args:
        configured: ``network`` of config.json: httpsProxy, noProxy, caFile; None or absent is "as the environment".
        environ: the environment.

    Raises:
        ProviderError: family ``settings``: a proxy URL that cannot be used, or a CA file that is not there.
    """
    name, address = "network.httpsProxy", configured.get("httpsProxy")
    if address is None:
        name, address = "HTTPS_PROXY", environ.get("HTTPS_PROXY") or environ.get("https_proxy") or ""
    exempt = configured.get("noProxy")
    if exempt is None:
        exempt = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    entries = [entry.strip().lower() for entry in exempt.split(",") if entry.strip()]
    proxy = parse_proxy(name, address) if address else None
    return Network(proxy, entries, _ca_file(configured.get("caFile"), environ))


def parse_proxy(name: str, address: str) -> Proxy:
    """Take a proxy URL apart.

    Args:
        name: where it was written, for the error.
        address: the URL; a host and port alone will do.

    Raises:
        ProviderError: family ``settings``. The URL itself is not shown, it may hold a password.
    """
    remedy = "write it as http://[USER:PASSWORD@]HOST:PORT"
    try:
        if not all("!" <= character <= "~" for character in address):
            raise ValueError  # urlsplit drops line breaks, and no proxy has a name of other characters
        parts = urllib.parse.urlsplit(address if "://" in address else "http://" + address)
        port = parts.port or 80
    except ValueError:
        raise settings_error("settings-proxy", f"{name}: the HTTPS proxy's URL cannot be read", remedy) from None
    if parts.scheme != "http" or not parts.hostname:
        raise settings_error("settings-proxy", f"{name}: a proxy is reached by http://; the tunnel is TLS", remedy)
    if parts.username is None:
        return Proxy((parts.hostname, port), None)
    password = urllib.parse.unquote(parts.password or "")
    return Proxy((parts.hostname, port), f"{urllib.parse.unquote(parts.username)}:{password}")


def _ca_file(configured: str | None, environ: Mapping[str, str]) -> str:
    for name, path in (("network.caFile", configured), ("SSL_CERT_FILE", environ.get("SSL_CERT_FILE"))):
        if path:
            if os.path.isfile(path):
                return path
            raise settings_error(
                "settings-ca-file",
                f"{name} names {path}, which is not a file",
                "correct the path, or remove it to use the node's CA bundle",
            )
    for path in NODE_BUNDLES:
        if os.path.isfile(path):
            return path
    import certifi  # noqa: PLC0415 - only a machine without any CA bundle needs it

    return certifi.where()


def _is_exempt(host: str, entry: str) -> bool:
    """Does a NO_PROXY entry cover the host: ``*``, its name or a domain above it, with no port or 443?"""
    name, _, port = entry.partition(":")
    if port not in {"", "443"}:
        return False
    domain = name.removeprefix("*").removeprefix(".")
    return name == "*" or host == domain or (bool(domain) and host.endswith("." + domain))
