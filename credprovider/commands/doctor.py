"""`doctor [IMAGE]`: every hop from settings to the image's manifest; front of `credprovider.doctor`."""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from typing import TYPE_CHECKING, NamedTuple

from credprovider.commands import CommandParser
from credprovider.commands.request import read_annotation, read_token, repository
from credprovider.doctor.case import Case
from credprovider.doctor.document import document
from credprovider.doctor.hops import HOPS
from credprovider.doctor.onlooker import Onlooker
from credprovider.doctor.picture import Style, hop_text, title, verdict
from credprovider.doctor.pod import ROOT, take_along, way_to_the_node
from credprovider.doctor.progress import Progress
from credprovider.doctor.registry_hops import reference_of
from credprovider.doctor.result import exit_code
from credprovider.doctor.walk import walk
from credprovider.errors import PROGRAM, ProviderError
from credprovider.node.cluster import cluster_of_pod
from credprovider.node.commands import Commands
from credprovider.node.host import this_node
from credprovider.node.live_probes import LiveProbes
from credprovider.node.places import provider_name
from credprovider.node.probes import Probes
from credprovider.world import real_world

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from typing import BinaryIO, TextIO

    from credprovider.doctor.result import Result
    from credprovider.doctor.walk import Hop
    from credprovider.node.host import Host
    from credprovider.world import World

#: Option -> placeholder of the catalogue's commands that it fills.
_GIVEN = {
    "resource_group": "resource group of the cluster",
    "cluster": "name of the AKS cluster",
    "identity_name": "name of the managed identity",
    "identity_resource_group": "its resource group, where it is not the cluster's or AKS's own",
    "credential_name": "name of its federated credential",
}


def run(argv: list[str], stdin: BinaryIO, stdout: BinaryIO, stderr: TextIO) -> int:
    """Examine, and show what was found on stdout.

    Args:
        argv: what follows ``doctor``.
        stdin: read for ``--service-account-token -`` only.
        stdout: takes the picture, or the JSON document.
        stderr: takes complaints.

    Returns:
        0 when no hop failed, though some may have been skipped or not reached, else the code of the first failing one's
        family (2 to 8); 1 when its reader has left, 2 for a usage error, 70 our bug, 130 when it was interrupted.
    """
    parser = _parser(stdout, stderr)
    options, code = parser.read(argv)
    if code is not None:
        return code
    try:
        provider_name(options.instance)
        where = machine(options.loaded_hash)
        _go_to_the_node(argv, options, where)
        case = make_case(options, stdin, where)
    except ValueError as error:
        return parser.refuse(str(error))
    except ProviderError as error:
        stderr.write(error.line() + "\n")
        return error.exit_code
    try:
        return _carefully(case, options, stdout, stderr)
    finally:
        case.close()


def _carefully(case: Case, options: argparse.Namespace, stdout: BinaryIO, stderr: TextIO) -> int:
    """Examine; whatever goes wrong with that, no text of an exception is shown, as it may hold a token."""
    try:
        return examine(case, options, stdout)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever reads has seen enough, and what is left in the buffer must not be tried again
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except Exception as error:  # noqa: BLE001 - the contract has a code for our bugs
        place = traceback.extract_tb(error.__traceback__)[-1]
        stderr.write(f"{PROGRAM}: bug [{type(error).__name__} at {os.path.basename(place.filename)}:{place.lineno}]\n")
        return 70


