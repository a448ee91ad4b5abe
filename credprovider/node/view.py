"""A node's files below a root path, to look at: symbolic links are followed inside the root, as chroot(2) would."""

from __future__ import annotations

import errno
import hashlib
import os
import stat

from credprovider.node.disk import LABEL
from credprovider.node.manifest import digest_of

_READ_LIMIT = 1 << 20
_LINKS_LIMIT = 40

#: `View.identity` of what is neither file nor link: nothing that may be replaced.
OTHER = "other"


class View:
    """A node, or a tree laid out like one; all paths are the node's own.

    Args:
        root: where the node's root folder is to be found.
    """

    def __init__(self, root: str = "/") -> None:
        self.root = root.rstrip("/")

    def follow(self, path: str) -> str:
        """The node's path that is meant when all links are followed.

        Raises:
            OSError: too many links.
        """
        return self._resolve(path, last=True)

    def local(self, path: str) -> str:
        """This process's path for the node's; a link at its end is not followed."""
        return self.root + self._resolve(path, last=False)

    def _resolve(self, path: str, *, last: bool) -> str:
        parts = [part for part in path.split("/") if part not in ("", ".")]
        done, links = "", 0
        while parts:
            part = parts.pop(0)
            if part == "..":
                done = os.path.dirname(done).rstrip("/")
                continue
            here = f"{done}/{part}"
            if (parts or last) and os.path.islink(self.root + here):
                links += 1
                if links > _LINKS_LIMIT:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                target = os.readlink(self.root + here)
                done = "" if target.startswith("/") else done
                parts = [step for step in target.split("/") if step not in ("", ".")] + parts
                continue
            done = here
        return done or "/"

    def read(self, path: str) -> bytes:
        """A file's content, at most 1 MiB.

        Raises:
            OSError: absent, unreadable, or larger (EFBIG).
        """
        with open(self.root + self.follow(path), "rb", buffering=0) as file:
            content = b""
            while len(content) <= _READ_LIMIT:
                piece = file.read(_READ_LIMIT + 1 - len(content))
                if not piece:
                    return content
                content += piece
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)

    def read_if_there(self, path: str) -> bytes | None:
        """As `read`; None when there is no such file."""
        try:
            return self.read(path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def stat(self, path: str) -> os.stat_result | None:
        """What is there, links followed; None when nothing is."""
        try:
            return os.stat(self.root + self.follow(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def lstat(self, path: str) -> os.stat_result | None:
        """What is there, a link itself; None when nothing is."""
        try:
            return os.lstat(self.local(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def is_folder(self, path: str) -> bool:
        """Is there a folder, be it through a link?"""
        found = self.stat(path)
        return found is not None and stat.S_ISDIR(found.st_mode)

    def names(self, path: str) -> list[str]:
        """What a folder holds, sorted; nothing when there is no such folder."""
        try:
            return sorted(os.listdir(self.root + self.follow(path)))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def link_target(self, path: str) -> str | None:
        """Where a symbolic link points; None when there is none."""
        try:
            return os.readlink(self.local(path))
        except OSError:
            return None

    def identity(self, path: str) -> str | None:
        """What is at a path, to compare: ``sha256:…`` of a file, ``link:…`` of a link, None for nothing."""
        found = self.lstat(path)
        if found is None:
            return None
        if stat.S_ISLNK(found.st_mode):
            return f"link:{self.link_target(path)}"
        if not stat.S_ISREG(found.st_mode):
            return OTHER
        try:
            return f"sha256:{digest_of(self.local(path))}"
        except FileNotFoundError:
            return None

    def label(self, path: str) -> bytes | None:
        """A file's SELinux label, where there are any."""
        try:
            return os.getxattr(self.local(path), LABEL, follow_symlinks=False)
        except OSError:
            return None

    def file_system(self, path: str) -> os.statvfs_result:
        """Mount flags and room of the file system that a path lies on."""
        return os.statvfs(self.root + self.follow(path))


def identity_of(content: bytes) -> str:
    """The `Host.identity` of a file with this content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
