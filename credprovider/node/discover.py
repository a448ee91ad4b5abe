"""Which kubelet runs here, and which two paths it was started with; refuses whatever is not as expected.

The truth is the running process's own command line: files that its unit reads may have been edited since. A tree has no
process; there the flags come from the caller or from ``/etc/default/kubelet`` as AKS writes it.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from credprovider.node.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from credprovider.node.host import Host

UNIT = "kubelet.service"
CONFIG_FLAG = "--image-credential-provider-config"
BIN_DIR_FLAG = "--image-credential-provider-bin-dir"

#: Codes of refusals that may pass by themselves: between two starts there is no process, or one that is not yet it.
KUBELET_DOWN, NO_KUBELET = "node-kubelet-down", "node-no-kubelet"

#: AKS's unit reads this one; it is a systemd EnvironmentFile and no shell file.
_FLAGS_FILE = "/etc/default/kubelet"
_FLAGS_VARIABLE = "KUBELET_FLAGS="

_VERSION = re.compile(r"Kubernetes v((1\.\d+)\.\S+)")
_HEALTHZ_PORT = 10248
_DIRECTORY_MINOR = 34


@dataclass(frozen=True)
class Kubelet:
    """What the installer has to know of a kubelet.

    Attributes:
        config: path of its CredentialProviderConfig, links followed; a folder if `is_folder`.
        bin_dir: path of the folder of plugins, links followed.
        is_folder: does the kubelet read all files of a folder? Possible since 1.34.
        version: e.g. ``1.34``; None where it cannot be told.
        healthz_port: of its health endpoint on 127.0.0.1; None when that is switched off.
        environ: the environment that its plugins inherit.
        selinux: the context that it runs in, or empty.
        release: the whole version, e.g. ``1.34.2``: a patch release may take what the one before refused.
    """

    config: str
    bin_dir: str
    is_folder: bool
    version: str | None = None
    healthz_port: int | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    selinux: str = ""
    release: str = ""


def discover(host: Host, flags: Sequence[str] = ()) -> Kubelet:
    """Find the kubelet of a node, or the flags that a tree's will have.

    Args:
        host: the node.
        flags: command line to go by where nothing runs.

    Raises:
        Refusal: ``node-…``, with the reason; nothing has been touched.
    """
    if not host.is_live:
        argv = list(flags) or _flags_of_tree(host)
        return _with_paths(host, argv, Kubelet("", "", is_folder=False))
    pid = main_pid(host)
    argv = _zero_separated(host, pid, "cmdline")
    if not argv or os.path.basename(argv[0]) != "kubelet":
        raise Refusal(
            NO_KUBELET,
            f"the main process of {UNIT} is no kubelet",
            "run this on a node whose kubelet is a systemd service, as AKS's is",
        )
    environ = dict(line.split("=", 1) for line in _zero_separated(host, pid, "environ") if "=" in line)
    context = host.read_if_there(f"/proc/{pid}/attr/current") if host.has_selinux() else None
    release, version = _version(host, argv[0])
    found = Kubelet(
        "",
        "",
        is_folder=False,
        version=version,
        healthz_port=_healthz_port(host, argv),
        environ=environ,
        selinux=(context or b"").decode("ascii", "replace").strip("\0\n "),
        release=release,
    )
    return _with_paths(host, argv, found)


def main_pid(host: Host) -> int:
    """The kubelet's process.

    Raises:
        Refusal: no systemd, no such service, or it is not running.
    """
    code, out, error = host.run(["systemctl", "show", UNIT, "--property=LoadState", "--property=MainPID"])
    if code != 0:
        raise Refusal(
            "node-no-systemd",
            f"systemctl does not work here: {error.strip()[:200] or f'exit {code}'}",
            "run this as root on a node with systemd, or in a privileged pod with hostPID",
        )
    found = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
    if found.get("LoadState") != "loaded":
        raise Refusal("node-no-service", f"there is no {UNIT} here", "run this on a Kubernetes node")
    pid = found.get("MainPID", "0")
    if not pid.isdigit() or pid == "0":
        raise Refusal(
            KUBELET_DOWN,
            f"{UNIT} is not running, and a broken node is left alone",
            "see `systemctl status kubelet` and `journalctl -u kubelet`",
        )
    return int(pid)


def flag_value(argv: Iterable[str], flag: str) -> str | None:
    """Value of a flag in both of pflag's forms, ``--flag=value`` and ``--flag value``; the last one wins."""
    value: str | None = None
    wanted = False
    for word in argv:
        if wanted:
            value, wanted = word, False
        elif word == "--":
            break
        elif word == flag:
            wanted = True
        elif word.startswith(flag + "="):
            value = word[len(flag) + 1 :]
    return value


