"""What is not done by itself: what was rolled back before, and one more restart of the kubelet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credprovider.node.refusal import Refusal

if TYPE_CHECKING:
    from credprovider.node.memory import Memory, Record
    from credprovider.node.site import Site


def refuse_rejected(record: Record, key: str, *, retry: bool) -> None:
    """What was rolled back is not tried again by itself.

    Raises:
        Refusal: ``node-rejected``.
    """
    if record.rejected.get("key") == key and not retry:
        raise Refusal(
            "node-rejected",
            f"this combination of bundle, entry and kubelet version was rolled back: {record.rejected['reason']}",
            "change one of them, or use --retry-rejected",
        )


def keep_to_budget(site: Site, memory: Memory, key: str) -> None:
    """Restarts that nobody ordered are rationed.

    Raises:
        Refusal: ``node-restart-budget``.
    """
    wait = memory.wait_for_budget(site.places.provider, key, site.host.clock.wall())
    if wait > 0:
        raise Refusal(
            "node-restart-budget",
            f"the kubelet was restarted often enough; the next time is in {wait:.0f} s",
            "wait, or run `node install` by hand, which is not rationed",
        )
