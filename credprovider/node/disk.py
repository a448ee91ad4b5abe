"""Every system call by which the installer changes a node, one method each, so that tests can fail each of them."""

from __future__ import annotations

import os

#: The extended attribute that holds a file's SELinux label.
LABEL = "security.selinux"


class Disk:
    """The file system as it is; paths are those of this process. All methods raise OSError as the call does."""

    def create(self, path: str) -> int:
        """Open a new file for writing, 0600; it must not exist."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def write(self, descriptor: int, content: bytes) -> None:
        """Write all of it."""
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]

    def sync(self, descriptor: int) -> None:
        """Bring file or folder to the disk."""
        os.fsync(descriptor)

    def set_mode(self, path: str, mode: int) -> None:
        """Permission bits."""
        os.chmod(path, mode)

    def set_owner(self, path: str, uid: int, gid: int) -> None:
        """Owner and group, of a link its own."""
        os.chown(path, uid, gid, follow_symlinks=False)

    def set_times(self, path: str, nanoseconds: int) -> None:
        """Time of last change, which a put back file has to keep."""
        os.utime(path, ns=(nanoseconds, nanoseconds))

    def set_label(self, path: str, label: bytes) -> None:
        """SELinux label."""
        os.setxattr(path, LABEL, label, follow_symlinks=False)

    def rename(self, source: str, destination: str) -> None:
        """Put a file or link in place of another, at once."""
        os.rename(source, destination)

    def symlink(self, target: str, path: str) -> None:
        """Make a symbolic link."""
        os.symlink(target, path)

    def hard_link(self, path: str, name: str) -> None:
        """Give a file a second name."""
        os.link(path, name)

    def unlink(self, path: str) -> None:
        """Take a file or link away."""
        os.unlink(path)

    def make_folder(self, path: str) -> None:
        """Make a folder, 0700."""
        os.mkdir(path, 0o700)

    def remove_folder(self, path: str) -> None:
        """Take an empty folder away."""
        os.rmdir(path)
