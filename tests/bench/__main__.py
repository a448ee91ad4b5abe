"""`./dev bench`: cached and cold answers, a herd, memory and size, against the empty program and the network alone."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.report import Report, Row
from tests.bench.stage import EMPTY, Run, Stage
from tests.cloud.control import CloudProcess
from tests.plugin.runner import EXECUTABLE

if TYPE_CHECKING:
    from collections.abc import Callable

#: Injected round-trip times, in seconds.
ROUND_TRIPS = (0.0, 0.020, 0.050)
#: Round trips of two exchanges one after the other, each with TCP, TLS 1.3 and the request.
IN_SEQUENCE = 6
HERD = 50
COLD_BUDGET = 0.260
MIB = 1024.0


def main() -> int:
    """Measure; 0 even when a budget is missed, as a slow machine is no error."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="runs per figure")
    options = parser.parse_args()
    report = Report(options.rounds)
    with CloudProcess() as cloud, tempfile.TemporaryDirectory(dir="/run", prefix="bench.") as folder:
        stage = Stage(cloud, Path(folder))
        try:
            _cached(stage, report)
            for seconds in ROUND_TRIPS:
                _cold(stage, report, seconds)
            _herd(stage, report)
            report.launcher = stage.launcher_peak()
        finally:
            stage.close()
    _size(report)
    report.write()
    return 0


def _cached(stage: Stage, report: Report) -> None:
    """A token in the cache: in turn with the empty program."""
    stage.cloud.set_rtt(0)
    stage.forget()
    stage.ask()
    called = len(stage.cloud.calls())
    empty, cached = _in_turn(report.rounds * 5, lambda: stage.empty()[0], lambda: stage.ask()[0])
    if len(stage.cloud.calls()) != called:
        raise RuntimeError("a cached answer asked the cloud")
    ratio = _median(cached) / _median(empty)
    peak = _peak(cached)
    report.add(Row("empty program", _ms(empty)))
    report.add(Row("cached answer", _ms(cached), f"{ratio:.2f} × empty", "≤ 2 × empty", ratio <= 2))
    report.add(
        Row(
            "cached answer, peak memory",
            f"{peak / MIB:.1f} MiB",
            f"empty: {_peak(empty) / MIB:.1f} MiB",
            "≤ 25 MiB",
            peak <= 25 * MIB,
        )
    )


def _cold(stage: Stage, report: Report, seconds: float) -> None:
    """No token: after a boot, and when only the token has run out; in turn with the empty program."""
    stage.cloud.set_rtt(seconds)

    def after_boot() -> Run:
        stage.forget()
        return stage.ask()[0]

    def renewed() -> Run:
        stage.forget_tokens()
        return stage.ask()[0]

    empty, cold, renewal = _in_turn(report.rounds, lambda: stage.empty()[0], after_boot, renewed)
    name = f"{seconds * 1000:.0f} ms round trip"
    budget, kept = ("≤ 260 ms", _median(cold) <= COLD_BUDGET) if seconds == ROUND_TRIPS[-1] else ("", None)
    report.add(Row(f"cold answer, {name}", _ms(cold), _against(cold, empty, seconds), budget, kept))
    report.add(Row(f"renewed token, {name}", _ms(renewal), _against(renewal, empty, seconds)))
    if not seconds:
        report.add(Row("cold answer, peak memory", f"{_peak(cold) / MIB:.1f} MiB"))
        report.add(Row("cold answer, processor time", f"{statistics.median(run.busy for run in cold) * 1000:.0f} ms"))


def _against(runs: list[Run], empty: list[Run], seconds: float) -> str:
    parts = [f"{_median(runs) / _median(empty):.1f} × empty"]
    if seconds:
        alone = IN_SEQUENCE * seconds
        parts.append(f"{_median(runs) / alone:.2f} × network alone ({alone * 1000:.0f} ms)")
    return ", ".join(parts)


def _herd(stage: Stage, report: Report) -> None:
    """Fifty images at once on a cold cache: one exchange, fifty answers; against fifty empty programs at once."""
    stage.cloud.set_rtt(0)
    together: dict[str, list[float]] = {"empty": [], "cold": [], "cached": []}
    for _ in range(5):
        together["empty"].append(max(run.seconds for run in stage.empty(HERD)))
        stage.forget()
        before = [len(stage.cloud.calls(hop)) for hop in ("sts", "iam")]
        together["cold"].append(max(run.seconds for run in stage.ask(HERD)))
        if [len(stage.cloud.calls(hop)) for hop in ("sts", "iam")] != [count + 1 for count in before]:
            raise RuntimeError("the herd made more than one exchange")
        together["cached"].append(max(run.seconds for run in stage.ask(HERD)))
    base = statistics.median(together["empty"])
    report.add(Row(f"{HERD} empty programs at once, until the last", f"{base * 1000:.0f} ms"))
    for name, note in (("cold", "one STS and one IAM call"), ("cached", "no call")):
        median = statistics.median(together[name])
        row = Row(
            f"{HERD} {name} answers at once, until the last ({note})",
            f"{median * 1000:.0f} ms",
            f"{median / base:.1f} × empty",
        )
        report.add(row)


def _size(report: Report) -> None:
    """Bytes of the bundle."""
    files = [path for path in EXECUTABLE.parent.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 2**20
    empty = sum(path.stat().st_size for path in EMPTY.parent.rglob("*") if path.is_file()) / 2**20
    text = f"{size / empty:.1f} × empty"
    report.add(Row("bundle", f"{size:.1f} MiB in {len(files)} files", text, "≤ 45 MiB, goal 25", size <= 45))


def _in_turn(rounds: int, *programs: Callable[[], Run]) -> list[list[Run]]:
    """Each program once per round, so that whatever slows the machine slows all of them; a first round is dropped."""
    found: list[list[Run]] = [[] for _ in programs]
    for number in range(rounds + 1):
        for program, runs in zip(programs, found, strict=True):
            run = program()
            if number:
                runs.append(run)
    return found


def _median(runs: list[Run]) -> float:
    return statistics.median(run.seconds for run in runs)


def _peak(runs: list[Run]) -> int:
    return max(run.peak for run in runs)


def _ms(runs: list[Run]) -> str:
    """Median and the middle half."""
    low, middle, high = (value * 1000 for value in statistics.quantiles((run.seconds for run in runs), n=4))
    return f"{middle:.1f} ms ({low:.1f}–{high:.1f})"


if __name__ == "__main__":
    sys.exit(main())
