"""Opens the connections that an exchange will need, all at once and before they are needed; called by `answer`."""

from __future__ import annotations

from credprovider.endpoints import IMDS_HOST
from credprovider.network import network_of
from credprovider.transport import Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from credprovider.deadline import Deadline
    from credprovider.settings import Settings
    from credprovider.world import World


def dial(settings: Settings, deadline: Deadline, world: World) -> Transport:
    """A transport that may talk to this exchange's hosts and to no others, its connections under way."""
    hosts = [settings.token_url, *filter(None, [settings.impersonation_url])]
    hosts = [url.split("/")[2] for url in hosts]
    if settings.entra is not None:
        hosts.insert(0, settings.entra["authority"])
    transport = Transport({*hosts, IMDS_HOST}, network_of(settings, world.environ), deadline, world)
    for host in hosts:
        transport.warm(host)
    return transport
