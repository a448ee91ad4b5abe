"""One exchange for all processes on the node: its token kept for all of them, its failure remembered for a while.

The kubelet runs the plugin once for each image it has not asked for yet (its single flight is by image), so a node
start is a burst of processes; and in back-off it runs it again every few seconds.
"""

from __future__ import annotations

from credprovider.errors import ProviderError
from credprovider.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeGuard

    from credprovider.deadline import Deadline
    from credprovider.state import Lock, StateDirectory
    from credprovider.world import World

#: Seconds of a token's life that are never promised to the kubelet: clock differences and a long pull.
MARGIN_SECONDS = 300.0
#: The largest part of the rest that is left away by chance, so that a fleet does not refresh in one second.
JITTER = 0.1
#: A token whose answer would fall below this many seconds of caching is refreshed.
REFRESH_BELOW_SECONDS = 600
#: How long a refresh may hold up a pull that the old token would serve.
PATIENCE_SECONDS = 10.0
#: A token with less than this many seconds left is not answered.
USABLE_SECONDS = 60.0
#: No Google access token lives longer, in seconds; what claims to is not ours.
LONGEST_LIFE = 12 * 3600.0

_FIRST_PAUSE, _LONGEST_PAUSE, _LONGEST_RETRY_AFTER = 10.0, 60.0, 600.0
#: A failure this long ago, in seconds, does not lengthen the next pause.
_FORGET_SECONDS = 600.0
_REMEMBERED_FAMILIES = frozenset({"azure", "google", "deadline"})
_POLL_SECONDS = 0.025


class Grant:
    """An access token and the end of its life, in seconds on the boottime clock."""

    __slots__ = ("expires_at", "jitter", "stored_at", "token")

    def __init__(self, token: Secret, expires_at: float, *, jitter: float = 0.0, stored_at: float = 0.0) -> None:
        self.token = token
        self.expires_at = expires_at
        self.jitter = jitter
        self.stored_at = stored_at

    def left(self, now: float) -> float:
        """Seconds of life left at boottime `now`."""
        return self.expires_at - now

    def cache_seconds(self, now: float) -> int:
        """What the kubelet is told: whole seconds, never more than what is left."""
        return max(0, int((self.left(now) - MARGIN_SECONDS) * (1.0 - self.jitter)))


class Answered:
    """A grant and where it came from.

    Attributes:
        how: ``hit``; ``exchange``; ``waited`` for another process's exchange; ``kept`` although refreshing failed.
        cache_seconds: what the kubelet may keep it for.
        failure: why refreshing failed, when it did.
    """

    __slots__ = ("cache_seconds", "failure", "grant", "how")

    def __init__(self, grant: Grant, how: str, cache_seconds: int, failure: ProviderError | None = None) -> None:
        self.grant = grant
        self.how = how
        self.cache_seconds = cache_seconds
        self.failure = failure


class _NoLock:
    """Stands where no lock can be held."""

    __slots__ = ()

    def release(self) -> None:
        """Nothing was held."""


