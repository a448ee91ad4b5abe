"""The process that the kubelet sees: exit codes, exactly one line on failure, and nothing else."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from credprovider import __main__ as entry
from credprovider import answer, strict_json
from credprovider.errors import ProviderError
from credprovider.protocol import REQUEST_LIMIT
from credprovider.world import World
from tests.unit.core.running import GRANT, REQUEST, STATE, ask, command, environment, node, one_line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    node(tmp_path)
    return tmp_path


def _raising(error: BaseException) -> Callable[[bytes, World], NoReturn]:
    def fail(raw: bytes, world: World) -> NoReturn:
        del raw, world
        raise error

    return fail


@pytest.mark.parametrize(
    ("family", "code"),
    [("request", 2), ("settings", 3), ("azure", 4), ("google", 5), ("deadline", 7)],
    ids=["request", "settings", "azure", "google", "deadline"],
)
def test_each_family_ends_in_its_code_and_one_line(monkeypatch: pytest.MonkeyPatch, family: str, code: int) -> None:
    monkeypatch.setattr(entry, "_read_stdin", lambda: REQUEST)
    monkeypatch.setattr(answer, "answer", _raising(ProviderError("a-code", family, "sts", "two\nlines", "remedy")))
    line = "azure-gar-credential-provider: a-code [sts]: two lines. Fix: remedy"
    assert entry._answer("/config.json") == (b"", line + "\n", code, line, [])


BUGS = {
    "ValueError": ValueError("eyJcanary"),
    "KeyError": KeyError("eyJcanary"),
    "RecursionError": RecursionError("eyJcanary"),
    "MemoryError": MemoryError("eyJcanary"),
    "several lines": OSError("eyJcanary\nTraceback"),
    "one that cannot be shown": UnicodeDecodeError("utf-8", b"eyJcanary", 0, 1, "eyJcanary"),
}


@pytest.mark.parametrize("error", BUGS.values(), ids=BUGS.keys())
def test_a_bug_is_one_line_that_says_where_and_not_what(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(entry, "_read_stdin", lambda: REQUEST)
    monkeypatch.setattr(answer, "answer", _raising(error))
    stdout, stderr, code, line, _ = entry._answer("/config.json")
    assert (stdout, stderr, code) == (b"", line + "\n", 70)
    assert f" bug [{type(error).__name__} at credprovider.__main__:" in line
    assert "our fault" in line
    assert "canary" not in line
    assert "Traceback" not in line


def test_a_bug_in_the_process_itself(folder: Path) -> None:
    preamble = "import credprovider.answer\ncredprovider.answer.answer = lambda raw, world: {}['eyJcanary']\n"
    done = ask(folder, preamble=preamble)
    assert done.returncode == 70
    line = one_line(done)
    assert "bug [KeyError at credprovider.__main__:" in line
    assert "canary" not in line


BAD = {
    "empty stdin": (b"", 2, "request-empty"),
    "2 MiB of nothing": (b" " * (2 << 20), 2, "request-empty"),
    "too much": (REQUEST + b" " * REQUEST_LIMIT, 2, "request-too-large"),
}


@pytest.mark.parametrize(("stdin", "code", "name"), BAD.values(), ids=BAD.keys())
def test_bad_requests(folder: Path, stdin: bytes, code: int, name: str) -> None:
    done = ask(folder, stdin=stdin)
    assert done.returncode == code
    assert f": {name} [" in one_line(done)


def test_absent_settings(folder: Path) -> None:
    done = ask(folder, "--config", "/nowhere/config.json")
    assert done.returncode == 3
    assert "/nowhere/config.json" in one_line(done)


@pytest.mark.parametrize("arguments", [("--config=",), ("--config", "")], ids=["one word", "two words"])
def test_an_empty_path_is_an_error_of_settings(folder: Path, arguments: tuple[str, ...]) -> None:
    done = ask(folder, *arguments)
    assert done.returncode == 3
    one_line(done)


def test_a_host_that_is_not_ours_gets_an_empty_answer(folder: Path) -> None:
    done = ask(folder, stdin=REQUEST.replace(b"us-docker.pkg.dev", b"evil-docker.pkg.dev.example.com"))
    assert (done.returncode, done.stderr) == (0, b"")
    answer = json.loads(done.stdout)
    assert (answer["auth"], answer["cacheKeyType"], answer["cacheDuration"]) == ({}, "Image", "0s")
    assert not list((folder / STATE).glob("token-*"))


def test_an_answer_is_one_line_of_json_and_no_word_more(folder: Path) -> None:
    done = ask(folder, preamble=GRANT)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["auth"] == {
        "*-docker.pkg.dev": {"username": "oauth2accesstoken", "password": "ya29.planted"}
    }
    again = ask(folder)
    assert json.loads(again.stdout)["auth"] == json.loads(done.stdout)["auth"]


def test_a_state_folder_that_is_no_use_is_told_in_the_journal_and_serves_the_pull(folder: Path) -> None:
    (folder / STATE).mkdir(mode=0o755)
    (folder / STATE).chmod(0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(folder / "journal"))
        journal.settimeout(10)
        done = ask(folder, preamble=GRANT)
        lines = [journal.recv(65536).decode() for _ in range(2)]
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"MESSAGE={folder / STATE} is not a folder of mode 0700" in lines[1]
    assert not list((folder / STATE).iterdir())


def test_a_terminal_gets_a_hint_of_two_lines(folder: Path) -> None:
    leader, follower = pty.openpty()
    try:
        done = subprocess.run(
            command(folder, "--config", str(folder / "config.json")),
            stdin=follower, capture_output=True, env=environment(folder), check=False, timeout=30,
        )  # fmt: skip
    finally:
        os.close(leader)
        os.close(follower)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 2
    assert b"kubelet" in done.stderr
    assert b"request IMAGE" in done.stderr


def _with_descriptors(folder: Path, redirections: str) -> subprocess.CompletedProcess[bytes]:
    start = command(folder, "--config", str(folder / "config.json"), preamble=GRANT)
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirections}', "sh", *start],
        input=REQUEST, capture_output=True, env=environment(folder), check=False, timeout=30,
    )  # fmt: skip


@pytest.mark.parametrize("redirection", ["<&-", "0>/dev/null", "</dev/null"], ids=["closed", "write-only", "empty"])
def test_stdin_that_cannot_be_read_is_a_bad_request(folder: Path, redirection: str) -> None:
    done = _with_descriptors(folder, redirection)
    assert done.returncode == 2
    one_line(done)


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"], ids=["full", "closed"])
def test_stdout_that_takes_nothing_is_told(folder: Path, redirection: str) -> None:
    done = _with_descriptors(folder, redirection)
    assert done.returncode == 2
    line = one_line(done)
    assert "answer-unwritable" in line
    assert "ya29" not in line


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"], ids=["closed", "full"])
def test_stderr_is_not_needed_for_an_answer(folder: Path, redirection: str) -> None:
    done = _with_descriptors(folder, redirection)
    assert done.returncode == 0
    assert b"ya29.planted" in done.stdout


def test_sigpipe_does_not_kill_it(folder: Path) -> None:
    """The reader is gone: no answer, and an exit code of its own."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = subprocess.Popen(
        command(folder, "--config", str(folder / "config.json"), preamble=GRANT),
        stdin=subprocess.PIPE, stdout=write_end, stderr=subprocess.PIPE, env=environment(folder),
    )  # fmt: skip
    os.close(write_end)
    _, stderr = process.communicate(REQUEST, timeout=30)
    assert process.returncode == 2
    assert stderr.count(b"\n") == 1
    assert b"ya29" not in stderr


