"""`node uninstall`: our entry out of the config, a verified restart, and only then the files; nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from credprovider.node import bundle as bundles
from credprovider.node.change import Change, Target, stage_file
from credprovider.node.edit import without_entry
from credprovider.node.install import Outcome
from credprovider.node.judge import (
    check_current,
    check_left,
    hash_with,
    others_in_folder,
    would_start,
)
from credprovider.node.loaded import entry_in, find_loaded
from credprovider.node.places import staged
from credprovider.node.plan import key_of
from credprovider.node.rations import refuse_rejected
from credprovider.node.refusal import ChangedMeanwhileError, Refusal, disk_refusal
from credprovider.node.steps import carry_out, resume
from credprovider.node.view import identity_of
from credprovider.node.watch import take_baseline

if TYPE_CHECKING:
    from collections.abc import Callable

    from credprovider.node.site import Site

_ATTEMPTS = 3
_ACTION = "uninstall"
_RUNTIME = ("token-", "failure-", "lock-", "plan-", "azure-identity-token", "node-outcome")


def uninstall(
    site: Site,
    *,
    retry_rejected: bool = False,
    pause: Callable[[], None] = lambda: None,
) -> Outcome:
    """Leave the node as if we had never been there; entries and edits of others stay.

    Somebody has ordered this, so its restart is not rationed; what was rolled back is not tried again all the same.

    Args:
        site: the node.
        retry_rejected: try again what was rolled back.
        pause: called before a restart of the kubelet, to spread a fleet.

    Raises:
        ProviderError: refused (ours is the only entry), or rolled back; the node is as it was.
    """
    try:
        with site.locked():
            resume(site)
            for _ in range(_ATTEMPTS):
                try:
                    return _uninstall(site, retry_rejected=retry_rejected, pause=pause)
                except ChangedMeanwhileError:
                    continue
    except OSError as error:
        raise disk_refusal(error) from None
    raise Refusal("node-config-busy", "others keep writing the kubelet's config", "see which other installers run here")


def _uninstall(site: Site, *, retry_rejected: bool, pause: Callable[[], None]) -> Outcome:
    host, places = site.host, site.places
    current = site.config()
    desired = _without_us(site, current)
    record = site.memory().of(places.provider)
    is_here = desired != current or host.lstat(places.link) is not None or bool(record.version)
    loaded = find_loaded(site, record, "", desired) if host.is_live and is_here else None
    restart = host.is_live and is_here and loaded is None and _may_restart(site, current, desired)
    before = site.state()
    if desired != current or restart:
        check_left(host, site.kubelet, places, current, desired)
        key = key_of(_ACTION, site.kubelet.release, identity_of(desired) if desired is not None else "")
        refuse_rejected(record, key, retry=retry_rejected)
        if restart and would_start(host, site.kubelet, places, current):
            pause()
            site.wait_until_steady()
        change = _change(site, current, desired, key, proof=restart)
        carry_out(
            site,
            change,
            lambda: _stage(site, change, current, desired),
            lambda: check_left(host, site.kubelet, places, current, desired),
            loaded,
        )
    _see_that_we_are_out(site)
    take_files_away(site)
    _see_that_we_are_out(site)
    restarted = before is not None and before != site.state()
    return Outcome(places.provider, "", "", ("removed",) if is_here else (), restarted)


def _may_restart(site: Site, current: bytes | None, desired: bytes | None) -> bool:
    """A kubelet that would not start again is left running.

    Where only another instance of ours keeps it from that, our entry goes all the same: each would wait for the other.

    Raises:
        Refusal: it is others who keep it from that.
    """
    if would_start(site.host, site.kubelet, site.places, desired):
        return True
    check_current(site.host, site.kubelet, site.places, current)
    return False


def _see_that_we_are_out(site: Site) -> None:
    """The executable must not go while the config lists us, nor may it come to do so with that.

    Raises:
        ChangedMeanwhileError: somebody has written what he read before we left.
    """
    if entry_in(site, site.config()):
        raise ChangedMeanwhileError(site.places.config)


def _without_us(site: Site, current: bytes | None) -> bytes | None:
    if not site.places.is_folder:
        return without_entry(current or b"", site.places.provider)
    if current is not None and not others_in_folder(site.host, site.places):
        raise Refusal(
            "config-only-entry",
            "ours is the only file in the kubelet's folder of configs, and without any it does not start",
            "take the kubelet's two --image-credential-provider flags away first, or leave the file",
        )
    return None


def _change(site: Site, current: bytes | None, desired: bytes | None, key: str, *, proof: bool) -> Change:
    host, places = site.host, site.places
    before, after = (identity_of(content) if content is not None else None for content in (current, desired))
    baseline = take_baseline(site.service, site.probes, host.clock) if host.is_live else None
    return Change(
        action=_ACTION,
        provider=places.provider,
        key=key,
        targets=(Target(places.config, before, after, staged(places.config)),),
        config=places.config,
        proof=proof,
        boot=site.service.boot_id() if host.is_live else "",
        process=baseline.process if baseline else None,
        healthy=baseline is not None and baseline.healthy,
        ready=baseline is not None and baseline.ready,
        began=host.clock.wall(),
        loads=hash_with(host, places, desired),
    )


def _stage(site: Site, change: Change, current: bytes | None, desired: bytes | None) -> None:
    for target in change.targets:
        stage_file(site.host, target, desired or b"", like=target.path if current is not None else None, before=current)


def take_files_away(site: Site) -> None:
    """Link, bundles that nobody else uses, settings that we wrote, tokens, memory; the config must not list us.

    Raises:
        OSError: as the disk says; a later run goes on from there.
    """
    host, places = site.host, site.places
    memory = site.memory()
    record = memory.of(places.provider)
    written = record.settings
    if host.link_target(places.link) is not None and bundles.linked(host, places) is not None:
        host.remove(places.link)
    for name, identity in written.items():
        if host.identity(f"{places.settings}/{name}") == identity:
            host.remove(f"{places.settings}/{name}")
    host.remove_tree(places.staged_settings)
    host.remove_folder_if_empty(places.settings)
    if written and os.path.dirname(places.settings) != "/etc":
        host.remove_folder_if_empty(os.path.dirname(places.settings))
    if host.is_live:
        _forget_tokens(site)
    if record.token and not memory.is_relayed_for_another(places.provider, record.token):
        host.discard(record.token)
    memory.forget(places.provider)
    if memory.is_empty:
        bundles.prune(host, places, keep=0)
        host.remove(places.memory)
    else:
        memory.save()
        bundles.prune(host, places)
    host.remove_folder_if_empty(places.home)


def _forget_tokens(site: Site) -> None:
    host, folder = site.host, site.places.run
    for name in host.names(folder):
        if name.removeprefix(".").startswith(_RUNTIME) and not host.is_folder(f"{folder}/{name}"):
            host.remove(f"{folder}/{name}")
    host.remove_folder_if_empty(folder)