class TokenCache:
    """The token and the failure of one key (settings, identity, subject), shared by all processes of that key."""

    def __init__(self, world: World, state: StateDirectory | None, key: str) -> None:
        self._world = world
        self._state = state
        self._token, self._failure, self._lock = f"token-{key}.json", f"failure-{key}.json", f"lock-{key}"

    def token(self, exchange: Callable[[], Grant], deadline: Deadline) -> Answered:
        """A token with life in it: from the cache, from the process that is exchanging now, or by `exchange`.

        Raises:
            ProviderError: what `exchange` raised, here or in another process not long ago.
        """
        now = self._world.boottime()
        known = self._read_grant()
        if known is not None and known.cache_seconds(now) >= REFRESH_BELOW_SECONDS:
            return Answered(known, "hit", known.cache_seconds(now))
        failure = self._remembered_failure(now)
        if failure is not None:
            return self._keep_or_raise(known, failure)
        if known is not None and known.left(now) > USABLE_SECONDS:
            # A pull need not wait out an outage while there is a token that serves it.
            deadline.shorten(PATIENCE_SECONDS)
        return self._exchange_once(exchange, deadline, known)

    def _exchange_once(self, exchange: Callable[[], Grant], deadline: Deadline, before: Grant | None) -> Answered:
        while True:
            lock = self._try_lock()
            try:
                settled = self._settled(before)
                if settled is not None:
                    return settled
                if lock is not None:
                    return self._exchange(exchange)
            finally:
                if lock is not None:
                    lock.release()
            if not deadline.left():
                cause = "another process has been exchanging all the time"
                remedy = "see its line in the kubelet's log"
                error = ProviderError("deadline-waiting", "deadline", "cache", cause, remedy)
                return self._keep_or_raise(before, error)
            self._world.sleep(_POLL_SECONDS)

    def _try_lock(self) -> Lock | _NoLock | None:
        """The right to exchange; None while another process has it. Where it would bring nothing, everybody has it."""
        if self._state is None:
            return _NoLock()
        try:
            lock = self._state.try_lock(self._lock)
        except OSError:
            return _NoLock()
        if lock is not None and not self._state.has_room():
            # Nobody would find what this process reaches; behind a lock all would exchange one after the other.
            lock.release()
            return _NoLock()
        return lock

    def _settled(self, before: Grant | None) -> Answered | None:
        """What another process reached since this one read `before` and found no failure to respect.

        Told by difference, not by time: a record is stamped a moment before others can see it.
        """
        now = self._world.boottime()
        known = self._read_grant()
        is_new = known is not None and (before is None or known.stored_at != before.stored_at)
        if known is not None and is_new and known.left(now) > USABLE_SECONDS:
            return Answered(known, "waited", known.cache_seconds(now))
        failure = self._remembered_failure(now)
        return None if failure is None else self._keep_or_raise(known, failure)

    def _exchange(self, exchange: Callable[[], Grant]) -> Answered:
        try:
            grant = exchange()
        except ProviderError as error:
            self._remember(error)
            return self._keep_or_raise(self._read_grant(), error)
        grant.jitter = JITTER * self._world.chance()
        grant.stored_at = self._world.boottime()
        if self._state is not None:
            self._state.write(self._token, self._grant_record(grant))
            self._state.remove(self._failure)
            self._state.sweep(self._world.wall())
        return Answered(grant, "exchange", grant.cache_seconds(self._world.boottime()))

    def _keep_or_raise(self, known: Grant | None, error: ProviderError) -> Answered:
        if known is not None and known.left(self._world.boottime()) > USABLE_SECONDS:
            return Answered(known, "kept", 0, error)
        raise error

    def _read_grant(self) -> Grant | None:
        record = self._state.read(self._token) if self._state is not None else None
        if record is None or record.get("boot") != self._world.boot_id:
            return None
        token, expires_at, jitter, stored_at = (
            record.get(name) for name in ("token", "expires_at", "jitter", "stored_at")
        )
        now = self._world.boottime()
        if not isinstance(token, str) or not is_presentable(token):
            return None
        if not (_is_number(expires_at) and _is_number(jitter) and _is_number(stored_at)):
            return None
        if not (0 <= jitter <= JITTER and stored_at <= now < expires_at <= stored_at + LONGEST_LIFE):
            return None
        return Grant(Secret(token), expires_at, jitter=jitter, stored_at=stored_at)

    def _grant_record(self, grant: Grant) -> dict[str, Any]:
        return {
            "boot": self._world.boot_id,
            "token": grant.token.reveal(),
            "expires_at": grant.expires_at,
            "jitter": grant.jitter,
            "stored_at": grant.stored_at,
        }

    def _remember(self, error: ProviderError) -> None:
        if self._state is None or error.family not in _REMEMBERED_FAMILIES:
            return
        now = self._world.boottime()
        before = self._state.read(self._failure) or {}
        pause, until = before.get("pause"), before.get("until")
        if before.get("boot") != self._world.boot_id:
            pause = None  # a time of another boot's clock
        if _is_number(pause) and _is_number(until) and pause >= _FIRST_PAUSE and now - until < _FORGET_SECONDS:
            pause = min(2 * pause, _LONGEST_PAUSE)
        else:
            pause = _FIRST_PAUSE
        wait = min(error.retry_after, _LONGEST_RETRY_AFTER) if error.retry_after else pause
        fields = {name: getattr(error, name) for name in _ERROR_FIELDS}
        self._state.write(
            self._failure,
            {"boot": self._world.boot_id, "stored_at": now, "until": now + wait, "pause": pause, "error": fields},
        )

    def _remembered_failure(self, now: float) -> ProviderError | None:
        record = self._state.read(self._failure) if self._state is not None else None
        if record is None or record.get("boot") != self._world.boot_id:
            return None
        until, stored_at, fields = record.get("until"), record.get("stored_at"), record.get("error")
        if not (_is_number(until) and _is_number(stored_at) and _is_failure(fields)):
            return None
        if not stored_at <= now < until <= stored_at + _LONGEST_RETRY_AFTER:
            return None
        error = ProviderError(**fields)
        cause = error.cause.rstrip(".")
        error.cause = f"{cause} (failed {now - stored_at:.0f} s ago; asked again in {until - now:.0f} s)"
        return error


_ERROR_TEXTS = ("code", "family", "hop", "cause", "remedy")
_ERROR_FIELDS = (*_ERROR_TEXTS, "status", "service_error", "claims", "trace")


def is_presentable(token: str) -> bool:
    """Could this be an access token at all: not empty, one line of printable ASCII without spaces?"""
    return bool(token) and all("!" <= character <= "~" for character in token)


def _is_number(value: object) -> TypeGuard[float]:
    """A number that can be calculated with: JSON also has integers too long for a float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _is_failure(fields: object) -> TypeGuard[dict[str, Any]]:
    """Are these the arguments of a `ProviderError`, as `_remember` wrote them?"""
    return (
        isinstance(fields, dict)
        and set(fields) == set(_ERROR_FIELDS)
        and all(isinstance(fields[name], str) for name in _ERROR_TEXTS)
        and fields["family"] in _REMEMBERED_FAMILIES
        and (fields["status"] is None or _is_number(fields["status"]))
        and (fields["service_error"] is None or isinstance(fields["service_error"], str))
        and all(isinstance(fields[name], dict) for name in ("claims", "trace"))
    )
