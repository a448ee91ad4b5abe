"""Many processes at once: a starting node asks for all its images in one moment, and one exchange has to do for all."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from credprovider.deadline import Deadline
from credprovider.errors import ProviderError
from credprovider.secret import Secret
from credprovider.state import StateDirectory
from credprovider.token_cache import Grant, TokenCache
from credprovider.world import real_world
from tests.cloud.modes import MODES_BY_NAME
from tests.plugin.settings import asking
from tests.plugin.verdict import judge

if TYPE_CHECKING:
    from subprocess import Popen

    from tests.cloud.control import CloudProcess
    from tests.plugin.runner import Frozen, Outcome
    from tests.plugin.settings import Setting, SettingsFactory

#: Images of a node that starts.
HERD = 50
_REMEMBERED = re.compile(r" \(failed \d+ s ago; asked again in \d+ s\)")


@contextmanager
def _started(frozen: Frozen, setting: Setting, requests: Iterable[bytes]) -> Iterator[list[Popen[bytes]]]:
    """All of them running; nothing is left when the test fails halfway."""
    processes: list[Popen[bytes]] = []
    try:
        processes.extend(frozen.start(request, setting.config) for request in requests)
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _ask_all(frozen: Frozen, setting: Setting, requests: Iterable[bytes]) -> list[Outcome]:
    with _started(frozen, setting, requests) as processes:
        return [frozen.finish(process) for process in processes]


def _requests(setting: Setting, count: int = HERD, tokens: Iterable[str] = ()) -> list[bytes]:
    """One request per image; with tokens, pod by pod another one of them."""
    known: list[str | None] = [*tokens] or [setting.token]
    images = [f"us-docker.pkg.dev/bifrost-project/hub/image-{number}" for number in range(count)]
    in_request = "serviceAccountToken" in json.loads(setting.request)
    return [
        asking(setting, image, serviceAccountToken=known[number % len(known)] if in_request else None).request
        for number, image in enumerate(images)
    ]


def _hops(cloud: CloudProcess) -> list[str]:
    return [call["hop"] for call in cloud.calls()]


def _passwords(outcomes: Iterable[Outcome]) -> set[str]:
    for outcome in outcomes:
        response = judge(outcome)
        assert response is not None
        assert response["auth"], response
    return {outcome.password for outcome in outcomes}


def _validate(frozen: Frozen, setting: Setting) -> None:
    """Has the settings validated and remembered, without a token: the herd then meets in one moment."""
    assert frozen(asking(setting, "docker.io/library/nginx").request, setting.config).response["auth"] == {}


def _await(condition: Callable[[], bool]) -> None:
    """Until a condition holds; the suite's own time limit ends it otherwise."""
    while not condition():
        time.sleep(0.01)


# Failures first.


@pytest.mark.parametrize(
    ("hop", "fault", "tries", "code", "status"),
    [
        pytest.param("imds", {"status": 429, "retry_after": 120}, 1, 4, 429, id="imds-429-with-retry-after"),
        pytest.param("sts", {"status": 403}, 1, 5, 403, id="sts-403"),
        pytest.param("sts", {"status": 503}, 3, 5, 503, id="sts-503-tried-three-times"),
        pytest.param("iam", {"status": 403}, 1, 5, 403, id="iam-403"),
    ],
)
def test_when_the_exchange_fails_all_take_that_failure(
    frozen: Frozen,
    cloud: CloudProcess,
    settings: SettingsFactory,
    hop: str,
    fault: dict[str, int],
    tries: int,
    code: int,
    status: int,
) -> None:
    setting = settings("managed-identity-impersonated")
    _validate(frozen, setting)
    cloud.fault(hop, "status", **fault)
    outcomes = _ask_all(frozen, setting, _requests(setting))
    hops = MODES_BY_NAME["managed-identity-impersonated"].hops
    assert _hops(cloud) == hops[: hops.index(hop)] + tries * [hop]
    assert {judge(outcome) is None for outcome in outcomes} == {True}
    assert {(outcome.code, outcome.hop, outcome.status) for outcome in outcomes} == {(code, hop, status)}
    # The same words; a remembered failure's claims come in the order of the alphabet.
    words = {frozenset(re.findall(r"[^ ,]*[^ ,.]", _REMEMBERED.sub("", outcome.line))) for outcome in outcomes}
    assert len(words) == 1


