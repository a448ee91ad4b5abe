"""Which kubelets pulled in which modes: noted while tests run, kept in runs.json, shown by the documentation.

``E2E_RUNS=1 KUBERNETES_VERSIONS="1.36.3 1.35.4" ./dev e2e`` adds other versions than the pinned ones.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cloud.modes import MODES_BY_NAME

if TYPE_CHECKING:
    import pytest

RUNS = Path(__file__).with_name("runs.json")
#: With a value, what passed is kept.
VARIABLE = "E2E_RUNS"

#: Version -> source of the first token -> did every test of it pass?
Outcomes = dict[str, dict[str, bool]]


def note(outcomes: Outcomes, item: pytest.Item, report: pytest.TestReport) -> None:
    """Take a report of a test that is about a kubelet and a mode."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    version = parameters.get("programs")
    if version is None or not (report.when == "call" or report.failed):
        return
    mode = parameters.get("mode")
    source = MODES_BY_NAME[mode].source if mode in MODES_BY_NAME else _source_of(item)
    if source is None:
        return
    of_version = outcomes.setdefault(version, {})
    of_version[source] = of_version.get(source, True) and report.passed


def _source_of(item: pytest.Item) -> str | None:
    """A test of a cluster without a mode of its own is about ServiceAccounts."""
    return "service-account" if item.path.name == "test_cluster.py" else None


def keep(outcomes: Outcomes, path: Path = RUNS) -> None:
    """Put what passed in place of what is known of these versions and sources, if somebody asked for that."""
    if not os.environ.get(VARIABLE):
        return
    known = json.loads(path.read_text()) if path.exists() else {}
    for version, sources in outcomes.items():
        passed = known.setdefault(version, {})
        for source, good in sources.items():
            passed.pop(source, None)
            if good:
                passed[source] = dt.datetime.now(dt.timezone.utc).date().isoformat()
    path.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")
