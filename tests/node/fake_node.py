"""A node that runs: a tree with a stand-in for systemd and for the kubelet, on a clock that tests turn.

The kubelet is strict: it starts if and only if `lint` would let it, executables included. The rescue's script is run by
a real sh, with the node's paths moved into the tree.
"""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from credprovider.kubelet.config import lint_path
from credprovider.kubelet.versions import parse_version
from credprovider.node.commands import Ran
from credprovider.node.discover import flag_value
from tests.node.fake_host import FakeHost, Steps
from tests.node.trees import BIN_DIR, CONFIG, FIXTURES, HOME, PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from credprovider.node.host import Host
    from credprovider.node.probes import Readiness

_TICKS = os.sysconf("SC_CLK_TCK")
_SPAN = re.compile(r"-(\d+)(s|min|h)")
_SECONDS = {"s": 1, "min": 60, "h": 3600}
_ANSWER = (
    b'{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1",'
    b'"cacheKeyType":"Image","cacheDuration":"0s","auth":{}}'
)

#: What the plugin answers when the exchange works.
CREDENTIAL = (
    b'{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Global",'
    b'"cacheDuration":"3000s","auth":{"*-docker.pkg.dev":{"username":"oauth2accesstoken","password":"secret"}}}'
)


def anything(_content: bytes) -> bool:
    """A kubelet that stays up with every config."""
    return True


def nothing(_content: bytes) -> bool:
    """A kubelet that stays up with none."""
    return False


def _link_or_copy(source: str, destination: str) -> None:
    """Whatever is not under /proc is only ever replaced, never written into."""
    if "/proc/" in source:
        shutil.copyfile(source, destination)
    else:
        os.link(source, destination)