def test_a_killed_leader_is_replaced_by_one_of_those_who_wait(
    frozen: Frozen, cloud: CloudProcess, settings: SettingsFactory
) -> None:
    setting = settings("managed-identity-impersonated")
    _validate(frozen, setting)
    cloud.fault("sts", "hang", times=1)
    with _started(frozen, setting, _requests(setting)) as processes:
        _await(lambda: len(cloud.calls("sts")) == 1)
        [leader] = [process for process in processes if process.pid in _lock_holders(frozen.state)]
        leader.kill()
        outcomes = [frozen.finish(process) for process in processes]
    killed = outcomes.pop(processes.index(leader))
    assert (killed.code, killed.stdout, killed.stderr) == (-signal.SIGKILL, b"", "")
    assert len(_passwords(outcomes)) == 1
    assert [hop for hop in _hops(cloud) if hop != "imds"] == ["sts", "sts", "iam"]


def _lock_holders(state: Path) -> set[int]:
    """Processes that hold a lock in the folder, by proc_locks(5)."""
    inodes = {path.stat().st_ino for path in state.glob("lock-*")}
    locks = [line.split() for line in Path("/proc/locks").read_text().splitlines() if "->" not in line]
    return {int(fields[4]) for fields in locks if int(fields[5].split(":")[2]) in inodes}


@pytest.mark.parametrize("mode", ["managed-identity-impersonated", "service-account-entra-impersonated"])
def test_fifty_cold_processes_make_one_exchange(
    frozen: Frozen, cloud: CloudProcess, settings: SettingsFactory, mode: str
) -> None:
    setting = settings(mode)
    # Pods of one ServiceAccount have a token each.
    pods = [cloud.kubernetes_token(lifetime=3600 + pod) for pod in range(7)]
    outcomes = _ask_all(frozen, setting, _requests(setting, tokens=pods))
    assert _hops(cloud) == MODES_BY_NAME[mode].hops
    assert _passwords(outcomes) == set(cloud.issued("iam"))


def test_two_service_accounts_make_two_exchanges_and_share_no_token(
    frozen: Frozen, cloud: CloudProcess, settings: SettingsFactory
) -> None:
    setting = settings("service-account-direct")
    audience = cloud.world.cluster_audience
    accounts = {
        "99999999-9999-4999-8999-00000000000a": "first",
        "99999999-9999-4999-8999-00000000000b": "second",
    }
    tokens = [cloud.kubernetes_token("shop", name, uid=uid, audience=audience) for uid, name in accounts.items()]
    outcomes = _ask_all(frozen, setting, _requests(setting, 20, tokens))
    assert _hops(cloud) == ["sts", "sts"]
    first, second = _passwords(outcomes[0::2]), _passwords(outcomes[1::2])
    assert len(first) == len(second) == 1
    assert first | second == set(cloud.issued("sts"))


def test_a_service_account_made_anew_does_not_get_its_predecessors_token(
    frozen: Frozen, cloud: CloudProcess, settings: SettingsFactory
) -> None:
    setting = settings("service-account-direct")
    audience = cloud.world.cluster_audience
    uids = ("99999999-9999-4999-8999-00000000000a", "99999999-9999-4999-8999-00000000000b")
    tokens = [cloud.kubernetes_token(uid=uid, audience=audience) for uid in uids]
    outcomes = _ask_all(frozen, setting, _requests(setting, 10, tokens))
    assert len(cloud.calls("sts")) == len(_passwords(outcomes)) == 2


#: A life, in seconds, whose answer falls below the limit of ten minutes from the start.
_SHORT = 700


@pytest.mark.parametrize("life", [3600, _SHORT], ids=["to-a-long-token", "to-one-just-as-short"])
def test_a_fleet_whose_token_runs_out_refreshes_it_once(
    frozen: Frozen, cloud: CloudProcess, settings: SettingsFactory, life: int
) -> None:
    setting = settings("managed-identity-direct")
    cloud.configure(sts_max_life=_SHORT)
    old = frozen(setting.request, setting.config).password
    cloud.configure(sts_max_life=life)
    cloud.fault("sts", "slow", times=1, seconds=1.5)  # all of them have seen the old token before the new one comes
    outcomes = _ask_all(frozen, setting, _requests(setting, 20))
    assert len(cloud.calls("sts")) == 2
    assert _passwords(outcomes) == set(cloud.issued("sts")) - {old}


