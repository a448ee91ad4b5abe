"""A node as somebody without root sees it: what may not be read counts as absent, and is remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credprovider.node.host import Host

if TYPE_CHECKING:
    import os


class Onlooker(Host):
    """A host for a user who may not see everything.

    Attributes:
        hidden: paths that could not be looked at.
    """

    def __init__(self, host: Host) -> None:
        super().__init__(host.root or "/", disk=host.disk, commands=host.commands, clock=host.clock)
        self.hidden: list[str] = []

    def read_if_there(self, path: str) -> bytes | None:
        """As `Host`; None also for what may not be read."""
        try:
            return super().read_if_there(path)
        except PermissionError:
            self.hidden.append(path)
            return None

    def stat(self, path: str) -> os.stat_result | None:
        """As `Host`; None also below a folder that may not be entered."""
        try:
            return super().stat(path)
        except PermissionError:
            self.hidden.append(path)
            return None
