"""Ways to damage what lies in the state folder, as tables, and how to see that nobody believed it."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.plugin import obstacles
from tests.plugin.verdict import judge

if TYPE_CHECKING:
    from tests.cloud.control import CloudProcess
    from tests.plugin.runner import Runner
    from tests.plugin.settings import Setting

#: What no service ever gave out; an answer with it has trusted a file that it should not have.
PLANTED = "ya29.planted-by-somebody-else"
Damage = Callable[[Path], None]


def record_of(state: Path, kind: str) -> Path:
    """The one record of a kind: token, failure or plan; or the lock of the exchange."""
    [found] = [path for path in state.glob(f"{kind}-*") if not path.name.startswith("lock-plan")]
    return found


def change(path: Path, **changes: Any) -> None:
    """Changes fields of a record in place, its mode as it was; numbers may be given as JSON text in bytes."""
    record = {**json.loads(path.read_text()), **changes}
    members = [f"{json.dumps(name)}:{_json(value)}" for name, value in sorted(record.items())]
    path.write_text("{" + ",".join(members) + "}")


def _json(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else json.dumps(value)


def plant(path: Path) -> None:
    """Puts a token into a record that only a trusting reader would answer with."""
    change(path, token=PLANTED)


def assert_exchanged(ask: Runner, setting: Setting, cloud: CloudProcess) -> None:
    """The next answer has a token that was exchanged for it, and no other."""
    before = cloud.issued("sts")
    outcome = ask(setting.request, setting.config)
    assert judge(outcome)
    assert [outcome.password] == cloud.issued("sts")[len(before) :]


def is_private_file(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600 and found.st_nlink == 1


def shift(**seconds: float) -> Damage:
    """Moves moments of a record."""

    def damage(path: Path) -> None:
        record = json.loads(path.read_text())
        change(path, **{name: record[name] + by for name, by in seconds.items()})

    return damage


def with_fields(**fields: Any) -> Damage:
    return lambda path: change(path, **fields)


def _write(content: bytes | Callable[[bytes], bytes]) -> Damage:
    def damage(path: Path) -> None:
        path.write_bytes(content if isinstance(content, bytes) else content(path.read_bytes()))

    return damage


def _drop(name: str) -> Damage:
    def damage(path: Path) -> None:
        record = json.loads(path.read_text())
        del record[name]
        path.write_text(json.dumps(record))

    return damage


_HUGE = b"1" + b"0" * 400

TORN = {
    "empty": _write(b""),
    "cut-in-half": _write(lambda content: content[: len(content) // 2]),
    "cut-by-one-byte": _write(lambda content: content[:-1]),
    "twice": _write(lambda content: content * 2),
    "zeros": _write(lambda content: bytes(len(content))),
    "binary": _write(bytes(range(256)) * 8),
    "not-utf-8": _write(lambda content: content.replace(b'{"', b'{"\xff\xfe":1,"', 1)),
    "other-json-list": _write(b"[]"),
    "other-json-null": _write(b"null"),
    "other-json-text": _write(b'"' + PLANTED.encode() + b'"'),
    "other-json-empty": _write(b"{}"),
    "nested-deeply": _write(b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    "key-twice": _write(lambda content: content.replace(b'{"', b'{"boot":"x","', 1)),
    "too-large": _write(lambda content: content + b" " * (65 << 10)),
}
TOKEN_FIELDS = {
    "token-number": with_fields(token=5),
    "token-null": with_fields(token=None),
    "token-list": with_fields(token=[PLANTED]),
    "token-empty": with_fields(token=""),
    "token-with-newline": with_fields(token=PLANTED + "\nHost: evil"),
    "token-with-space": with_fields(token=PLANTED + " "),
    "token-not-ascii": with_fields(token=PLANTED + "ä"),
    "token-half-a-surrogate-pair": with_fields(token=PLANTED + "\ud800"),
    "expiry-text": with_fields(expires_at="9999999999"),
    "expiry-true": with_fields(expires_at=True),
    "expiry-nan": with_fields(expires_at=b"NaN"),
    "expiry-infinite": with_fields(expires_at=b"Infinity"),
    "expiry-overflows": with_fields(expires_at=b"1e999"),
    "expiry-huge-integer": with_fields(expires_at=_HUGE),
    "expiry-longer-than-python-reads": with_fields(expires_at=_HUGE * 20),
    "expiry-missing": _drop("expires_at"),
    "expired": with_fields(expires_at=1.0),
    "lives-too-long": shift(expires_at=13 * 3600),
    "stored-in-the-future": shift(stored_at=1000),
    "stored-long-ago": shift(stored_at=-13 * 3600),
    "stored-hugely-long-ago": with_fields(stored_at=b"-" + _HUGE),
    "stored-null": with_fields(stored_at=None),
    "jitter-too-large": with_fields(jitter=0.5),
    "jitter-negative": with_fields(jitter=-0.5),
    "jitter-text": with_fields(jitter="0"),
    "jitter-huge-negative": with_fields(jitter=b"-" + _HUGE),
    "another-boot": with_fields(boot="00000000-0000-4000-8000-000000000000"),
    "boot-number": with_fields(boot=1),
    "boot-missing": _drop("boot"),
}


FAILURE_FIELDS = {
    "until-too-late": shift(until=3600),
    "until-text": with_fields(until="9999999999"),
    "until-huge-integer": with_fields(until=_HUGE),
    "stored-in-the-future": shift(stored_at=1000),
    "stored-hugely-long-ago": with_fields(stored_at=b"-" + _HUGE),
    "pause-huge-integer-and-over": with_fields(pause=_HUGE, until=b"-" + _HUGE),
    "another-boot": with_fields(boot="00000000-0000-4000-8000-000000000000"),
    "error-missing": _drop("error"),
    "error-list": with_fields(error=[]),
    "error-empty": with_fields(error={}),
}
ERROR_FIELDS = {
    "code-number": {"code": 5},
    "family-list": {"family": []},
    "family-bug": {"family": "bug"},
    "family-settings": {"family": "settings"},
    "cause-null": {"cause": None},
    "remedy-number": {"remedy": 1},
    "status-text": {"status": "403"},
    "service-error-list": {"service_error": []},
    "claims-list": {"claims": ["iss"]},
    "trace-text": {"trace": "id"},
    "unknown-field": {"token": PLANTED},
}


def _with_plan(**changes: Any) -> Damage:
    return lambda path: change(path, plan=json.loads(path.read_text())["plan"] | changes)


PLAN_FIELDS = {
    "other-version": with_fields(product="0.0.0"),
    "no-files": with_fields(files={}),
    "files-list": with_fields(files=["/etc/passwd"]),
    "plan-empty": with_fields(plan={}),
    "plan-list": with_fields(plan=[]),
    "other-token-url": _with_plan(token_url="https://elsewhere.example/v1/token"),
    "other-registries": _with_plan(registry_texts=["*.example"]),
    "source-unknown": _with_plan(source="somewhere"),
    "no-digest": _drop("whole"),
    "digest-null": with_fields(whole=None),
}


#: Obstacle -> is it replaced by a good record?
IN_PLACE = {
    "group-readable": (lambda path: path.chmod(0o640), True),
    "world-readable": (lambda path: path.chmod(0o604), True),
    "world-writable": (lambda path: path.chmod(0o602), True),
    "linked": (obstacles.put_link, True),
    "linked-to-nothing": (obstacles.put_link_to_nothing, True),
    "linked-to-itself": (obstacles.put_link_to_itself, True),
    "linked-to-an-endless-file": (obstacles.put_link_to_endless_file, True),
    "with-a-second-name": (obstacles.put_second_name, True),
    "pipe": (obstacles.put_pipe, True),
    "socket": (obstacles.put_socket, True),
    "folder": (obstacles.put_folder, False),
}
