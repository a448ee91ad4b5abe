"""Everything the core takes from outside: clocks, chance, environment, places, limits; made at the edge, passed in."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_CONFIG = "/etc/azure-gar-credential-provider/config.json"
DEFAULT_STATE_DIRECTORY = "/run/azure-gar-credential-provider"


class Limits:
    """How long things may take, in seconds, and how often they are tried.

    The kubelet kills a plugin after one minute (ExecPlugin in pkg/credentialprovider/plugin/plugin.go) and then
    logs nothing but "signal: killed"; all of this ends before.
    """

    __slots__ = ("connect", "pause", "read", "total", "tries")

    def __init__(
        self, *, total: float = 45.0, connect: float = 5.0, read: float = 10.0, tries: int = 3, pause: float = 0.2
    ) -> None:
        self.total = total
        self.connect = connect
        self.read = read
        self.tries = tries
        self.pause = pause


class World:
    """What one answer may know of the machine it runs on.

    Attributes:
        config: path of config.json.
        environ: the environment.
        boottime: seconds on a clock that neither jumps nor stops in suspend (CLOCK_BOOTTIME); all lives are kept on it.
        wall: seconds since 1970, for what others date absolutely.
        chance: a random fraction in [0, 1).
        limits: time and tries.
        state_directory: where the cross-process cache lives, or None to work without.
        azure_json: AKS's own cloud config, asked for the kubelet identity's client id.
        boot_id: names this boot, as a boottime means nothing after the next.
        euid: whose files are trusted beside root's.
    """

    __slots__ = (
        "azure_json",
        "boot_id",
        "boottime",
        "chance",
        "config",
        "environ",
        "euid",
        "limits",
        "sleep",
        "state_directory",
        "wall",
    )

    def __init__(
        self,
        config: str,
        environ: Mapping[str, str],
        *,
        state_directory: str | None,
        boottime: Callable[[], float],
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float],
        limits: Limits | None = None,
        azure_json: str = "/etc/kubernetes/azure.json",
        boot_id: str = "",
        euid: int = 0,
    ) -> None:
        self.config = config
        self.environ = environ
        self.state_directory = state_directory
        self.boottime = boottime
        self.wall = wall
        self.sleep = sleep
        self.chance = chance
        self.limits = limits or Limits()
        self.azure_json = azure_json
        self.boot_id = boot_id
        self.euid = euid


def real_world(config: str) -> World:
    """The machine as it is."""
    path = os.path.abspath(config)
    return World(
        path,
        os.environ,
        state_directory=state_directory(path, os.environ, os.geteuid()),
        boottime=_boottime,
        chance=_chance,
        boot_id=_boot_id(),
        euid=os.geteuid(),
    )


def state_directory(config: str, environ: Mapping[str, str], euid: int) -> str | None:
    """Where tokens and failures are kept: tmpfs in both cases, so nothing survives a reboot or reaches a disk.

    A second vendor's settings (`/etc/azure-gar-credential-provider/NAME/config.json`) have a sub-folder of their own.
    """
    if euid == 0:
        base = DEFAULT_STATE_DIRECTORY
    elif environ.get("XDG_RUNTIME_DIR", "").startswith("/"):
        base = environ["XDG_RUNTIME_DIR"] + "/" + os.path.basename(DEFAULT_STATE_DIRECTORY)
    else:
        return None
    folder = os.path.dirname(config)
    if os.path.dirname(folder) == os.path.dirname(DEFAULT_CONFIG):
        return base + "/" + os.path.basename(folder)
    return base


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _chance() -> float:
    return int.from_bytes(os.urandom(4), "big") / 2**32


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb", buffering=0) as file:
            return file.read(64).decode("ascii").strip()
    except (OSError, ValueError):
        return ""
