"""However long anything takes: an answer or one line within the time that the kubelet gives, and never both."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.plugin.runner import EXECUTABLE, KUBELET_LIMIT, PROGRAM, Outcome

if TYPE_CHECKING:
    from tests.cloud.control import CloudProcess
    from tests.plugin.runner import InProcess
    from tests.plugin.settings import Setting, SettingsFactory

_ROOT = Path(__file__).parent.parent.parent


def _start_endless() -> tuple[subprocess.Popen[bytes], float] | None:
    """An executable whose stdin does not end before this process does; None where it is not built."""
    if not os.access(EXECUTABLE, os.X_OK):
        return None
    pipe = subprocess.PIPE
    process = subprocess.Popen([EXECUTABLE], stdin=pipe, stdout=pipe, stderr=pipe, env={}, cwd="/")
    atexit.register(process.communicate)
    atexit.register(process.kill)
    return process, time.monotonic()


#: Started as soon as tests are collected: it takes its 47 seconds beside all of them.
_ENDLESS = _start_endless()


@pytest.fixture
def direct(settings: SettingsFactory) -> Setting:
    return settings("managed-identity-direct")


def _guarded(setting: Setting, cloud: CloudProcess, how: str, *, watchdog: float = 600, alarm: float = 600) -> Outcome:
    """The package's entry in a process of its own, its guards set to other seconds."""
    command = [sys.executable, "-m", "tests.plugin.guarded", str(watchdog), str(alarm), how, str(setting.config)]
    environ = {"PYTHONPATH": str(_ROOT), "SSL_CERT_FILE": str(cloud.ca_file)}
    done = subprocess.run(
        command,
        input=setting.request,
        capture_output=True,
        cwd=_ROOT,
        env=environ,
        timeout=KUBELET_LIMIT,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr.decode())


def test_a_name_server_that_never_answers_is_given_up_by_the_deadline(
    in_process: InProcess, cloud: CloudProcess, direct: Setting
) -> None:
    cloud.fault("sts", "dns", how="hang")
    outcome = in_process(direct.request, direct.config)
    assert (outcome.code, outcome.hop) == (5, "sts")


def test_a_name_server_that_never_answers_does_not_hold_the_watchdog(cloud: CloudProcess, direct: Setting) -> None:
    cloud.fault("sts", "dns", how="hang")
    outcome = _guarded(direct, cloud, "real", watchdog=1.5)
    assert (outcome.code, outcome.error) == (7, "deadline-exceeded")


def test_c_code_that_holds_the_interpreter_is_ended_by_the_kernels_timer(cloud: CloudProcess, direct: Setting) -> None:
    outcome = _guarded(direct, cloud, "never", watchdog=0.5, alarm=1.0)
    assert (outcome.code, outcome.stdout, outcome.stderr) == (-signal.SIGALRM, b"", "")


@pytest.mark.parametrize("late", [0.28, 0.295, 0.3, 0.301, 0.305, 0.32])
def test_answer_and_watchdog_never_both_speak(cloud: CloudProcess, direct: Setting, late: float) -> None:
    outcome = _guarded(direct, cloud, f"late={late}", watchdog=0.3)
    if outcome.code == 0:
        assert (outcome.stdout, outcome.stderr) == (b'{"auth":{}}\n', "")
    else:
        assert (outcome.code, outcome.error) == (7, "deadline-exceeded")


def test_a_stdin_that_never_ends_is_given_up_before_the_kubelet_would() -> None:
    assert _ENDLESS is not None, f"{EXECUTABLE} is not built"
    process, started = _ENDLESS
    code = process.wait(max(1.0, KUBELET_LIMIT - (time.monotonic() - started)))
    assert process.stdout is not None
    assert process.stderr is not None
    outcome = Outcome(code, process.stdout.read(), process.stderr.read().decode())
    assert (outcome.code, outcome.error) == (7, "deadline-exceeded")
    assert outcome.line.startswith(PROGRAM)
