"""Folders of settings as a ConfigMap brings them, for nodes that differ in one thing each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cloud.modes import MODES_BY_NAME, set_up

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cloud.control import Cloud

_NODES, _PODS = "managed-identity-impersonated", "service-account-entra-impersonated"


def write_settings(folder: Path, cloud: Cloud) -> None:
    """Write all.

    ``plain``: the node's managed identity. ``uncached``: the same with something else that only the plugin reads.
    ``wider``: another registry, so another entry. ``pods``: ServiceAccount mode, so an entry with tokenAttributes.
    """
    set_up(folder / "plain", cloud, MODES_BY_NAME[_NODES])
    set_up(folder / "uncached", cloud, MODES_BY_NAME[_NODES], cache={"enabled": False})
    set_up(folder / "wider", cloud, MODES_BY_NAME[_NODES], registries=["*-docker.pkg.dev", "gcr.io"])
    set_up(folder / "pods", cloud, MODES_BY_NAME[_PODS])
