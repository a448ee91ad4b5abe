"""Has the running kubelet loaded our entry as it is to be? Only if not, a restart is worth its price.

The kubelet reads its config once, some time after its process starts. What it says of itself comes first; without that,
what is remembered of this very process; without that, a file that has not changed since the process began.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from credprovider.node.edit import entry_of
from credprovider.node.judge import hash_with
from credprovider.node.service import started_at

if TYPE_CHECKING:
    from credprovider.node.memory import Record
    from credprovider.node.site import Site


class Loaded(NamedTuple):
    """A kubelet that has loaded an entry of ours, or a config without one.

    Attributes:
        process: its pid and start time.
        hash: of its config, as its own metric names it; empty where that is not known.
    """

    process: tuple[int, int]
    hash: str


def is_loaded(site: Site, record: Record, entry: str) -> bool:
    """As `find_loaded`."""
    return find_loaded(site, record, entry) is not None


def find_loaded(site: Site, record: Record, entry: str, *wanted: bytes | None) -> Loaded | None:
    """The running kubelet, if it has loaded the entry; restarts nothing.

    A wrong no costs one restart. A wrong yes would leave the node without the plugin, so nothing counts that was looked
    at before the process was.

    Args:
        site: a live node.
        record: what is remembered of this instance.
        entry: digest of the entry in question, or empty for its absence.
        wanted: contents that the config has not now and may have had when the kubelet began.
    """
    process = site.service.state().process
    if process is None:
        return None
    told = site.probes.loaded_hash()
    noted = record.noted(site.service.boot_id(), process)
    if noted is not None and told in (None, noted.hash):
        # It reads its config once, so what others did to the file since does not matter.
        return Loaded(process, noted.hash) if noted.entry == entry else None
    content = site.config()
    if told is not None:
        known = any(
            told == hash_with(site.host, site.places, each) and entry_in(site, each) == entry
            for each in (content, *wanted)
        )
        return Loaded(process, told) if known else None
    path = site.places.config if content is not None else os.path.dirname(site.places.config)
    changed = site.host.changed_at(path)
    if entry_in(site, content) != entry or changed is None or changed >= started_at(process):
        return None
    return Loaded(process, hash_with(site.host, site.places, content))


def entry_in(site: Site, content: bytes | None) -> str:
    """Digest of our entry in a config; empty where there is none."""
    entry = entry_of(content or b"", site.places.provider)
    return entry.digest if entry is not None else ""


def note_loaded(site: Site, record: Record, loaded: Loaded, entry: str) -> None:
    """Remember that this kubelet has loaded this entry."""
    record.loaded = [site.service.boot_id(), *loaded.process, entry, loaded.hash]
