"""Our alerts on what a kubelet and our own loop serve at /metrics, as Prometheus reads, stores and evaluates it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from credprovider.node.metrics import metrics_text
from credprovider.node.situation import Situation
from tests.kubelet import golang, prometheus
from tests.kubelet.prometheus import BEGIN, Prometheus, Target
from tests.kubelet.real import Pull
from tests.kubelet.scripted import Scripted, credential, response
from tests.plugin.runner import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kubelet.build import Harness

IMAGE = "us-docker.pkg.dev/p/r/i"
NODE = {"instance": "node-1", "job": "kubelet"}
OURS = {**NODE, "plugin_name": PROGRAM, "severity": "warning"}


@pytest.fixture(params=[True, False], ids=["bounds as Prometheus 2 stores them", "bounds as Prometheus 3 stores them"])
def watching(request: pytest.FixtureRequest) -> Prometheus:
    try:
        built = golang.built(prometheus.recipe())
    except golang.NotBuiltError as error:
        pytest.fail(f"{error}: run `python -m tests.kubelet.build` (needs network)", pytrace=False)
    return Prometheus(built / "alerts", request.param)


def _pages(scripted: Scripted, runs: int, *args: str) -> list[str]:
    """What a kubelet's /metrics has of its credential providers before and after each of so many runs."""
    scripted.answers(response({"us-docker.pkg.dev": credential()}, "0s"))
    with scripted.kubelet(*args) as kubelet:
        pages = [kubelet.page]
        for _ in range(runs):
            assert kubelet.pull(Pull(IMAGE)).execs == 1
            pages.append(kubelet.page)
    return pages


@pytest.fixture
def ours(harness: Harness, tmp_path_factory: pytest.TempPathFactory) -> Scripted:
    return Scripted(tmp_path_factory.mktemp("node"), harness, {}, {}, PROGRAM)


def _one_a_minute(pages: list[str], since: int = 0) -> Callable[[int], str]:
    """From that minute on the next page each minute; the last stays."""
    return lambda minute: pages[min(max(minute - since, 0), len(pages) - 1)]


def _slow(page: str, runs: int) -> str:
    """The page if so many of its runs had taken longer than its buckets reach."""
    counted = re.compile(r'^(\S+_bucket\{.*le="[0-9.]+".*\}) (\d+)$', re.MULTILINE)
    changed, buckets = counted.subn(lambda found: f"{found[1]} {int(found[2]) - runs}", page)
    assert buckets > 5
    return changed


# --- on the kubelet's counters ----------------------------------------------------------------------------------------


def test_runs_that_succeed_raise_no_alarm(watching: Prometheus, ours: Scripted) -> None:
    target = Target(NODE, _one_a_minute(_pages(ours, 5)), 20)
    assert [watching.firing(minute, target) for minute in (0, 5, 10, 19)] == [{}] * 4


def test_failing_runs_raise_an_alarm_until_they_are_over(watching: Prometheus, ours: Scripted) -> None:
    target = Target(NODE, _one_a_minute(_pages(ours, 3, "-exit", "5")), 40)
    assert watching.firing(1, target) == {}  # the first, which is the series' first value
    failing = {"GarCredentialsFailing": [OURS]}
    assert [watching.firing(minute, target) for minute in (2, 10)] == [failing] * 2
    assert watching.firing(30, target) == {}


def test_second_instance_is_watched_as_well(watching: Prometheus, ours: Scripted) -> None:
    ours.name = f"{PROGRAM}.vendor"
    target = Target(NODE, _one_a_minute(_pages(ours, 3, "-exit", "5")), 10)
    assert list(watching.firing(9, target)) == ["GarCredentialsFailing"]


def test_failures_of_another_provider_are_not_ours(watching: Prometheus, ours: Scripted) -> None:
    ours.name = "acr-credential-provider"
    target = Target(NODE, _one_a_minute(_pages(ours, 3, "-exit", "5")), 10)
    assert watching.firing(9, target) == {}


def test_slow_run_among_quick_ones_raises_an_alarm_until_it_is_over(watching: Prometheus, ours: Scripted) -> None:
    before, after = _pages(ours, 4)[3:]
    target = Target(NODE, _one_a_minute([before, _slow(after, 1)], since=20), 60)
    assert watching.firing(19, target) == {}
    assert watching.firing(22, target) == {"GarCredentialsSlow": [OURS]}
    assert watching.firing(50, target) == {}


