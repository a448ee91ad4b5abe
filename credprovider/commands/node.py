"""`node install | uninstall`: brings the bundle to a node or a tree, or takes it away; front of `credprovider.node`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from credprovider.commands import CommandParser
from credprovider.errors import PROGRAM, ProviderError
from credprovider.node.bundle import read_bundle, running_bundle
from credprovider.node.discover import BIN_DIR_FLAG, CONFIG_FLAG
from credprovider.node.host import Host, this_node
from credprovider.node.install import Goal, install
from credprovider.node.site import find_site
from credprovider.node.uninstall import uninstall

if TYPE_CHECKING:
    import argparse
    from typing import BinaryIO, TextIO

    from credprovider.node.install import Outcome
    from credprovider.node.site import Site

_ACTIONS = ("install", "uninstall")

_DESCRIPTION = (
    "Bring this bundle to the node it runs on (as root, or in a privileged pod with hostPID), keep it there, or take it"
    " away. A node that is not as expected is left alone, and one line says why."
)


def run(argv: list[str], stdin: BinaryIO, stdout: BinaryIO, stderr: TextIO) -> int:  # noqa: ARG001 - one form for all
    """Do what is asked.

    Args:
        argv: what follows ``node``.
        stdin: not read.
        stdout: takes what ``status`` shows.
        stderr: takes progress, and the reason of a refusal.

    Returns:
        0 done, 1 refused or rolled back, 2 usage.
    """
    action = argv[0] if argv[:1] and argv[0] in _ACTIONS else None
    parser = CommandParser(f"node {action}" if action else "node", _DESCRIPTION, stdout, stderr)
    if action is None:
        parser.add_argument("action", choices=_ACTIONS)
    else:
        _add_options(parser, action)
    options, code = parser.read(argv if action is None else argv[1:])
    if code is not None:
        return code
    if bool(options.root) != options.no_restart:
        return parser.refuse(
            "--root and --no-restart belong together: a tree has no kubelet, and a node's must load it"
        )
    if not options.root and os.geteuid() != 0:
        return parser.refuse("changing a node needs root")
    try:
        outcome = _act(action or "", _site(options), options)
    except ProviderError as error:
        stderr.write(error.line() + "\n")
        return 1
    stderr.write(_sentence(action or "", outcome))
    return 0


def _add_options(parser: argparse.ArgumentParser, action: str) -> None:
    parser.add_argument("--instance", metavar="NAME", help="a second vendor's instance beside the first")
    parser.add_argument("--root", metavar="DIR", help="work on a tree instead of this node; needs --no-restart")
    parser.add_argument("--no-restart", action="store_true", help="do the file work only; needs --root")
    parser.add_argument(CONFIG_FLAG, dest="config", metavar="PATH", help="the kubelet's flag, for a tree that lacks it")
    parser.add_argument(BIN_DIR_FLAG, dest="bin_dir", metavar="PATH", help="the same")
    parser.add_argument("--retry-rejected", action="store_true", help="try again what was rolled back before")
    if action == "install":
        parser.add_argument(
            "--settings", metavar="DIR", help="folder with config.json; without it the node's own count"
        )


def _site(options: argparse.Namespace) -> Site:
    host = Host(os.path.abspath(options.root)) if options.root else this_node()
    flags = [
        f"{flag}={value}" for flag, value in ((CONFIG_FLAG, options.config), (BIN_DIR_FLAG, options.bin_dir)) if value
    ]
    return find_site(host, options.instance, flags=flags)


def _act(action: str, site: Site, options: argparse.Namespace) -> Outcome:
    if action == "uninstall":
        return uninstall(site, retry_rejected=options.retry_rejected)
    bundle = read_bundle(running_bundle())
    return install(site, Goal(bundle, options.settings, retry_rejected=options.retry_rejected))


def _sentence(action: str, outcome: Outcome) -> str:
    restarted = "; the kubelet was restarted and is well" if outcome.restarted else ""
    lines = [f"{PROGRAM}: warning: {warning}\n" for warning in outcome.warnings]
    if action == "uninstall":
        return f"{PROGRAM}: {'removed' if outcome.changed else 'was not installed'}{restarted}\n"
    changed = f"changed {', '.join(outcome.changed)}" if outcome.changed else "all in place"
    return "".join(lines) + f"{PROGRAM}: {outcome.provider} {outcome.version}: {changed}{restarted}\n"
