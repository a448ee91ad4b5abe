"""The deadline, the journal, and the allow-list of hosts."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credprovider import deadline
from credprovider.deadline import Deadline
from credprovider.endpoints import ENTRA_CLOUDS, ENTRA_HOSTS, is_domain, is_google_endpoint
from credprovider.journal import SOCKET, note
from tests.unit.core.making import EXAMPLES, Clock


class TestDeadline:
    def test_counts_down_and_stops_at_nothing(self) -> None:
        clock = Clock()
        end = Deadline(4, clock.boottime)
        assert end.left() == 4
        clock.now += 3
        assert end.left() == 1
        clock.now += 5
        assert end.left() == 0

    def test_clips_every_wait(self) -> None:
        clock = Clock()
        end = Deadline(4, clock.boottime)
        assert (end.clip(10), end.clip(1)) == (4, 1)
        clock.now += 5
        assert end.clip(1) == 0

    @pytest.mark.parametrize(("seconds", "left"), [(1, 1), (0, 0), (10, 4)], ids=["sooner", "at once", "never later"])
    def test_can_be_shortened(self, seconds: float, left: float) -> None:
        end = Deadline(4, Clock().boottime)
        end.shorten(seconds)
        assert end.left() == left

    @EXAMPLES
    @given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 1000))
    def test_never_lets_a_wait_pass_it(self, total: float, wait: float, passed: float) -> None:
        clock = Clock(now=0)
        end = Deadline(total, clock.boottime)
        clock.now += passed
        assert 0 <= end.clip(wait) <= wait
        assert passed + end.clip(wait) <= max(total, passed) + 1e-9

    def test_runs_on_a_clock_that_does_not_jump(self) -> None:
        assert 9 < Deadline(10).left() <= 10

    def test_guards_stand_behind_each_other_before_the_kubelets_minute(self) -> None:
        assert 45 < deadline.WATCHDOG_SECONDS < deadline.ALARM_SECONDS < 50


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    """A journal that reads."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "journal"))
        channel.settimeout(10)
        yield channel