def test_a_fleet_that_cannot_refresh_keeps_the_old_token_and_asks_once(
    frozen: Frozen, cloud: CloudProcess, settings: SettingsFactory
) -> None:
    setting = settings("managed-identity-direct")
    cloud.configure(sts_max_life=_SHORT)
    old = frozen(setting.request, setting.config).password
    cloud.fault("sts", "status", status=403)
    outcomes = _ask_all(frozen, setting, _requests(setting, 20))
    assert len(cloud.calls("sts")) == 2
    assert _passwords(outcomes) == {old}
    assert {outcome.cache_seconds for outcome in outcomes} == {0}


def test_a_herd_leaves_one_record_of_each_kind_and_its_locks(frozen: Frozen, settings: SettingsFactory) -> None:
    setting = settings("managed-identity-direct")
    _passwords(_ask_all(frozen, setting, _requests(setting, 10)))
    kinds = sorted(name.partition("-")[0] for name in os.listdir(frozen.state))
    assert [kind for kind in kinds if kind != "lock"] == ["plan", "token"]


# What processes do in one instant, shown with threads that are held at that instant.


class _HeldBack(StateDirectory):
    """A folder whose next token is stamped, but not to be seen before it is let go."""

    __slots__ = ("let_go", "stamped")

    def hold_back(self) -> None:
        self.stamped, self.let_go = threading.Event(), threading.Event()

    def write(self, name: str, record: dict[str, Any]) -> bool:
        if "token" in record:
            self.stamped.set()
            assert self.let_go.wait(10)
        return super().write(name, record)


def _cache(folder: Path, sleep: Callable[[float], None] = time.sleep) -> TokenCache:
    """A cache of one key in a folder, as a process of its own would have it."""
    world = real_world("/config.json")
    world.sleep = sleep
    return TokenCache(world, StateDirectory.open(str(folder), os.geteuid()), "key")


def _grant(text: str, life: float = 3600.0) -> Grant:
    return Grant(Secret(text), time.clock_gettime(time.CLOCK_BOOTTIME) + life)


def _never() -> Grant:
    raise AssertionError("a second exchange")


def test_a_waiter_takes_a_token_that_was_stamped_before_it_looked_and_stored_after(tmp_path: Path) -> None:
    leader = _cache(tmp_path / "state")
    folder = _HeldBack.open(str(tmp_path / "state"), os.geteuid())
    assert isinstance(folder, _HeldBack)
    folder.hold_back()
    leader._state = folder
    thread = threading.Thread(target=leader.token, args=(lambda: _grant("ya29.leader"), Deadline(10)))
    thread.start()
    assert folder.stamped.wait(10)
    answered = _cache(tmp_path / "state", lambda _: folder.let_go.set()).token(_never, Deadline(10))
    thread.join(10)
    assert (answered.how, answered.grant.token.reveal()) == ("waited", "ya29.leader")


def test_who_waits_for_a_leader_that_never_ends_fails_by_the_deadline(tmp_path: Path) -> None:
    cache = _cache(tmp_path / "state")
    assert cache._state is not None
    lock = cache._state.try_lock(cache._lock)
    assert lock is not None
    with pytest.raises(ProviderError) as caught:
        cache.token(_never, Deadline(0.1))
    assert (caught.value.code, caught.value.exit_code) == ("deadline-waiting", 7)
    lock.release()


def test_who_waits_for_a_leader_that_never_ends_keeps_a_token_that_still_lives(tmp_path: Path) -> None:
    cache = _cache(tmp_path / "state")
    cache.token(lambda: _grant("ya29.old", 400), Deadline(1))
    assert cache._state is not None
    lock = cache._state.try_lock(cache._lock)
    assert lock is not None
    answered = cache.token(_never, Deadline(0.1))
    assert (answered.how, answered.cache_seconds, answered.grant.token.reveal()) == ("kept", 0, "ya29.old")
    assert answered.failure is not None
    assert answered.failure.code == "deadline-waiting"
    lock.release()
