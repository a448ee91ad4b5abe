"""One run from answers to files: settle, decide, read the vendor's file, check, render; asks nobody, writes nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from credprovider.external_account import read_external_account
from credprovider.registries import DEFAULT_UNIVERSE
from credprovider.setup.change import still_meant
from credprovider.setup.inputs import Fault, read_given, settle, take_from_mode
from credprovider.setup.modes import NoModeError, decide, recommended_trust
from credprovider.setup.node_files import settings
from credprovider.setup.outputs import OutputsError, read_outputs
from credprovider.setup.plan import AZURE, Plan, check_plan
from credprovider.setup.render import render
from credprovider.strict_json import loads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from credprovider.external_account import ExternalAccount
    from credprovider.setup.inputs import Answers

_LIMIT = 256 << 10
_OTHER_TOKEN = (
    "The file reads a token from a file, as for a cluster's token, and this mode sends Entra's."
    " Ask the vendor which their provider trusts (--trust cluster)."
)


class Faults(Exception):
    """What is wrong or missing, all of it at once."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(len(faults))
        self.faults = faults


@dataclass(frozen=True)
class Result:
    """What a run would write.

    Attributes:
        files: content by name.
        waiting: file -> what it waits for.
        warnings: of the settings' loader, and of what the vendor's file lets one doubt.
    """

    plan: Plan
    files: Mapping[str, bytes]
    waiting: Mapping[str, tuple[str, ...]]
    warnings: tuple[str, ...]


def first_answers(given: Mapping[str, object], stored: Mapping[str, object] | None = None) -> Answers:
    """What was given, in its one form, with what follows from a named mode.

    Args:
        given: answers of this run.
        stored: those of an earlier run; they give way to the given ones.

    Raises:
        Faults: something given is wrong.
    """
    answers, faults = read_given(given)
    earlier, more = read_given(stored or {})
    answers = {**still_meant(earlier, answers), **answers}
    faults += more + take_from_mode(answers)
    if faults:
        raise Faults(faults)
    return answers


def prepare(answers: Answers, outputs: bytes | None, checkout: str) -> Result:
    """Make everything from answers.

    Args:
        answers: of `first_answers`, or of a person.
        outputs: content of azure-outputs.json, if there is one.
        checkout: place of the product's checkout, as a word of a shell in the folder.

    Raises:
        Faults: something is missing or does not fit together.
        ProviderError: the vendor's file is refused; in the loader's words.
    """
    settled, faults = settle(answers)
    if faults:
        raise Faults(faults)
    try:
        mode, row = decide(settled)
    except NoModeError as error:
        raise Faults([Fault("kubernetesVersion", str(error))]) from None
    if "mode" in settled and decide({**settled, "mode": None})[0] is mode:
        del settled["mode"]  # the table says so anyway
    content, account = read_vendor_file(settled["vendorFile"]) if "vendorFile" in settled else (None, None)
    try:
        plan = Plan(settled, mode, row, content, account, read_outputs(outputs) if outputs is not None else None)
    except OutputsError as error:
        raise Faults([Fault(AZURE, str(error))]) from None
    faults = check_plan(plan)
    if faults:
        raise Faults(faults)
    files, waiting = render(plan, outputs, checkout)
    warnings = tuple(settings(plan).warnings) if "config.json" in files and "credential-config.json" in files else ()
    if plan.file_reads_other_token:
        warnings = (*warnings, _OTHER_TOKEN)
    return Result(plan, files, waiting, warnings)


def trust_reason(answers: Mapping[str, Any]) -> str:
    """Why it is Entra ID, or the cluster's issuer."""
    choice, reason = recommended_trust(answers)
    return reason if choice == answers["trust"] else f"as answered; recommended is {choice}, as {reason}"


def read_vendor_file(path: str) -> tuple[bytes, ExternalAccount]:
    """The vendor's file, judged by the product's own loader.

    Raises:
        Faults: it cannot be read.
        ProviderError: it is refused.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(_LIMIT + 1)
    except OSError as error:
        raise Faults([Fault("vendorFile", f"cannot be read: {os.strerror(error.errno or 0)}")]) from None
    if len(content) > _LIMIT:
        raise Faults([Fault("vendorFile", f"is larger than {_LIMIT} bytes")])
    return content, read_external_account("the vendor's file", content, _universe(content))


def _universe(content: bytes) -> str:
    """The universe that the file itself names; the loader judges the rest by it."""
    try:
        document = loads(content)
    except ValueError:
        return DEFAULT_UNIVERSE
    found = document.get("universe_domain") if isinstance(document, dict) else None
    return found if isinstance(found, str) and found else DEFAULT_UNIVERSE
