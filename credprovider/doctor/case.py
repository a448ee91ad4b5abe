"""What is examined: settings, image and machine, and what the hops so far have found out; made by the command."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from credprovider.connection import Connector
from credprovider.deadline import Deadline
from credprovider.dial import Dialer
from credprovider.doctor.known import facts_for, facts_of_node, node_name
from credprovider.errors import ProviderError
from credprovider.network import Network, network_of
from credprovider.node.commands import Commands
from credprovider.node.discover import discover
from credprovider.node.exchange_check import image_of
from credprovider.node.places import places_of
from credprovider.node.site import Site
from credprovider.protocol import API_VERSIONS, Request
from credprovider.transport import Transport
from credprovider.world import DEFAULT_CONFIG, World, state_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from credprovider.identity.token import SubjectToken
    from credprovider.kubelet.config_model import Provider
    from credprovider.node.host import Host
    from credprovider.node.probes import Probes
    from credprovider.secret import Secret
    from credprovider.settings import Settings
    from credprovider.token_cache import Grant

#: The node's own cloud config; asked only for names that make commands exact.
AZURE_JSON = "/etc/kubernetes/azure.json"
#: In the DaemonSet's pod the name of its Node; on AKS that is what the node calls itself, too.
_NODE_NAME, _HOSTNAME = "NODE_NAME", "/etc/hostname"


@dataclass
class Case:
    """One examination.

    Attributes:
        world: clock, limits, and the environment of whoever runs this.
        host: the machine; a tree has no commands.
        probes: asks a kubelet, made of its health port.
        config: path of config.json that was given, or None for the one that the kubelet's entry names.
        image, reference: repository name as the kubelet sends it, and tag or digest; None when no image was given.
        instance: name of a second vendor's instance.
        token: a ServiceAccount's token that stands for the pod's, or for the relayed one.
        annotations: of that ServiceAccount.
        given: values of placeholders that a person gave.
        own_plugin: command line and environment of the program that runs this, where no kubelet names one.
        commands: starts the plugin where there is no node.
    """

    world: World
    host: Host
    probes: Callable[[int | None], Probes]
    config: str | None = None
    image: str | None = None
    reference: str = "latest"
    instance: str | None = None
    token: Secret | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, str | None] = field(default_factory=dict)
    own_plugin: tuple[list[str], Mapping[str, str]] = field(default_factory=lambda: ([], {}))
    commands: Commands = field(default_factory=Commands)

    # Left by hops for later ones.
    provider: Provider | None = None
    is_covered: bool = False
    is_loaded: bool = False
    is_answered: bool = False
    settings: Settings | None = None
    first: SubjectToken | None = None
    subject: SubjectToken | None = None
    grant: Grant | None = None
    stopped_at_iam: ProviderError | None = None
    realm: str = ""
    pull_token: Secret | None = None

    @cached_property
    def site(self) -> Site | ProviderError:
        """The node with its kubelet, or why there is none to look at."""
        try:
            kubelet = discover(self.host)
            places = places_of(kubelet, self.instance)
        except ProviderError as error:
            return error
        return Site(self.host, kubelet, places, self.probes(kubelet.healthz_port))

    @property
    def node(self) -> Site | None:
        """The node, if this runs on one."""
        return self.site if isinstance(self.site, Site) else None

    @property
    def environ(self) -> Mapping[str, str]:
        """What the plugin inherits: the kubelet's variables where they can be read, else those of this process."""
        node = self.node
        return node.kubelet.environ if node is not None and node.kubelet.environ else self.world.environ

    @property
    def is_kubelets_environ(self) -> bool:
        """Is `environ` the kubelet's?"""
        return self.node is not None and bool(self.node.kubelet.environ)

    @cached_property
    def config_path(self) -> str:
        """config.json: the one that was given, else where the installer puts it."""
        if self.config is not None:
            return os.path.abspath(self.config)
        folder = os.path.dirname(DEFAULT_CONFIG)
        return f"{folder}/{self.instance}/config.json" if self.instance else DEFAULT_CONFIG

    @cached_property
    def plugin_world(self) -> World:
        """The world as the plugin would have it, run by the kubelet; without a cache, as everything is asked afresh."""
        world = self.world
        return World(
            self.config_path,
            self.environ,
            state_directory=state_directory(self.config_path, self.environ, 0),
            boottime=world.boottime,
            wall=world.wall,
            sleep=world.sleep,
            chance=world.chance,
            limits=world.limits,
            azure_json=world.azure_json,
            boot_id=world.boot_id,
            euid=world.euid,
        )

    @property
    def valid(self) -> Settings:
        """The settings, once their hop has passed."""
        if self.settings is None:
            raise AssertionError("a hop that needs settings ran without")
        return self.settings

    @property
    def asked_image(self) -> str:
        """The image in question; without one, any that `registries` covers."""
        return self.image or image_of(self.valid.registry_texts[0])

    @property
    def pods_image(self) -> str:
        """The image with its tag or digest, for a command; ``IMAGE`` without one."""
        if self.image is None:
            return "IMAGE"
        return f"{self.image}{'@' if ':' in self.reference else ':'}{self.reference}"

    @property
    def is_called(self) -> bool:
        """Does all that was seen say that the kubelet asks the plugin about the image, and is answered?"""
        return self.is_covered and self.is_loaded and self.is_answered

    @property
    def request(self) -> Request:
        """What the kubelet would ask."""
        token = self.token if self.valid.source == "service-account" else None
        return Request(API_VERSIONS[0], self.asked_image, token, dict(self.annotations))

    @cached_property
    def _node_facts(self) -> dict[str, str]:
        known = {"config": self.config_path, "node_name": node_name(self.world.environ.get(_NODE_NAME, "").encode())}
        if self.node is not None:
            found, link = self.node.kubelet, self.node.places.link
            known |= {"config_path": found.config, "bin_dir": found.bin_dir, "kubelet_version": found.version or ""}
            known["program"] = link if self.host.stat(link) is not None else ""
            known["node_name"] = known["node_name"] or node_name(self.host.read_if_there(_HOSTNAME) or b"")
        try:
            return known | facts_of_node(self.host.read_if_there(AZURE_JSON))
        except OSError:
            return known

    @property
    def facts(self) -> dict[str, str]:
        """Values for the catalogue's commands."""
        if self.settings is None:
            return {**self._node_facts, **{name: value for name, value in self.given.items() if value}}
        return facts_for(self.settings, self.asked_image, node=self._node_facts, given=self.given)

    @cached_property
    def network(self) -> Network:
        """The way out, as the plugin has it."""
        settings = self.valid
        named = {"httpsProxy": settings.https_proxy, "noProxy": settings.no_proxy, "caFile": settings.ca_file}
        return network_of(named, self.environ)

    def connector(self) -> Connector:
        """Opens connections as the plugin does."""
        limits = self.world.limits
        return Connector(self.network, Deadline(limits.total), limits.connect)

    def transport(self, hosts: Iterable[str]) -> Transport:
        """May talk to these hosts and to no others; no connection is under way.

        The plugin's own transport comes of `exchange_transport`, so what doctor may ask besides does not widen it.
        """
        return Transport(hosts, self.connector(), {}, Deadline(self.world.limits.total), self.world)

    @cached_property
    def _dialer(self) -> Dialer:
        return Dialer(self.plugin_world, Deadline(self.world.limits.total))

    @cached_property
    def exchange_transport(self) -> Transport:
        """The plugin's own way to Azure and Google: one deadline for all hops, from the first use on."""
        return self._dialer.dial(self.valid)

    def close(self) -> None:
        """Give up what was opened and not used."""
        if "_dialer" in self.__dict__:
            self._dialer.close()
