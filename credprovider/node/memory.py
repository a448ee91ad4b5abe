"""What the installer remembers on a node: what it put there, what the kubelet has loaded, restarts, what was rejected.

On the disk beside the bundles and not under /run, as after a reboot nothing needs to be done again.
"""

from __future__ import annotations

import errno
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from credprovider.node.host import Host
    from credprovider.node.places import Places

_FORMAT = 1
_DAY = 24 * 3600.0
_BETWEEN_RESTARTS = 600.0
_RESTARTS_A_DAY = 3
_RESTARTS_OF_ALL_A_DAY = 10
_LARGEST = 2**53
#: Attempts that were cut short without telling why, after which a combination counts as bad.
_INTERRUPTIONS = 3


class Noted(NamedTuple):
    """What is remembered of one kubelet: digest of the entry that it has loaded, and hash of its config, if known."""

    entry: str
    hash: str


@dataclass
class Record:
    """What is known of one instance.

    Attributes:
        version, bundle: what is installed.
        entry: digest of the entry in the config.
        loaded: boot, pid, start time of the kubelet that has loaded that entry (or its absence), its digest, and the
            hash of the config.
        settings: digest by name of the settings files that we wrote.
        token: path to which a token is relayed, or empty.
        rejected: key and reason of the combination that did not survive its verification.
        interrupted: key and number of attempts that something cut short.
        restarts, rollbacks, repairs: counted since the first install.
    """

    version: str = ""
    bundle: str = ""
    entry: str = ""
    loaded: list[Any] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    token: str = ""
    rejected: dict[str, str] = field(default_factory=dict)
    interrupted: dict[str, int] = field(default_factory=dict)
    restarts: int = 0
    rollbacks: int = 0
    repairs: int = 0

    def noted(self, boot: str, process: tuple[int, int]) -> Noted | None:
        """What this kubelet has loaded, if that is remembered."""
        if self.loaded[:3] != [boot, *process]:
            return None
        return Noted(self.loaded[3], "".join(self.loaded[4:]))  # older versions kept no hash


class Memory:
    """The file of all instances; a damaged one, or a damaged record, counts as none: that costs one restart at most."""

    def __init__(self, host: Host, places: Places) -> None:
        self._host = host
        self._path = places.memory
        self._home = places.home
        found = _load(host, self._path)
        self._restarts: list[list[Any]] = found.get("restarts", [])
        self._records: dict[str, Record] = {
            name: Record(**record) for name, record in found.get("providers", {}).items() if _is_record(record)
        }

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

    def is_relayed_for_another(self, provider: str, token: str) -> bool:
        """Does another instance have its token at this path?"""
        return any(record.token == token for name, record in self._records.items() if name != provider)

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
        if _read(self._host, self._path) != content:
            self._host.make_folder(self._home)
            self._host.put(self._path, content)

    def note_restart(self, provider: str, key: str, now: float) -> None:
        """The kubelet is about to be restarted for a combination; `now` is seconds since 1970."""
        self.of(provider).restarts += 1
        recent = [[at, what] for at, what in self._restarts if now - at < _DAY]
        self._restarts = [*recent, [now, _combination(provider, key)]]

    def take_back_restart(self, provider: str) -> None:
        """It was not, as systemd refused the order."""
        self.of(provider).restarts -= 1
        self._restarts.pop()

    def wait_for_budget(self, provider: str, key: str, now: float) -> float:
        """Seconds until the next restart is allowed without anybody's order; 0 when it is.

        One combination not twice within ten minutes, and not more than three times a day: another one is somebody's
        wish, and another instance another vendor's. But no instance more than ten times a day, whatever it wishes for.
        """
        today = sorted((float(at), str(what)) for at, what in self._restarts if 0 <= now - at < _DAY)
        same = [at for at, what in today if what == _combination(provider, key)]
        own = [at for at, what in today if what.startswith(_combination(provider, ""))]
        waits = [at + _BETWEEN_RESTARTS - now for at in same]
        if len(same) >= _RESTARTS_A_DAY:
            waits.append(same[-_RESTARTS_A_DAY] + _DAY - now)
        if len(own) >= _RESTARTS_OF_ALL_A_DAY:
            waits.append(own[-_RESTARTS_OF_ALL_A_DAY] + _DAY - now)
        return max(0.0, *waits) if waits else 0.0

    def reject(self, provider: str, key: str, reason: str) -> None:
        """Never try this again by ourselves."""
        self.of(provider).rejected = {"key": key, "reason": reason}

    def note_interruption(self, provider: str, key: str) -> None:
        """An attempt ended without a verdict; a few of them are one."""
        record = self.of(provider)
        record.interrupted = {key: record.interrupted.get(key, 0) + 1}
        if record.interrupted[key] >= _INTERRUPTIONS:
            self.reject(provider, key, f"{_INTERRUPTIONS} attempts were cut short before they could be verified")


def _combination(provider: str, key: str) -> str:
    return f"{provider} {key}"


def _read(host: Host, path: str) -> bytes | None:
    try:
        return host.read_if_there(path)
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        return None  # it is not we who wrote it


def _load(host: Host, path: str) -> dict[str, Any]:
    try:
        found = json.loads(_read(host, path) or b"{}")
    except (ValueError, RecursionError):
        return {}
    is_ours = (
        isinstance(found, dict)
        and found.get("format") == _FORMAT
        and _is_list(found.get("restarts"), _is_restart)
        and isinstance(found.get("providers"), dict)
    )
    return found if is_ours else {}


def _is_restart(found: object) -> bool:
    return isinstance(found, list) and len(found) == 2 and _is_number(found[0]) and _is(found[1], str)


def _is_record(found: object) -> bool:
    """Does JSON hold what a `Record` is made of?"""
    empty = asdict(Record())
    if not isinstance(found, dict) or not found.keys() <= empty.keys():
        return False
    record = empty | found
    plain = all(_is(record[name], type(value)) for name, value in empty.items())
    counts = (value for value in record.values() if _is(value, int))
    return plain and all(map(_is_number, counts)) and _is_loaded(record["loaded"]) and _has_fitting_values(record)


def _has_fitting_values(record: dict[str, Any]) -> bool:
    rejected, texts = record["rejected"], [*record["rejected"].values(), *record["settings"].values()]
    counts = record["interrupted"].values()
    is_whole = not rejected or rejected.keys() == {"key", "reason"}
    return is_whole and all(_is(text, str) for text in texts) and all(map(_is_number, counts))


def _is_loaded(found: list[Any]) -> bool:
    kinds = [type(each) for each in found]
    return kinds in ([str, int, int, str, str], [str, int, int, str], [])


def _is_list(found: object, is_item: Any) -> bool:
    return isinstance(found, list) and all(map(is_item, found))


def _is_number(found: Any) -> bool:
    """A time or a count; what JSON may hold besides is none."""
    return _is(found, float, int) and 0 <= found < _LARGEST


def _is(found: object, *kinds: type) -> bool:
    """Is it exactly of one of the types? To JSON and to us, true is no number."""
    return type(found) in kinds