def test_slow_run_of_long_ago_is_no_alarm_when_a_quick_one_follows(watching: Prometheus, ours: Scripted) -> None:
    """Two series whose growth is extrapolated each by itself would differ here: one of them begins at 0."""
    first, second = _pages(ours, 2)[1:]
    target = Target(NODE, _one_a_minute([_slow(first, 1), _slow(second, 1)], since=50), 60)
    assert [watching.firing(minute, target) for minute in (51, 55, 59)] == [{}] * 3


def test_nodes_with_different_configs_are_told_by_cluster(watching: Prometheus, ours: Scripted) -> None:
    one = _pages(ours, 0)[0]
    ours.entry["defaultCacheDuration"] = "1m"
    other = _pages(ours, 0)[0]

    def served(page: str, **labels: str) -> Target:
        return Target({**NODE, **labels}, lambda _: page, 90)

    same = (served(one), served(one, instance="node-2"))
    apart = (served(one, cluster="a"), served(other, cluster="b"))
    differing = (served(one, cluster="a"), served(other, cluster="a", instance="node-2"))
    unnamed = (served(one), served(other, instance="node-2"))
    assert [watching.firing(89, *nodes) for nodes in (same, apart)] == [{}] * 2
    assert watching.firing(59, *differing) == {}  # a rollout takes its time
    assert watching.firing(60, *differing) == {
        "CredentialProviderConfigDiffers": [{"cluster": "a", "severity": "info"}]
    }
    assert list(watching.firing(60, *unnamed)) == ["CredentialProviderConfigDiffers"]


# --- on what `node run` tells -----------------------------------------------------------------------------------------


def _node(changed: Callable[[int], dict[str, object]]) -> Target:
    """A node that is as it should be, but for these fields at a minute."""

    def page(minute: int) -> str:
        now = BEGIN + 60 * minute
        good = {"mode": "install", "provider": PROGRAM, "ready": True, "code": "", "reconciled": now, "exchanged": now}
        return metrics_text(Situation(**{**good, **changed(minute)}))  # type: ignore[arg-type]

    return Target(NODE, page, 120)


@pytest.mark.parametrize(
    ("changes", "alert", "after"),
    [
        ({"ready": False, "code": "node-rolled-back"}, "GarProviderNotReady", 15),
        ({"rollbacks": 1}, "GarProviderRolledBack", 0),
        ({"exchange_code": "sts-audience-refused"}, "GarExchangeFailing", 15),
        ({"token_expires": BEGIN + 60 * 40}, "GarRelayedTokenOld", 21),
        ({"token_expires": BEGIN + 60 * 19}, "GarRelayedTokenOld", 0),
        ({"reconciled": BEGIN + 60 * 10}, "GarProviderStuck", 31 + 15),
        ({"reconciled": 0}, "GarProviderStuck", 15),
    ],
    ids=str,
)
def test_state_of_a_node_raises_its_alarm_when_it_has_lasted(
    watching: Prometheus, changes: dict[str, object], alert: str, after: int
) -> None:
    target = _node(lambda minute: changes if minute >= 10 else {})
    assert watching.firing(10 + after - 1, target) == {}
    firing = watching.firing(10 + after, target)
    assert list(firing) == [alert]
    assert firing[alert][0]["instance"] == "node-1"


@pytest.mark.parametrize(
    "changes",
    [{}, {"restarts": 1, "repairs": 1}, {"token_expires": BEGIN + 60 * 120}],
    ids=str,
)
def test_sound_node_raises_no_alarm(watching: Prometheus, changes: dict[str, object]) -> None:
    target = _node(lambda minute: changes if minute >= 10 else {})
    assert [watching.firing(minute, target) for minute in (9, 30, 60, 90)] == [{}] * 4


@pytest.mark.parametrize(
    "changes",
    [{"ready": False}, {"exchange_code": "sts-audience-refused"}, {"reconciled": 0}],
    ids=["not ready", "exchange failing", "no round yet"],
)
def test_new_pod_has_a_quarter_of_an_hour_for_its_first_round(watching: Prometheus, changes: dict[str, object]) -> None:
    target = _node(lambda minute: changes if minute < 15 else {})
    assert [watching.firing(minute, target) for minute in (0, 14, 15, 30, 60)] == [{}] * 5


def test_alarm_ends_with_its_cause(watching: Prometheus) -> None:
    target = _node(lambda minute: {"reconciled": BEGIN} if minute < 60 else {})
    assert [list(watching.firing(minute, target)) for minute in (59, 60)] == [["GarProviderStuck"], []]
