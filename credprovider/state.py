"""The folder under /run where processes meet: records and locks that only we can have made.

Nothing in it is trusted by its name. A folder or file that is foreign-owned, open to others, a link or torn is passed
over, and the caller works without it; a pull never fails because of this folder.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from _blake2 import blake2b

from credprovider.strict_json import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RECORD_LIMIT = 64 << 10
#: Bytes that most records stay below.
_PROBE_SIZE = 4 << 10

#: Seconds after which a record or lock nobody touched is swept away; longer than any Google token lives (12 h).
_STALE_SECONDS = 13 * 3600
#: Seconds after which the temporary file of a killed process is swept away.
_TORN_SECONDS = 300


def digest(content: bytes | str) -> str:
    """A short name for content: 128 bits of BLAKE2b (RFC 7693) in hex.

    `_blake2` is what `hashlib` hands out, without the time it takes to load OpenSSL.
    """
    return blake2b(
        content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content, digest_size=16
    ).hexdigest()


class StateDirectory:
    """An open folder, 0700 and our own, addressed by descriptor so that nobody can swap it under us."""

    __slots__ = ("_descriptor", "_euid")

    def __init__(self, descriptor: int, euid: int) -> None:
        self._descriptor = descriptor
        self._euid = euid

    @classmethod
    def open(cls, path: str | None, euid: int) -> StateDirectory | None:
        """Open the folder, making it (and one parent) when absent; None when it cannot be had or trusted."""
        if path is None:
            return None
        for folder in (os.path.dirname(path), path):
            try:
                os.mkdir(folder, 0o700)
            except OSError:  # exists already, or cannot be made: the open below tells
                continue
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        found = os.fstat(descriptor)
        if found.st_uid != euid or found.st_mode & 0o077:
            os.close(descriptor)
            return None
        return cls(descriptor, euid)

    def __del__(self) -> None:
        os.close(self._descriptor)

    def read(self, name: str) -> dict[str, Any] | None:
        """A record, or None when it is absent, not ours or not whole."""
        try:
            descriptor = os.open(
                name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=self._descriptor
            )
        except OSError:
            return None
        try:
            if not self._is_ours(os.fstat(descriptor)):
                return None
            content = os.read(descriptor, _RECORD_LIMIT + 1)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        try:
            record = loads(content)
        except ValueError:
            return None
        return record if isinstance(record, dict) else None

    def write(self, name: str, record: dict[str, Any]) -> bool:
        """Put a record in place, whole or not at all; False when the folder does not take it (full, read-only)."""
        temporary = f".{name}.{os.getpid()}.{time.monotonic_ns()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(temporary, flags, 0o600, dir_fd=self._descriptor)
        except OSError:
            return False
        try:
            try:
                _write_all(descriptor, dumps(record).encode("ascii"))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(temporary, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except OSError:
            self.remove(temporary)
            return False
        return True

    def has_room(self) -> bool:
        """Would the folder take a record now? Found out by writing one, for no question to the kernel answers it."""
        name = f"token-none.{os.getpid()}"
        taken = self.write(name, {"room": "." * _PROBE_SIZE})
        self.remove(name)
        return taken

    def remove(self, name: str) -> None:
        """Take a record away, if it is there."""
        try:
            os.unlink(name, dir_fd=self._descriptor)
        except OSError:
            return

    def try_lock(self, name: str) -> Lock | None:
        """Take the lock of that name, or None when another process holds it. The kernel frees it when its holder dies.

        Raises:
            OSError: when the folder cannot hold locks at all.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            descriptor = os.open(name, flags, 0o600, dir_fd=self._descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # A sweep may have unlinked the file between open and flock; then others lock another inode.
                if os.path.samestat(
                    os.fstat(descriptor), os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
                ):
                    return Lock(descriptor)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except FileNotFoundError:
                pass
            except OSError:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def sweep(self, now: float) -> None:
        """Take away what no process needs any more.

        Args:
            now: seconds since 1970.
        """
        try:
            names = os.listdir(self._descriptor)
        except OSError:
            return
        for name in names:
            try:
                found = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
            except OSError:
                continue
            age = _TORN_SECONDS if name.startswith(".") else _STALE_SECONDS
            if stat.S_ISREG(found.st_mode) and _is_record(name) and now - found.st_mtime > age:
                self.remove(name)

    def _is_ours(self, found: os.stat_result) -> bool:
        return (
            stat.S_ISREG(found.st_mode)
            and found.st_uid == self._euid
            and not found.st_mode & 0o077
            and found.st_nlink == 1
            and found.st_size <= _RECORD_LIMIT
        )


class Lock:
    """A held lock; `release` it, or let the process end."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Let the next process in."""
        os.close(self._descriptor)


def _is_record(name: str) -> bool:
    return name.removeprefix(".").startswith(("token-", "failure-", "lock-", "plan-"))


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
