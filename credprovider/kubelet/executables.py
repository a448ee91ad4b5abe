"""The executables that a CredentialProviderConfig names: there, runnable, made for this machine? Looks at files.

Source: RegisterCredentialProviderPlugins (os.Stat up to 1.29, then exec.LookPath), as root sees it; a file of a wrong
format is noticed at the first pull only.
"""

from __future__ import annotations

import os
import platform
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from credprovider.kubelet.findings import Finding, Severity
from credprovider.kubelet.versions import EXECUTABLES_INSPECTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from credprovider.kubelet.config_model import Provider
    from credprovider.kubelet.versions import KubeletVersion

#: e_machine of an ELF header, by the names that uname uses.
_MACHINES = {3: "i686", 21: "ppc64le", 22: "s390x", 40: "armv7l", 62: "x86_64", 183: "aarch64", 243: "riscv64"}

_ELF = b"\x7fELF"


def check_executables(providers: Sequence[Provider], bin_dir: str, kubelet: KubeletVersion) -> Iterator[Finding]:
    """What registration or the first run would stumble over; impossible names are left to the rules."""
    try:
        os.stat(bin_dir)  # not by pathlib, to which an empty path is the current folder
    except (OSError, ValueError) as error:
        message = f"the bin dir {bin_dir} cannot be looked at: {_reason(error)}"
        yield Finding(Severity.ERROR, "executable-bin-dir", message)
        return
    for provider in providers:
        name = provider.name.text
        if name not in {"", ".", ".."} and not {"/", "\0"} & set(name):
            yield from _check(provider, Path(bin_dir) / name, kubelet)


def _check(provider: Provider, path: Path, kubelet: KubeletVersion) -> Iterator[Finding]:
    inspected = Severity.ERROR if kubelet >= EXECUTABLES_INSPECTED else Severity.WARNING
    try:
        mode = path.stat().st_mode
        noexec = os.statvfs(path).f_flag & os.ST_NOEXEC
    except PermissionError:
        message = f"{path} cannot be looked at without more rights"
        yield _finding(provider, Severity.WARNING, "executable-uninspected", message)
        return
    except (OSError, ValueError) as error:
        message = f"{path}: {_reason(error)}"
        hint = "put the binary in place before the entry"
        yield _finding(provider, Severity.ERROR, "executable-missing", message, hint)
        return
    if stat.S_ISDIR(mode):
        yield _finding(provider, inspected, "executable-is-directory", f"{path} is a directory")
    elif not mode & 0o111:
        message = f"{path} is not executable"
        yield _finding(provider, inspected, "executable-not-executable", message, f"chmod 0755 {path}")
    elif noexec and stat.S_ISREG(mode):
        message = f"{path} is on a file system that is mounted noexec"
        yield _finding(provider, inspected, "executable-not-executable", message, "take another bin dir, or remount it")
    else:
        yield from _check_format(provider, path, mode)


def _check_format(provider: Provider, path: Path, mode: int) -> Iterator[Finding]:
    header = b""
    if stat.S_ISREG(mode):  # to open a pipe would be to wait for its other end
        try:
            with path.open("rb") as file:
                header = file.read(20)
        except OSError:
            return
    if header.startswith(_ELF) and len(header) == 20:
        order = "big" if header[5] == 2 else "little"
        built_for = _MACHINES.get(int.from_bytes(header[18:20], order), "another machine")  # type: ignore[arg-type]
        if built_for != platform.machine():
            message = f"{path} is built for {built_for}; this machine is {platform.machine()}"
            yield _finding(provider, Severity.WARNING, "executable-architecture", message)
    elif not header.startswith(b"#!"):
        message = f"{path} is neither a program nor a script with #!: every run fails with exec format error"
        yield _finding(provider, Severity.WARNING, "executable-format", message)


def _finding(provider: Provider, severity: Severity, rule: str, message: str, suggestion: str = "") -> Finding:
    name = provider.name
    return Finding(severity, rule, message, provider.file, name.place, name.path, suggestion=suggestion)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or "unreadable") if isinstance(error, OSError) else "no possible name of a file"
