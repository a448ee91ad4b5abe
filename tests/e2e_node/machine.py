"""A machine with systemd as its first process, in a container by systemd-nspawn that shares the test's network."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.processes import until
from tests.e2e_node.cgroups import Cgroup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: All namespaces of a process, for nsenter.
_INTO = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
#: As a login shell of root has it; the product gets nothing of the test's environment.
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


class Machine:
    """One machine, off until `boot`. Its disk is a layer in memory over a system tree that stays as it is.

    Args:
        folder: keeps disk and console.
        tree: the system below.
        shared: folders of this machine that it sees read-only, by their place there.

    Attributes:
        disk: its root folder, to be looked at and changed from here at any time.
        layer: what of it differs from the tree.
    """

    def __init__(self, folder: Path, tree: Path, shared: Mapping[str, Path]) -> None:
        self._console = folder / "console.log"
        self._shared = dict(shared)
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._cgroup: Cgroup | None = None
        self._started: list[subprocess.Popen[bytes]] = []
        self._memory = folder / "memory"
        self._tree = tree
        self.layer = self._memory / "layer"
        self.disk = folder / "disk"
        for path in (self._memory, self.disk):
            path.mkdir(parents=True)
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(self._memory))
        for path in (self.layer, self._memory / "work"):
            path.mkdir()
        self.plug()

    def plug(self) -> None:
        """Make its disk of tree and layer."""
        layers = f"lowerdir={self._tree},upperdir={self.layer},workdir={self._memory}/work"
        _mount("-t", "overlay", "-o", layers, "overlay", str(self.disk))

    def unplug(self) -> None:
        """The opposite, so that the layer can be replaced."""
        subprocess.run(["umount", str(self.disk)], check=True)

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Put a file onto its disk, folders included."""
        place = self.disk / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(mode)

    def read(self, path: str) -> bytes:
        """A file of its disk."""
        return (self.disk / path.lstrip("/")).read_bytes()

    # On and off

    def boot(self) -> None:
        """Turn it on, until systemd has started all there is to start."""
        assert self._nspawn is None
        shared = [f"--bind-ro={ours}:{theirs}" for theirs, ours in self._shared.items()]
        command = ["systemd-nspawn", "--quiet", "--boot", f"--directory={self.disk}", "--machine=node", *shared]
        command += ["--register=no", "--keep-unit", "--resolv-conf=off", "--timezone=off", "--link-journal=no"]
        command += ["--capability=all", "--console=pipe"]
        command += ["--system-call-filter=@keyring bpf"]  # what containers in it are made with
        command += ["--bind=/dev/kmsg"]  # a kubelet looks there for killed processes
        self._cgroup = Cgroup()
        with self._console.open("ab") as console:
            self._nspawn = subprocess.Popen(
                self._cgroup.start(command),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=_ENVIRONMENT,
            )
        until(self._is_up, "the machine has booted", self.console)

    def _is_up(self) -> bool:
        with contextlib.suppress(OSError, IndexError, subprocess.TimeoutExpired):
            return self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")
        return False

    def reboot(self) -> None:
        """As `systemctl reboot`; /run is empty afterwards."""
        self._end("reboot")
        self.boot()

    def shut_down(self) -> None:
        """As `systemctl poweroff`."""
        self._end("poweroff")

    def _end(self, how: str) -> None:
        assert self._nspawn is not None
        self.run("systemctl", how)
        until(self._has_ended, "the machine is off", self.console, 90)
        self._is_off()

    def _has_ended(self) -> bool:
        assert self._nspawn is not None
        for process in self._started:
            # The machine stops all processes before it kills them, and nsenter stops with its child, which is then
            # never buried.
            process.send_signal(signal.SIGCONT)
        return self._nspawn.poll() is not None

    def cut_power(self) -> None:
        """It stops in the middle of whatever it does."""
        if self._nspawn is None:
            return
        with contextlib.suppress(OSError, IndexError):
            os.kill(self._leader(), signal.SIGKILL)  # process 1 takes all others with it
        self._nspawn.kill()
        self._nspawn.wait()
        self._is_off()

    def _is_off(self) -> None:
        assert self._cgroup is not None
        self._cgroup.remove()
        self._nspawn = self._cgroup = None
        for process in self._started:
            process.wait(10)
        self._started.clear()

    def close(self) -> None:
        """Off, and the disk gone."""
        self.cut_power()
        for place in (self.disk, self._memory):
            subprocess.run(["umount", "--lazy", str(place)], check=False)

    # At work

    def run(self, *argv: str, stdin: bytes = b"", seconds: float = 300) -> subprocess.CompletedProcess[str]:
        """A program of the machine's, run there by root to its end."""
        done = subprocess.run(
            self._command(argv), input=stdin, capture_output=True, env=_ENVIRONMENT, timeout=seconds, check=False
        )
        texts = (done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
        return subprocess.CompletedProcess(done.args, done.returncode, *texts)

    def start(self, *argv: str, output: Path) -> subprocess.Popen[bytes]:
        """The same without waiting for its end; both outputs go to a file. nsenter becomes the program's parent."""
        with output.open("ab") as out:
            process = subprocess.Popen(
                self._command(argv), stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=_ENVIRONMENT
            )
        self._started.append(process)
        return process

    def _command(self, argv: Sequence[str]) -> list[str]:
        return ["nsenter", f"--target={self._leader()}", *_INTO, "--wd=/", "--", *argv]

    def _leader(self) -> int:
        """Its process 1, as numbered here."""
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            raise AssertionError(f"the machine is off: {self._nspawn.returncode}\n{self.console()}")
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        return int(children[0])

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", unit, f"--property={name}", "--value").stdout.strip()

    def journal(self, unit: str) -> str:
        """What a unit wrote in this boot."""
        return self.run("journalctl", "--unit", unit, "--output", "cat", "--no-pager", "--boot").stdout

    def console(self) -> str:
        """The end of what it showed while booting."""
        return self._console.read_text(errors="replace")[-4000:] if self._console.exists() else ""

    def until(self, holds: object, what: str, seconds: float = 120) -> None:
        """Wait for something; a failure shows the ends of the kubelet's and containerd's journals."""
        assert callable(holds)
        until(holds, what, self.explain, seconds)

    def explain(self) -> str:
        """The ends of the kubelet's and containerd's journals."""
        units = ("kubelet", "containerd")
        return "\n".join(f"--- {unit}\n{self.journal(f'{unit}.service')[-5000:]}" for unit in units)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def sleep_until(holds: object, seconds: float) -> bool:
    """Look every few milliseconds; False when it did not come true."""
    assert callable(holds)
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
