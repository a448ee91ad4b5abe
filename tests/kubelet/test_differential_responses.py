"""Our judge of responses and the kubelet's own code, asked about thousands of generated responses: no difference."""

from __future__ import annotations

import subprocess
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest

from credprovider.kubelet.duration import format_duration
from credprovider.kubelet.match import normalise_auth_key
from credprovider.kubelet.response import judge_response
from credprovider.kubelet.versions import STRICT_COLONS, parse_version
from tests.kubelet.comparison import compare
from tests.kubelet.generated_responses import generated_response
from tests.kubelet.lots import LOTS, Lot
from tests.plugin.runner import EXECUTABLE

if TYPE_CHECKING:
    from credprovider.kubelet.response import Credential, Response
    from tests.kubelet.real import Real, ResponseCase

_SECOND = 10**9


@pytest.mark.parametrize("lot", LOTS.values(), ids=LOTS)
def test_same_verdict(real: Real, lot: Lot) -> None:
    strict = parse_version(real.harness.minor) >= STRICT_COLONS

    def difference(case: ResponseCase, verdict: dict[str, Any]) -> str:
        return _difference(case, verdict, strict_colons=strict)

    compare(lot.choices("response"), generated_response, real.responses, difference, _is_accepted)


def test_same_verdict_by_the_command(real: Real) -> None:
    compare(Lot("1", 80).choices("command"), generated_response, real.responses, _difference_of_command, _is_accepted)


def _is_accepted(verdict: dict[str, Any]) -> bool:
    return bool(verdict["accepted"])


def _difference_of_command(case: ResponseCase, verdict: dict[str, Any]) -> str:
    command = [str(EXECUTABLE), "check-response", "--api-version", case.api_version, "--image", case.images[0]]
    answer = subprocess.run(command, input=case.stdout, capture_output=True, check=False)
    said = "accepted" if verdict["accepted"] else "refused"
    good = bool(verdict["accepted"] and verdict["credentials"])
    if answer.returncode == (0 if good else 1) and answer.stdout.decode().startswith(f"{said}: "):
        return ""
    return f"the command exits {answer.returncode}: {answer.stdout!r} {answer.stderr!r}; the kubelet: {verdict}"


def _difference(case: ResponseCase, verdict: dict[str, Any], *, strict_colons: bool) -> str:
    """What the two disagree about; empty if nothing."""
    ours = judge_response(case.stdout, api_version=case.api_version, image=case.images[0])
    if ours.accepted is not verdict["accepted"]:
        return f"we say accepted={ours.accepted}, because of {ours.log!r}; the kubelet: {verdict}"
    if not ours.accepted or ours.response is None or ours.credentials is None:
        return ""
    theirs = [(each["username"], each.get("password", "")) for each in verdict["credentials"]]
    groups = _in_order(ours.credentials, strict_colons=strict_colons)
    if not _is_order(theirs, groups):
        return f"credentials: we say {groups}, the kubelet {theirs}"
    if len(ours.response.auth) != verdict["keys"]:
        return f"auth keys: we say {len(ours.response.auth)}, the kubelet {verdict['keys']}"
    life = ours.response.cache_duration
    said = None if life is None else format_duration(life)
    if said != verdict["duration"]:
        return f"cacheDuration: we say {said}, the kubelet {verdict['duration']}"
    scope = _scope(ours.response, case.default_cache_duration)
    if scope not in {None, verdict["scope"]}:
        return f"cache scope: we say {scope}, the kubelet {verdict['scope']}"
    return ""


def _in_order(credentials: tuple[Credential, ...], *, strict_colons: bool) -> list[list[tuple[str, str]]]:
    """User and password in order of trial; those under one key, as the kubelet files it, come in any order."""

    def filed(each: Credential) -> bytes:
        return normalise_auth_key(each.key, strict_colons=strict_colons)

    alike = (list(each) for _, each in groupby(credentials, filed))
    return [[(_as_go(each.username), _as_go(each.password.reveal())) for each in group] for group in alike]


def _is_order(found: list[tuple[str, str]], groups: list[list[tuple[str, str]]]) -> bool:
    at = 0
    for group in groups:
        if sorted(found[at : at + len(group)]) != sorted(group):
            return False
        at += len(group)
    return at == len(found)


def _as_go(text: str) -> str:
    """A text after one more way through Go's JSON, as which the verdict came."""
    return text.encode("utf-8", "replace").decode()


def _scope(response: Response, default: str) -> str | None:
    """For whom the answer is kept; None where it might just have expired."""
    life = response.cache_duration
    if life is None:
        life = 0 if default == "0s" else 600 * _SECOND
    if 0 < life < 60 * _SECOND:
        return None
    return response.cache_key_type if life > 0 else "none"
