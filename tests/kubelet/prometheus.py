"""Prometheus's own code, asked from Python: which of our alerts fire on pages scraped and judged minute by minute."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kubelet import golang

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HERE = Path(__file__).resolve().parent
RULES = _HERE.parent.parent / "node-config" / "prometheus-rules.yaml"
#: On the clock of the scrapes, which is not this machine's.
BEGIN = 1_700_000_000


def recipe() -> golang.Recipe:
    """How the program is built that links Prometheus."""
    folder = _HERE / "alerts"
    version = golang.Recipe("", folder, {}).version_of("github.com/prometheus/prometheus")
    return golang.Recipe(f"alerts-{version}", folder, {"alerts": "."})


@dataclass(frozen=True)
class Target:
    """An endpoint, with the labels that a scrape configuration gives it.

    Attributes:
        page: what it serves at a minute.
        minutes: how long it is scraped, from minute 0 on.
    """

    labels: Mapping[str, str]
    page: Callable[[int], str]
    minutes: int


@dataclass(frozen=True)
class Prometheus:
    """One Prometheus.

    Attributes:
        bounds_as_written: are the bounds of buckets stored as the page has them, as Prometheus 2 does (``le="10"``), or
            as numbers, as 3 does (``le="10.0"``)?
    """

    executable: Path
    bounds_as_written: bool

    def firing(self, minute: int, *targets: Target) -> dict[str, list[dict[str, str]]]:
        """The alerts that fire, each with the labels of those elements that have been there for as long as it says."""
        question = {
            "rules": str(RULES),
            "targets": [_as_asked(target) for target in targets],
            "from": BEGIN,
            "at": BEGIN + 60 * minute,
            "bounds_as_written": self.bounds_as_written,
        }
        answer = subprocess.run(
            [str(self.executable)], input=json.dumps(question).encode(), capture_output=True, check=False
        )
        assert answer.returncode == 0, answer.stderr.decode()
        assert b"error expanding template" not in answer.stdout
        active = json.loads(answer.stdout).items()
        firing = {
            alert: [each["labels"] for each in elements if each["state"] == "firing"] for alert, elements in active
        }
        return {
            alert: sorted((_without(labels, "alertname") for labels in elements), key=str)
            for alert, elements in firing.items()
            if elements
        }


def _without(labels: dict[str, str], name: str) -> dict[str, str]:
    return {each: value for each, value in labels.items() if each != name}


def _as_asked(target: Target) -> dict[str, object]:
    scrapes = [{"at": BEGIN + 60 * minute, "page": target.page(minute)} for minute in range(target.minutes)]
    return {"labels": dict(target.labels), "scrapes": scrapes}
