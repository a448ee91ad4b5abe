"""Hop `kubelet-log`: what the kubelet itself has said of late about our pulls; it sees errors that nobody else does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from credprovider.catalogue import Evidence, diagnose
from credprovider.doctor.result import good, skipped
from credprovider.errors import PROGRAM

if TYPE_CHECKING:
    from credprovider.doctor.case import Case
    from credprovider.doctor.result import Outcome

#: Long enough for a pod in back-off (five minutes at most) to have been tried again, short enough to forget the mended.
_MINUTES = 10
_COMMAND = ("journalctl", "--unit=kubelet", f"--since=-{_MINUTES}min", "--lines=2000", "--output=cat", "--no-pager")
#: The catalogue's entries that only a kubelet's log can show.
_CODES = frozenset({"kubelet-audience-not-allowed", "kubelet-plugin-not-called"})
_REGISTRY = re.compile(r"\b[a-z0-9.-]+\.(?:pkg\.dev|gcr\.io)/")
_OWN_LINE = re.compile(rf"{PROGRAM}: (?P<code>[a-z0-9-]{{3,60}}) \[")


def kubelet_log(case: Case) -> Outcome:
    """Errors that keep the kubelet from running the plugin at all, in the last minutes."""
    node = case.node
    if node is None:
        return skipped("no kubelet, so no log of it")
    code, out, _ = node.host.run(_COMMAND)
    if code != 0:
        return skipped("the journal cannot be read", f"`{' '.join(_COMMAND)}` as root")
    audience = case.valid.token_audience
    lines = [line for line in out.splitlines() if _is_ours(line, node.places.provider, audience)]
    for line in reversed(lines):
        error = diagnose(Evidence(hop="kubelet", body=line.encode(), facts=case.facts))
        if error.code in _CODES:
            error.cause = f"{error.cause} The kubelet's log said so in the last {_MINUTES} minutes."
            raise error
    told = [found["code"] for line in lines if (found := _OWN_LINE.search(line))]
    last = (f"its last failure by the kubelet's log: {told[-1]}; what is said here now counts",) if told else ()
    return good(f"nothing in the last {_MINUTES} minutes that keeps the plugin from being run", warnings=last)


def _is_ours(line: str, provider: str, audience: str | None) -> bool:
    return provider in line or bool(audience and audience in line) or _REGISTRY.search(line) is not None