def test_core_dumps_are_forbidden_and_an_inherited_alarm_is_armed(folder: Path) -> None:
    preamble = GRANT + (
        "import resource, signal, sys\n"
        "real = credprovider.answer._exchange\n"
        "def look(*_):\n"
        "    assert max(resource.getrlimit(resource.RLIMIT_CORE)) <= 1\n"
        "    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL\n"
        "    assert signal.SIGALRM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])\n"
        "    assert 40 < signal.getitimer(signal.ITIMER_REAL)[0] <= 49\n"
        "    return real()\n"
        "credprovider.answer._exchange = look\n"
    )

    rude_parent = (
        "import os, resource, signal, sys\n"
        "signal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])\n"
        "hard = resource.getrlimit(resource.RLIMIT_CORE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    start = command(folder, "--config", str(folder / "config.json"), preamble=preamble)
    done = subprocess.run(
        [sys.executable, "-c", rude_parent, *start],
        input=REQUEST,
        capture_output=True,
        env=environment(folder),
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, b"")


SHORT = "import credprovider.deadline as d\nd.WATCHDOG_SECONDS = 0.3\n"
STUCK = "import credprovider.answer\ncredprovider.answer.answer = lambda raw, world: __import__('time').sleep(30)\n"


def test_the_watchdog_ends_what_is_stuck_with_one_line(folder: Path) -> None:
    done = ask(folder, preamble=SHORT + STUCK)
    assert done.returncode == 7
    assert "deadline-exceeded" in one_line(done)


def test_the_watchdog_ends_a_stdin_that_is_never_closed(folder: Path) -> None:
    process = subprocess.Popen(
        command(folder, "--config", str(folder / "config.json"), preamble=SHORT),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(folder),
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(REQUEST[:20])
    process.stdin.flush()
    code = process.wait(timeout=30)
    stdout, stderr = process.communicate()
    assert (code, stdout, stderr.count(b"\n")) == (7, b"", 1)


def test_the_alarm_ends_what_holds_the_interpreter(folder: Path) -> None:
    """No thread can run while C code keeps the lock; the kernel's timer needs none."""
    hold = (
        "import credprovider.deadline as d\nd.ALARM_SECONDS = 0.5\n"
        "import ctypes, credprovider.answer\n"
        "credprovider.answer.answer = lambda raw, world: ctypes.PyDLL(None).sleep(30)\n"
    )
    done = ask(folder, preamble=hold)
    assert (done.returncode, done.stdout) == (-signal.SIGALRM, b"")


def test_the_journal_gets_one_line_and_no_secret(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(folder / "journal"))
        journal.settimeout(10)
        ask(folder, preamble=GRANT)
        answered = journal.recv(65536).decode()
        ask(folder, stdin=b"")
        failed = journal.recv(65536).decode()
    assert answered.startswith("MESSAGE=us-docker.pkg.dev: managed-identity exchange, token lives ")
    assert "\nPRIORITY=6\n" in answered
    assert "ya29" not in answered
    assert failed.startswith("MESSAGE=azure-gar-credential-provider: request-empty [request]: ")
    assert "\nPRIORITY=4\n" in failed


def test_a_journal_that_fails_in_a_new_way_does_not_fail_the_pull(folder: Path) -> None:
    preamble = GRANT + (
        "def fail(*_, **__): raise ValueError('eyJcanary')\n"
        "credprovider.journal.note = fail\n"
    )  # fmt: skip
    done = ask(folder, preamble=preamble)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "config"),
    [
        ([], "/etc/azure-gar-credential-provider/config.json"),
        (["--config", "x"], "x"),
        (["--config=x"], "x"),
        (["--config=x=y"], "x=y"),
        (["--config"], None),
        (["--config", "x", "y"], None),
        (["--conf", "x"], None),
        (["--version"], None),
        (["request", "x"], None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_which_arguments_mean_the_plugin(arguments: list[str], config: str | None) -> None:
    assert entry._plugin_config(arguments) == config


def test_a_bug_in_a_library_is_told_by_our_own_line() -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        strict_json.loads("{")
    assert "[ValueError at credprovider.strict_json:" in entry._bug(caught.value)
    with pytest.raises(ValueError, match=r".") as caught:
        json.loads("{")
    assert "[JSONDecodeError at tests.unit.core.test_main:" in entry._bug(caught.value)
