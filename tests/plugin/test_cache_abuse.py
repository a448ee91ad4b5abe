"""A damaged, foreign or hostile state folder is passed over, replaced or refused, never trusted; and pulls go on."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugin import obstacles
from tests.plugin.obstacles import Obstacles, fill
from tests.plugin.runner import PROGRAM, Outcome
from tests.plugin.settings import edit
from tests.plugin.verdict import judge

if TYPE_CHECKING:
    from tests.cloud.control import CloudProcess
    from tests.plugin.runner import Frozen, InProcess, Runner
    from tests.plugin.settings import Setting, SettingsFactory

#: What no service ever gave out; an answer with it has trusted a file that it should not have.
PLANTED = "ya29.planted-by-somebody-else"
Damage = Callable[[Path], None]


@pytest.fixture
def obstacle() -> Iterator[Obstacles]:
    made = Obstacles()
    yield made
    made.close()


@pytest.fixture
def setting(settings: SettingsFactory) -> Setting:
    return settings("managed-identity-direct")


def _record(state: Path, kind: str) -> Path:
    """The one record of a kind: token, failure or plan; or the lock of the exchange."""
    [found] = [path for path in state.glob(f"{kind}-*") if not path.name.startswith("lock-plan")]
    return found


def _change(path: Path, **changes: Any) -> None:
    """Changes fields of a record in place, its mode as it was; numbers may be given as JSON text in bytes."""
    record = {**json.loads(path.read_text()), **changes}
    members = [f"{json.dumps(name)}:{_json(value)}" for name, value in sorted(record.items())]
    path.write_text("{" + ",".join(members) + "}")


def _json(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else json.dumps(value)


def _plant(path: Path) -> None:
    """Puts a token into a record that only a trusting reader would answer with."""
    _change(path, token=PLANTED)


def _exchanged(ask: Runner, setting: Setting, cloud: CloudProcess) -> None:
    """The next answer has a token that was exchanged for it, and no other."""
    before = cloud.issued("sts")
    outcome = ask(setting.request, setting.config)
    assert judge(outcome)
    assert [outcome.password] == cloud.issued("sts")[len(before) :]


def _is_private_file(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600 and found.st_nlink == 1


# The token's record.


def _shift(**seconds: float) -> Damage:
    """Moves moments of a record."""

    def damage(path: Path) -> None:
        record = json.loads(path.read_text())
        _change(path, **{name: record[name] + by for name, by in seconds.items()})

    return damage


def _set(**fields: Any) -> Damage:
    return lambda path: _change(path, **fields)


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
    "token-number": _set(token=5),
    "token-null": _set(token=None),
    "token-list": _set(token=[PLANTED]),
    "token-empty": _set(token=""),
    "token-with-newline": _set(token=PLANTED + "\nHost: evil"),
    "token-with-space": _set(token=PLANTED + " "),
    "token-not-ascii": _set(token=PLANTED + "ä"),
    "token-half-a-surrogate-pair": _set(token=PLANTED + "\ud800"),
    "expiry-text": _set(expires_at="9999999999"),
    "expiry-true": _set(expires_at=True),
    "expiry-nan": _set(expires_at=b"NaN"),
    "expiry-infinite": _set(expires_at=b"Infinity"),
    "expiry-overflows": _set(expires_at=b"1e999"),
    "expiry-huge-integer": _set(expires_at=_HUGE),
    "expiry-longer-than-python-reads": _set(expires_at=_HUGE * 20),
    "expiry-missing": _drop("expires_at"),
    "expired": _set(expires_at=1.0),
    "lives-too-long": _shift(expires_at=13 * 3600),
    "stored-in-the-future": _shift(stored_at=1000),
    "stored-long-ago": _shift(stored_at=-13 * 3600),
    "stored-hugely-long-ago": _set(stored_at=b"-" + _HUGE),
    "stored-null": _set(stored_at=None),
    "jitter-too-large": _set(jitter=0.5),
    "jitter-negative": _set(jitter=-0.5),
    "jitter-text": _set(jitter="0"),
    "jitter-huge-negative": _set(jitter=b"-" + _HUGE),
    "another-boot": _set(boot="00000000-0000-4000-8000-000000000000"),
    "boot-number": _set(boot=1),
    "boot-missing": _drop("boot"),
}


def test_an_untouched_record_with_another_token_would_be_believed(
    ask: Runner, setting: Setting, cloud: CloudProcess
) -> None:
    """Shows that the tests below would notice a planted token."""
    ask(setting.request, setting.config)
    _plant(_record(ask.state, "token"))
    assert ask(setting.request, setting.config).password == PLANTED
    assert len(cloud.calls("sts")) == 1


@pytest.mark.parametrize("damage", [pytest.param(value, id=name) for name, value in {**TORN, **TOKEN_FIELDS}.items()])
def test_a_damaged_token_record_is_replaced(
    in_process: InProcess, setting: Setting, cloud: CloudProcess, damage: Damage
) -> None:
    in_process(setting.request, setting.config)
    record = _record(in_process.state, "token")
    _plant(record)
    damage(record)
    _exchanged(in_process, setting, cloud)
    asked = len(cloud.calls())
    assert judge(in_process(setting.request, setting.config))
    assert len(cloud.calls()) == asked
    assert _is_private_file(record)


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


@pytest.mark.parametrize(("put", "replaced"), list(IN_PLACE.values()), ids=list(IN_PLACE))
def test_what_stands_in_a_token_records_place_is_not_believed(
    ask: Runner, setting: Setting, cloud: CloudProcess, put: Damage, replaced: bool
) -> None:
    ask(setting.request, setting.config)
    record = _record(ask.state, "token")
    _plant(record)
    put(record)
    _exchanged(ask, setting, cloud)
    assert _is_private_file(record) == replaced
    if replaced:
        asked = len(cloud.calls())
        assert judge(ask(setting.request, setting.config))
        assert len(cloud.calls()) == asked
    else:
        _exchanged(ask, setting, cloud)
    assert not [path for path in ask.state.iterdir() if path.name.startswith(".")]


def test_another_users_token_record_is_not_believed(
    ask: Runner, setting: Setting, cloud: CloudProcess, obstacle: Obstacles
) -> None:
    ask(setting.request, setting.config)
    record = _record(ask.state, "token")
    _plant(record)
    obstacle.give_away(record)
    _exchanged(ask, setting, cloud)


# The failure's record.


FAILURE_FIELDS = {
    "until-too-late": _shift(until=3600),
    "until-text": _set(until="9999999999"),
    "until-huge-integer": _set(until=_HUGE),
    "stored-in-the-future": _shift(stored_at=1000),
    "stored-hugely-long-ago": _set(stored_at=b"-" + _HUGE),
    "pause-huge-integer-and-over": _set(pause=_HUGE, until=b"-" + _HUGE),
    "another-boot": _set(boot="00000000-0000-4000-8000-000000000000"),
    "error-missing": _drop("error"),
    "error-list": _set(error=[]),
    "error-empty": _set(error={}),
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


@pytest.fixture
def failed_once(in_process: InProcess, setting: Setting, cloud: CloudProcess) -> Path:
    """The record of a failure at a cloud that works again."""
    cloud.fault("sts", "status", status=403)
    failed = in_process(setting.request, setting.config)
    assert failed.error == in_process(setting.request, setting.config).error
    assert len(cloud.calls("sts")) == 1
    cloud.clear()
    return _record(in_process.state, "failure")


@pytest.mark.parametrize(
    "damage",
    [pytest.param(value, id=name) for name, value in {**TORN, **FAILURE_FIELDS}.items()],
)
def test_a_damaged_failure_record_keeps_nobody_from_asking(
    in_process: InProcess, setting: Setting, cloud: CloudProcess, failed_once: Path, damage: Damage
) -> None:
    damage(failed_once)
    _exchanged(in_process, setting, cloud)
    assert not failed_once.exists()


@pytest.mark.parametrize("changes", list(ERROR_FIELDS.values()), ids=list(ERROR_FIELDS))
def test_a_failure_record_with_a_damaged_error_keeps_nobody_from_asking(
    in_process: InProcess, setting: Setting, cloud: CloudProcess, failed_once: Path, changes: dict[str, Any]
) -> None:
    _change(failed_once, error=json.loads(failed_once.read_text())["error"] | changes)
    _exchanged(in_process, setting, cloud)


@pytest.mark.parametrize("put", [put for put, _ in IN_PLACE.values()], ids=list(IN_PLACE))
def test_what_stands_in_a_failure_records_place_keeps_nobody_from_asking(
    in_process: InProcess, setting: Setting, cloud: CloudProcess, failed_once: Path, put: Damage
) -> None:
    put(failed_once)
    _exchanged(in_process, setting, cloud)


@pytest.mark.parametrize(
    "damage",
    [pytest.param(value, id=name) for name, value in {**TORN, **FAILURE_FIELDS}.items()],
)
def test_a_second_failure_replaces_a_damaged_record(
    in_process: InProcess, setting: Setting, cloud: CloudProcess, failed_once: Path, damage: Damage
) -> None:
    damage(failed_once)
    cloud.fault("sts", "status", status=403)
    assert in_process(setting.request, setting.config).code == 5
    assert in_process(setting.request, setting.config).code == 5
    assert len(cloud.calls("sts")) == 2


# The plan: settings that were validated before.


def _set_in_plan(**changes: Any) -> Damage:
    return lambda path: _change(path, plan=json.loads(path.read_text())["plan"] | changes)


PLAN_FIELDS = {
    "other-version": _set(product="0.0.0"),
    "no-files": _set(files={}),
    "files-list": _set(files=["/etc/passwd"]),
    "plan-empty": _set(plan={}),
    "plan-list": _set(plan=[]),
    "other-token-url": _set_in_plan(token_url="https://elsewhere.example/v1/token"),
    "other-registries": _set_in_plan(registry_texts=["*.example"]),
    "source-unknown": _set_in_plan(source="somewhere"),
    "no-digest": _drop("whole"),
    "digest-null": _set(whole=None),
}


@pytest.mark.parametrize("damage", [pytest.param(value, id=name) for name, value in {**TORN, **PLAN_FIELDS}.items()])
def test_a_damaged_plan_is_made_anew(
    in_process: InProcess, setting: Setting, cloud: CloudProcess, damage: Damage
) -> None:
    in_process(setting.request, setting.config)
    plan = _record(in_process.state, "plan")
    good = plan.read_bytes()
    damage(plan)
    asked = len(cloud.calls())
    assert judge(in_process(setting.request, setting.config))
    assert len(cloud.calls()) == asked  # the same settings have the same token
    assert plan.read_bytes() == good


@pytest.mark.parametrize(("put", "replaced"), list(IN_PLACE.values()), ids=list(IN_PLACE))
def test_what_stands_in_a_plans_place_is_not_believed(
    in_process: InProcess, setting: Setting, put: Damage, replaced: bool
) -> None:
    in_process(setting.request, setting.config)
    plan = _record(in_process.state, "plan")
    put(plan)
    assert judge(in_process(setting.request, setting.config))
    assert _is_private_file(plan) == replaced


def test_a_plan_does_not_outlive_a_file_that_settings_no_longer_name(ask: Runner, setting: Setting) -> None:
    ask(setting.request, setting.config)
    vendor = setting.config.with_name("credential-config.json")
    vendor.rename(setting.config.with_name("another.json"))
    edit(setting.config, credentialConfig="another.json")
    assert judge(ask(setting.request, setting.config))


# Locks.


LOCKS = {name: put for name, (put, _) in IN_PLACE.items() if name != "linked-to-an-endless-file"}


@pytest.mark.parametrize("put", list(LOCKS.values()), ids=list(LOCKS))
def test_what_stands_in_a_locks_place_is_neither_followed_nor_waited_for(
    ask: Runner, setting: Setting, cloud: CloudProcess, put: Damage
) -> None:
    ask(setting.request, setting.config)
    for lock in list(ask.state.glob("lock-*")):
        put(lock)
    names = {path.name for path in ask.state.iterdir()}
    for kind in ("token", "plan"):
        _record(ask.state, kind).unlink()
    _exchanged(ask, setting, cloud)
    assert {path.name for path in ask.state.iterdir()} == names


def test_another_users_locks_are_no_obstacle(
    ask: Runner, setting: Setting, cloud: CloudProcess, obstacle: Obstacles
) -> None:
    ask(setting.request, setting.config)
    for lock in list(ask.state.glob("lock-*")):
        obstacle.give_away(lock)
    for kind in ("token", "plan"):
        _record(ask.state, kind).unlink()
    _exchanged(ask, setting, cloud)


# The folder.


def _refused(ask: Runner, setting: Setting, cloud: CloudProcess) -> None:
    """Served twice by an exchange each: nothing was believed, nothing was kept."""
    _exchanged(ask, setting, cloud)
    _exchanged(ask, setting, cloud)


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o702, 0o1777], ids=oct)
def test_a_folder_open_to_others_is_not_used(
    in_process: InProcess, setting: Setting, cloud: CloudProcess, mode: int
) -> None:
    _open_folder(in_process, setting, cloud, mode)


def test_a_folder_open_to_others_is_not_used_by_the_executable(
    frozen: Frozen, setting: Setting, cloud: CloudProcess
) -> None:
    _open_folder(frozen, setting, cloud, 0o755)


def _open_folder(ask: Runner, setting: Setting, cloud: CloudProcess, mode: int) -> None:
    ask(setting.request, setting.config)
    _plant(_record(ask.state, "token"))
    before = {path: path.read_bytes() for path in ask.state.iterdir()}
    ask.state.chmod(mode)
    _refused(ask, setting, cloud)
    assert {path: path.read_bytes() for path in ask.state.iterdir()} == before


def test_another_users_folder_is_not_used(
    ask: Runner, setting: Setting, cloud: CloudProcess, obstacle: Obstacles
) -> None:
    ask(setting.request, setting.config)
    _plant(_record(ask.state, "token"))
    obstacle.give_away(ask.state)
    before = sorted(os.listdir(ask.state))
    _refused(ask, setting, cloud)
    assert sorted(os.listdir(ask.state)) == before


@pytest.mark.parametrize(
    "put",
    [
        obstacles.put_pipe,
        obstacles.put_socket,
        obstacles.put_link_to_nothing,
        obstacles.put_link_to_itself,
        lambda path: path.write_text("a file"),
    ],
    ids=["pipe", "socket", "linked-to-nothing", "linked-to-itself", "file"],
)
def test_what_stands_in_the_folders_place_is_left_alone(
    ask: Runner, setting: Setting, cloud: CloudProcess, put: Damage
) -> None:
    ask.state.touch()
    put(ask.state)
    kind = stat.S_IFMT(ask.state.lstat().st_mode)
    _refused(ask, setting, cloud)
    assert stat.S_IFMT(ask.state.lstat().st_mode) == kind
    ask.state.unlink()


def test_a_linked_folder_is_not_followed(ask: Runner, setting: Setting, cloud: CloudProcess, tmp_path: Path) -> None:
    ask(setting.request, setting.config)
    _plant(_record(ask.state, "token"))
    target = ask.state.rename(tmp_path / "elsewhere") if ask.name == "in-process" else _moved(ask.state)
    before = sorted(os.listdir(target))
    ask.state.symlink_to(target)
    _refused(ask, setting, cloud)
    assert sorted(os.listdir(target)) == before
    ask.state.unlink()


def _moved(folder: Path) -> Path:
    return folder.rename(folder.with_name("elsewhere"))


def test_without_a_place_for_the_folder_pulls_go_on(
    in_process: InProcess, setting: Setting, cloud: CloudProcess, tmp_path: Path
) -> None:
    in_process.state = tmp_path / "no" / "such" / "place"
    _refused(in_process, setting, cloud)
    assert not (tmp_path / "no").exists()


def test_on_a_read_only_run_pulls_go_on(
    frozen: Frozen, setting: Setting, cloud: CloudProcess, obstacle: Obstacles
) -> None:
    with obstacle.read_only(Path("/run")):
        _refused(frozen, setting, cloud)
    assert not frozen.state.exists()


def test_on_a_run_that_became_read_only_what_was_there_still_serves(
    frozen: Frozen, setting: Setting, cloud: CloudProcess, obstacle: Obstacles
) -> None:
    token = frozen(setting.request, setting.config).password
    with obstacle.read_only(Path("/run")):
        assert frozen(setting.request, setting.config).password == token
        _record(frozen.state, "plan")  # still there
        edit(setting.config, scopes=["https://www.googleapis.com/auth/cloud-platform"])
        _refused(frozen, setting, cloud)


@pytest.mark.parametrize("with_files", [False, True], ids=["no-space-left", "no-inodes-left"])
def test_on_a_full_disk_pulls_go_on(
    ask: Runner, setting: Setting, cloud: CloudProcess, obstacle: Obstacles, with_files: bool
) -> None:
    ask.state.mkdir(mode=0o700)
    obstacle.small_disk(ask.state)
    filling = fill(ask.state, with_files=with_files)
    _refused(ask, setting, cloud)
    assert [name for name in sorted(os.listdir(ask.state)) if not name.startswith("lock-")] == filling


def test_on_a_disk_that_fills_up_the_old_record_serves_and_a_refresh_leaves_no_half(
    ask: Runner, setting: Setting, cloud: CloudProcess, obstacle: Obstacles
) -> None:
    ask.state.mkdir(mode=0o700)
    obstacle.small_disk(ask.state)
    token = ask(setting.request, setting.config).password
    names = {*os.listdir(ask.state), *fill(ask.state)}
    assert ask(setting.request, setting.config).password == token
    _shift(expires_at=-3000)(_record(ask.state, "token"))
    _exchanged(ask, setting, cloud)
    assert set(os.listdir(ask.state)) == names


def test_on_a_full_disk_nobody_waits_for_what_nobody_can_leave(
    frozen: Frozen, setting: Setting, cloud: CloudProcess, obstacle: Obstacles
) -> None:
    frozen.state.mkdir(mode=0o700)
    obstacle.small_disk(frozen.state)
    fill(frozen.state)
    cloud.fault("sts", "hang", times=1)
    slow = frozen.start(setting.request, setting.config)
    try:
        while not cloud.calls("sts"):
            time.sleep(0.01)
        _exchanged(frozen, setting, cloud)
        assert slow.poll() is None
    finally:
        slow.kill()
        slow.communicate()


# What is left behind.


@pytest.mark.parametrize("mask", [0, 0o22, 0o777], ids=oct)
def test_whatever_the_umask_no_file_is_open_to_others(ask: Runner, setting: Setting, mask: int) -> None:
    old = os.umask(mask)
    try:
        assert judge(ask(setting.request, setting.config))
    finally:
        os.umask(old)
    assert stat.S_IMODE(ask.state.stat().st_mode) == 0o700 & ~mask
    assert {stat.S_IMODE(path.stat().st_mode) for path in ask.state.iterdir()} == {0o600 & ~mask}


def test_only_the_tokens_record_holds_a_token(ask: Runner, settings: SettingsFactory, cloud: CloudProcess) -> None:
    setting = settings("token-file-entra-impersonated")
    token = ask(setting.request, setting.config).password
    for path in ask.state.iterdir():
        content = path.read_text()
        assert (token in content) == path.name.startswith("token-")
        assert not [other for other in cloud.issued() if other != token and other in content]


def test_a_successful_exchange_sweeps_what_the_dead_left_and_nothing_else(
    ask: Runner, setting: Setting, cloud: CloudProcess
) -> None:
    ask(setting.request, setting.config)
    day, now = 24 * 3600, time.time()
    swept = {
        ".token-x.json.1.2": 600,
        ".plan-x.json.1.2": 600,
        "token-x.json": day,
        "failure-x.json": day,
        "lock-x": day,
    }
    kept = {".token-x.json.3.4": 10, "token-y.json": 3600, "azure-identity-token": day, "notes": day}
    for name, age in {**swept, **kept}.items():
        (ask.state / name).touch(mode=0o600)
        os.utime(ask.state / name, (now - age, now - age))
    (ask.state / "token-folder.json").mkdir()
    os.utime(ask.state / "token-folder.json", (now - day, now - day))
    _set(token="")(next(path for path in ask.state.glob("token-*") if path.is_file() and path.stat().st_size))
    _exchanged(ask, setting, cloud)
    names = set(os.listdir(ask.state))
    assert not names & set(swept)
    assert names >= {*kept, "token-folder.json"}


def test_killed_at_any_moment_it_leaves_nothing_that_the_next_one_trips_over(
    frozen: Frozen, setting: Setting, cloud: CloudProcess
) -> None:
    served = frozen(setting.request, setting.config)
    assert judge(served)
    kinds = set()
    for step in range(24):
        for path in [*frozen.state.glob("token-*"), *(frozen.state.glob("plan-*") if step % 2 else ())]:
            path.unlink()
        process = frozen.start(setting.request, setting.config)
        time.sleep(step * 0.012)
        os.kill(process.pid, signal.SIGKILL)  # not Popen.kill, which takes the end away from `finish`
        kinds.add(frozen.finish(process).code)
        for path in frozen.state.iterdir():
            assert _is_private_file(path)
    assert -signal.SIGKILL in kinds
    for path in frozen.state.glob(".*"):
        os.utime(path, (0, 0))
    for path in frozen.state.glob("token-*"):
        path.unlink()
    _exchanged(frozen, setting, cloud)
    assert not list(frozen.state.glob(".*"))
    asked = len(cloud.calls())
    assert judge(frozen(setting.request, setting.config))
    assert len(cloud.calls()) == asked


# Not root.


def _as_stranger(frozen: Frozen, setting: Setting, **environ: str) -> Outcome:
    """Runs as a user that is not root: this process's own one, under another number and without its powers."""
    command = ["unshare", "--user", f"--map-user={obstacles.STRANGER}", f"--map-group={obstacles.STRANGER}"]
    done = subprocess.run(
        [*command, frozen.executable, f"--config={setting.config}"],
        input=setting.request,
        capture_output=True,
        env={**frozen.environ, **environ, "PATH": os.environ["PATH"]},
        cwd="/",
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr.decode())


