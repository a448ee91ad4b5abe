"""Every path on a node that is ours, for one instance."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from credprovider.errors import PROGRAM
from credprovider.node.refusal import Refusal
from credprovider.world import DEFAULT_CONFIG, DEFAULT_STATE_DIRECTORY

if TYPE_CHECKING:
    from credprovider.node.discover import Kubelet

#: One DNS label, as it becomes part of a provider name, a folder and a label in metrics.
_INSTANCE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True)
class Places:
    """Paths of one instance; bundles, journal, rescue and memory are shared by all instances of a node.

    Attributes:
        bin_dir: the kubelet's folder of plugins.
        config: the kubelet's config file; in a folder of them, our own.
        is_folder: is `config` a file of ours alone?
        instance: name of a second vendor's instance, or None.
    """

    bin_dir: str
    config: str
    is_folder: bool
    instance: str | None

    @property
    def provider(self) -> str:
        """The provider's name, which is also that of the link in the bin dir."""
        return provider_name(self.instance)

    def of(self, provider: str) -> Places:
        """The same node's paths for another provider of ours."""
        instance = provider.partition(".")[2] or None
        config = f"{os.path.dirname(self.config)}/{provider}.yaml" if self.is_folder else self.config
        return Places(self.bin_dir, config, self.is_folder, instance)

    @property
    def link(self) -> str:
        """What the kubelet executes; replaced by rename."""
        return f"{self.bin_dir}/{self.provider}"

    @property
    def home(self) -> str:
        """Bundles and bookkeeping; the kubelet does not look at names that its config does not list."""
        return f"{self.bin_dir}/.{PROGRAM}.d"

    @property
    def journal(self) -> str:
        """The change that is under way."""
        return f"{self.home}/change.json"

    @property
    def finished(self) -> str:
        """The same under another name: the change is good, and only what was for undoing it has to go."""
        return f"{self.home}/change-done.json"

    @property
    def memory(self) -> str:
        """What outlives a change: see `memory`."""
        return f"{self.home}/state.json"

    @property
    def settings(self) -> str:
        """Folder of config.json."""
        folder = os.path.dirname(DEFAULT_CONFIG)
        return folder if self.instance is None else f"{folder}/{self.instance}"

    @property
    def config_json(self) -> str:
        """What the entry's argument names."""
        return f"{self.settings}/config.json"

    @property
    def staged_settings(self) -> str:
        """Settings that wait for their rename; the self-test runs with them."""
        return f"{self.settings}/.new"

    @property
    def run(self) -> str:
        """Runtime state: tokens, and how the last run of the installer ended."""
        return DEFAULT_STATE_DIRECTORY if self.instance is None else f"{DEFAULT_STATE_DIRECTORY}/{self.instance}"


def provider_name(instance: str | None) -> str:
    """The provider's name.

    Raises:
        Refusal: the instance cannot be part of one.
    """
    if instance is None:
        return PROGRAM
    if not _INSTANCE.fullmatch(instance):
        raise Refusal(
            "node-instance-name",
            "an instance is named by lower-case letters, digits and - alone, at most 40 of them",
            "choose another --instance",
        )
    return f"{PROGRAM}.{instance}"


def is_provider_of_ours(name: str) -> bool:
    """Is this the provider's name of the first instance, or of another?"""
    own, _, instance = name.partition(".")
    return name == PROGRAM or (own == PROGRAM and _INSTANCE.fullmatch(instance) is not None)


def places_of(kubelet: Kubelet, instance: str | None) -> Places:
    """The paths for a kubelet that was found."""
    provider = provider_name(instance)
    config = f"{kubelet.config}/{provider}.yaml" if kubelet.is_folder else kubelet.config
    return Places(kubelet.bin_dir, config, kubelet.is_folder, instance)


def staged(path: str) -> str:
    """Name under which a new file waits beside the one that it will replace; no suffix that a kubelet would read."""
    return _beside(path, "new")


def backup(path: str) -> str:
    """Name under which what was there is kept until the change is verified."""
    return _beside(path, "before")


def _beside(path: str, suffix: str) -> str:
    folder, name = os.path.split(path)
    return f"{folder}/.{name}.{PROGRAM}.{suffix}"
