"""Why the installer did not do what it was asked to: one line, and the node is as it was."""

from __future__ import annotations

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
