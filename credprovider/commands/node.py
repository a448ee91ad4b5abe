"""`node install | uninstall | status | run`: the bundle on a node or in a tree; front of `credprovider.node`."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import traceback
from typing import TYPE_CHECKING

from credprovider.commands import CommandParser
from credprovider.errors import PROGRAM, ProviderError
from credprovider.node.bundle import read_bundle, running_bundle
from credprovider.node.cluster import cluster_of_pod
from credprovider.node.discover import BIN_DIR_FLAG, CONFIG_FLAG
from credprovider.node.endpoint import Endpoint, parse_address
from credprovider.node.host import Host, this_node
from credprovider.node.install import Goal, install
from credprovider.node.live_probes import LiveProbes
from credprovider.node.loop import Loop, Options
from credprovider.node.outcome import keep_outcome
from credprovider.node.places import provider_name
from credprovider.node.site import find_site
from credprovider.node.situation import Situation
from credprovider.node.status import status, status_text
from credprovider.node.teller import Teller
from credprovider.node.uninstall import uninstall

if TYPE_CHECKING:
    import argparse
    from typing import BinaryIO, TextIO

    from credprovider.node.install import Outcome

_ACTIONS = {
    "install": "Bring this bundle, the settings and the kubelet's entry to the node this runs on, and verify them.",
    "uninstall": "Take the entry out of the kubelet's config, verify that, and take the files away.",
    "status": "Show what is installed, what the kubelet has loaded, and how the last run ended.",
    "run": "Keep the node as it should be, for as long as this runs: the DaemonSet's command.",
}
_WHERE = "Runs as root on the node, or in a privileged pod with hostPID. A node that is not as expected is left alone."


def run(argv: list[str], stdin: BinaryIO, stdout: BinaryIO, stderr: TextIO) -> int:  # noqa: ARG001 - one form for all
    """Do what is asked.

    Args:
        argv: what follows ``node``.
        stdin: not read.
        stdout: takes what ``status`` shows.
        stderr: takes progress, and the one line that tells why not.

    Returns:
        0 done (``status``: installed), 1 refused or rolled back, 2 usage, 70 our bug.
    """
    action = argv[0] if argv[:1] and argv[0] in _ACTIONS else ""
    parser = _parser(action, stdout, stderr)
    options, code = parser.read(argv[1:] if action else argv)
    if code is not None:
        return code
    complaint = _complaint(action, options)
    if complaint:
        return parser.refuse(complaint)
    try:
        return _ACT[action](options, stdout, stderr)
    except ProviderError as error:
        stderr.write(error.line() + "\n")
        return 1
    except Exception:  # noqa: BLE001 - the contract has a code for our bugs; tokens are never in a traceback
        stderr.write(traceback.format_exc())
        return 70


def _parser(action: str, stdout: BinaryIO, stderr: TextIO) -> CommandParser:
    if not action:
        parser = CommandParser("node", _WHERE, stdout, stderr)
        parser.add_argument("action", choices=_ACTIONS)
        return parser
    parser = CommandParser(f"node {action}", f"{_ACTIONS[action]} {_WHERE}", stdout, stderr)
    parser.add_argument("--instance", metavar="NAME", help="a second vendor's instance beside the first")
    if action in ("install", "run"):
        parser.add_argument(
            "--settings", metavar="DIR", help="folder with config.json; without it the node's own count"
        )
    if action != "status":
        parser.add_argument("--retry-rejected", action="store_true", help="try again what was rolled back before")
    if action == "run":
        _add_run_options(parser)
    else:
        parser.add_argument("--root", metavar="DIR", help="a tree instead of this node")
        parser.add_argument(
            CONFIG_FLAG, dest="config", metavar="PATH", help="the kubelet's flag, for a tree without it"
        )
        parser.add_argument(BIN_DIR_FLAG, dest="bin_dir", metavar="DIR", help="the same")
    if action in ("install", "uninstall"):
        parser.add_argument("--no-restart", action="store_true", help="do the file work only; goes with --root")
    if action == "status":
        parser.add_argument("--format", choices=("text", "json"), default="text")
    return parser


def _add_run_options(parser: CommandParser) -> None:
    parser.add_argument("--mode", choices=("install", "uninstall"), default="install")
    parser.add_argument(
        "--metrics-address", metavar="HOST:PORT", help="serve /metrics, /healthz and /readyz there; else nowhere"
    )
    parser.add_argument("--relay-token", metavar="FILE", help="projected token to bring to the node, for token-file")
    parser.add_argument("--startup-taint", metavar="KEY", help="take this taint off the Node when pulls work")
    parser.add_argument(
        "--startup-taint-seconds",
        metavar="N",
        type=float,
        default=600.0,
        help="or when the Node is so old, in any case",
    )


def _complaint(action: str, options: argparse.Namespace) -> str:
    """What is wrong with the options together."""
    if action in ("install", "uninstall") and bool(options.root) != options.no_restart:
        return "--root and --no-restart go together: a tree has no kubelet, and that of a node must load the entry"
    if not getattr(options, "root", None) and os.geteuid() != 0:
        return "this needs root"
    if action == "run" and options.metrics_address:
        try:
            parse_address(options.metrics_address)
        except ValueError as error:
            return f"--metrics-address: {error}"
    return ""


def _host(options: argparse.Namespace) -> Host:
    return Host(os.path.abspath(options.root)) if getattr(options, "root", None) else this_node()


def _flags(options: argparse.Namespace) -> list[str]:
    given = ((CONFIG_FLAG, options.config), (BIN_DIR_FLAG, options.bin_dir))
    return [f"{flag}={value}" for flag, value in given if value]


def _change(action: str, options: argparse.Namespace, stderr: TextIO) -> int:
    host = _host(options)
    try:
        outcome = _changed(action, host, options)
    except ProviderError as error:
        keep_outcome(host, options.instance, action, code=error.code, line=error.line())
        raise
    if action == "install":
        keep_outcome(host, options.instance, action)
    stderr.writelines(f"{PROGRAM}: warning: {warning}\n" for warning in outcome.warnings)
    stderr.write(f"{PROGRAM}: {_sentence(action, outcome)}\n")
    return 0


def _changed(action: str, host: Host, options: argparse.Namespace) -> Outcome:
    cluster = cluster_of_pod(os.environ)
    site = find_site(host, options.instance, flags=_flags(options), probes=lambda port: LiveProbes(port, cluster))
    if action == "uninstall":
        return uninstall(site, retry_rejected=options.retry_rejected)
    goal = Goal(read_bundle(running_bundle()), options.settings, retry_rejected=options.retry_rejected)
    return install(site, goal)


def _sentence(action: str, outcome: Outcome) -> str:
    restarted = "; the kubelet was restarted and is well" if outcome.restarted else ""
    if action == "uninstall":
        return f"{outcome.provider} {'removed' if outcome.changed else 'was not installed'}{restarted}"
    changed = f"changed {', '.join(outcome.changed)}" if outcome.changed else "all in place"
    return f"{outcome.provider} {outcome.version}: {changed}{restarted}"


def _status(options: argparse.Namespace, stdout: BinaryIO, _stderr: TextIO) -> int:
    found = status(_host(options), options.instance, _flags(options))
    text = status_text(found) if options.format == "text" else json.dumps(found, indent=2) + "\n"
    stdout.write(text.encode("utf-8", "backslashreplace"))
    return 0 if found["installed"] else 1


def _run(options: argparse.Namespace, _stdout: BinaryIO, stderr: TextIO) -> int:
    def write(text: str) -> None:
        stderr.write(text)
        stderr.flush()

    host, cluster = this_node(), cluster_of_pod(os.environ)
    situation = Situation(options.mode, provider_name(options.instance), alive=host.clock.boottime())
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    address = parse_address(options.metrics_address) if options.metrics_address else None
    endpoint = Endpoint(address, situation, host.clock) if address else None
    loop = Loop(
        host,
        Options(
            options.mode,
            options.instance,
            options.settings,
            options.relay_token,
            options.startup_taint,
            options.startup_taint_seconds,
            options.retry_rejected,
        ),
        situation,
        Teller(host, options.instance, cluster, write),
        cluster=cluster,
        wait=ending.wait,
        chance=random.random,
        listen=endpoint.listen if endpoint is not None else lambda: None,
    )
    try:
        loop.run()
    finally:
        if endpoint is not None:
            endpoint.close()
    return 0


_ACT = {
    "install": lambda options, _, stderr: _change("install", options, stderr),
    "uninstall": lambda options, _, stderr: _change("uninstall", options, stderr),
    "status": _status,
    "run": _run,
}