def _parser(stdout: BinaryIO, stderr: TextIO) -> CommandParser:
    parser = CommandParser(
        "doctor",
        "Walk every hop between a pod's image and its credential: which one fails, why, and the command that mends it."
        " Asks everything afresh, keeps nothing, shows no token. Needs a node for the kubelet's part and root for some"
        " of it; says what it left out.",
        stdout,
        stderr,
    )
    parser.add_argument("image", metavar="IMAGE", nargs="?", help="as in a pod; without it no repository is asked for")
    parser.add_argument("--config", metavar="FILE", help="config.json; the node's own by default")
    parser.add_argument("--instance", metavar="NAME", help="a second vendor's instance on this node")
    parser.add_argument(
        "--service-account-token", metavar="FILE", help="a ServiceAccount's token as the first one; - is stdin"
    )
    parser.add_argument(
        "--service-account-annotation",
        metavar="K=V",
        action="append",
        default=[],
        help="annotation of that ServiceAccount; may be given several times",
    )
    parser.add_argument(
        "--granted-subject", metavar="SUB", help="subject that the registry's owner says the grant names; compared"
    )
    for name, meaning in _GIVEN.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="NAME", help=f"{meaning}, for the commands shown")
    parser.add_argument(
        "--loaded-hash",
        metavar="sha256:HEX",
        help="hash of the metric kubelet_credential_provider_config_info, for a node where it cannot be asked",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--verbose", action="store_true", help="show all that is known of each hop; still no token")
    return parser


class Machine(NamedTuple):
    """Where `doctor` runs: the seam at which tests put another machine."""

    world: World
    host: Host
    probes: Callable[[int | None], Probes]
    own_plugin: tuple[list[str], Mapping[str, str]]
    commands: Commands


def machine(loaded_hash: str | None = None) -> Machine:
    """This machine.

    Args:
        loaded_hash: what the kubelet's metric says, from somebody who may ask it.
    """
    world, host, cluster = real_world("config.json"), this_node(), cluster_of_pod(os.environ)
    seen = host if world.euid == 0 else Onlooker(host)

    def probes(port: int | None) -> Probes:
        return ToldProbes(loaded_hash) if loaded_hash else LiveProbes(port, cluster)

    return Machine(world, seen, probes, (own_command(), _clean(os.environ)), Commands())


class ToldProbes(Probes):
    """The kubelet's metric as somebody else read it."""

    def __init__(self, loaded_hash: str) -> None:
        self._loaded_hash = loaded_hash

    def loaded_hash(self) -> str | None:
        """As it was told."""
        return self._loaded_hash


def own_command() -> list[str]:
    """The program that runs this, to be started as the plugin."""
    return [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "credprovider"]


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    """Without what PyInstaller's loader adds for its own libraries."""
    kept = {name: value for name, value in environ.items() if not name.startswith(("_PYI_", "LD_LIBRARY_PATH"))}
    before = environ.get("LD_LIBRARY_PATH_ORIG")
    return kept | ({"LD_LIBRARY_PATH": before} if before else {})


def make_case(options: argparse.Namespace, stdin: BinaryIO, where: Machine) -> Case:
    """What the options ask to be examined.

    Raises:
        ValueError: an argument that is none, with a sentence about it.
    """
    token = read_token(options.service_account_token, stdin) if options.service_account_token else None
    given = {name: getattr(options, name) for name in _GIVEN} | {"bound_subject": options.granted_subject}
    image = repository(options.image) if options.image is not None else None
    return Case(
        world=where.world,
        host=where.host,
        probes=where.probes,
        config=options.config,
        image=image,
        reference=reference_of(options.image, image) if image is not None else "latest",
        instance=options.instance,
        token=token,
        annotations=dict(read_annotation(text) for text in options.service_account_annotation),
        given=given,
        own_plugin=where.own_plugin,
        commands=where.commands,
    )


def examine(case: Case, options: argparse.Namespace, stdout: BinaryIO) -> int:
    """Walk all hops and show them; the exit code."""
    if options.format == "json":
        found = list(walk(HOPS, case))
        text = json.dumps(_document(case, found), indent=2) + "\n"
        stdout.write(text.encode())
        return exit_code(found)
    is_terminal = stdout.isatty()
    style = _style(case.world.environ, is_terminal=is_terminal, verbose=options.verbose)
    stdout.write(title(options.image, case.config_path, _where(case)).encode())
    progress = Progress(stdout, style) if is_terminal else None
    try:
        found = _show(case, style, stdout, progress)
    finally:
        if progress is not None:
            progress.close()
    stdout.write(verdict(found, style).encode())
    return exit_code(found)


def _show(case: Case, style: Style, stdout: BinaryIO, progress: Progress | None) -> list[Result]:
    """Each hop as soon as it is done."""

    def before(hop: Hop) -> None:
        if progress is not None:
            progress.waits(hop.name, hop.waits_for(case))

    found = []
    for result in walk(HOPS, case, before):
        if progress is not None:
            progress.clear()
        stdout.write(hop_text(result, style).encode())
        stdout.flush()
        found.append(result)
    return found


def _style(environ: Mapping[str, str], *, is_terminal: bool, verbose: bool) -> Style:
    """Colour on a terminal unless NO_COLOR (no-color.org) is set to anything or the terminal is dumb."""
    colour = is_terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    width = min(shutil.get_terminal_size((100, 24)).columns, 140) if is_terminal else 100
    return Style(colour, max(width, 60), verbose)


def _where(case: Case) -> str:
    node = case.node
    if node is None:
        return "a machine without a kubelet"
    user = "" if case.world.euid == 0 else ", without root"
    return f"a node with kubelet {node.kubelet.version or 'of unknown version'}{user}"


def _document(case: Case, found: list[Result]) -> dict[str, object]:
    node = case.node
    version = node.kubelet.version if node is not None else None
    return document(found, image=case.image, reference=case.reference, config=case.config_path, kubelet=version)


def _go_to_the_node(argv: list[str], options: argparse.Namespace, where: Machine) -> None:
    """Become the program that is installed on the node, where this is a pod on one; else return."""
    if where.host.root != ROOT:
        return
    seen = Case(where.world, where.host, where.probes, instance=options.instance)
    way = way_to_the_node(seen.node, os.environ)
    if way is None:
        return
    words, environ = way
    if options.service_account_token not in (None, "-"):
        take_along(options.service_account_token)
        argv = [*argv, "--service-account-token", "-"]
    os.execvpe(words[0], [*words, *argv], environ)  # noqa: S606 - a fixed program, no shell
