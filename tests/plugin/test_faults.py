"""The fault matrix: every hop, every fault: the documented exit code, one line, and as many tries as it is worth."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from credprovider.world import Limits
from tests.plugin.expect import assert_answers, last_token
from tests.plugin.faults import BY_NAME, EXIT_CODE, HOPS, MATRIX, MODE_OF, TRIES, Fault
from tests.plugin.runner import Outcome, quick

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi
    from tests.plugin.runner import Frozen, InProcess
    from tests.plugin.settings import SettingsFactory

# The ssl module forgets its own half-made socket when the peer is gone before the handshake (until Python 3.12).
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")

#: For faults that end at once: no limit may strike first on a busy machine.
_PATIENT = quick(total=30, connect=10, read=10, pause=0.2)
#: For faults that only end with a limit.
_IMPATIENT = quick(total=10, connect=0.3, read=0.3, pause=0.2)


@pytest.fixture
def pauses(in_process: InProcess) -> list[float]:
    """Seconds that were to be slept, without sleeping them."""
    slept: list[float] = []
    in_process.world["sleep"] = slept.append
    return slept


def _id(value: object) -> str:
    return value.name if isinstance(value, Fault) else str(value)


def _assert_fails(outcome: Outcome, hop: str, fault: Fault, cloud: CloudApi) -> None:
    assert (outcome.code, outcome.hop) == (EXIT_CODE[hop], hop)
    assert outcome.error in fault.errors[hop].split("|")
    assert fault.status in (outcome.status, 0)
    later = HOPS[HOPS.index(hop) + 1 :] if hop != "imds" else ("sts", "iam")
    assert [call["hop"] for call in cloud.calls() if call["hop"] in later] == []
    assert cloud.connections("elsewhere") == []
    assert cloud.proxied() == []


@pytest.mark.parametrize(("hop", "fault"), MATRIX, ids=_id)
def test_fault_ends_in_its_exit_code_and_one_line(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, pauses: list[float], hop: str, fault: Fault
) -> None:
    in_process.limits = _IMPATIENT if fault.waits else _PATIENT
    cloud.fault(hop, fault.kind, **fault.options)
    setting = settings(MODE_OF[hop])
    outcome = in_process(setting.request, setting.config)
    _assert_fails(outcome, hop, fault, cloud)
    _assert_tries(cloud, pauses, hop, fault)


def _assert_tries(cloud: CloudApi, pauses: list[float], hop: str, fault: Fault) -> None:
    """As often as the cloud has seen us, where it can see us at all; with growing pauses between."""
    tries = fault.tries_of(hop)
    assert len(pauses) == tries - 1
    asked = fault.options.get("retry_after", 0)
    for index, pause in enumerate(pauses):
        shortest = 0.2 * 2**index
        assert max(shortest, asked) <= pause <= max(2 * shortest, asked)
    seen = cloud.connections(hop) if _strikes_a_connection(fault) else cloud.calls(hop)
    if fault.waits:
        assert len(seen) <= tries
    elif fault.kind not in ("refused", "dns"):
        assert len(seen) == tries


def _strikes_a_connection(fault: Fault) -> bool:
    return fault.kind in ("expired", "wrong-name", "untrusted") or fault.options.get("at") in ("connect", "tls")


# --- faults that pass -------------------------------------------------------------------------------------------------

PASSING = [
    ("503-once", "status", 1, {"status": 503}, HOPS),
    ("503-twice", "status", 2, {"status": 503}, HOPS),
    ("500-once", "status", 1, {"status": 500}, HOPS),
    ("429-once-with-retry-after", "status", 1, {"status": 429, "retry_after": 1}, HOPS),
    ("404-once", "status", 1, {"status": 404}, ("imds",)),
    ("410-twice", "status", 2, {"status": 410}, ("imds",)),
    ("reset-once", "reset", 1, {"at": "connect"}, HOPS),
    ("reset-in-body-once", "reset", 1, {"at": "body"}, HOPS),
    ("reset-in-tls-once", "reset", 1, {"at": "tls"}, HOPS[1:]),
    ("truncated-once", "truncated", 1, {}, HOPS),
    ("hang-once", "hang", 1, {}, HOPS),
    ("drip-once", "drip", 1, {"seconds": 0.05}, HOPS),
]


@pytest.mark.parametrize(
    ("kind", "times", "options", "hop"),
    [
        pytest.param(kind, times, options, hop, id=f"{hop}-{name}")
        for name, kind, times, options, hops in PASSING
        for hop in hops
    ],
)
def test_fault_that_passes_is_survived(
    in_process: InProcess,
    settings: SettingsFactory,
    cloud: CloudApi,
    pauses: list[float],
    kind: str,
    times: int,
    options: dict[str, object],
    hop: str,
) -> None:
    in_process.limits = quick(connect=1, read=1) if kind in ("hang", "drip") else _PATIENT
    cloud.fault(hop, kind, times, **options)
    setting = settings(MODE_OF[hop])
    outcome = in_process(setting.request, setting.config)
    assert_answers(outcome, last_token(cloud, "iam"), life=3600)
    # Where a limit has to pass first, a busy machine may let it pass once more.
    assert len(pauses) == times or (len(pauses) > times and kind in ("hang", "drip"))


@pytest.mark.parametrize("hop", HOPS)
def test_large_but_bearable_answer_is_taken(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, hop: str
) -> None:
    cloud.fault(hop, "oversize", size=65_536)
    setting = settings(MODE_OF[hop])
    assert in_process(setting.request, setting.config).code == 0


@pytest.mark.parametrize("hop", HOPS)
def test_slow_answer_within_the_limits_is_waited_for(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, hop: str
) -> None:
    in_process.limits = _PATIENT
    cloud.fault(hop, "slow", times=1, seconds=0.3)
    setting = settings(MODE_OF[hop])
    assert in_process(setting.request, setting.config).code == 0
    assert len(cloud.calls(hop)) == 1


# --- the one deadline -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["hang", "drip", "503"])
@pytest.mark.parametrize("hop", HOPS)
def test_deadline_of_all_hops_together_is_an_error_of_its_own(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, hop: str, kind: str
) -> None:
    in_process.limits = Limits(total=0.8, connect=10, read=10, tries=100, pause=0.2)
    if kind == "503":
        cloud.fault(hop, "status", status=503)
    else:
        cloud.fault(hop, kind)
    setting = settings(MODE_OF[hop])
    outcome = in_process(setting.request, setting.config)
    assert outcome.hop == hop
    # A service that answers to the end has said why; one that does not has used up the time.
    expected: list[tuple[int, str, int | None]] = [(7, "deadline-exceeded", None)]
    if kind == "503":
        expected = [*expected, (EXIT_CODE[hop], BY_NAME["503"].errors[hop], 503)]
    assert (outcome.code, outcome.error, outcome.status) in expected


def test_slow_hops_share_one_deadline(in_process: InProcess, settings: SettingsFactory, cloud: CloudApi) -> None:
    """Each would be in time alone."""
    in_process.limits = Limits(total=2.0, connect=10, read=10)
    for hop in ("entra", "sts", "iam"):
        cloud.fault(hop, "slow", seconds=0.8)
    setting = settings("token-file-entra-impersonated")
    outcome = in_process(setting.request, setting.config)
    assert (outcome.code, outcome.error, outcome.hop) == (7, "deadline-exceeded", "iam")


_START = """
import sys, credprovider.deadline as deadline
deadline.WATCHDOG_SECONDS, deadline.ALARM_SECONDS = map(float, sys.argv[1:3])
from credprovider.__main__ import main
main(["--config", sys.argv[3]])
"""


def _start_with(watchdog: float, alarm: float, config: str) -> subprocess.Popen[bytes]:
    """The plugin's entry with its guards' times changed and a stdin that never ends."""
    command = [sys.executable, "-c", _START, str(watchdog), str(alarm), config]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)


def test_watchdog_ends_what_no_deadline_reaches(settings: SettingsFactory) -> None:
    with _start_with(0.3, 60, str(settings().config)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        outcome = Outcome(process.wait(30), process.stdout.read(), process.stderr.read().decode())
    assert (outcome.code, outcome.error) == (7, "deadline-exceeded")


def test_alarm_ends_what_the_watchdog_cannot(settings: SettingsFactory) -> None:
    with _start_with(60, 0.3, str(settings().config)) as process:
        assert process.stdout is not None
        assert process.wait(30) == -signal.SIGALRM
        assert process.stdout.read() == b""


# --- failure memory ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hop", HOPS)
def test_failure_is_remembered_and_the_cloud_left_alone(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, pauses: list[float], hop: str
) -> None:
    cloud.fault(hop, "status", status=503, retry_after=120)
    setting = settings(MODE_OF[hop])
    first = in_process(setting.request, setting.config)
    cloud.clear()
    calls = len(cloud.calls())
    again = in_process(setting.request, setting.config)
    assert (again.code, again.error, again.status) == (first.code, first.error, 503)
    assert "asked again in 1" in again.line
    assert len(cloud.calls()) == calls
    assert pauses == []
    in_process.world["boottime"] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME) + 121
    assert in_process(setting.request, setting.config).code == 0


def test_change_of_settings_ends_the_memory_of_a_failure(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi
) -> None:
    cloud.unbind()
    setting = settings("managed-identity-impersonated")
    assert in_process(setting.request, setting.config).error == "iam-subject-not-bound"
    vendor = setting.config.parent / "credential-config.json"
    document = json.loads(vendor.read_text())
    del document["service_account_impersonation_url"]
    vendor.write_text(json.dumps(document))
    assert in_process(setting.request, setting.config).code == 0


# --- the executable ---------------------------------------------------------------------------------------------------

FROZEN = ["refused", "400", "403", "429-retry_after-600", "html", "redirect-307", "endless", "expired-certificate"]


@pytest.mark.parametrize(
    ("hop", "fault"), [(hop, BY_NAME[name]) for name in FROZEN for hop in BY_NAME[name].errors], ids=_id
)
def test_executable_fails_in_the_same_words(
    frozen: Frozen, settings: SettingsFactory, cloud: CloudApi, hop: str, fault: Fault
) -> None:
    cloud.fault(hop, fault.kind, **fault.options)
    setting = settings(MODE_OF[hop])
    _assert_fails(frozen(setting.request, setting.config), hop, fault, cloud)


@pytest.mark.parametrize("hop", HOPS)
def test_executable_tries_again(frozen: Frozen, settings: SettingsFactory, cloud: CloudApi, hop: str) -> None:
    cloud.fault(hop, "status", TRIES - 1, status=503)
    setting = settings(MODE_OF[hop])
    assert_answers(frozen(setting.request, setting.config), last_token(cloud, "iam"), life=3600)
