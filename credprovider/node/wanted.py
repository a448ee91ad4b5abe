"""Which settings the node is to have: those of a ConfigMap's folder, to be copied, or those already on the node.

Both are validated as the plugin will read them, with the kubelet's environment, before anything is touched.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from credprovider.errors import ProviderError
from credprovider.node.refusal import Refusal
from credprovider.settings import Settings, Sources, read_trusted
from credprovider.settings_plan import compile_plan
from credprovider.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from credprovider.node.host import Host
    from credprovider.node.places import Places

_FILE_LIMIT = 256 << 10
_AZURE_JSON = "/etc/kubernetes/azure.json"


@dataclass(frozen=True)
class Wanted:
    """Valid settings.

    Attributes:
        settings: what they mean.
        files: name and content of those that are to be copied to the node; empty when the node has them already.
    """

    settings: Settings
    files: Mapping[str, bytes] = field(default_factory=dict)


def wanted_settings(host: Host, places: Places, environ: Mapping[str, str], folder: str | None) -> Wanted:
    """Read and validate.

    Args:
        host: the node.
        places: where settings lie on it.
        environ: what the kubelet hands down to the plugin.
        folder: with new settings, a path of this process; None for those that the node has.

    Raises:
        ProviderError: family ``settings``, naming file and field.
        Refusal: there is nothing to read.
    """
    path = places.config_json if folder is None else os.path.join(os.path.abspath(folder), "config.json")
    if folder is not None and not os.path.exists(path):
        raise Refusal(
            "node-settings-missing",
            f"{folder} holds no config.json",
            "mount a ConfigMap with config.json and credential-config.json there",
        )
    if folder is None and host.stat(path) is None:
        raise Refusal(
            "node-settings-missing", f"the node has no {path}", "give the settings: `node install --settings DIR`"
        )
    sources: _Sources = _Sources(_world(path, places, environ), host, os.path.dirname(path) if folder else None)
    try:
        settings = Settings(compile_plan(_world(path, places, environ), sources))
    except ProviderError as error:
        raise _without_root(error, host) from None
    return Wanted(settings, sources.copied)


def _world(path: str, places: Places, environ: Mapping[str, str]) -> World:
    return World(
        path,
        environ,
        state_directory=places.run,
        boottime=lambda: 0.0,
        chance=lambda: 0.0,
        azure_json=_AZURE_JSON,
        euid=os.geteuid(),
    )


class _Sources(Sources):
    """Reads files of the node, and those of a folder that comes from a ConfigMap, whose owner and modes are odd."""

    def __init__(self, world: World, host: Host, folder: str | None) -> None:
        super().__init__(world)
        self._host = host
        self._folder = folder
        self.copied: dict[str, bytes] = {}

    def read(self, path: str) -> bytes:
        if self._folder is None or os.path.dirname(path) != self._folder:
            return read_trusted(self._host.root + self._host.follow(path), os.geteuid())
        self.copied[os.path.basename(path)] = content = _read_any(path)
        return content

    def read_if_there(self, path: str) -> bytes | None:
        return self.read(path) if self._host.stat(path) is not None else None


def _read_any(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(_FILE_LIMIT + 1)
    except OSError as error:
        raise Refusal(
            "node-settings-missing",
            f"cannot read {path}: {os.strerror(error.errno or 0)}",
            "put the file that credentialConfig names beside config.json",
        ) from None
    if len(content) > _FILE_LIMIT:
        raise Refusal("node-settings-missing", f"{path} is larger than {_FILE_LIMIT} bytes", "look at the ConfigMap")
    return content


def _without_root(error: ProviderError, host: Host) -> ProviderError:
    """The same error with the node's own paths."""
    if host.root:
        error.cause = error.cause.replace(host.root, "")
        error.remedy = error.remedy.replace(host.root, "")
    return error
