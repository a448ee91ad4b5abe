"""`setup migrate`: finds what the CronJob way left, and writes the plan that removes it; executes nothing of it."""

from __future__ import annotations

import json
import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from credprovider.commands import CommandParser
from credprovider.errors import PROGRAM, one_line
from credprovider.setup.checkout import checkout_word, find_checkout
from credprovider.setup.forms import check
from credprovider.setup.migrate.cluster import Cluster
from credprovider.setup.migrate.live import LiveCluster, NoKubectlError
from credprovider.setup.migrate.machine import plan_object
from credprovider.setup.migrate.planning import make_plan
from credprovider.setup.migrate.reading import Manifests
from credprovider.setup.migrate.resources import Ref, is_name, path_of
from credprovider.setup.migrate.script_file import script_text
from credprovider.setup.migrate.step import Kubectl
from credprovider.setup.migrate.survey import survey
from credprovider.setup.migrate.text import plan_text, summary

if TYPE_CHECKING:
    import argparse
    from typing import BinaryIO, TextIO

    from credprovider.setup.migrate.step import Plan
    from credprovider.setup.migrate.survey import Survey

_DESCRIPTION = """\
Find what the CronJob way of pulling from Artifact Registry left behind, and write the ordered plan that removes it:
each step with its commands, its check and its undo. Looks at manifests, at what `kubectl get -o json` (or yaml, slower)
writes, or at a running cluster by way of your own kubectl. Changes nothing, and shows no Secret."""
_EPILOG = "Exit code: 0 the plan is complete, or nothing is left; 1 something must be looked at first; 2 usage."
_UNSEEN_LIVE = (
    "custom resources, such as rollouts or external secrets, are not asked for; see that none refers to the Secrets",
)
_UNSEEN_FILES = ("objects that are in the cluster but not in what was given, such as what was made by hand",)


class _Refusal(Exception):
    """What is wrong with the arguments, or with what they name."""


class _Failure(Exception):
    """Why a cluster cannot be looked at."""


def run(argv: list[str], stdin: BinaryIO, stdout: BinaryIO, stderr: TextIO) -> int:
    """Look, and write the plan.

    Args:
        argv: what follows ``setup migrate``.
        stdin: manifests, if ``-`` is among the paths.
        stdout: takes the plan; with ``--out`` one line about it.
        stderr: takes complaints.

    Returns:
        0 for a complete plan, or none needed; 1 if something must be looked at first; 2 usage; 70 our bug.
    """
    parser = _parser(stdout, stderr)
    options, code = parser.read(argv)
    if code is not None:
        return code
    try:
        plan = _plan(options, stdin)
        if options.out:
            _write(plan, Path(options.out))
            answer = f"{summary(plan)}: {options.out}/plan.md, steps.sh, plan.json\n"
        else:
            answer = _json(plan) if options.format == "json" else plan_text(plan)
    except _Refusal as refusal:
        return parser.refuse(one_line(str(refusal)))
    except _Failure as failure:
        stderr.write(f"{PROGRAM} setup migrate: {one_line(str(failure))}\n")
        return 2
    except Exception:  # noqa: BLE001 - the contract has a code for our bugs; no value is in a traceback
        stderr.write(traceback.format_exc())
        return 70
    stdout.write(answer.encode("utf-8", "backslashreplace"))
    return 1 if plan.look else 0


