"""Hop `kubelet-log`: what the kubelet itself has said of late about our pulls; it sees errors that nobody else does.

A pull goes out anonymously whenever there is no credential, whatever the reason: the plugin was not called, or it was
and failed. The registry's refusal of that pull reads the same, and is repeated while a pod backs off. So such a line
alone proves little, and counts only where nothing speaks against it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from credprovider.catalogue import Evidence, diagnose
from credprovider.doctor.result import good, skipped
from credprovider.errors import PROGRAM, ProviderError
from credprovider.refusal import safe_text
from credprovider.registries import is_ours, parse_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from credprovider.doctor.case import Case
    from credprovider.doctor.result import Outcome

#: Long enough for a pod in back-off (five minutes at most) to have been tried again, short enough to forget the mended.
_MINUTES = 10
_COMMAND = ("journalctl", "--unit=kubelet", f"--since=-{_MINUTES}min", "--lines=2000", "--output=cat", "--no-pager")
#: The catalogue's entries that only a kubelet's log can show.
_REFUSED, _NOT_CALLED = "kubelet-audience-not-allowed", "kubelet-plugin-not-called"
#: A repository name, but not what follows the scheme of a URL.
_IMAGE = re.compile(r"(?<![\w./-])(?:[a-z0-9-]+\.)+[a-z]{2,}(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+")
#: What the plugin says of a failure, by the kubelet's log or itself, and of an answer; see `credprovider.journal`.
_FAILED = re.compile(rf"{PROGRAM}: (?P<code>[a-z0-9-]{{3,60}}) \[")
ANSWERED = re.compile(r"[a-z0-9.-]+: (?:managed-identity|token-file|service-account) \w+, token lives ")
_PULLED = "Successfully pulled image"


@dataclass
class _Heard:
    """What the lines come to, each in the light of those before it.

    Attributes:
        refused: the API server's refusal to make a token for the plugin, unless the plugin was run since.
        failure: code of the plugin's last run, if that failed.
        was_run: is any run of the plugin told of?
        anonymous: images that were last pulled without a credential, in order.
    """

    refused: ProviderError | None = None
    failure: str | None = None
    was_run: bool = False
    anonymous: tuple[str, ...] = ()


def kubelet_log(case: Case) -> Outcome:
    """Errors that keep the kubelet from running the plugin at all, in the last minutes."""
    node = case.node
    if node is None:
        return skipped("no kubelet, so no log of it")
    code, out, _ = node.host.run(_COMMAND)
    if code != 0:
        return skipped("the journal cannot be read", f"`{' '.join(_COMMAND)}` as root")
    heard = _hear(out.splitlines(), case, node.places.provider)
    if heard.refused is not None:
        raise _with_time(heard.refused, "and of no run of the plugin since")
    if case.image in heard.anonymous and not heard.was_run and not case.is_called:
        error = diagnose(Evidence(hop="kubelet", failure="not-called", facts=case.facts))
        raise _with_time(error, "and of no run of the plugin")
    return good(
        f"nothing in the last {_MINUTES} minutes that keeps the plugin from being run",
        warnings=tuple(_warnings(case, heard)),
    )


def _hear(lines: Iterable[str], case: Case, provider: str) -> _Heard:
    heard = _Heard()
    marks = [mark for mark in (provider, case.valid.token_audience) if mark]
    for line in lines:
        failed = _FAILED.search(line)
        if failed or ANSWERED.match(line):
            heard.refused, heard.was_run, heard.failure = None, True, failed["code"] if failed else None
            continue
        images = tuple(_images(line, case))
        if _PULLED in line:
            heard.anonymous = tuple(each for each in heard.anonymous if each not in images)
        elif images or any(mark in line for mark in marks):
            error = diagnose(Evidence(hop="kubelet", body=line.encode(), facts=case.facts))
            if error.code == _REFUSED:
                heard.refused = error
            elif error.code == _NOT_CALLED:
                heard.anonymous += images
    return heard


def _images(line: str, case: Case) -> Iterator[str]:
    """The images that a line names, as far as they are the plugin's business."""
    for name in _IMAGE.findall(line):
        try:
            if is_ours(parse_image(name), case.valid.registries):
                yield name
        except ProviderError:
            continue


def _with_time(error: ProviderError, more: str) -> ProviderError:
    error.cause = f"{error.cause} The kubelet's log tells so of the last {_MINUTES} minutes, {more}."
    return error


def _warnings(case: Case, heard: _Heard) -> Iterator[str]:
    if heard.failure is not None:
        yield f"its last failure by the kubelet's log: {heard.failure}; what is said here now counts"
    elif case.image in heard.anonymous:
        yield "it was pulled without a credential of late, by the kubelet's log; what is said here now counts"
    others = [each for each in heard.anonymous if each != case.image]
    if others:
        yield f"another image was pulled without a credential of late, by the kubelet's log: {safe_text(others[-1])}"
