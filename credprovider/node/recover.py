"""Undoes or finishes what an earlier run left half done; every run begins with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credprovider.node import bundle
from credprovider.node.change import clean_up, put_back, read_journal
from credprovider.node.edit import has_entry
from credprovider.node.rescue import ARMED, FIRED, VERIFIED

if TYPE_CHECKING:
    from credprovider.node.change import Change
    from credprovider.node.site import Site

#: After so many restarts by systemd alone a rolled back kubelet was refusing its config, and not just interrupted.
_CRASHES = 2


def undo(site: Site, change: Change) -> None:
    """Put everything back, the config first; then take away what was made for the change, the journal last.

    Where somebody has changed the config since and it still lists us, link and bundle stay: a kubelet does not start
    with a provider that has no executable.

    Raises:
        OSError: as the disk says; a later run goes on from there.
    """
    host = site.host
    config = change.config_target
    if config is not None:
        put_back(host, config)
    still_listed = change.config is not None and has_entry(host.read_if_there(change.config) or b"", change.provider)
    for target in reversed(change.targets):
        if target is not config and not (still_listed and target.before is None):
            put_back(host, target)
    clean_up(host, change)
    if change.new_bundle is not None:
        bundle.remove(host, site.places, change.new_bundle)
    site.rescue.disarm()
    close(site, change)
    if not still_listed:
        for folder in change.folders:
            host.remove_folder_if_empty(folder)


def close(site: Site, change: Change) -> None:
    """The change is finished, one way or the other."""
    clean_up(site.host, change)
    site.host.remove(site.places.journal)


def unfinished(site: Site) -> Change | None:
    """The change of an earlier run that should go on to its verification, after everything else was cleared up.

    Raises:
        OSError: as the disk says.
    """
    change = read_journal(site.host, site.places)
    if change is None:
        _sweep(site)
        return None
    stage = site.rescue.stage()
    config = change.config_target
    in_place = config is not None and site.host.identity(config.path) == config.after
    if stage == VERIFIED or (in_place and not site.host.is_live):
        return change
    if in_place and stage == ARMED:
        return change
    if stage == FIRED:
        _judge_rescue(site, change)
    undo(site, change)
    return None


def _judge_rescue(site: Site, change: Change) -> None:
    """The script has acted: was the change bad, or only interrupted?"""
    memory = site.memory()
    evidence = site.rescue.evidence()
    record = memory.of(change.provider)
    record.rollbacks += 1
    restarts = evidence.get("NRestarts", "0")
    if evidence.get("SubState") == "auto-restart" or (restarts.isdigit() and int(restarts) >= _CRASHES):
        memory.reject(
            change.provider, change.key, "the kubelet did not stay up with it; the rescue put the old config back"
        )
    else:
        memory.note_interruption(change.provider, change.key)
    memory.save()


def _sweep(site: Site) -> None:
    """Take away what a run left that ended before its journal or after it."""
    site.rescue.disarm()
    for name in site.host.names(site.places.home):
        if name.startswith(".") and name.endswith((".new", ".torn")):
            site.host.remove_tree(f"{site.places.home}/{name}")
    site.host.remove_folder_if_empty(site.places.home)