def _zero_separated(host: Host, pid: int, name: str) -> list[str]:
    content = host.read_if_there(f"/proc/{pid}/{name}") or b""
    return content.decode("utf-8", "surrogateescape").split("\0")[:-1]


def _flags_of_tree(host: Host) -> list[str]:
    content = (host.read_if_there(_FLAGS_FILE) or b"").decode("utf-8", "surrogateescape")
    found = [line for line in content.splitlines() if line.startswith(_FLAGS_VARIABLE)]
    if not found:
        raise Refusal(
            "node-flags-missing",
            f"the tree has no {_FLAGS_FILE} with KUBELET_FLAGS that would name the kubelet's paths",
            f"give them: {CONFIG_FLAG} PATH {BIN_DIR_FLAG} PATH",
        )
    return found[-1].removeprefix(_FLAGS_VARIABLE).split()


def _with_paths(host: Host, argv: list[str], found: Kubelet) -> Kubelet:
    config, bin_dir = flag_value(argv, CONFIG_FLAG), flag_value(argv, BIN_DIR_FLAG)
    if not config or not bin_dir:
        missing = " and ".join(flag for flag, value in ((CONFIG_FLAG, config), (BIN_DIR_FLAG, bin_dir)) if not value)
        raise Refusal(
            "node-flags-missing",
            f"the kubelet runs without {missing}",
            "AKS sets both from Kubernetes 1.30 on: upgrade the node pool",
        )
    for flag, path in ((CONFIG_FLAG, config), (BIN_DIR_FLAG, bin_dir)):
        if not path.startswith("/"):
            raise Refusal(
                "node-flags-odd", f"{flag} of the kubelet is no absolute path", "write an absolute path there"
            )
    return _checked(host, config, bin_dir, found)


def _checked(host: Host, config: str, bin_dir: str, found: Kubelet) -> Kubelet:
    if not host.is_folder(bin_dir):
        raise Refusal(
            "node-no-bin-dir", f"{bin_dir}, the kubelet's folder of plugins, is not there", "look at the node"
        )
    there = host.stat(config)
    if there is None:
        raise Refusal("node-no-config", f"{config}, the kubelet's own config, is not there", "look at the node")
    is_folder = stat.S_ISDIR(there.st_mode)
    if not is_folder and not stat.S_ISREG(there.st_mode):
        raise Refusal("node-config-odd", f"{config} is neither a file nor a folder", "look at the node")
    if is_folder and found.version is not None and minor(found.version) < _DIRECTORY_MINOR:
        raise Refusal(
            "node-config-odd", f"{config} is a folder, which kubelet {found.version} cannot read", "look at the node"
        )
    return replace(found, config=host.follow(config), bin_dir=host.follow(bin_dir), is_folder=is_folder)


def minor(version: str) -> int:
    """The second number of a version."""
    return int(version.split(".")[1])


def _version(host: Host, executable: str) -> tuple[str, str | None]:
    """Of the file that the next start will run, which live patching may have replaced since the last."""
    match = _VERSION.search(host.run([executable, "--version"])[1])
    return (match[1], match[2]) if match else ("", None)


def _healthz_port(host: Host, argv: list[str]) -> int | None:
    """From the flag, else from the kubelet's config file, else the default; see kubelet.config.k8s.io healthzPort."""
    text = flag_value(argv, "--healthz-port")
    if text is None:
        path = flag_value(argv, "--config")
        text = _healthz_of_file(host.read_if_there(path)) if path and path.startswith("/") else None
    if text is None:
        return _HEALTHZ_PORT
    return int(text) if text.isdigit() and text != "0" else None


_HEALTHZ_LINE = re.compile(rb"""^\s*"?healthzPort"?\s*:\s*(\d+)""", re.MULTILINE)


def _healthz_of_file(content: bytes | None) -> str | None:
    match = _HEALTHZ_LINE.search(content or b"")
    return match[1].decode() if match else None
