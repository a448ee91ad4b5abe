"""From a registered change to a verified one, or back: make it, restart if need be, watch, then keep it or undo it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from credprovider.errors import ProviderError
from credprovider.node import bundle
from credprovider.node.change import make
from credprovider.node.judge import hash_of
from credprovider.node.loaded import Loaded, entry_in, is_loaded, note_loaded
from credprovider.node.recover import finish, judge_rescue, undo, undo_config, unfinished
from credprovider.node.refusal import ChangedMeanwhileError, Refusal, disk_refusal
from credprovider.node.rescue import FIRED, SECONDS, VERIFIED
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
    loaded = None
    if change.proof and site.rescue.stage() != VERIFIED:
        try:
            _count_on(site, change)
            loaded = prove(site, change)
        except ChangedMeanwhileError:
            return
    keep(site, change, loaded)


def _count_on(site: Site, change: Change) -> None:
    """Whoever stopped the timer, it goes on to its first end: runs that are cut short must not hold it up.

    Raises:
        Refusal: there is no timer to be had, so everything is as it was.
    """
    left = float(SECONDS)
    if change.deadline and change.boot == site.service.boot_id():
        left = max(change.deadline - site.host.clock.boottime(), 1.0)
    try:
        site.rescue.set_timer(left)
    except Refusal:
        undo(site, change)
        raise


def carry_out(
    site: Site,
    change: Change,
    prepare: Callable[[], None],
    check: Callable[[], None],
    loaded: Loaded | None = None,
) -> None:
    """Register, prepare, make, prove and keep a change; whatever goes wrong, the node is as it was.

    Args:
        site: a locked node.
        change: all of it.
        prepare: brings bundle and files beside their places, and tests them.
        check: judges the config to be, when all but it is in place.
        loaded: the kubelet that needs no restart for it.

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
                change = replace(change, deadline=host.clock.boottime() + SECONDS)
                host.put(site.places.journal, change.to_json(), mode=0o600)
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
        loaded = prove(site, change)
    keep(site, change, loaded)


def prove(site: Site, change: Change) -> Loaded:
    """Have the kubelet load the config, and watch it.

    Raises:
        Refusal: it did not go well; everything is as it was.
        ChangedMeanwhileError: somebody else has written the config since, and nobody knows which one the kubelet has
            loaded; the rest is as it was.
    """
    process = site.service.state().process
    record = site.memory().of(change.provider)
    if process in (None, change.process) or not is_loaded(site, record, change.entry):
        _restart(site, change)
    before = Baseline(change.process, change.healthy, change.ready, change.began)
    verdict = watch(
        site.service, site.probes, site.host.clock, before, lambda loaded: _may_be_loaded(site, change, loaded)
    )
    if not _is_in_place(site, change) and site.rescue.stage() != FIRED:
        undo(site, change)
        raise ChangedMeanwhileError(site.places.config)
    if verdict.process is None:
        _roll_back(site, change, verdict.reason or "")
    return Loaded(verdict.process, verdict.loaded or change.loads)


def _restart(site: Site, change: Change) -> None:
    """Counted before it is ordered, as the node may end in between."""
    memory = site.memory()
    memory.note_restart(change.provider, change.key, site.host.clock.wall())
    with contextlib.suppress(OSError):
        memory.save()
    try:
        site.service.restart()
    except Refusal:
        memory.take_back_restart(change.provider)
        with contextlib.suppress(OSError):
            memory.save()
        undo(site, change)
        raise


def _may_be_loaded(site: Site, change: Change, loaded: str) -> bool:
    """The config as we wrote it, or with what others have written since, if that leaves our entry as it is to be."""
    return loaded == change.loads or (loaded == hash_of(site.host, site.places) and _is_in_place(site, change))


def _is_in_place(site: Site, change: Change) -> bool:
    return entry_in(site, site.config()) == change.entry


def _roll_back(site: Site, change: Change, reason: str) -> NoReturn:
    host = site.host
    bad = site.service.state().process
    undo_config(site, change)
    began = host.clock.wall()
    memory = site.memory()
    with contextlib.suppress(Refusal):  # systemd starts a kubelet that exits by itself
        site.service.restart()
        memory.of(change.provider).restarts += 1
    said = site.service.complaint(change.began, began)
    memory.reject(change.provider, change.key, reason)
    memory.of(change.provider).rollbacks += 1
    with contextlib.suppress(OSError):
        memory.save()
    undo(site, change)
    before = Baseline(bad, change.healthy, change.ready, began)
    again = watch(site.service, site.probes, host.clock, before, None).reason
    end = "everything is as it was before" if again is None else f"everything is put back, but {again}"
    raise Refusal("node-rolled-back", f"{reason}; {end}" + (f"; the kubelet said: {said}" if said else ""), _REMEDY)


def keep(site: Site, change: Change, loaded: Loaded | None) -> None:
    """The change is good: remember it, and take away what was for undoing it.

    Args:
        site: the node.
        change: all of it is made.
        loaded: the kubelet that was seen to have loaded it; None if that was another run.

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
    if loaded is not None:
        note_loaded(site, record, loaded, change.entry)
    with contextlib.suppress(OSError):
        memory.save()
    finish(site, change)
    for name in stale:
        site.host.discard(f"{site.places.settings}/{name}")
    with contextlib.suppress(OSError):
        bundle.prune(site.host, site.places)
