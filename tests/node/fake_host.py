"""The seam between installer and stand-in node: every operation is counted, and a test may act before each of them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from credprovider.kubelet.config import config_hash
from credprovider.node.clock import Clock
from credprovider.node.commands import Commands, Ran
from credprovider.node.disk import Disk
from credprovider.node.host import Host
from credprovider.node.probes import Probes, Readiness
from tests.node.trees import BIN_DIR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.node.fake_node import FakeNode


def undisturbed(_number: int, _name: str, _path: str) -> None:
    """Nothing happens before an operation."""


class Crash(BaseException):
    """The installer is killed here: nothing of it runs any more."""


@dataclass
class Steps:
    """Counts every operation on the node, and lets a test act before one of them."""

    before: Callable[[int, str, str], None] = undisturbed
    count: int = 0
    dead: bool = False
    names: list[str] = field(default_factory=list)

    def reach(self, name: str, path: str) -> None:
        if self.dead:
            raise Crash
        self.count += 1
        self.names.append(f"{name} {path}")
        try:
            self.before(self.count, name, path)
        except Crash:
            self.dead = True
            raise


class CountingDisk(Disk):
    """The real calls, each announced first; `full` refuses those that need room."""

    def __init__(self, steps: Steps, node: FakeNode) -> None:
        self._steps = steps
        self._node = node

    def create(self, path: str) -> int:
        self._steps.reach("create", path)
        return super().create(path)

    def write(self, descriptor: int, content: bytes) -> None:
        self._steps.reach("write", "")
        super().write(descriptor, content)

    def sync(self, descriptor: int) -> None:  # noqa: ARG002
        self._steps.reach("sync", "")  # memory needs no syncing, and a disk would take its time

    def set_mode(self, path: str, mode: int) -> None:
        self._steps.reach("set_mode", path)
        super().set_mode(path, mode)

    def set_owner(self, path: str, uid: int, gid: int) -> None:
        self._steps.reach("set_owner", path)
        super().set_owner(path, uid, gid)

    def set_times(self, path: str, nanoseconds: int) -> None:
        self._steps.reach("set_times", path)
        super().set_times(path, nanoseconds)

    def rename(self, source: str, destination: str) -> None:
        self._steps.reach("rename", destination)
        super().rename(source, destination)
        self._node.touched(destination)

    def symlink(self, target: str, path: str) -> None:
        self._steps.reach("symlink", path)
        super().symlink(target, path)

    def hard_link(self, path: str, name: str) -> None:
        self._steps.reach("hard_link", path)
        super().hard_link(path, name)

    def unlink(self, path: str) -> None:
        self._steps.reach("unlink", path)
        super().unlink(path)
        self._node.touched(os.path.dirname(path))

    def make_folder(self, path: str) -> None:
        self._steps.reach("make_folder", path)
        super().make_folder(path)

    def remove_folder(self, path: str) -> None:
        self._steps.reach("remove_folder", path)
        super().remove_folder(path)


class FakeClock(Clock):
    """Stands still but for `sleep`, in which the node lives on."""

    def __init__(self, node: FakeNode) -> None:
        self._node = node

    def wall(self) -> float:
        return self._node.now

    def boottime(self) -> float:
        return self._node.now - self._node.booted

    def sleep(self, seconds: float) -> None:
        self._node.steps.reach("sleep", "")
        self._node.live(seconds)


class FakeHost(Host):
    """A host whose files change at the node's own time."""

    def __init__(self, node: FakeNode, *, commands: Commands | None = None) -> None:
        super().__init__(
            str(node.tree),
            disk=CountingDisk(node.steps, node),
            commands=commands or FakeCommands(node),
            clock=FakeClock(node),
        )
        self._node = node

    def changed_at(self, path: str) -> float | None:
        if self.lstat(path) is None:
            return None
        return self._node.changes.get(self.local(path), self._node.booted) - self._node.booted


class FakeProbes(Probes):
    """Health, Ready condition and loaded config of the stand-in."""

    def __init__(self, node: FakeNode) -> None:
        self._node = node

    def healthz(self) -> bool | None:
        return self._node.pid != 0 if self._node.tells_health else None

    def loaded_hash(self) -> str | None:
        return config_hash([self._node.loaded]) if self._node.tells_hash and self._node.pid else None

    def readiness(self) -> Readiness | None:
        return self._node.readiness


class FakeCommands(Commands):
    """systemctl, systemd-run, journalctl and the kubelet's --version, as far as the installer uses them."""

    def __init__(self, node: FakeNode) -> None:
        super().__init__()
        self._node = node

    def run(  # noqa: C901, PLR0912 - one case for each command line
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        environ: Mapping[str, str] | None = None,  # noqa: ARG002
        timeout: float = 30.0,  # noqa: ARG002
    ) -> Ran:
        node = self._node
        node.steps.reach(argv[0], " ".join(argv[1:3]))
        match list(argv):
            case ["systemctl", *_] if not node.has_systemd:
                return Ran(1, b"", b"System has not been booted with systemd as init system")
            case ["systemctl", "show", "kubelet.service", *_]:
                return Ran(0, node.shown().encode())
            case ["systemctl", "restart", "--no-block", "kubelet.service"]:
                if not node.takes_restarts:
                    return Ran(1, b"", b"Failed to restart kubelet.service: Transaction is destructive.")
                node.order_restart()
                return Ran(0)
            case ["systemctl", "stop", _]:
                node.timer = None
                return Ran(0)
            case ["systemctl", "reset-failed", *_]:
                return Ran(1, b"", b"not loaded")
            case ["systemd-run", on_active, *_] if on_active.startswith("--on-active="):
                if not node.has_timers:
                    return Ran(1, b"", b"Failed to start transient timer unit")
                node.timer = node.now + float(on_active.partition("=")[2])
                return Ran(0)
            case ["systemd-run", *_, "/usr/bin/env", "-i", executable, _]:
                return node.self_test(executable)
            case ["journalctl", *options]:
                return Ran(0, node.heard(options).encode())
            case ["systemd-run", *_, program, _] | [program, _] if program.startswith(f"{BIN_DIR}/"):
                node.asked.append(stdin)
                return node.exchange
            case [_, "--version"]:
                return Ran(0, f"Kubernetes v{node.version}.{node.patch}\n".encode())
            case _:
                raise AssertionError(argv)
