"""From a registered change to a verified one, or back: make it, restart if need be, watch, then keep it or undo it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from credprovider.errors import ProviderError
from credprovider.node import bundle
from credprovider.node.change import make
from credprovider.node.judge import hash_of
from credprovider.node.loaded import is_loaded, note_loaded
from credprovider.node.recover import finish, judge_rescue, undo, undo_config, unfinished
from credprovider.node.refusal import ChangedMeanwhileError, Refusal
from credprovider.node.rescue import VERIFIED
from credprovider.node.watch import Baseline, watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from credprovider.node.change import Change
    from credprovider.node.site import Site

_REMEDY = (
    "mend the cause; the same is tried again when bundle, entry or kubelet version change, or with --retry-rejected"
)


def resume(site: Site) -> None:
    """Finish or undo what an earlier run began.

    Raises:
        Refusal: it was not good and has been rolled back.
        OSError: as the disk says.
    """
    change = unfinished(site)
    if change is None:
        return
    site = replace(site, places=site.places.of(change.provider))
    if change.proof and site.rescue.stage() != VERIFIED:
        site.rescue.set_timer()
        prove(site, change)
    keep(site, change)


def carry_out(site: Site, change: Change, prepare: Callable[[], None], check: Callable[[], None]) -> None:
    """Register, prepare, make, prove and keep a change; whatever goes wrong, the node is as it was.

    Args:
        site: a locked node.
        change: all of it.
        prepare: brings bundle and files beside their places, and tests them.
        check: judges the config to be, when all but it is in place.

    Raises:
        ProviderError: it was undone; why.
        ChangedMeanwhileError: it was undone; somebody else is at work.
    """
    host = site.host
    try:
        host.make_folder(site.places.home)
        host.put(site.places.journal, change.to_json(), mode=0o600)
        prepare()
        for target in change.targets:
            if target.path != change.config:
                make(host, target)
        check()
        config = change.config_target
        if config is not None:
            if change.proof:
                site.rescue.arm(change)
            make(host, config)
    except (ProviderError, ChangedMeanwhileError):
        undo(site, change)
        raise
    except OSError as error:
        with contextlib.suppress(OSError):  # what is left, the next run undoes by the journal
            undo(site, change)
        raise disk_refusal(error) from None
    if change.proof:
        prove(site, change)
    keep(site, change)


def disk_refusal(error: OSError) -> Refusal:
    """What a failed system call means to a person."""
    place = f" at {error.filename}" if isinstance(error.filename, str) else ""
    return Refusal(
        "node-disk", f"the node's disk refused: {error.strerror}{place}", "look at the node's disk and mounts"
    )


def prove(site: Site, change: Change) -> None:
    """Have the kubelet load the config, and watch it.

    Raises:
        Refusal: it did not go well; everything is as it was.
    """
    memory = site.memory()
    if not is_loaded(site, memory.of(change.provider), change.entry):
        memory.note_restart(change.provider, change.key, site.host.clock.wall())
        with contextlib.suppress(OSError):
            memory.save()
        site.service.restart()
    before = Baseline(change.process, change.healthy, change.ready, change.began)
    reason = watch(site.service, site.probes, site.host.clock, before, hash_of(site.host, site.places))
    if reason is not None:
        _roll_back(site, change, reason)


def _roll_back(site: Site, change: Change, reason: str) -> None:
    host = site.host
    bad = site.service.state().process
    undo_config(site, change)
    began = host.clock.wall()
    with contextlib.suppress(Refusal):  # systemd starts a kubelet that exits by itself
        site.service.restart()
    said = site.service.complaint(change.began, began)
    memory = site.memory()
    memory.reject(change.provider, change.key, reason)
    memory.of(change.provider).rollbacks += 1
    with contextlib.suppress(OSError):
        memory.save()
    undo(site, change)
    before = Baseline(bad, change.healthy, change.ready, began)
    again = watch(site.service, site.probes, host.clock, before, None)
    end = "everything is as it was before" if again is None else f"everything is put back, but {again}"
    raise Refusal("node-rolled-back", f"{reason}; {end}" + (f"; the kubelet said: {said}" if said else ""), _REMEDY)


def keep(site: Site, change: Change) -> None:
    """The change is good: remember it, and take away what was for undoing it.

    Raises:
        Refusal: the rescue was faster.
        OSError: as the disk says; a later run goes on from there.
    """
    if change.proof and not site.rescue.claim():
        judge_rescue(site, change)
        undo(site, change)
        raise Refusal("node-rolled-back", "verification took too long, and the rescue put the old config back", _REMEDY)
    memory = site.memory()
    record = memory.of(change.provider)
    stale = record.settings.keys() - change.settings.keys() if change.settings else set()
    record.version, record.bundle, record.entry = change.version, change.bundle, change.entry
    record.settings = change.settings or record.settings
    record.rejected, record.interrupted = {}, {}
    if site.host.is_live:
        note_loaded(site, record, change.entry)
    with contextlib.suppress(OSError):
        memory.save()
    finish(site, change)
    for name in stale:
        site.host.discard(f"{site.places.settings}/{name}")
    with contextlib.suppress(OSError):
        bundle.prune(site.host, site.places)
