"""From a pod with hostPID to the program that is installed on the node: its files, names and routes are what counts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from credprovider.node.commands import INTO_THE_NODE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from credprovider.node.site import Site

#: Where `credprovider.node.host.this_node` finds the node's files from such a pod.
ROOT = "/proc/1/root"
#: Variables that it may inherit; the rest are the pod's.
_KEPT = ("TERM", "NO_COLOR", "COLUMNS", "LANG", "LC_ALL", "PATH")


def way_to_the_node(node: Site | None, environ: Mapping[str, str]) -> tuple[list[str], dict[str, str]] | None:
    """How to start the node's own program: words before its arguments, and its environment.

    None where nothing is installed yet: then the pod's program does what it can.

    Args:
        node: as it is seen from here.
        environ: of this process.
    """
    if node is None or node.host.stat(node.places.link) is None:
        return None
    words = [*INTO_THE_NODE, node.places.link, "doctor"]
    # The kubelet's metric can be asked with the pod's identity only.
    loaded = node.probes.loaded_hash()
    if loaded is not None:
        words += ["--loaded-hash", loaded]
    return words, {name: environ[name] for name in _KEPT if name in environ}


def take_along(path: str) -> None:
    """Make a file of this pod the stdin of what comes next: open, it can be read from any mount namespace.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ValueError(f"--service-account-token {path} cannot be read: {error.strerror}") from None
    os.dup2(descriptor, 0)
    os.close(descriptor)
