"""`setup`: from a few answers to a folder with everything for Azure, Google, cluster and nodes; `setup migrate`."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credprovider.commands import CommandParser
from credprovider.errors import PROGRAM, ProviderError
from credprovider.setup.ask import Interrupted, ask_for
from credprovider.setup.change import looks_up_another
from credprovider.setup.checkout import checkout_word, find_checkout
from credprovider.setup.folder import FolderError, check_folder, write_folder
from credprovider.setup.inputs import INPUTS
from credprovider.setup.modes import picture
from credprovider.setup.outputs import FILE as OUTPUTS_FILE
from credprovider.setup.plan import AZURE, VENDOR
from credprovider.setup.session import Faults, first_answers, prepare, read_vendor_file, trust_reason
from credprovider.setup.values import ValuesError, read_values

if TYPE_CHECKING:
    import argparse
    from typing import BinaryIO, TextIO

    from credprovider.setup.inputs import Answers, Input
    from credprovider.setup.session import Result

_DESCRIPTION = """\
Write a folder with all that is needed for pulls from Google Artifact Registry on an AKS cluster: scripts for az and
gcloud or the message to the registry's owner, settings, Helm values, manifests, Terraform, and a README in order of
work. Executes nothing. On a terminal it asks for what is not given; elsewhere it tells all that is missing at once.
`setup migrate` finds what the CronJob way left behind."""


def run(argv: list[str], stdin: BinaryIO, stdout: BinaryIO, stderr: TextIO) -> int:
    """Ask or take the answers, and write the folder.

    Args:
        argv: what follows ``setup``.
        stdin: a person's answers, on a terminal only.
        stdout: takes help.
        stderr: takes questions, the decision, what was written and complaints.

    Returns:
        0 when written, 1 when the disk refuses, 2 when something is missing or wrong, and nothing is written.
    """
    if argv[:1] == ["migrate"]:
        module = importlib.import_module("credprovider.commands.setup_migrate")
        code: int = module.run(argv[1:], stdin, stdout, stderr)
        return code
    parser = _parser(stdout, stderr)
    options, ended = parser.read(argv)
    if ended is not None:
        return ended
    if options.again and (options.out or options.values):
        return parser.refuse("--again is its own --values and --out")
    out = options.again or options.out
    if out is None:
        return parser.refuse("--out DIR is missing: the folder to write")
    return _write(options, out, stdin, stderr)


def _write(options: argparse.Namespace, out: str, stdin: BinaryIO, stderr: TextIO) -> int:
    force = options.force or bool(options.again)
    code = 2
    try:
        check_folder(Path(out), force=force)
        stored, given = _given(options)
        answers = first_answers(given, stored)
        if not options.no_input and stdin.isatty() and stderr.isatty():
            answers = _asked(answers, stdin, stderr, everything=not (options.values or options.again))
        # Ids of another identity would be trusted in place of the right ones: none are better.
        is_outdated = bool(options.again) and looks_up_another(stored, answers)
        outputs = _outputs(options, in_folder=not is_outdated)
        result = prepare(answers, outputs, checkout_word(find_checkout(), Path(out)))
        code = 1
        write_folder(
            Path(out), result.files, force=force, outdated=(OUTPUTS_FILE,) if is_outdated and outputs is None else ()
        )
    except (Faults, ProviderError, FolderError, _Unreadable, Interrupted, KeyboardInterrupt) as error:
        stderr.write(_refusal(error))
        return code
    stderr.write(_told(result, out))
    return 0


def _refusal(error: BaseException) -> str:
    """What is wrong, as a person reads it."""
    if isinstance(error, Faults):
        lines = "".join(f"  {fault.line()}\n" for fault in error.faults)
        return f"{PROGRAM} setup: nothing was written:\n{lines}"
    if isinstance(error, ProviderError):
        return f"{error.line()}\n"
    if isinstance(error, (FolderError, _Unreadable)):
        return f"{PROGRAM} setup: {error}\n"
    return f"\n{PROGRAM} setup: stopped; nothing was written\n"


def _parser(stdout: BinaryIO, stderr: TextIO) -> CommandParser:
    parser = CommandParser("setup", _DESCRIPTION, stdout, stderr)
    parser.add_argument("--out", metavar="DIR", help="folder to write; a new or an empty one")
    parser.add_argument("--force", action="store_true", help="replace an earlier run's files in DIR; all others stay")
    parser.add_argument("--values", metavar="FILE", help="answers as YAML or JSON, named as the flags but in camelCase")
    again = f"take DIR's own values.yaml and {OUTPUTS_FILE}, and write DIR anew; flags change answers"
    parser.add_argument("--again", metavar="DIR", help=again)
    parser.add_argument("--azure-outputs", metavar="FILE", help=f"{OUTPUTS_FILE}, as azure.sh or Terraform wrote it")
    parser.add_argument("--no-input", action="store_true", help="ask nothing, even on a terminal")
    group = parser.add_argument_group("answers")
    for entry in INPUTS:
        group.add_argument(
            entry.flag,
            dest=entry.name,
            metavar="|".join(entry.choices) or _metavar(entry),
            action="append" if entry.several else "store",
            help=_help(entry),
        )
    return parser


def _metavar(entry: Input) -> str:
    return {"path": "FILE", "guid": "GUID", "version": "X.Y", "port": "PORT"}.get(entry.kind, "NAME")


def _help(entry: Input) -> str:
    default = f" [{entry.default}]" if entry.default else ""
    return (entry.question + default + (f" ({entry.hint})" if entry.hint else "")).replace("%", "%%")


class _Unreadable(Exception):
    """A file that was named cannot be read or understood."""


def _given(options: argparse.Namespace) -> tuple[dict[str, object], dict[str, object]]:
    """Answers of an earlier run, and those of this one: of a values file, and over them those of flags."""
    path = Path(options.again, "values.yaml") if options.again else Path(options.values) if options.values else None
    written: dict[str, object] = _written(path) if path is not None else {}
    flags: dict[str, object] = {}
    for entry in INPUTS:
        flag = getattr(options, entry.name)
        if flag is not None:
            flags[entry.name] = ",".join(flag) if entry.several else flag
    # An empty flag takes an answer back.
    written = {name: value for name, value in written.items() if value != "" and flags.get(name) != ""}
    flags = {name: value for name, value in flags.items() if value != ""}
    return (written, flags) if options.again else ({}, {**written, **flags})


def _written(path: Path) -> dict[str, object]:
    try:
        found = read_values(_read(path))
    except ValuesError as error:
        raise _Unreadable(f"{path} {error}") from None
    vendor = found.get("vendorFile")
    return {**found, "vendorFile": os.path.join(path.parent, vendor)} if isinstance(vendor, str) else found


def _outputs(options: argparse.Namespace, *, in_folder: bool) -> bytes | None:
    if options.azure_outputs:
        return _read(Path(options.azure_outputs))
    if options.again and in_folder and Path(options.again, OUTPUTS_FILE).exists():
        return _read(Path(options.again, OUTPUTS_FILE))
    return None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno or 0) if isinstance(error, OSError) else "no possible name of a file"
        raise _Unreadable(f"{path} cannot be read: {reason}") from None


def _asked(answers: Answers, stdin: BinaryIO, stderr: TextIO, *, everything: bool) -> Answers:
    def read_line() -> str:
        stderr.flush()
        return stdin.readline().decode("utf-8", "replace")

    def check(entry: Input, value: Any) -> None:
        if entry.name != "vendorFile":
            return
        try:
            read_vendor_file(value)
        except Faults as refusal:
            raise ValueError(refusal.faults[0].reason) from None
        except ProviderError as error:
            raise ValueError(error.line()) from None

    return ask_for(answers, read_line, stderr.write, check, everything=everything)


def _told(result: Result, out: str) -> str:
    """The decision, what was written, and what to do next."""
    plan = result.plan
    text = f"\nMode {plan.mode.name}: {plan.row.reason}.\n\n{picture(plan.row)}\n"
    text += f"Google trusts {plan['trust']}: {trust_reason(plan.answers)}.\n\n"
    text += "".join(f"warning: {warning}\n" for warning in result.warnings)
    text += f"Written to {out}: {', '.join(sorted(result.files))}\n"
    if result.waiting:
        text += f"Not yet: {', '.join(sorted(result.waiting))}\n"
    needs = {need for needs in result.waiting.values() for need in needs}
    return f"{text}Next: {_next(needs, out)}\n"


def _next(needs: set[str], out: str) -> str:
    guide = os.path.join(out, "README.md")
    if not needs:
        return f"the steps of {guide}"
    again = f"then this program again, `setup --again {out}`; {guide} has the way"
    if AZURE in needs:
        return f"bash {os.path.join(out, 'azure.sh')}, {again}"
    if VENDOR in needs:
        return f"ask the registry's owner for their file, {again}"
    return f"step 4 of {guide}, and have a node show what step 3 asks for, {again}"
