"""Which files a round should not wait for: their signature is another when something has happened to them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from credprovider.node.host import Host


def signature(host: Host, paths: Iterable[str], own: Iterable[str]) -> list[object]:
    """To compare with an earlier one.

    Args:
        host: the node.
        paths: on it. What they say counts and not who wrote it when: what was changed and put back is the same.
        own: paths of this process, which nobody of ours writes.
    """
    return [*(_identity(host, path) for path in paths), *(_face(path) for path in own)]


def _identity(host: Host, path: str) -> str | None:
    try:
        return host.identity(path)
    except OSError:
        return None


def _face(path: str) -> object:
    """Through a ConfigMap's links, which swap the file behind them."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size)