class FakeNode:
    """One machine.

    Attributes:
        likes: would this kubelet keep running with a config that is in order?
        starts: content and outcome of every start of the kubelet.
    """

    def __init__(self, tree: Path, *, version: str = "1.34") -> None:
        self.tree = tree
        self.version = version
        self.steps = Steps()
        self.now = self.booted = float(int(time.time()))
        self.changes: dict[str, float] = {}
        self.likes: Callable[[bytes], bool] = anything
        self.readiness: Readiness | None = None
        self.tells_health = True
        self.tells_hash = False
        self.has_systemd = True
        self.has_timers = True
        self.takes_restarts = True
        self.patch = 7
        self.test_result: Ran | None = None
        self.exchange = Ran(0, CREDENTIAL)
        self.asked: list[bytes] = []
        self.journal: list[tuple[float, str]] = []
        self.starts: list[tuple[bytes, bool]] = []
        self.timer: float | None = None
        self.pid = 0
        self.last_pid = 4000
        self.restarts = 0
        self.loaded = b""
        self._start_at: float | None = None
        self._dies_at: float | None = None
        self.argv = (FIXTURES / "ubuntu-2204/proc-kubelet/cmdline").read_bytes()
        (tree / "proc").mkdir(exist_ok=True)
        (tree / "run").mkdir(exist_ok=True)
        (tree / "etc/systemd/system").mkdir(parents=True, exist_ok=True)
        self.boot(first=True)

    # --- what the installer gets ---------------------------------------------------------------------------------

    def host(self) -> Host:
        """A new installer's view; whatever crashed before is over."""
        self.steps = Steps(self.steps.before)
        return FakeHost(self)

    def fork(self, tree: Path) -> FakeNode:
        """A second machine in the same state."""
        shutil.copytree(self.tree, tree, symlinks=True, copy_function=_link_or_copy)
        twin = copy.copy(self)
        twin.tree = tree
        twin.steps = Steps()
        twin.journal, twin.starts = list(self.journal), list(self.starts)
        twin.changes = {path.replace(str(self.tree), str(tree), 1): at for path, at in self.changes.items()}
        return twin

    # --- the machine ---------------------------------------------------------------------------------------------

    def boot(self, *, first: bool = False) -> None:
        """Power off and on: timers and /run are gone, the unit for the next boot runs before the kubelet."""
        self.now += 0 if first else 30
        self.booted = self.now
        self._kill()
        self.timer = None
        for path in (self.tree / "run").rglob("*"):
            if path.is_file():
                path.unlink()
        self._write("/proc/sys/kernel/random/boot_id", f"boot-{self.now}\n")
        wanted = self.tree / "etc/systemd/system/multi-user.target.wants" / f"{PROGRAM}-rescue-at-boot.service"
        if wanted.exists() and (self.tree / HOME[1:] / "rescue.sh").exists():
            self._rescue("boot")
        self.live(1)
        self._start()
        self.live(1)

    def live(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while True:
            due = [at for at in (self.timer, self._start_at, self._dies_at) if at is not None and at <= until]
            if not due:
                self.now = until
                return
            self.now = max(self.now, min(due))
            if self._dies_at is not None and self._dies_at <= self.now:
                self._exit()
            if self._start_at is not None and self._start_at <= self.now:
                self._start()
            if self.timer is not None and self.timer <= self.now:
                self.timer = None
                self._rescue()

    def order_restart(self) -> None:
        """Systemctl restart --no-block."""
        self._kill()
        self.restarts = 0
        self._start_at = self.now + 0.5

    def would_start(self) -> bool:
        """Would the kubelet start, if it were started now?"""
        config, bin_dir = self.tree / CONFIG[1:], self.tree / BIN_DIR[1:]
        return lint_path(str(config), kubelet_version=parse_version(self.version), bin_dir=str(bin_dir)).starts

    def touched(self, path: str) -> None:
        """A file has changed at this time."""
        self.changes[path] = self.now

    def rewrite(self, content: bytes, path: str = CONFIG) -> None:
        """Somebody else replaces a file."""
        place = self.tree / path[1:]
        other = place.with_name(".other")
        other.write_bytes(content)
        other.rename(place)
        self.touched(str(place))

    @property
    def config(self) -> bytes:
        """The kubelet's config now."""
        return (self.tree / CONFIG[1:]).read_bytes()

    def shown(self) -> str:
        """Systemctl show."""
        state = "running" if self.pid else "auto-restart"
        return f"LoadState=loaded\nMainPID={self.pid}\nNRestarts={self.restarts}\nSubState={state}\n"

    def say(self, line: str) -> None:
        """A line of the kubelet in its journal."""
        self.journal.append((self.now, line))

    def heard(self, options: Sequence[str]) -> str:
        """Journalctl, with its options for a span of time and a number of lines; without them all is heard."""
        since, until = (self._moment(flag_value(options, name)) for name in ("--since", "--until"))
        lines = [line for at, line in self.journal if (since or 0) <= at <= (self.now if until is None else until)]
        count = flag_value(options, "--lines")
        return "\n".join(lines if count is None else lines[-int(count) :])

    def _moment(self, text: str | None) -> float | None:
        """Of systemd.time(7) the seconds since 1970, and a span before now."""
        if text is None or text.startswith("@"):
            return None if text is None else float(text[1:])
        span = _SPAN.fullmatch(text)
        if span is None:
            raise AssertionError(f"journalctl: Failed to parse timestamp: {text}")
        return self.now - int(span[1]) * _SECONDS[span[2]]

    def self_test(self, executable: str) -> Ran:
        """Run the bundle: it answers if it is whole."""
        if self.test_result is not None:
            return self.test_result
        program = (self.tree / executable[1:]).resolve()
        whole = os.access(program, os.X_OK) and (program.parent / "_internal/library").exists()
        return Ran(0, _ANSWER) if whole else Ran(203, b"", b"cannot be run")

    def _kill(self) -> None:
        if self.pid:
            for path in (self.tree / f"proc/{self.pid}").iterdir():
                path.unlink()
            (self.tree / f"proc/{self.pid}").rmdir()
        self.pid = 0
        self._start_at = self._dies_at = None

    def _exit(self) -> None:
        self._kill()
        self.restarts += 1
        self._start_at = self.now + 2

    def _start(self) -> None:
        self._start_at = None
        self.last_pid += 1
        self.pid = self.last_pid
        self.loaded = self.config if (self.tree / CONFIG[1:]).is_file() else b""
        self._write(f"/proc/{self.pid}/cmdline", self.argv.decode())
        self._write(f"/proc/{self.pid}/environ", "PATH=/usr/bin\0")
        ticks = int((self.now - self.booted) * _TICKS)
        self._write(f"/proc/{self.pid}/stat", f"{self.pid} (kube let) S " + "0 " * 18 + f"{ticks} 0 0\n")
        good = self.would_start() and self.likes(self.loaded)
        self.starts.append((self.loaded, good))
        if not good:
            self.say("E1123 10:00:00.1 1 run.go:72] command failed: Failed to register CRI auth plugins")
            self._dies_at = self.now + 1

    def _write(self, path: str, content: str) -> None:
        place = self.tree / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)

    def _rescue(self, *arguments: str) -> None:
        """Run the script that lies on the node."""
        script = self.tree / HOME[1:] / "rescue.sh"
        if not script.exists():
            return
        text = script.read_text()
        for place in ("/var/lib/kubelet", f"/etc/{PROGRAM}", "/proc/sys"):
            text = text.replace(place, f"{self.tree}{place}")
        tools = self.tree.parent / "tools"
        tools.mkdir(exist_ok=True)
        (tools / "shown").write_text(self.shown())
        stub = tools / "systemctl"
        stub.write_text(f'#!/bin/sh\n[ "$1" = show ] && exec cat {tools}/shown\necho "$@" >{tools}/ordered\n')
        stub.chmod(0o755)
        (tools / "sync").write_text("#!/bin/sh\n")
        (tools / "sync").chmod(0o755)
        (tools / "ordered").unlink(missing_ok=True)
        before = self.config
        subprocess.run(
            ["/bin/sh", "-c", text, "sh", *arguments], env={"PATH": f"{tools}:/usr/bin:/bin"}, check=False, cwd="/"
        )
        if self.config != before:
            self.touched(str(self.tree / CONFIG[1:]))
        if (tools / "ordered").exists():
            assert (tools / "ordered").read_text() == "restart --no-block kubelet.service\n"
            self.order_restart()
