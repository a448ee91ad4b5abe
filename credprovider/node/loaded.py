"""Has the running kubelet loaded our entry as it is to be? Only if not, a restart is worth its price."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from credprovider.node.judge import hash_of
from credprovider.node.service import started_at

if TYPE_CHECKING:
    from credprovider.node.memory import Record
    from credprovider.node.site import Site


def is_loaded(site: Site, record: Record, entry: str, *, in_place: bool = True) -> bool:
    """Answer without restarting anything; a wrong no costs one restart, and there is no wrong yes.

    Args:
        site: a live node.
        record: what is remembered of this instance.
        entry: digest of the entry in question, or empty for its absence.
        in_place: is that what the config says now?
    """
    process = site.service.state().process
    if process is None:
        return False
    if record.loaded[:-1] == [site.service.boot_id(), *process]:
        # The same process: it reads its config once, so what others did to the file since does not matter.
        return bool(record.loaded[-1] == entry)
    if not in_place:
        return False
    loaded = site.probes.loaded_hash()
    if loaded is not None and loaded == hash_of(site.host, site.places):
        return True
    # The kubelet reads the file after its process starts; a file that has not changed since is loaded.
    path = site.places.config if site.config() is not None else os.path.dirname(site.places.config)
    changed = site.host.changed_at(path)
    return changed is not None and changed < started_at(process)


def note_loaded(site: Site, record: Record, entry: str) -> None:
    """Remember that the running kubelet has loaded this entry."""
    process = site.service.state().process
    if process is not None:
        record.loaded = [site.service.boot_id(), *process, entry]
