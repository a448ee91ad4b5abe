"""What can stand in a file's or folder's place: another user's, a link, a pipe, a full or read-only file system."""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Another user; needs no name.
STRANGER = 4242
#: Belong to the machine's root, who is a stranger where a namespace knows one user only.
_FOREIGN_FILE, _FOREIGN_FOLDER = "/etc/passwd", "/etc"


class Obstacles:
    """Puts them up; `close` takes the mounted ones away again."""

    def __init__(self) -> None:
        self._mounted = ExitStack()

    def close(self) -> None:
        """As it was."""
        self._mounted.close()

    def mount(self, path: Path, *arguments: str) -> None:
        """Covers a path with what arguments of the mount command say."""
        subprocess.run(["mount", *arguments, str(path)], check=True)
        # Lazily: what ran in this process keeps its folder open, as a process that ends at once may.
        self._mounted.callback(subprocess.run, ["umount", "--lazy", str(path)], check=True)

    def give_away(self, path: Path) -> None:
        """Makes a file or folder another user's."""
        try:
            os.chown(path, STRANGER, STRANGER, follow_symlinks=False)
        except OSError:  # EINVAL: a user namespace with one user
            self.mount(path, "--bind", _FOREIGN_FOLDER if path.is_dir() else _FOREIGN_FILE)
        assert path.stat().st_uid != os.geteuid()

    @contextmanager
    def read_only(self, path: Path) -> Iterator[None]:
        """Makes what is mounted at a path unwritable for a while."""
        subprocess.run(["mount", "-o", "remount,bind,ro", str(path)], check=True)
        try:
            yield
        finally:
            subprocess.run(["mount", "-o", "remount,bind,rw", str(path)], check=True)

    def small_disk(self, path: Path, *, inodes: int = 100) -> None:
        """Makes a path a disk of 64 KiB with that many inodes."""
        self.mount(path, "-t", "tmpfs", "-o", f"mode=0700,size=64k,nr_inodes={inodes}", "tmpfs")


def fill(folder: Path, *, with_files: bool = False) -> list[str]:
    """Uses up all space, or all inodes, of a small disk; the names it took."""
    assert os.statvfs(folder).f_blocks * os.statvfs(folder).f_frsize <= 64 << 10
    names: list[str] = []
    with suppress(OSError):
        while with_files:
            (folder / f"filling-{len(names)}").touch(exist_ok=False)
            names.append(f"filling-{len(names)}")
    if not with_files:
        with suppress(OSError), (folder / "filling").open("wb", buffering=0) as file:
            names.append("filling")
            while file.write(bytes(4096)):
                pass
    return sorted(names)


def put_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def put_socket(path: Path) -> None:
    path.unlink()
    folder = os.open(path.parent, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as channel:
        channel.bind(f"/proc/self/fd/{folder}/{path.name}")  # the whole path may be longer than a socket's may be
    os.close(folder)
    path.chmod(0o600)


def put_folder(path: Path) -> None:
    path.unlink()
    path.mkdir(0o700)


def put_link(path: Path) -> None:
    """A link to the same content, which is ours and has the right mode."""
    target = path.with_name("moved-" + path.name)
    path.rename(target)
    path.symlink_to(target)


def put_link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nothing"))


def put_link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def put_link_to_endless_file(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def put_second_name(path: Path) -> None:
    """A hard link: whoever has the other name can write it."""
    os.link(path, path.with_name("other-" + path.name))
