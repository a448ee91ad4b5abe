"""How the last run ended, kept under /run so that `node status` can tell; and the name of an Event for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from credprovider.world import DEFAULT_STATE_DIRECTORY

if TYPE_CHECKING:
    from credprovider.node.host import Host

_NAME = "node-outcome.json"


def outcome_path(instance: str | None) -> str:
    """Where it is kept."""
    folder = DEFAULT_STATE_DIRECTORY if instance is None else f"{DEFAULT_STATE_DIRECTORY}/{instance}"
    return f"{folder}/{_NAME}"


def keep_outcome(host: Host, instance: str | None, action: str, *, code: str = "", line: str = "") -> None:
    """Write it down; a node that cannot take it is told about by the run itself.

    Args:
        host: the node; of a tree nothing is kept.
        instance: whose.
        action: ``install`` or ``uninstall``.
        code, line: of a refusal; empty for success.
    """
    if not host.is_live:
        return
    path = outcome_path(instance)
    record = {"at": int(host.clock.wall()), "action": action, "code": code, "line": line}
    try:
        host.make_folder(DEFAULT_STATE_DIRECTORY, 0o700)
        host.make_folder(path.rpartition("/")[0], 0o700)
        host.put(path, json.dumps(record).encode(), mode=0o600)
    except OSError:
        return


def read_outcome(host: Host, instance: str | None) -> dict[str, Any] | None:
    """The last one since the node started, if any."""
    try:
        found = json.loads(host.read_if_there(outcome_path(instance)) or b"null")
    except (ValueError, OSError):
        return None
    return found if isinstance(found, dict) else None


def event_reason(code: str) -> str:
    """CamelCase of a code, e.g. ``NodeRolledBack``."""
    return "".join(word.capitalize() for word in code.split("-"))
