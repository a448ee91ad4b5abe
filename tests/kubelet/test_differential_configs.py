"""`lint` and the kubelet's own code, asked about thousands of generated configurations: no difference."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from credprovider.kubelet.config import lint_path
from credprovider.kubelet.versions import NEWEST, parse_version
from docs.generate.rules import rules
from tests.kubelet.comparison import compare
from tests.kubelet.config_words import GATE
from tests.kubelet.generated_configs import generated_config
from tests.kubelet.generated_folders import generated_bin_dir, generated_folder
from tests.kubelet.lots import LOTS, Lot
from tests.kubelet.trees import ConfigCase, Tree, laid_out
from tests.plugin.runner import EXECUTABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from credprovider.kubelet.findings import Report
    from credprovider.kubelet.versions import KubeletVersion
    from tests.kubelet.choices import Choices
    from tests.kubelet.real import Real

_GENERATORS = {"file": generated_config, "folder": generated_folder, "bin dir": generated_bin_dir}
_SHARES = {"file": 1.0, "folder": 0.2, "bin dir": 0.2}
#: Of older kubelets, or of paths that are none.
_NOT_GENERATED = {"directory-unsupported"}


class Judged(NamedTuple):
    """Both verdicts on one tree."""

    starts: bool
    providers: list[str]
    config_hash: str | None
    reasons: str
    kubelet: dict[str, Any]


@pytest.mark.parametrize("lot", LOTS.values(), ids=LOTS)
@pytest.mark.parametrize("what", _GENERATORS)
def test_same_verdict(real: Real, what: str, lot: Lot) -> None:
    version = parse_version(real.harness.minor)

    def ask(cases: Sequence[ConfigCase]) -> list[Judged]:
        with laid_out(cases) as trees:
            verdicts = real.configs(trees)
            return [_judged(_lint(tree, version), each) for tree, each in zip(trees, verdicts, strict=True)]

    _compare(lot.choices(f"config {what}", times=_SHARES[what]), _GENERATORS[what], ask)


@pytest.mark.parametrize("what", _GENERATORS)
def test_same_verdict_by_the_command(real: Real, what: str) -> None:
    def ask(cases: Sequence[ConfigCase]) -> list[Judged]:
        with laid_out(cases) as trees:
            verdicts = real.configs(trees)
            return [_by_command(tree, real.harness.minor, each) for tree, each in zip(trees, verdicts, strict=True)]

    def make(choices: Choices) -> ConfigCase:
        """The command knows no gate."""
        case = _GENERATORS[what](choices)
        return ConfigCase(case.config, case.bin_dir, {GATE: True})

    _compare(Lot("1", 40).choices(f"command {what}"), make, ask)


def _compare(
    made: Sequence[Choices], make: Callable[[Choices], ConfigCase], ask: Callable[[Sequence[ConfigCase]], list[Judged]]
) -> None:
    compare(made, make, ask, _difference, lambda judged: judged.starts, share=(0.05, 0.9))


def _lint(tree: Tree, version: KubeletVersion) -> Report:
    gate = tree.feature_gates[GATE]
    return lint_path(tree.config, kubelet_version=version, bin_dir=tree.bin_dir, token_gate=gate)


def _judged(report: Report, verdict: dict[str, Any]) -> Judged:
    names = [provider.name.text for provider in report.providers]
    reasons = " ".join(finding.text() for finding in report.errors)
    return Judged(report.starts, names, report.config_hash, reasons, verdict)


def _by_command(tree: Tree, minor: str, verdict: dict[str, Any]) -> Judged:
    """The built command's verdict; where it could not read the path it has said so and printed nothing."""
    command = [str(EXECUTABLE), "lint", "--format", "json", "--kubelet-version", minor, "--bin-dir", tree.bin_dir]
    answer = subprocess.run([*command, tree.config], capture_output=True, check=False)
    if answer.returncode == 2 and "cannot be read" in answer.stderr.decode():
        return Judged(False, [], None, answer.stderr.decode(), verdict)
    assert answer.returncode in {0, 1}, answer.stderr
    report = json.loads(answer.stdout)
    assert report["kubeletStarts"] is (answer.returncode == 0)
    return Judged(answer.returncode == 0, report["providers"], report["configHash"], answer.stdout.decode(), verdict)


def _difference(_: ConfigCase, judged: Judged) -> str:
    """What the two disagree about; empty if nothing."""
    if judged.starts is not judged.kubelet["starts"]:
        return f"we say starts={judged.starts}, because of {judged.reasons}; the kubelet: {judged.kubelet}"
    if not judged.starts:
        return ""
    if judged.config_hash != judged.kubelet["hash"]:
        return f"hash: we say {judged.config_hash}, the kubelet {judged.kubelet['hash']}"
    names = _unquoted(judged.kubelet["providers"])
    return "" if judged.providers == names else f"we say {judged.providers}, the kubelet {names}"


def _unquoted(names: Sequence[str]) -> list[str]:
    """Names as the harness reads them off the log, where Go has quoted them."""
    return [json.loads(f'"{name}"') if "\\" in name else name for name in names]


def test_every_rule_is_the_only_error_of_some_cases() -> None:
    """Where two rules are broken at once, one that is wrong does not show."""
    alone: Counter[str] = Counter()
    for what, generator in _GENERATORS.items():
        cases = [generator(choices) for choices in Lot("1", 2000).choices(f"config {what}", times=_SHARES[what])]
        with laid_out(cases) as trees:
            broken = [{finding.rule for finding in _lint(tree, NEWEST).errors} for tree in trees]
        alone.update(rule for rules_ in broken if len(rules_) == 1 for rule in rules_)
    known = {rule for rule, (severity, _) in rules().items() if severity != "warning"}
    assert {rule: alone[rule] for rule in known - _NOT_GENERATED if alone[rule] < 4} == {}
