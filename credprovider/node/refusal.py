"""Why the installer did not do what it was asked to: one line, and the node is as it was."""

from __future__ import annotations

import errno

from credprovider.errors import ProviderError


class Refusal(ProviderError):
    """A `ProviderError` of the node; its code is the label of a metric and the reason of an Event.

    Args:
        code: kebab-case, e.g. ``node-flags-missing``.
        cause: one sentence.
        remedy: what mends it.
    """

    def __init__(self, code: str, cause: str, remedy: str) -> None:
        super().__init__(code, "node", "node", cause, remedy)


class ChangedMeanwhileError(Exception):
    """Somebody else wrote a file between our look and our rename: everything has to be read again."""


def disk_refusal(error: OSError) -> Refusal:
    """What a failed system call means to a person."""
    path = error.filename if isinstance(error.filename, str) else ""
    if error.errno == errno.EFBIG and path:  # from `View.read`, as a file that cannot be written has no name here
        return Refusal("node-config-odd", f"{path} is larger than 1 MiB, too large to be a config", "look at the node")
    place = f" at {path}" if path else ""
    return Refusal(
        "node-disk", f"the node's disk refused: {error.strerror}{place}", "look at the node's disk and mounts"
    )