def test_without_root_and_without_a_runtime_folder_each_answer_is_exchanged(
    frozen: Frozen, setting: Setting, cloud: CloudProcess
) -> None:
    for _ in range(2):
        assert judge(_as_stranger(frozen, setting))
    assert len(cloud.calls("sts")) == 2
    assert not frozen.state.exists()


def test_without_root_the_users_runtime_folder_holds_the_token(
    frozen: Frozen, setting: Setting, cloud: CloudProcess, tmp_path: Path
) -> None:
    first, second = (_as_stranger(frozen, setting, XDG_RUNTIME_DIR=str(tmp_path)) for _ in range(2))
    assert first.password == second.password
    assert len(cloud.calls("sts")) == 1
    assert _is_private_file(_record(tmp_path / PROGRAM, "token"))
    assert not frozen.state.exists()


@pytest.mark.parametrize("kind", ["far-from-there", "relative", "a-file", "not-writable", "read-only"])
def test_without_root_and_with_a_useless_runtime_folder_each_answer_is_exchanged(
    frozen: Frozen, setting: Setting, cloud: CloudProcess, tmp_path: Path, obstacle: Obstacles, kind: str
) -> None:
    folder = tmp_path / ("no/such/place" if kind == "far-from-there" else "runtime")
    if kind == "a-file":
        folder.touch()
    elif kind != "far-from-there":
        folder.mkdir(mode=0o500)
    if kind == "read-only":
        obstacle.small_disk(folder)
    with obstacle.read_only(folder) if kind == "read-only" else nullcontext():
        for _ in range(2):
            assert judge(
                _as_stranger(frozen, setting, XDG_RUNTIME_DIR="runtime" if kind == "relative" else str(folder))
            )
    assert len(cloud.calls("sts")) == 2
    assert not folder.is_dir() or not list(folder.iterdir())
