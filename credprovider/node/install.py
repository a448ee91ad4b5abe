"""`node install`: one change that closes the gap between what this node should have and what it has."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from credprovider.errors import PROGRAM
from credprovider.node import bundle as bundles
from credprovider.node.change import stage_file, stage_link
from credprovider.node.judge import check_wanted
from credprovider.node.loaded import note_loaded
from credprovider.node.plan import before_of, change_of, digests_of, make_plan, settings_of
from credprovider.node.rations import keep_to_budget, refuse_rejected
from credprovider.node.refusal import ChangedMeanwhileError, Refusal, disk_refusal
from credprovider.node.selftest import self_test
from credprovider.node.steps import carry_out, resume
from credprovider.node.wanted import wanted_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from credprovider.node.bundle import Bundle
    from credprovider.node.change import Change
    from credprovider.node.memory import Memory, Record
    from credprovider.node.plan import Plan
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
        relays: will the caller bring a token to where the settings say?
        pause: called before a restart of the kubelet, to spread a fleet.
    """

    bundle: Bundle
    settings_folder: str | None = None
    retry_rejected: bool = False
    is_automatic: bool = False
    relays: bool = False
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


def install(site: Site, goal: Goal) -> Outcome:
    """Bring a node to its goal.

    Raises:
        ProviderError: refused or rolled back; the node is as it was.
    """
    try:
        wanted = wanted_settings(site.host, site.places, site.kubelet.environ, goal.settings_folder)
        with site.locked():
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
    plan = make_plan(site, goal.bundle, wanted, record)
    if not plan.lacks and not plan.restart:
        _remember(site, goal, plan, memory)
        return _outcome(site, goal, plan)
    refuse_rejected(record, plan.key, retry=goal.retry_rejected)
    if plan.restart and not plan.mends:
        if goal.is_automatic:
            keep_to_budget(site, memory, plan.key)
            goal.pause()
        site.wait_until_steady()
    if not bundles.is_whole(site.host, site.places, goal.bundle):
        bundles.prune(site.host, site.places, keep=bundles.KEPT - 1)
        bundles.check_room(site.host, site.places, goal.bundle)
    change = change_of(site, plan, record)
    before = site.state()
    repaired = _is_repair(plan, record, change)
    carry_out(site, change, lambda: _prepare(site, plan, change), lambda: _check(site, plan), plan.loaded)
    with contextlib.suppress(OSError):
        _settle(site, goal, plan, repaired=repaired)
    restarted = before is not None and before != site.state()
    return _outcome(site, goal, plan, restarted=restarted, repaired=repaired)


def _outcome(site: Site, goal: Goal, plan: Plan, *, restarted: bool = False, repaired: bool = False) -> Outcome:
    warnings = tuple(plan.wanted.settings.warnings)
    return Outcome(site.places.provider, goal.bundle.version, goal.bundle.id, plan.lacks, restarted, repaired, warnings)


def _is_repair(plan: Plan, record: Record, change: Change) -> bool:
    """Had all been in place, and somebody else undone it?"""
    same = (record.bundle, record.entry, record.settings) == (change.bundle, change.entry, change.settings)
    return bool(plan.lacks) and same


def _remember(site: Site, goal: Goal, plan: Plan, memory: Memory) -> None:
    """All is in place; a memory that was lost knows it again."""
    record = memory.of(site.places.provider)
    if plan.loaded is not None:
        note_loaded(site, record, plan.loaded, plan.entry.digest)
    record.version, record.bundle, record.entry = goal.bundle.version, goal.bundle.id, plan.entry.digest
    record.settings = digests_of(plan.wanted) or record.settings
    _account_for_token(site, goal, plan, memory)
    memory.save()


def _settle(site: Site, goal: Goal, plan: Plan, *, repaired: bool) -> None:
    memory = site.memory()
    memory.of(site.places.provider).repairs += repaired
    _account_for_token(site, goal, plan, memory)
    memory.save()


def _account_for_token(site: Site, goal: Goal, plan: Plan, memory: Memory) -> None:
    """A token is remembered before it is relayed, and goes when the settings have no more use for it."""
    settings = plan.wanted.settings
    needed = settings.token_file or "" if settings.source == "token-file" else ""
    record = memory.of(site.places.provider)
    if record.token != needed:
        old = record.token
        record.token = ""
        if old and not memory.is_relayed_for_another(site.places.provider, old):
            site.host.discard(old)
    if goal.relays:
        record.token = needed


def _prepare(site: Site, plan: Plan, change: Change) -> None:
    host, places = site.host, site.places
    if "bundle" in plan.lacks:
        bundles.copy(host, places, plan.bundle)
    contents = settings_of(site, plan.wanted)
    config_json = places.config_json
    if "settings" in plan.lacks:
        host.make_folder(places.staged_settings)
        config_json = f"{places.staged_settings}/config.json"
    for target in change.targets:
        if target.path == change.config:
            like = target.path if plan.current is not None else None
            stage_file(host, target, plan.desired, like=like, before=before_of(site, plan))
        elif target.path in contents:
            stage_file(host, target, contents[target.path])
        else:
            stage_link(host, target, bundles.target_of(plan.bundle.id))
    executable = f"{bundles.folder_of(places, plan.bundle.id)}/{PROGRAM}"
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


def _check(site: Site, plan: Plan) -> None:
    starts = plan.restart or not site.host.is_live
    check_wanted(site.host, site.kubelet, site.places, plan.desired, starts=starts, linked=True)
    if not plan.restart:
        # Nothing will be watched, so link and settings are tried where the kubelet will find them.
        self_test(site, site.places.link, site.places.config_json)
