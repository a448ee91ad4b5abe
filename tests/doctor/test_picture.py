"""The picture: aligned, plain where it is no terminal, colour and progress where it is one, commands never broken."""

from __future__ import annotations

import io
import re
import time
from typing import TYPE_CHECKING

import pytest

from credprovider.doctor.hops import HOPS
from credprovider.doctor.picture import Style, hop_text, verdict
from credprovider.doctor.progress import Progress
from credprovider.doctor.remedy import commands_of, split
from credprovider.doctor.result import Outcome, Result, Status, failed, good, not_reached
from credprovider.errors import ProviderError

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi
    from tests.cloud.modes import Setting
    from tests.doctor.patient import Patient
    from tests.plugin.settings import SettingsFactory

#: Where a slow hop was waited for.
_ERASED = re.compile(r"[^\r\n]*\r\x1b\[K")
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[mK]|\r")


class Terminal(io.BytesIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def _shown(patient: Patient, setting: Setting, *more: str, terminal: bool = False) -> str:
    arguments = [patient.cloud.world.image, "--config", str(setting.config), *more]
    return patient.run(*arguments, stdout=Terminal() if terminal else None).stdout.decode()


@pytest.fixture
def broken(settings: SettingsFactory, cloud: CloudApi) -> Setting:
    cloud.unbind()
    return settings("managed-identity-impersonated")


def test_every_hop_has_its_line_in_order_and_aligned(patient: Patient, settings: SettingsFactory) -> None:
    lines = _shown(patient, settings()).splitlines()
    words = ("ok", "FAILED", "not reached", "skipped")
    hops = [line for line in lines if line.startswith(words)]
    assert [line[13:].split()[0] for line in hops] == [hop.name for hop in HOPS]
    summaries = [re.match(r"(?:ok|FAILED|not reached|skipped) +\S+ +", line) for line in hops]
    assert {found.end() for found in summaries if found} == {29}
    assert lines[-1] == "everything works"
    assert lines[0].split() == ["image", patient.cloud.world.image]


def test_no_terminal_gets_plain_text_that_is_not_too_wide(patient: Patient, broken: Setting) -> None:
    shown = _shown(patient, broken, "--verbose")
    assert "\x1b" not in shown
    assert "\r" not in shown
    wide = [line.strip() for line in shown.splitlines() if len(line) > 100]
    assert all(len(line.split()[-1]) > 50 or "gcloud" in line or "kubectl" in line for line in wide), wide


def test_terminal_gets_colour(patient: Patient, broken: Setting) -> None:
    shown = _shown(patient, broken, terminal=True)
    assert "\x1b[1;31mFAILED" in shown
    assert "\x1b[32mok" in shown


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_colour_can_be_declined(patient: Patient, broken: Setting, variable: dict[str, str]) -> None:
    patient.environ |= variable
    assert "m" not in re.findall(r"\x1b\[[0-9;]*([a-zA-Z])", _shown(patient, broken, terminal=True))


def test_empty_no_color_declines_nothing(patient: Patient, broken: Setting) -> None:
    patient.environ["NO_COLOR"] = ""
    assert "\x1b[" in _shown(patient, broken, terminal=True)


@pytest.mark.parametrize("width", [60, 80, 140])
def test_prose_is_broken_at_the_terminals_width(
    patient: Patient, broken: Setting, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = _ESCAPE.sub("", _ERASED.sub("", _shown(patient, broken, terminal=True)))
    assert all(len(line) <= width or len(line.split()[-1]) > 24 or "gcloud" in line for line in shown.splitlines())


@pytest.mark.parametrize("width", [40, 100])
def test_command_stays_on_one_line(width: int) -> None:
    command = 'gcloud do --this=and --that --member="principal://' + "x" * 200 + '"'
    error = ProviderError("sts-x", "google", "sts", "It fails.", f"first `{command}`, then wait; or `timedatectl`")
    text = hop_text(Result("sts", failed(error)), Style(width=width))
    assert text.splitlines()[-1].split() == ["timedatectl"]
    assert f" {command}\n" in text


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("do this", [("do this", False)]),
        ("`a b`", [("a b", True)]),
        ("`a`, then `b`; c.", [("a", True), ("then", False), ("b", True), ("c.", False)]),
        ("", []),
    ],
)
def test_remedy_is_taken_apart(text: str, pieces: list[tuple[str, bool]]) -> None:
    assert split(text) == pieces
    assert commands_of(text) == [piece for piece, is_command in pieces if is_command]


def test_nothing_that_moves_a_terminals_cursor_gets_through() -> None:
    evil = "a\x1b[2Jb\rc\nd\u202ee"
    error = ProviderError("sts-x", "google", "sts", evil, evil, claims={"sub": evil})
    for outcome in (failed(error), good(evil, facts=((evil, evil),), warnings=(evil,)), not_reached(evil, evil)):
        text = hop_text(Result("sts", outcome), Style(verbose=True))
        assert all(line.isprintable() for line in text.splitlines())


def test_verdict_names_the_first_failure_and_counts_the_rest() -> None:
    error = ProviderError("sts-x", "google", "sts", "", "")
    stopped = Outcome(Status.NOT_REACHED, "because of sts")
    results = [Result("sts", failed(error)), Result("registry", failed(error)), Result("plugin", stopped, "sts")]
    assert verdict(results, Style()) == "\nsts is what to mend first (exit code 5); 1 more failed\n"
    assert "from sts on" in verdict([results[2]], Style())
    assert verdict([Result("sts", good(""))], Style()) == "\neverything works\n"


def test_verbose_shows_more(patient: Patient, settings: SettingsFactory) -> None:
    setting = settings()
    brief, full = _shown(patient, setting), _shown(patient, setting, "--verbose")
    assert len(full) > len(brief)
    assert "registries" in full


def test_progress_tells_who_is_waited_for_and_leaves_no_trace(
    patient: Patient, settings: SettingsFactory, cloud: CloudApi
) -> None:
    patient.limits.read = patient.limits.connect = 10
    cloud.fault("sts", "slow", times=1, seconds=0.8, path="/v1/token")
    shown = _shown(patient, settings(), terminal=True)
    assert re.search(r"\.\.\.[^\n]*sts\x1b?", shown)
    last = [line.rpartition("\x1b[K")[2] for line in shown.split("\n")]
    assert not [line for line in last if "..." in line]


def test_progress_thread_ends() -> None:
    stream = Terminal()
    progress = Progress(stream, Style())
    progress.waits("sts", "sts.googleapis.com")
    until = time.monotonic() + 10
    while b"asking sts.googleapis.com" not in stream.getvalue() and time.monotonic() < until:
        time.sleep(0.01)
    progress.close()
    assert stream.getvalue().endswith(b"\r\x1b[K")
    assert not progress._thread.is_alive()
