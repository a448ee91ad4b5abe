"""Opens the connections that an exchange will need, all at once and as early as their names are known; for `answer`.

A new connection costs two round trips before the first byte of a request; opened here, they pass while libraries load.
"""

from __future__ import annotations

import os

from credprovider.errors import ProviderError
from credprovider.registries import DEFAULT_UNIVERSE
from credprovider.settings import read_trusted
from credprovider.strict_json import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from credprovider.deadline import Deadline
    from credprovider.network import Network
    from credprovider.settings import Settings
    from credprovider.transport import Transport
    from credprovider.world import World


class Dialer:
    """One answer's connections."""

    def __init__(self, world: World, deadline: Deadline) -> None:
        self._world = world
        self._deadline = deadline
        self._transport: Transport | None = None
        self._dialled: tuple[list[str], Network] | None = None

    def head_start(self) -> None:
        """Dial what settings name before they are validated: that takes longer than opening a connection.

        Nothing is sent. Hosts pass the same allow-list as later; whatever is amiss is left for validation to tell.
        """
        try:
            config = _object(read_trusted(self._world.config, self._world.euid))
            vendor_file = os.path.join(
                os.path.dirname(self._world.config), config.get("credentialConfig") or "credential-config.json"
            )
            vendor = _object(read_trusted(vendor_file, self._world.euid))
            self._open(_hosts_of(config, vendor), self._network(_texts(config.get("network") or {})))
        except (ProviderError, ValueError, TypeError, AttributeError, LookupError, OSError):
            self.close()

    def dial(self, settings: Settings) -> Transport:
        """A transport that may talk to the exchange's hosts and to no others, its connections under way."""
        urls = [settings.token_url, *filter(None, [settings.impersonation_url])]
        authority = [settings.entra["authority"]] if settings.entra is not None else []
        network = {"httpsProxy": settings.https_proxy, "noProxy": settings.no_proxy, "caFile": settings.ca_file}
        return self._open([*authority, *(url.split("/")[2] for url in urls)], self._network(network))

    def close(self) -> None:
        """Give up what was opened and not used."""
        if self._transport is not None:
            self._transport.close()
        self._transport = self._dialled = None

    def _network(self, configured: dict[str, Any]) -> Network:
        from credprovider.network import network_of  # noqa: PLC0415

        return network_of(configured, self._world.environ)

    def _open(self, hosts: list[str], network: Network) -> Transport:
        """The transport that was dialled already, if it was for the same; else a new one."""
        if self._transport is not None and self._dialled == (hosts, network):
            return self._transport
        self.close()
        from credprovider.connection import Connector  # noqa: PLC0415

        connector = Connector(network, self._deadline, self._world.limits.connect)
        opened = {host: connector.begin(host) for host in hosts}

        from credprovider.endpoints import IMDS_HOST  # noqa: PLC0415
        from credprovider.transport import Transport  # noqa: PLC0415 - http.client and its kin: 20 ms

        self._transport = Transport({*hosts, IMDS_HOST}, connector, opened, self._deadline, self._world)
        self._dialled = (hosts, network)
        return self._transport


def _object(content: bytes) -> dict[str, Any]:
    document = loads(content)
    if not isinstance(document, dict):
        raise ValueError("not an object")
    return document


def _texts(network: dict[str, Any]) -> dict[str, Any]:
    """The object, if it holds texts and nulls alone: to `open`, a number would be a file that is open already."""
    if not all(value is None or isinstance(value, str) for value in network.values()):
        raise ValueError("not texts")
    return network


def _hosts_of(config: dict[str, Any], vendor: dict[str, Any]) -> list[str]:
    """The hosts that unvalidated settings name, in the order of `Dialer.dial`, each on the allow-list."""
    from credprovider.endpoints import ENTRA_CLOUDS, is_google_endpoint  # noqa: PLC0415

    universe = config.get("universeDomain") or DEFAULT_UNIVERSE
    hosts = []
    for service, field in (("sts", "token_url"), ("iamcredentials", "service_account_impersonation_url")):
        url = vendor.get(field)
        if url is not None:
            host = url.split("/")[2]
            if not is_google_endpoint(host, service, universe):
                raise ValueError("host not allowed")
            hosts.append(host)
    entra = (config.get("identity") or {}).get("entra")
    return hosts if entra is None else [ENTRA_CLOUDS[entra.get("cloud") or "public"][0], *hosts]
