"""Undoes or finishes what an earlier run left half done; every run begins with it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from credprovider.node import bundle
from credprovider.node.change import clean_up, put_back, read_journal
from credprovider.node.edit import entry_of, with_entry_of
from credprovider.node.places import backup
from credprovider.node.refusal import Refusal
from credprovider.node.rescue import ARMED, BOOT, FIRED, UNTOUCHED, VERIFIED

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
    undo_config(site, change)
    still_listed = config is not None and entry_of(host.read_if_there(config.path) or b"", change.provider) is not None
    for target in reversed(change.targets):
        if target is not config and not (still_listed and target.before is None):
            put_back(host, target)
    clean_up(host, change)
    if change.new_bundle is not None:
        bundle.remove(host, site.places, change.new_bundle)
    site.rescue.disarm()
    for folder in change.folders:
        host.remove_folder_if_empty(folder)
    host.remove(site.places.journal)
    host.remove_folder_if_empty(site.places.home)


def undo_config(site: Site, change: Change) -> None:
    """Put the config back; if somebody has changed it since, only our entry in it.

    Raises:
        OSError: as the disk says.
    """
    host, config = site.host, change.config_target
    if config is None:
        return
    put_back(host, config)
    now = host.identity(config.path)
    kept = host.read_if_there(backup(config.path))
    if now in (config.before, None) or kept is None or site.places.is_folder or not _is_ours_inside(site, change):
        return
    with contextlib.suppress(Refusal):  # it can no longer be edited: then it is not we who wrote it
        content = with_entry_of(host.read(config.path), kept, change.provider)
        host.create(config.staged, content, like=host.stat(config.path), label=host.label(config.path))
        if host.identity(config.path) == now:
            host.rename(config.staged, config.path)


def _is_ours_inside(site: Site, change: Change) -> bool:
    """Does the config have our entry as the change made it?"""
    entry = entry_of(site.host.read_if_there(change.config or "") or b"", change.provider)
    return (entry.digest if entry is not None else "") == change.entry


def finish(site: Site, change: Change) -> None:
    """From here on the change is good, whatever happens; take away what was for undoing it.

    Raises:
        OSError: as the disk says; a later run goes on from there.
    """
    host, places = site.host, site.places
    if host.lstat(places.journal) is not None:
        host.rename(places.journal, places.finished)
    clean_up(host, change)
    host.remove(places.finished)
    site.rescue.disarm()


def unfinished(site: Site) -> Change | None:
    """The change of an earlier run that should go on to its verification, after everything else was cleared up.

    Raises:
        OSError: as the disk says.
    """
    done = read_journal(site.host, site.places.finished)
    if done is not None:
        finish(site, done)
    change = read_journal(site.host, site.places.journal)
    if change is None:
        _sweep(site)
        return None
    stage = site.rescue.stage()
    config = change.config_target
    in_place = config is not None and (
        site.host.identity(config.path) == config.after or (change.proof and _is_ours_inside(site, change))
    )
    if stage == VERIFIED or (in_place and (stage == ARMED or not change.proof)):
        return change
    if stage == FIRED:
        judge_rescue(site, change)
    undo(site, change)
    return None


def judge_rescue(site: Site, change: Change) -> None:
    """The script has run: was the change bad, or only interrupted? Remembers the answer.

    Raises:
        OSError: as the disk says.
    """
    memory = site.memory()
    evidence = site.rescue.evidence()
    record = memory.of(change.provider)
    if UNTOUCHED in evidence and not _is_ours_inside(site, change):
        return  # the config had not been changed yet
    record.rollbacks += 1
    record.restarts += 0 if {BOOT, UNTOUCHED} & evidence.keys() else 1
    restarts = evidence.get("NRestarts", "0")
    has_restarted = change.process is None or evidence.get("MainPID") != str(change.process[0])
    keeps_exiting = evidence.get("SubState") == "auto-restart" or (restarts.isdigit() and int(restarts) >= _CRASHES)
    if has_restarted and keeps_exiting:
        memory.reject(
            change.provider, change.key, "the kubelet did not stay up, and the rescue put the old config back"
        )
    else:
        memory.note_interruption(change.provider, change.key)
    memory.save()


def _sweep(site: Site) -> None:
    """Take away what a run left that ended before its journal or after it."""
    site.rescue.disarm()
    for path in (site.places.journal, site.places.finished):
        site.host.remove(path)  # of another version, or damaged
    for name in site.host.names(site.places.home):
        if name.startswith(".") and name.endswith((".new", ".torn")):
            site.host.remove_tree(f"{site.places.home}/{name}")
    site.host.remove_folder_if_empty(site.places.home)
