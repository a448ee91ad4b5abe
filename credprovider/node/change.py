"""One change of a node as data: registered on disk before it is made, so that whoever comes next can finish or undo it.

The model is certbot's reverter. Every new content waits under a name beside its place, every old one is kept beside it,
so that making, finishing and undoing are renames and removals alone: they need no room and each is whole.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from credprovider.node.places import backup
from credprovider.node.refusal import ChangedMeanwhileError

if TYPE_CHECKING:
    from credprovider.node.host import Host

_FORMAT = 1


@dataclass(frozen=True)
class Target:
    """One file or link that changes.

    Attributes:
        path: on the node.
        before: its `View.identity` now, and after an undo.
        after: the one it gets; None for a file that goes.
        staged: name under which the new one waits.
    """

    path: str
    before: str | None
    after: str | None
    staged: str


@dataclass(frozen=True)
class Change:
    """All that one run changes.

    Attributes:
        action: ``install`` or ``uninstall``.
        provider: name of ours that it is about.
        key: names the combination of bundle, entry and kubelet version, for the memory of rejected ones.
        targets: in the order in which they are made; the config, if it changes, is last.
        config: path of the kubelet's config if it changes or has to be loaded anew, else None.
        proof: must the kubelet load the config before the change is good?
        new_bundle: id of a bundle that an undo takes away again, else None.
        folders: that were made for this, innermost first.
        entry: digest of the entry in the new config, or empty.
        boot: id of the boot in which this began.
        process: pid and start time of the kubelet before.
        healthy, ready: was its health endpoint ok, the Node Ready, before?
        began: seconds since 1970.
        deadline: when the rescue acts, on `Clock.boottime` of that boot; 0 before it is armed, and
            where an older version began.
        loads: hash of the config that the kubelet must load, as its own metric names it.
        version, bundle: what the link names afterwards, or empty.
        settings: digest by name of the settings files that we wrote.
    """

    action: str
    provider: str
    key: str
    targets: tuple[Target, ...]
    config: str | None = None
    proof: bool = False
    new_bundle: str | None = None
    folders: tuple[str, ...] = ()
    entry: str = ""
    boot: str = ""
    process: tuple[int, int] | None = None
    healthy: bool = False
    ready: bool = False
    began: float = 0.0
    deadline: float = 0.0
    loads: str = ""
    version: str = ""
    bundle: str = ""
    settings: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """For the journal."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=1).encode()

    @property
    def config_target(self) -> Target | None:
        """The target that is the kubelet's config."""
        return next((target for target in self.targets if target.path == self.config), None)


def read_journal(host: Host, path: str) -> Change | None:
    """A registered change, if there is one. A record that is not ours to read counts as none."""
    content = host.read_if_there(path)
    if content is None:
        return None
    try:
        found: dict[str, Any] = json.loads(content)
        if found.pop("format") != _FORMAT:
            return None
        targets = tuple(Target(**target) for target in found.pop("targets"))
        process = found.pop("process")
        folders = tuple(found.pop("folders"))
        return Change(targets=targets, process=tuple(process) if process else None, folders=folders, **found)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def stage_file(
    host: Host, target: Target, content: bytes, *, like: str | None = None, before: bytes | None = None
) -> None:
    """Put a new file beside its place, and keep what is there.

    Args:
        host: the node.
        target: the file.
        content: of the new one.
        like: path of a file whose mode, owner and label it gets; root's 0644 without one.
        before: content that an undo puts back, as a copy with mode, owner, label and time of what is there. For files
            that others may write into in place; those of ours are linked.
    """
    found = host.stat(like) if like else None
    label = host.label(like) if like else None
    if target.before is not None and before is not None:
        there = host.stat(target.path)
        host.create(backup(target.path), before, like=there, label=host.label(target.path), keeps_time=True)
    else:
        _keep(host, target)
    if target.after is not None:
        host.create(target.staged, content, like=found, label=label)


def stage_link(host: Host, target: Target, content: str) -> None:
    """The same for a link."""
    _keep(host, target)
    host.symlink(content, target.staged)


def _keep(host: Host, target: Target) -> None:
    """What is there gets a second name. A file is one of ours or hand-made, and nobody writes into it in place."""
    if target.before is None:
        return
    if target.before.startswith("link:"):
        host.symlink(target.before.removeprefix("link:"), backup(target.path))
    else:
        host.hard_link(target.path, backup(target.path))
    if host.identity(backup(target.path)) != target.before:
        raise ChangedMeanwhileError(target.path)


def make(host: Host, target: Target) -> None:
    """Put the new one in its place.

    Raises:
        ChangedMeanwhileError: somebody else was there since.
    """
    now = host.identity(target.path)
    if now == target.after:
        return
    if now != target.before:
        raise ChangedMeanwhileError(target.path)
    if target.after is None:
        host.remove(target.path)
    else:
        host.rename(target.staged, target.path)


def put_back(host: Host, target: Target) -> None:
    """Undo `make`; a place that somebody else has changed since is left alone."""
    if target.before == target.after or host.identity(target.path) != target.after:
        return
    if target.before is None:
        host.remove(target.path)
    elif host.lstat(backup(target.path)) is not None:
        host.rename(backup(target.path), target.path)


def clean_up(host: Host, change: Change) -> None:
    """Take away what waited and what was kept."""
    for target in change.targets:
        host.remove(target.staged)
        host.remove(backup(target.path))
        folder = os.path.dirname(target.staged)
        if folder != os.path.dirname(target.path):
            host.remove_folder_if_empty(folder)