def _parser(stdout: BinaryIO, stderr: TextIO) -> CommandParser:
    parser = CommandParser("setup migrate", _DESCRIPTION, stdout, stderr)
    parser.epilog = _EPILOG
    parser.add_argument("paths", nargs="*", metavar="PATH", help="manifests: files, folders, or - for stdin")
    parser.add_argument("--live", action="store_true", help="look at the cluster of kubectl's current context")
    parser.add_argument("--context", metavar="NAME", help="the same for another context; the plan names it, too")
    parser.add_argument("--kubeconfig", metavar="FILE", help="the same for another kubeconfig")
    parser.add_argument(
        "-n",
        "--namespace",
        metavar="NAME",
        help="live: look there only; manifests: of objects that name none [default]",
    )
    parser.add_argument("--image", metavar="IMAGE", default="", help="the plugin's own image, for its settings")
    parser.add_argument(
        "--include",
        metavar="KIND/NAMESPACE/NAME",
        action="append",
        default=[],
        help="this object, which the plan wants to be looked at, is to go; may be repeated",
    )
    parser.add_argument(
        "--keep", metavar="KIND/NAMESPACE/NAME", action="append", default=[], help="this object stays; may be repeated"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument(
        "--out", metavar="DIR", help="write plan.md, steps.sh and plan.json there, a new or empty folder"
    )
    return parser


def _plan(options: argparse.Namespace, stdin: BinaryIO) -> Plan:
    is_live = bool(options.live or options.context or options.kubeconfig)
    if is_live == bool(options.paths):
        raise _Refusal("give either PATHs, or a cluster by --live, --context or --kubeconfig")
    if options.namespace and not is_name(Ref("Namespace", options.namespace, "x")):
        raise _Refusal("--namespace is no name that a namespace can have")
    try:
        if options.image:
            check("installer-image", options.image)
    except ValueError as error:
        raise _Refusal(f"--image {error}") from None
    return _live_plan(options) if is_live else _manifests_plan(options, stdin)


def _live_plan(options: argparse.Namespace) -> Plan:
    flags = ["--kubeconfig", os.path.abspath(options.kubeconfig)] if options.kubeconfig else []
    named = ["--context", options.context] if options.context else []
    try:
        live = LiveCluster([*flags, *named], options.namespace or "")
    except NoKubectlError:
        raise _Failure("there is no kubectl on the PATH; install it, or give manifests") from None
    context = options.context or live.context()
    if not context:
        raise _Failure("kubectl has no current context; name one with --context")
    flags += ["--context", context]
    live.read()
    if not live.resources:
        raise _Failure("kubectl could read nothing; its own messages are above")
    only = ["-n", options.namespace] if options.namespace else []
    unseen = (*_UNSEEN_LIVE, *((f"other namespaces than {options.namespace}",) if only else ()))
    cluster = Cluster(live.resources)
    return make_plan(
        _survey(cluster, options),
        cluster,
        Kubectl(tuple(flags)),
        image=options.image,
        about=f"the cluster of kubectl's context {context}, {len(live.resources)} objects",
        checkout=checkout_word(find_checkout()),
        again=(*flags, *only, *_kept(options)),
        troubles=live.troubles,
        unseen=unseen,
    )


def _manifests_plan(options: argparse.Namespace, stdin: BinaryIO) -> Plan:
    manifests = Manifests(options.namespace or "default")
    for path in options.paths:
        try:
            if path == "-":
                manifests.add_stream(stdin)
            else:
                manifests.add_path(path)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no possible name of a file"
            raise _Refusal(f"{path}: {reason}") from None
    if not manifests.resources and not manifests.troubles:
        raise _Refusal("there is no Kubernetes object in what was given")
    cluster = Cluster(manifests.resources)
    return make_plan(
        _survey(cluster, options),
        cluster,
        Kubectl(),
        image=options.image,
        about=f"{len(manifests.resources)} objects of {', '.join(options.paths)}",
        checkout=checkout_word(find_checkout()),
        again=("--live", *_kept(options)),  # the steps change the cluster, not the manifests
        troubles=manifests.troubles,
        unseen=_UNSEEN_FILES,
    )


def _kept(options: argparse.Namespace) -> list[str]:
    return [f"--keep={path}" for path in options.keep]


def _survey(cluster: Cluster, options: argparse.Namespace) -> Survey:
    known = {resource.ref.path for resource in cluster.all()}
    include = frozenset(path_of(words, known) for words in options.include)
    keep = frozenset(path_of(words, known) for words in options.keep)
    # A Secret that a CronJob writes is in no manifest.
    unseen = [("--include", path) for path in sorted(include - known)]
    unseen += [("--keep", path) for path in sorted(keep - known) if not path.startswith("secret/")]
    if unseen:
        raise _Refusal(f"{' '.join(unseen[0])}: there is no such object in what was given")
    return survey(cluster, include=include, keep=keep)


def _json(plan: Plan) -> str:
    return json.dumps(plan_object(plan), indent=2) + "\n"


def _write(plan: Plan, folder: Path) -> None:
    files = {"plan.md": plan_text(plan), "steps.sh": script_text(plan), "plan.json": _json(plan)}
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise _Refusal(f"--out {folder} is not empty")
        for name, text in files.items():
            descriptor = os.open(
                folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700 if name == "steps.sh" else 0o600
            )
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise _Refusal(f"--out {folder}: {error.strerror}") from None
