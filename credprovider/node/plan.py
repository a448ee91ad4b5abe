"""The gap between what a node has and what it should have; looks and judges, and touches nothing."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from credprovider.node import bundle as bundles
from credprovider.node.change import Change, Target
from credprovider.node.edit import says, with_entry, without_entry
from credprovider.node.entry import make_entry
from credprovider.node.judge import (
    check_current,
    check_wanted,
    hash_with,
    missing_links,
    others_in_folder,
    would_start,
)
from credprovider.node.loaded import find_loaded
from credprovider.node.places import staged
from credprovider.node.refusal import Refusal
from credprovider.node.view import OTHER, identity_of
from credprovider.node.watch import take_baseline

if TYPE_CHECKING:
    from credprovider.node.bundle import Bundle
    from credprovider.node.entry import Entry
    from credprovider.node.loaded import Loaded
    from credprovider.node.memory import Record
    from credprovider.node.site import Site
    from credprovider.node.wanted import Wanted


@dataclass(frozen=True)
class Plan:
    """The gap between a node and its goal.

    Attributes:
        bundle: that the node should have.
        wanted: settings that it should have.
        entry: of the config.
        current, desired: content of the config, or of our own file in a folder of them.
        key: names the combination of bundle, entry and kubelet.
        lacks: what is missing: ``bundle``, ``settings``, ``config``.
        links: of other instances, whose executables the config lists and the node has lost.
        loaded: the kubelet that has loaded the entry; None for a tree and where a restart is needed.
        restart: has the kubelet to be restarted?
        mends: would the kubelet not start as things are?
    """

    bundle: Bundle
    wanted: Wanted
    entry: Entry
    current: bytes | None
    desired: bytes
    key: str
    lacks: tuple[str, ...]
    links: tuple[str, ...]
    loaded: Loaded | None
    restart: bool
    mends: bool


def make_plan(site: Site, bundle: Bundle, wanted: Wanted, record: Record) -> Plan:
    """Look, judge and compare.

    Raises:
        Refusal: the config cannot be edited, or the kubelet would not start with what it would become.
    """
    host, kubelet, places = site.host, site.kubelet, site.places
    bundles.check_mount(host, places)
    entry = make_entry(places.provider, places.config_json, wanted.settings)
    current = site.config()
    check_current(host, kubelet, places, current)
    if places.is_folder:
        desired = current if current is not None and says(current, entry) else entry.document()
    else:
        desired = with_entry(current or b"", entry)
    loaded = find_loaded(site, record, entry.digest, desired) if host.is_live else None
    restart = host.is_live and loaded is None
    check_wanted(host, kubelet, places, desired, starts=restart or not host.is_live, linked=False)
    links = _links(site, desired)
    return Plan(
        bundle=bundle,
        wanted=wanted,
        entry=entry,
        current=current,
        desired=desired,
        key=key_of(bundle.id, entry.digest, kubelet.release),
        lacks=tuple(_lacks(site, bundle, wanted, config=desired != current, links=bool(links))),
        links=links,
        loaded=loaded,
        restart=restart,
        mends=restart and not would_start(host, kubelet, places, current),
    )


def key_of(*parts: str) -> str:
    """A short name for a combination."""
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def settings_of(site: Site, wanted: Wanted) -> dict[str, bytes]:
    """Path and content of the files to be copied; config.json last, as it names the other."""
    names = sorted(wanted.files, key=lambda name: (name == "config.json", name))
    return {f"{site.places.settings}/{name}": wanted.files[name] for name in names}


def _links(site: Site, desired: bytes) -> tuple[str, ...]:
    """All instances have their bundles in one folder, so what took ours away may have taken theirs, too.

    The kubelet starts with all of them or not at all, so they get ours until their own installers come.
    """
    names = missing_links(site.host, site.kubelet, site.places, desired)
    paths = [f"{site.places.bin_dir}/{name}" for name in names]
    return tuple(path for path in paths if (site.host.identity(path) or "link:").startswith("link:"))


def _lacks(site: Site, bundle: Bundle, wanted: Wanted, *, config: bool, links: bool) -> list[str]:
    host, places = site.host, site.places
    lacks: list[str] = []
    if links or bundles.linked(host, places) != bundle.id or not bundles.is_whole(host, places, bundle):
        lacks.append("bundle")
    if any(host.identity(path) != identity_of(content) for path, content in settings_of(site, wanted).items()):
        lacks.append("settings")
    if config:
        lacks.append("config")
    return lacks


def change_of(site: Site, plan: Plan, record: Record) -> Change:
    """The one change that closes the gap.

    Raises:
        Refusal: something that is no link is where our link has to be.
    """
    host, places = site.host, site.places
    targets = _settings_targets(site, plan)
    target = f"link:{bundles.target_of(plan.bundle.id)}"
    if host.identity(places.link) == OTHER:
        raise Refusal("node-link-odd", f"{places.link} is neither a file nor a link", "take it away")
    for link in (places.link, *plan.links):
        if host.identity(link) != target:
            targets.append(Target(link, host.identity(link), target, staged(link)))
    config = None
    if "config" in plan.lacks or plan.restart:
        config = places.config
        before = before_of(site, plan)
        kept = None if before is None else identity_of(before)
        targets.append(Target(config, kept, identity_of(plan.desired), staged(config)))
    new = host.is_folder(bundles.folder_of(places, plan.bundle.id))
    folders = (places.settings, os.path.dirname(places.settings))
    baseline = take_baseline(site.service, site.probes, host.clock) if host.is_live else None
    return Change(
        action="install",
        provider=places.provider,
        key=plan.key,
        targets=tuple(targets),
        config=config,
        proof=plan.restart,
        new_bundle=None if new else plan.bundle.id,
        folders=tuple(folder for folder in folders if not host.is_folder(folder)),
        entry=plan.entry.digest,
        boot=site.service.boot_id() if host.is_live else "",
        process=baseline.process if baseline else None,
        healthy=baseline is not None and baseline.healthy,
        ready=baseline is not None and baseline.ready,
        began=host.clock.wall(),
        loads=hash_with(host, places, plan.desired),
        version=plan.bundle.version,
        bundle=plan.bundle.id,
        settings=digests_of(plan.wanted) or record.settings,
    )


def digests_of(wanted: Wanted) -> dict[str, str]:
    """Identity by name of the settings files that are ours."""
    return {name: identity_of(content) for name, content in wanted.files.items()}


def _settings_targets(site: Site, plan: Plan) -> list[Target]:
    if "settings" not in plan.lacks:
        return []
    return [
        Target(
            path,
            site.host.identity(path),
            identity_of(content),
            f"{site.places.staged_settings}/{os.path.basename(path)}",
        )
        for path, content in settings_of(site, plan.wanted).items()
    ]


def before_of(site: Site, plan: Plan) -> bytes | None:
    """What an undo puts back: the config as it is; without us, if it has our entry already and only a restart lacks."""
    if "config" in plan.lacks or plan.current is None:
        return plan.current
    if site.places.is_folder:
        return None if others_in_folder(site.host, site.places) else plan.current
    try:
        return without_entry(plan.current, site.places.provider)
    except Refusal:
        return plan.current
