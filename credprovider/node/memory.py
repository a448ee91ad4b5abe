"""What the installer remembers on a node: what it put there, what the kubelet has loaded, restarts, what was rejected.

On the disk beside the bundles and not under /run, as after a reboot nothing needs to be done again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from credprovider.node.host import Host
    from credprovider.node.places import Places

_FORMAT = 1
_DAY = 24 * 3600.0
_BETWEEN_RESTARTS = 600.0
_RESTARTS_A_DAY = 3
#: Attempts that were cut short without telling why, after which a combination counts as bad.
_INTERRUPTIONS = 3


@dataclass
class Record:
    """What is known of one instance.

    Attributes:
        version, bundle: what is installed.
        entry: digest of the entry in the config.
        loaded: boot, pid, start time of the kubelet that has loaded that entry (or its absence), and its digest.
        settings: digest by name of the settings files that we wrote.
        rejected: key and reason of the combination that did not survive its verification.
        interrupted: key and number of attempts that something cut short.
        restarts, rollbacks, repairs: counted since the first install.
    """

    version: str = ""
    bundle: str = ""
    entry: str = ""
    loaded: list[Any] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    interrupted: dict[str, int] = field(default_factory=dict)
    restarts: int = 0
    rollbacks: int = 0
    repairs: int = 0


class Memory:
    """The file of all instances; a damaged one counts as none, which costs one restart at most."""

    def __init__(self, host: Host, places: Places) -> None:
        self._host = host
        self._path = places.memory
        self._home = places.home
        found = _load(host.read_if_there(self._path))
        self._restarts: list[list[Any]] = found.get("restarts", [])
        self._records: dict[str, Record] = {}
        for name, record in found.get("providers", {}).items():
            try:
                self._records[name] = Record(**record)
            except TypeError:
                continue

    def of(self, provider: str) -> Record:
        """What is known of an instance; change it, then `save`."""
        return self._records.setdefault(provider, Record())

    def forget(self, provider: str) -> None:
        """An instance is gone."""
        self._records.pop(provider, None)

    @property
    def is_empty(self) -> bool:
        """Is there no instance left?"""
        return not self._records

    def save(self) -> None:
        """Write, if it differs from what is there."""
        content = json.dumps(
            {
                "format": _FORMAT,
                "restarts": self._restarts,
                "providers": {name: asdict(record) for name, record in sorted(self._records.items())},
            },
            indent=1,
        ).encode()
        if self._host.read_if_there(self._path) != content:
            self._host.make_folder(self._home)
            self._host.put(self._path, content)

    def note_restart(self, provider: str, key: str, now: float) -> None:
        """The kubelet is about to be restarted for a combination; `now` is seconds since 1970."""
        self.of(provider).restarts += 1
        self._restarts = [[at, what] for at, what in self._restarts if now - at < _DAY] + [[now, key]]

    def wait_for_budget(self, key: str, now: float) -> float:
        """Seconds until the next restart is allowed without anybody's order; 0 when it is.

        Not twice within ten minutes, and not more than three a day for one combination: another one is somebody's wish.
        """
        recent = [float(at) for at, _ in self._restarts if 0 <= now - at < _BETWEEN_RESTARTS]
        same = sorted(float(at) for at, what in self._restarts if what == key and 0 <= now - at < _DAY)
        waits = [at + _BETWEEN_RESTARTS - now for at in recent]
        if len(same) >= _RESTARTS_A_DAY:
            waits.append(same[-_RESTARTS_A_DAY] + _DAY - now)
        return max(waits, default=0.0)

    def reject(self, provider: str, key: str, reason: str) -> None:
        """Never try this again by ourselves."""
        self.of(provider).rejected = {"key": key, "reason": reason}

    def note_interruption(self, provider: str, key: str) -> None:
        """An attempt ended without a verdict; a few of them are one."""
        record = self.of(provider)
        record.interrupted = {key: record.interrupted.get(key, 0) + 1}
        if record.interrupted[key] >= _INTERRUPTIONS:
            self.reject(provider, key, f"{_INTERRUPTIONS} attempts were cut short before they could be verified")


def _load(content: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(content or b"{}")
    except ValueError:
        return {}
    is_ours = (
        isinstance(found, dict)
        and found.get("format") == _FORMAT
        and isinstance(found.get("restarts"), list)
        and isinstance(found.get("providers"), dict)
    )
    return found if is_ours else {}
