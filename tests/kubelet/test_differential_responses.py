"""Our judge of responses and the kubelet's own code, asked about thousands of generated responses: no difference."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from credprovider.kubelet.response import judge_response
from tests.kubelet.choices import Choices, shrink
from tests.kubelet.generated_responses import generated_response
from tests.kubelet.real import Real, ResponseCase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from credprovider.kubelet.response import Response

COUNT = int(os.environ.get("KUBELET_CASES", "2000"))
SEED = os.environ.get("KUBELET_SEED", "1")
_SECOND = 10**9


def test_same_verdict_on_generated_responses(real: Real) -> None:
    made = [Choices(f"response {SEED} {number}") for number in range(COUNT)]
    cases = [generated_response(choices) for choices in made]
    verdicts = real.responses(cases)
    assert (
        0.2 < sum(verdict.get("accepted", False) for verdict in verdicts) / COUNT < 0.8
    )  # both verdicts are put to the test
    for choices, case, verdict in zip(made, cases, verdicts, strict=True):
        if _difference(case, verdict):
            raise AssertionError(_told(real, choices.made))


def _difference(case: ResponseCase, verdict: dict[str, Any]) -> str:
    """What the two disagree about; empty if nothing."""
    ours = judge_response(case.stdout, api_version=case.api_version, image=case.images[0])
    if ours.accepted is not verdict.get("accepted"):
        return f"we say accepted={ours.accepted}, because of {ours.log!r}; the kubelet: {verdict}"
    if not ours.accepted or ours.response is None or ours.credentials is None:
        return ""
    theirs = sorted((each["username"], each.get("password", "")) for each in verdict["credentials"])
    same = sorted((_as_go(each.username), _as_go(each.password.reveal())) for each in ours.credentials)
    if same != theirs:
        return f"credentials: we say {same}, the kubelet {theirs}"
    if len(ours.response.auth) != verdict["keys"]:
        return f"auth keys: we say {len(ours.response.auth)}, the kubelet {verdict['keys']}"
    scope = _scope(ours.response, case.default_cache_duration)
    if scope not in {None, verdict["scope"]}:
        return f"cache scope: we say {scope}, the kubelet {verdict['scope']}"
    return ""


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


def _told(real: Real, made: Sequence[int]) -> str:
    def difference(choices: Sequence[int]) -> str:
        case = generated_response(Choices(choices))
        return _difference(case, real.responses([case])[0])

    smallest = shrink(made, lambda choices: bool(difference(choices)))
    case = generated_response(Choices(smallest))
    return f"{real.harness.version} {case.api_version}\n{case.stdout!r}\n{difference(smallest)}"
