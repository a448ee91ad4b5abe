"""Runs the plugin on the node as the kubelet runs it: started by systemd, in the kubelet's own SELinux domain.

A program that a pod starts itself has the pod's domain, and what it inherits goes through the pod's own programs first:
both prove nothing about the kubelet.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from credprovider.errors import PROGRAM
from credprovider.world import DEFAULT_STATE_DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from credprovider.node.commands import Ran
    from credprovider.node.site import Site

_ENVIRONMENT = ".kubelet-environment"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: What a backslash makes plain in double quotes (systemd.exec(5), EnvironmentFile=).
_SPECIAL = re.compile(r'(["\\$`])')


def run_transient(
    site: Site, argv: Sequence[str], purpose: str, *, stdin: bytes, environ: Mapping[str, str] | None, seconds: float
) -> Ran:
    """Run a program of the node as a transient service, to its end.

    Args:
        site: a live node.
        argv: the command line.
        purpose: for the node's journal, which would else show the command line.
        stdin: its input, whole.
        environ: what it gets beside systemd's own few variables; None for nothing at all.
        seconds: after which it is killed.

    Raises:
        AssertionError: a tree has no programs that run.
        OSError: the environment cannot be handed over.
    """
    commands = site.host.commands
    if commands is None:
        raise AssertionError(site.host.root)
    words = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--description={PROGRAM}: {purpose}"]
    words.append(f"--property=RuntimeMaxSec={seconds:.0f}")
    if site.kubelet.selinux:
        words.append(f"--property=SELinuxContext={site.kubelet.selinux}")
    if environ is None:
        return commands.run([*words, "/usr/bin/env", "-i", *argv], stdin=stdin, timeout=seconds + 10)
    # Not in the command line: a proxy's password would be there for everybody on the node to read.
    path = f"{site.places.run}/{_ENVIRONMENT}"
    try:
        site.host.make_folder(DEFAULT_STATE_DIRECTORY, 0o700)
        site.host.make_folder(site.places.run, 0o700)
        site.host.put(path, environment_file(environ), mode=0o600)
        return commands.run([*words, f"--property=EnvironmentFile={path}", *argv], stdin=stdin, timeout=seconds + 10)
    finally:
        site.host.discard(path)


def environment_file(environ: Mapping[str, str]) -> bytes:
    """The same variables as a file for systemd's ``EnvironmentFile=``; names that no shell could set are left out."""
    kept = {name: value for name, value in environ.items() if _NAME.fullmatch(name)}
    lines = (f'{name}="{_quoted(value)}"\n' for name, value in kept.items())
    return "".join(lines).encode("utf-8", "surrogateescape")


def _quoted(value: str) -> str:
    return _SPECIAL.sub(r"\\\1", value)
