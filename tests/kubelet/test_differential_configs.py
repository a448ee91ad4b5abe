"""`lint` and the kubelet's own code, asked about thousands of generated configurations: no difference."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from credprovider.kubelet.config import lint_text
from credprovider.kubelet.versions import parse_version
from tests.kubelet.choices import Choices, shrink
from tests.kubelet.config_words import GATE
from tests.kubelet.generated_configs import generated_config, providers_of
from tests.kubelet.real import ConfigCase, Real

if TYPE_CHECKING:
    from collections.abc import Sequence

COUNT = int(os.environ.get("KUBELET_CASES", "2000"))
SEED = os.environ.get("KUBELET_SEED", "1")


def test_same_verdict_on_generated_configs(real: Real) -> None:
    made = [Choices(f"config {SEED} {number}") for number in range(COUNT)]
    cases = [generated_config(choices) for choices in made]
    verdicts = real.configs(cases)
    assert 0.2 < sum(verdict.get("starts", False) for verdict in verdicts) / COUNT < 0.8  # both are put to the test
    for choices, case, verdict in zip(made, cases, verdicts, strict=True):
        if _difference(real, case, verdict):
            raise AssertionError(_told(real, choices.made))


def _difference(real: Real, case: ConfigCase, verdict: dict[str, Any]) -> str:
    """What the two disagree about; empty if nothing. Executables are not judged here."""
    assert isinstance(case.content, bytes)
    version = parse_version(real.harness.minor)
    report = lint_text(case.content, kubelet_version=version, token_gate=case.feature_gates[GATE])
    starts = verdict.get("starts", False) or "plugin binary executable" in verdict.get("error", "")
    if report.starts is not starts:
        return f"we say {[finding.text() for finding in report.errors]}; the kubelet: {verdict}"
    if not verdict.get("starts"):
        return ""
    if report.config_hash != verdict["hash"]:
        return f"hash: we say {report.config_hash}, the kubelet {verdict['hash']}"
    names = [provider.name.text for provider in report.providers]
    return "" if names == providers_of(verdict) else f"we say {names}, the kubelet {providers_of(verdict)}"


def _told(real: Real, made: Sequence[int]) -> str:
    def difference(choices: Sequence[int]) -> str:
        case = generated_config(Choices(choices))
        return _difference(real, case, real.configs([case])[0])

    smallest = shrink(made, lambda choices: bool(difference(choices)))
    case = generated_config(Choices(smallest))
    assert isinstance(case.content, bytes)
    shown = case.content.decode("utf-8", "backslashreplace")
    return f"{real.harness.version} {dict(case.feature_gates)}\n{shown}\n{case.content!r}\n{difference(smallest)}"