class TestJournal:
    def test_none_is_no_matter(self, tmp_path: Path) -> None:
        note("x", path=str(tmp_path / "nowhere"))

    def test_one_that_is_no_socket_is_no_matter(self, tmp_path: Path) -> None:
        (tmp_path / "journal").touch()
        note("x", path=str(tmp_path / "journal"))

    def test_one_that_nobody_reads_is_no_matter(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.bind(str(tmp_path / "journal"))
        note("x", path=str(tmp_path / "journal"))

    def test_one_that_listens_for_streams_is_no_matter(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.bind(str(tmp_path / "journal"))
            channel.listen()
            note("x", path=str(tmp_path / "journal"))

    def test_a_full_one_is_not_waited_for(self, tmp_path: Path, journal: socket.socket) -> None:
        """More lines than any queue takes; nobody reads meanwhile."""
        for number in range(3000):
            note(f"line {number}", path=str(tmp_path / "journal"))
        assert journal.recv(65536).startswith(b"MESSAGE=line 0\n")

    def test_a_path_too_long_is_no_matter(self, tmp_path: Path) -> None:
        path = tmp_path / ("x" * 200)
        path.touch()
        note("x", path=str(path))

    def test_leaves_no_descriptor(self, tmp_path: Path, journal: socket.socket) -> None:
        before = os.listdir("/proc/self/fd")
        note("x", path=str(tmp_path / "journal"))
        note("x", path=str(tmp_path / "nowhere"))
        assert os.listdir("/proc/self/fd") == before
        assert journal.recv(100)

    @pytest.mark.parametrize(("failed", "priority"), [(False, "6"), (True, "4")], ids=["answered", "failed"])
    def test_one_datagram_in_the_native_protocol(
        self, tmp_path: Path, journal: socket.socket, failed: bool, priority: str
    ) -> None:
        note("us-docker.pkg.dev: hit", failed=failed, path=str(tmp_path / "journal"))
        assert journal.recv(65536).decode() == (
            f"MESSAGE=us-docker.pkg.dev: hit\nPRIORITY={priority}\nSYSLOG_IDENTIFIER=azure-gar-credential-provider\n"
        )

    @pytest.mark.parametrize("text", ["a\nPRIORITY=0", "a\rb", "a\0b", "a\ud800b", "a\u2028b", "\n" * 9])
    def test_a_message_stays_one_field(self, tmp_path: Path, journal: socket.socket, text: str) -> None:
        note(text, path=str(tmp_path / "journal"))
        assert journal.recv(65536).decode().count("\n") == 3

    def test_a_long_message_is_cut(self, tmp_path: Path, journal: socket.socket) -> None:
        note("x" * 500_000, path=str(tmp_path / "journal"))
        assert len(journal.recv(1 << 20)) < 2000

    def test_the_socket_is_systemds(self) -> None:
        assert SOCKET == "/run/systemd/journal/socket"


HOSTS = {
    "global": ("sts.googleapis.com", True),
    "regional": ("sts.europe-west1.rep.googleapis.com", True),
    "private": ("sts-endpoint-1.p.googleapis.com", True),
    "private of one letter": ("sts-a.p.googleapis.com", True),
    "longest label": (f"sts-{'a' * 63}.p.googleapis.com", True),
    "label too long": (f"sts-{'a' * 64}.p.googleapis.com", False),
    "empty": ("", False),
    "universe alone": ("googleapis.com", False),
    "another service": ("storage.googleapis.com", False),
    "longer": ("sts.googleapis.com.evil.example", False),
    "below": ("evil.sts.googleapis.com", False),
    "glued in front": ("evilsts.googleapis.com", False),
    "glued behind": ("sts.googleapis.comevil", False),
    "dot that is none": ("stsxgoogleapisxcom", False),
    "at": ("sts.googleapis.com@evil.example", False),
    "private without a name": ("sts-.p.googleapis.com", False),
    "private ending in a hyphen": ("sts-a-.p.googleapis.com", False),
    "private of two labels": ("sts-a.b.p.googleapis.com", False),
    "regional without a region": ("sts..rep.googleapis.com", False),
    "regional of two labels": ("sts.a.b.rep.googleapis.com", False),
    "upper case": ("STS.googleapis.com", False),
    "port": ("sts.googleapis.com:443", False),
    "trailing dot": ("sts.googleapis.com.", False),
    "trailing newline": ("sts.googleapis.com\n", False),
    "private, newline in the name": ("sts-a\n.p.googleapis.com", False),
    "query": ("sts.googleapis.com?", False),
}


@pytest.mark.parametrize(("host", "allowed"), HOSTS.values(), ids=HOSTS.keys())
def test_googles_endpoints(host: str, allowed: bool) -> None:
    assert is_google_endpoint(host, "sts", "googleapis.com") is allowed
    assert is_google_endpoint(host.replace("sts", "iamcredentials", 1), "iamcredentials", "googleapis.com") is allowed


def test_each_universe_and_each_service_has_its_own() -> None:
    assert is_google_endpoint("sts.s3nsapis.fr", "sts", "s3nsapis.fr")
    assert not is_google_endpoint("sts.s3nsapis.fr", "sts", "googleapis.com")
    assert not is_google_endpoint("sts.googleapis.com", "sts", "s3nsapis.fr")
    assert not is_google_endpoint("sts.googleapis.com", "iamcredentials", "googleapis.com")


def test_a_universe_is_no_pattern() -> None:
    assert not is_google_endpoint("sts.evil.example", "sts", ".*")


DOMAINS = {
    "googleapis.com": True,
    "a.b": True,
    "x-1.example.de": True,
    "com": False,
    "": False,
    "a..b": False,
    "-a.b": False,
    "a-.b": False,
    "A.b": False,
    "a.b.": False,
    ".a.b": False,
    "a.b\n": False,
    "a_b.c": False,
    "a.b:1": False,
    ".".join(["a" * 60] * 5): False,
}


@pytest.mark.parametrize(("text", "good"), DOMAINS.items(), ids=lambda value: repr(value)[:20])
def test_domains(text: str, good: bool) -> None:
    assert is_domain(text) is good


def test_entras_hosts_are_three() -> None:
    assert {
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "login.partner.microsoftonline.cn",
    } == ENTRA_HOSTS
    assert set(ENTRA_CLOUDS) == {"public", "usgov", "china"}
