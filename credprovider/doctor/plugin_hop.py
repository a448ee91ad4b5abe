"""Hop `plugin`: the program itself, run as the kubelet runs it, and its answer judged as the kubelet judges it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from credprovider.catalogue import Evidence, diagnose
from credprovider.doctor.result import good, skipped
from credprovider.errors import EXIT_CODES, PROGRAM, ProviderError, one_line
from credprovider.kubelet.duration import format_duration
from credprovider.kubelet.request import V1, encode_request
from credprovider.kubelet.response import judge_response
from credprovider.kubelet.response_surprises import response_surprises
from credprovider.refusal import safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from credprovider.doctor.case import Case
    from credprovider.doctor.result import Outcome
    from credprovider.node.commands import Ran

#: The kubelet's own limit, in seconds.
_SECONDS = 60.0
_LINE = re.compile(
    rf"{PROGRAM}: (?P<code>[a-z0-9-]+) \[(?P<hop>[a-z-]+)(?: HTTP (?P<status>\d+))?[^\]]*\]: (?P<cause>.*?)"
    r"(?: Fix: (?P<remedy>.*))?"
)
_REMEMBERED = re.compile(r"\(failed \d+ s ago; asked again in (?P<seconds>\d+) s\)")


class _Start(NamedTuple):
    """How the plugin is started."""

    argv: list[str]
    environ: Mapping[str, str]
    api_version: str


def plugin(case: Case) -> Outcome:
    """Same executable, arguments, environment, working directory and stdin bytes; same strictness with the answer."""
    start = _start(case)
    if start is None:
        return skipped("how the kubelet runs it was not looked at")
    token = case.token if case.valid.source == "service-account" else None
    request = encode_request(case.asked_image, api_version=start.api_version, token=token, annotations=case.annotations)
    ran = _run(case, start, request)
    outcome = _judged(case, start, ran)
    case.is_answered = True
    return outcome


def _judged(case: Case, start: _Start, ran: Ran) -> Outcome:
    """How it ended, as the kubelet takes it."""
    if ran.code != 0:
        error = _told(case, ran)
        remembered = _REMEMBERED.search(error.cause)
        if remembered is None:
            raise error
        # Everything it does was just done without an error: it only does not know yet.
        wait = f"it remembers {error.code} from before, and asks again in {remembered['seconds']} s by itself"
        return good("ends in order", warnings=(wait,))
    verdict = judge_response(ran.stdout, api_version=start.api_version, image=case.asked_image)
    if not verdict.accepted or not verdict.credentials or verdict.response is None:
        refused = diagnose(Evidence(hop="plugin", failure="answer", facts=case.facts))
        refused.cause = f"{refused.cause} {'; '.join(verdict.causes) or 'It has no credential for the image.'}"
        raise refused
    kept = verdict.response.cache_duration
    details = (("run as", " ".join(start.argv)), ("in", "/"), ("environment", _environment(case)))
    surprises = tuple(f"{each.message} [{each.rule}]" for each in response_surprises(verdict.response))
    life = format_duration(kept) if kept else "0s"
    return good(f"the kubelet takes its answer, and keeps it {life}", details=details, warnings=surprises)


def _start(case: Case) -> _Start | None:
    node = case.node
    if node is None:
        argv, environ = case.own_plugin
        return _Start([*argv, f"--config={case.config_path}"], environ, V1)
    if node.host.commands is None or case.provider is None:
        return None
    configured = {name.text: value.text for name, value in case.provider.env}
    argv = [f"{node.places.bin_dir}/{case.provider.name.text}", *(each.text for each in case.provider.args)]
    return _Start(argv, {**case.environ, **configured}, case.provider.api_version.text)


def _run(case: Case, start: _Start, request: bytes) -> Ran:
    node = case.node
    commands = node.host.commands if node is not None else case.commands
    if commands is None:
        raise AssertionError(start.argv)
    return commands.run(start.argv, stdin=request, environ=start.environ, timeout=_SECONDS)


def _environment(case: Case) -> str:
    if case.is_kubelets_environ:
        return "the running kubelet's, and that of its entry"
    return "this shell's, as that of a kubelet cannot be read here"


def _told(case: Case, ran: Ran) -> ProviderError:
    """The plugin's own error, or for a program that did not come that far what is known of its end."""
    line = one_line(ran.stderr.decode("utf-8", "replace"))
    match = _LINE.fullmatch(line)
    family = next((name for name, code in EXIT_CODES.items() if code == ran.code), None)
    if match is None or family is None:
        failure = diagnose(Evidence(hop="plugin", failure="crash", facts=case.facts))
        said = f": {safe_text(line)}" if line else ""
        failure.cause = f"{failure.cause} Exit code {ran.code}{said}"
        return failure
    status = int(match["status"]) if match["status"] else None
    return ProviderError(match["code"], family, match["hop"], match["cause"], match["remedy"] or "", status=status)
