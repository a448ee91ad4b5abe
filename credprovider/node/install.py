"""`node install`: what this node should have, what it lacks, and one change that closes the gap."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from credprovider.errors import PROGRAM
from credprovider.node import bundle as bundles
from credprovider.node.change import Change, Target, stage_file, stage_link
from credprovider.node.edit import says, with_entry, without_entry
from credprovider.node.entry import make_entry
from credprovider.node.judge import check_current, check_wanted, others_in_folder
from credprovider.node.loaded import is_loaded, note_loaded
from credprovider.node.places import staged
from credprovider.node.rations import keep_to_budget, refuse_rejected
from credprovider.node.refusal import ChangedMeanwhileError, Refusal
from credprovider.node.selftest import self_test
from credprovider.node.steps import carry_out, disk_refusal, resume
from credprovider.node.view import OTHER, identity_of
from credprovider.node.wanted import wanted_settings
from credprovider.node.watch import take_baseline

if TYPE_CHECKING:
    from collections.abc import Callable

    from credprovider.node.bundle import Bundle
    from credprovider.node.entry import Entry
    from credprovider.node.memory import Record
    from credprovider.node.site import Site
    from credprovider.node.wanted import Wanted

#: How often everything is read again when others write at the same time.
_ATTEMPTS = 3


@dataclass(frozen=True)
class Goal:
    """What is asked for.

    Attributes:
        bundle: that the node should have.
        settings_folder: path of this process with new settings; None for those on the node.
        retry_rejected: try a combination again that was rolled back.
        is_automatic: nobody ordered this run, so restarts are rationed.
        pause: called before a restart of the kubelet, to spread a fleet.
    """

    bundle: Bundle
    settings_folder: str | None = None
    retry_rejected: bool = False
    is_automatic: bool = False
    pause: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Outcome:
    """How a run ended that was not refused.

    Attributes:
        changed: what was changed: ``bundle``, ``settings``, ``config``; empty when all was in place.
        restarted: was the kubelet restarted?
        repaired: had all been in place before, and somebody else undone it?
        warnings: of the settings.
    """

    provider: str
    version: str
    bundle: str
    changed: tuple[str, ...] = ()
    restarted: bool = False
    repaired: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Plan:
    """The gap between a node and its goal."""

    wanted: Wanted
    entry: Entry
    current: bytes | None
    desired: bytes
    key: str
    lacks: tuple[str, ...]
    restart: bool


def install(site: Site, goal: Goal) -> Outcome:
    """Bring a node to its goal.

    Raises:
        ProviderError: refused or rolled back; the node is as it was.
    """
    wanted = wanted_settings(site.host, site.places, site.kubelet.environ, goal.settings_folder)
    with site.locked():
        try:
            resume(site)
            for _ in range(_ATTEMPTS):
                try:
                    return _install(site, goal, wanted)
                except ChangedMeanwhileError:
                    continue
        except OSError as error:
            raise disk_refusal(error) from None
    raise Refusal("node-config-busy", "others keep writing the kubelet's config", "see which other installers run here")


def _install(site: Site, goal: Goal, wanted: Wanted) -> Outcome:
    memory = site.memory()
    record = memory.of(site.places.provider)
    plan = _plan(site, goal, wanted, record)
    if not plan.lacks and not plan.restart:
        if site.host.is_live:
            note_loaded(site, record, plan.entry.digest)
        record.version, record.bundle, record.entry = goal.bundle.version, goal.bundle.id, plan.entry.digest
        memory.save()
        return _outcome(site, goal, plan)
    refuse_rejected(record, plan.key, retry=goal.retry_rejected)
    if plan.restart and goal.is_automatic:
        keep_to_budget(site, memory, plan.key)
        goal.pause()
    if plan.restart:
        site.wait_until_steady()
    if not bundles.is_whole(site.host, site.places, goal.bundle):
        bundles.prune(site.host, site.places, keep=bundles.KEPT - 1)
        bundles.check_room(site.host, site.places, goal.bundle)
    change = _change(site, goal, plan, record)
    before = site.state()
    repaired = (
        bool(plan.lacks)
        and record.bundle == change.bundle
        and record.entry == change.entry
        and record.settings == change.settings
    )
    carry_out(site, change, lambda: _prepare(site, goal, plan, change), lambda: _check(site, plan))
    if repaired:
        _count_repair(site)
    restarted = before is not None and before != site.state()
    return _outcome(site, goal, plan, restarted=restarted, repaired=repaired)


def _outcome(site: Site, goal: Goal, plan: _Plan, *, restarted: bool = False, repaired: bool = False) -> Outcome:
    warnings = tuple(plan.wanted.settings.warnings)
    return Outcome(site.places.provider, goal.bundle.version, goal.bundle.id, plan.lacks, restarted, repaired, warnings)


def _count_repair(site: Site) -> None:
    memory = site.memory()
    memory.of(site.places.provider).repairs += 1
    with contextlib.suppress(OSError):
        memory.save()


def _plan(site: Site, goal: Goal, wanted: Wanted, record: Record) -> _Plan:
    """Look, judge and compare; touches nothing."""
    places = site.places
    entry = make_entry(places.provider, places.config_json, wanted.settings)
    current = site.config()
    check_current(site.host, site.kubelet, places, current)
    if places.is_folder:
        desired = current if current is not None and says(current, entry) else entry.document()
    else:
        desired = with_entry(current or b"", entry)
    lacks: list[str] = []
    if bundles.linked(site.host, places) != goal.bundle.id or not bundles.is_whole(site.host, places, goal.bundle):
        lacks.append("bundle")
    if any(site.host.identity(path) != identity_of(content) for path, content in _settings(site, wanted).items()):
        lacks.append("settings")
    if desired != current:
        lacks.append("config")
    restart = site.host.is_live and not is_loaded(site, record, entry.digest, in_place="config" not in lacks)
    key = hashlib.sha256(f"{goal.bundle.id} {entry.digest} {site.kubelet.version}".encode()).hexdigest()[:16]
    return _Plan(wanted, entry, current, desired, key, tuple(lacks), restart)


def _settings(site: Site, wanted: Wanted) -> dict[str, bytes]:
    """Path and content; config.json last, as it names the other."""
    names = sorted(wanted.files, key=lambda name: (name == "config.json", name))
    return {f"{site.places.settings}/{name}": wanted.files[name] for name in names}


def _change(site: Site, goal: Goal, plan: _Plan, record: Record) -> Change:
    host, places = site.host, site.places
    targets: list[Target] = []
    if "settings" in plan.lacks:
        for path, content in _settings(site, plan.wanted).items():
            waiting = f"{places.staged_settings}/{os.path.basename(path)}"
            targets.append(Target(path, host.identity(path), identity_of(content), waiting))
    target = f"link:{bundles.target_of(goal.bundle.id)}"
    if host.identity(places.link) == OTHER:
        raise Refusal("node-link-odd", f"{places.link} is neither a file nor a link", "take it away")
    if host.identity(places.link) != target:
        targets.append(Target(places.link, host.identity(places.link), target, staged(places.link)))
    config = None
    if "config" in plan.lacks or plan.restart:
        config = places.config
        before = _without(site, plan)
        kept = None if before is None else identity_of(before)
        targets.append(Target(config, kept, identity_of(plan.desired), staged(config)))
    new = host.is_folder(bundles.folder_of(places, goal.bundle.id))
    folders = (places.settings, os.path.dirname(places.settings))
    baseline = take_baseline(site.service, site.probes, host.clock) if host.is_live else None
    return Change(
        action="install",
        provider=places.provider,
        key=plan.key,
        targets=tuple(targets),
        config=config,
        proof=plan.restart,
        new_bundle=None if new else goal.bundle.id,
        folders=tuple(folder for folder in folders if not host.is_folder(folder)),
        entry=plan.entry.digest,
        boot=site.service.boot_id() if host.is_live else "",
        process=baseline.process if baseline else None,
        healthy=baseline is not None and baseline.healthy,
        ready=baseline is not None and baseline.ready,
        began=host.clock.wall(),
        version=goal.bundle.version,
        bundle=goal.bundle.id,
        settings={name: identity_of(content) for name, content in plan.wanted.files.items()} or record.settings,
    )


def _without(site: Site, plan: _Plan) -> bytes | None:
    """What an undo puts back: the config as it is; without us, if it has our entry already and only a restart lacks."""
    if "config" in plan.lacks or plan.current is None:
        return plan.current
    if site.places.is_folder:
        return None if others_in_folder(site.host, site.places) else plan.current
    try:
        return without_entry(plan.current, site.places.provider)
    except Refusal:
        return plan.current


def _prepare(site: Site, goal: Goal, plan: _Plan, change: Change) -> None:
    host, places = site.host, site.places
    if "bundle" in plan.lacks:
        bundles.copy(host, places, goal.bundle)
    contents = _settings(site, plan.wanted)
    config_json = places.config_json
    if "settings" in plan.lacks:
        host.make_folder(places.staged_settings)
        config_json = f"{places.staged_settings}/config.json"
    for target in change.targets:
        if target.path == places.link:
            stage_link(host, target, bundles.target_of(goal.bundle.id))
        elif target.path == change.config:
            like = target.path if plan.current is not None else None
            stage_file(host, target, plan.desired, like=like, before=_without(site, plan))
        else:
            stage_file(host, target, contents[target.path])
    executable = f"{bundles.folder_of(places, goal.bundle.id)}/{PROGRAM}"
    try:
        self_test(site, executable, config_json)
    finally:
        _forget_self_test(site)


def _forget_self_test(site: Site) -> None:
    """The plugin keeps runtime state beside every config.json it is given."""
    if site.host.is_live and site.places.instance is None:
        try:
            site.host.remove_tree(f"{site.places.run}/.new")
        except OSError:
            return


def _check(site: Site, plan: _Plan) -> None:
    check_wanted(site.host, site.kubelet, site.places, plan.desired)
    if not plan.restart:
        # Nothing will be watched, so link and settings are tried where the kubelet will find them.
        self_test(site, site.places.link, site.places.config_json)
