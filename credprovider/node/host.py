"""The one seam to the node: its files below a root path, its programs, its clocks.

The root is ``/`` on the node itself, ``/proc/1/root`` from a privileged pod, or any folder for a tree that is no
running machine.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from credprovider.node.clock import Clock
from credprovider.node.commands import INTO_THE_NODE, Commands
from credprovider.node.disk import Disk
from credprovider.node.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

_SELINUX = "/sys/fs/selinux/enforce"


class Host(View):
    """A node, or a tree laid out like one.

    Args:
        root: where the node's root folder is to be found.
        disk: the file system calls.
        commands: the node's programs; None for a tree, which has none that run.
        clock: its clocks.
    """

    def __init__(
        self,
        root: str = "/",
        *,
        disk: Disk | None = None,
        commands: Commands | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(root)
        self.disk = disk or Disk()
        self.commands = commands
        self.clock = clock or Clock()

    @property
    def is_live(self) -> bool:
        """Is this a running machine?"""
        return self.commands is not None

    def changed_at(self, path: str) -> float | None:
        """When a file or folder was last changed or renamed, on `Clock.boottime`; None when it is not there."""
        found = self.lstat(path)
        if found is None:
            return None
        return found.st_ctime_ns / 1e9 - (self.clock.wall() - self.clock.boottime())

    def has_selinux(self) -> bool:
        """Is SELinux on, enforcing or not?"""
        return self.is_live and self.stat(_SELINUX) is not None

    def make_folder(self, path: str, mode: int = 0o755) -> bool:
        """Make a folder and those above it; False when it was there."""
        if self.is_folder(path):
            return False
        self.make_folder(os.path.dirname(path))
        self.disk.make_folder(self.local(path))
        self.disk.set_mode(self.local(path), mode)
        self.sync_folder(os.path.dirname(path))
        return True

    def create(
        self,
        path: str,
        content: bytes,
        *,
        mode: int = 0o644,
        like: os.stat_result | None = None,
        label: bytes | None = None,
        keeps_time: bool = False,
    ) -> None:
        """Write a file under a name that is ours, replacing a torn one of an earlier run; it is on the disk after.

        Args:
            path: the name.
            content: all of it.
            mode: permission bits.
            like: take mode and owner from this file instead.
            label: SELinux label.
            keeps_time: take its time of change, too: a copy.
        """
        self.remove(path)
        local = self.local(path)
        descriptor = self.disk.create(local)
        try:
            half = len(content) // 2
            self.disk.write(descriptor, content[:half])
            self.disk.write(descriptor, content[half:])
            if like is not None:
                self._own(local, like)
                if keeps_time:
                    self.disk.set_times(local, like.st_mtime_ns)
            self.disk.set_mode(local, stat.S_IMODE(like.st_mode) if like is not None else mode)
            if label is not None:
                self.disk.set_label(local, label)
            self.disk.sync(descriptor)
        finally:
            os.close(descriptor)

    def _own(self, local: str, like: os.stat_result) -> None:
        found = os.lstat(local)
        if (found.st_uid, found.st_gid) != (like.st_uid, like.st_gid):
            self.disk.set_owner(local, like.st_uid, like.st_gid)

    def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Replace a file of ours, whole or not at all."""
        torn = f"{os.path.dirname(path)}/.{os.path.basename(path)}.torn"
        try:
            self.create(torn, content, mode=mode)
            self.rename(torn, path)
        except OSError:
            self.discard(torn)
            raise

    def symlink(self, target: str, path: str) -> None:
        """Make a link under a name that is ours."""
        self.remove(path)
        self.disk.symlink(target, self.local(path))

    def hard_link(self, path: str, name: str) -> None:
        """Give a file a second name that is ours."""
        self.remove(name)
        self.disk.hard_link(self.local(path), self.local(name))

    def rename(self, source: str, destination: str) -> None:
        """Put a file or link in place of another of the same folder's file system; it is on the disk after."""
        self.disk.rename(self.local(source), self.local(destination))
        self.sync_folder(os.path.dirname(destination))

    def remove(self, path: str) -> bool:
        """Take a file or link away; False when there was none."""
        if self.lstat(path) is None:
            return False
        self.disk.unlink(self.local(path))
        self.sync_folder(os.path.dirname(path))
        return True

    def discard(self, path: str) -> None:
        """As `remove`, where failing does not matter: a later run sweeps."""
        try:
            self.remove(path)
        except OSError:
            return

    def remove_tree(self, path: str) -> None:
        """Take a folder with all it holds away, if it is there."""
        local = self.local(path)
        found = self.lstat(path)
        if found is None:
            return
        if not stat.S_ISDIR(found.st_mode):
            self.remove(path)
            return
        for name in self.names(path):
            self.remove_tree(f"{path}/{name}")
        self.disk.remove_folder(local)

    def remove_folder_if_empty(self, path: str) -> None:
        """Take a folder away that holds nothing."""
        if self.is_folder(path) and not self.names(path):
            self.disk.remove_folder(self.local(path))
            self.sync_folder(os.path.dirname(path))

    def sync_folder(self, path: str) -> None:
        """Bring a folder's names to the disk."""
        descriptor = os.open(self.root + self.follow(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.disk.sync(descriptor)
        finally:
            os.close(descriptor)

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> tuple[int, str, str]:
        """Run a program of the node: exit code, stdout and stderr as text.

        Raises:
            AssertionError: a tree runs no programs.
        """
        if self.commands is None:
            raise AssertionError(argv)
        ran = self.commands.run(argv, stdin=stdin, timeout=timeout)
        return ran.code, ran.stdout.decode("utf-8", "replace"), ran.stderr.decode("utf-8", "replace")


def this_node() -> Host:
    """The machine that this process runs on; from a pod with hostPID, the machine below the pod."""
    if _is_in_pod_with_host_pid():
        return Host("/proc/1/root", commands=Commands(INTO_THE_NODE))
    return Host("/", commands=Commands())


def _is_in_pod_with_host_pid() -> bool:
    try:
        return os.readlink("/proc/self/ns/mnt") != os.readlink("/proc/1/ns/mnt")
    except OSError:  # another user's process: no installer either way
        return False
