"""How long an answer may be kept: never longer than its token lives, whatever the clocks of node and services say."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_test
from hypothesis import strategies as st

from credprovider.claims import Claims
from credprovider.deadline import Deadline
from credprovider.errors import ProviderError
from credprovider.exchange import exchange
from credprovider.identity.token import SubjectToken
from credprovider.secret import Secret
from credprovider.token_cache import JITTER, MARGIN_SECONDS, REFRESH_BELOW_SECONDS, USABLE_SECONDS, Grant, TokenCache
from credprovider.transport import Reply
from credprovider.world import World
from tests.cloud.world import READ_ONLY, WORLD
from tests.plugin.expect import assert_answers, hops, last_token

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi
    from tests.plugin.runner import InProcess, Outcome, Runner
    from tests.plugin.settings import SettingsFactory

_MODES = ["managed-identity-direct", "managed-identity-impersonated"]


def _at(in_process: InProcess, seconds: float) -> None:
    """Let so many seconds pass, on all clocks."""
    in_process.world["boottime"] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME) + seconds
    in_process.world["wall"] = lambda: time.time() + seconds


def _ask_with_chance(in_process: InProcess, settings: SettingsFactory, mode: str, chance: float) -> Outcome:
    in_process.world["chance"] = lambda: chance
    setting = settings(mode)
    return in_process(setting.request, setting.config)


# --- from the token's life to cacheDuration ---------------------------------------------------------------------------


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999_999])
@pytest.mark.parametrize("mode", _MODES)
def test_margin_and_jitter_are_taken_off(
    in_process: InProcess, settings: SettingsFactory, mode: str, chance: float
) -> None:
    outcome = _ask_with_chance(in_process, settings, mode, chance)
    longest = (3600 - MARGIN_SECONDS) * (1 - JITTER * chance)
    assert longest - 30 <= outcome.cache_seconds <= longest


@pytest.mark.parametrize("life", [63, 100, 299, 301, 310])
def test_short_lived_token_is_answered_and_not_to_be_kept(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, life: int
) -> None:
    """STS grants what the subject token has left; below the margin the kubelet may use it, and keep nothing."""
    setting = settings("token-file-direct")
    token = cloud.kubernetes_token(audience=WORLD.cluster_audience, lifetime=life + 20)
    (setting.config.parent / "azure-identity-token").write_text(token)
    outcome = ask(setting.request, setting.config)
    assert outcome.password == last_token(cloud, "sts")
    assert outcome.cache_seconds <= max(0, life + 20 - MARGIN_SECONDS)


@pytest.mark.parametrize("life", [30, 61])
def test_token_about_to_end_is_not_answered(ask: Runner, settings: SettingsFactory, cloud: CloudApi, life: int) -> None:
    setting = settings("token-file-direct")
    token = cloud.kubernetes_token(audience=WORLD.cluster_audience, lifetime=life)
    (setting.config.parent / "azure-identity-token").write_text(token)
    outcome = ask(setting.request, setting.config)
    assert (outcome.code, outcome.error) == (5, "sts-token-short-lived")


@pytest.mark.parametrize("lifetime", [-30, 0, 1, 2])
def test_subject_token_in_its_last_seconds(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, lifetime: int
) -> None:
    """Within the leeway it may be sent; Google then answers with an error, or with success and no life."""
    setting = settings("token-file-direct")
    token = cloud.kubernetes_token(audience=WORLD.cluster_audience, lifetime=lifetime)
    (setting.config.parent / "azure-identity-token").write_text(token)
    in_process.world["sleep"] = lambda _: None
    outcome = in_process(setting.request, setting.config)
    assert outcome.code == 5
    assert outcome.error in ("sts-unavailable", "token-expiry-missing", "sts-token-short-lived")


def test_impersonated_life_does_not_depend_on_the_subject_tokens(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi
) -> None:
    setting = settings("token-file-impersonated")
    token = cloud.kubernetes_token(audience=WORLD.cluster_audience, lifetime=150)
    (setting.config.parent / "azure-identity-token").write_text(token)
    assert_answers(ask(setting.request, setting.config), last_token(cloud, "iam"), life=3600)


@pytest.mark.parametrize("life", [600, 1200, 3600])
def test_life_that_google_grants_is_what_counts(
    ask: Runner, settings: SettingsFactory, cloud: CloudApi, life: int
) -> None:
    cloud.configure(sts_max_life=life)
    setting = settings("managed-identity-direct")
    assert_answers(ask(setting.request, setting.config), last_token(cloud, "sts"), life=life - 2)


# --- clocks that are wrong --------------------------------------------------------------------------------------------

_SKEWS = [-86_400, -3_600, -300, -59, 59, 300, 3_600, 86_400]


@pytest.mark.parametrize("seconds", _SKEWS)
@pytest.mark.parametrize("mode", _MODES)
def test_nodes_wall_clock_does_not_matter(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, mode: str, seconds: int
) -> None:
    in_process.world["wall"] = lambda: time.time() + seconds
    setting = settings(mode)
    hop = "iam" if mode.endswith("impersonated") else "sts"
    assert_answers(in_process(setting.request, setting.config), last_token(cloud, hop), life=3600)


@pytest.mark.parametrize("seconds", [-3_600, -300, 300, 3_000])
def test_iams_clock_does_not_matter(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, seconds: int
) -> None:
    """Its expireTime is absolute, on a clock of its own; its Date is of the same clock."""
    cloud.skew("iam", seconds)
    setting = settings("managed-identity-impersonated")
    assert_answers(in_process(setting.request, setting.config), last_token(cloud, "iam"), life=3600)


@pytest.mark.parametrize("seconds", [-300, 300, 3_600])
@pytest.mark.parametrize("hop", ["imds", "sts"])
def test_clock_of_the_hops_before_does_not_matter(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, hop: str, seconds: int
) -> None:
    cloud.skew(hop, seconds if hop == "sts" else min(seconds, 300))
    setting = settings("managed-identity-direct")
    assert_answers(in_process(setting.request, setting.config), last_token(cloud, "sts"), life=3600)


def test_service_that_lives_in_the_future_finds_the_token_stale(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi
) -> None:
    cloud.skew("sts", 2 * 86_400)
    setting = settings("managed-identity-direct")
    outcome = in_process(setting.request, setting.config)
    assert (outcome.code, outcome.error) == (5, "sts-token-stale")


@pytest.mark.parametrize(("seconds", "code"), [(-86_400, 0), (59 + 3_600 - 30, 0), (3_600 + 120, 2)])
def test_nodes_clock_judges_the_pods_token(
    in_process: InProcess, settings: SettingsFactory, seconds: int, code: int
) -> None:
    """Its exp is absolute and the API server's; a minute is forgiven, as Google forgives one."""
    in_process.world["wall"] = lambda: time.time() + seconds
    setting = settings("service-account-impersonated")
    assert in_process(setting.request, setting.config).code == code


# --- time passing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", _MODES)
def test_kept_token_is_promised_for_what_is_left_of_it(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, mode: str
) -> None:
    in_process.world["chance"] = lambda: 0.0
    setting = settings(mode)
    first = in_process(setting.request, setting.config)
    for passed in (0, 60, 1_000, 2_600):
        _at(in_process, passed)
        outcome = in_process(setting.request, setting.config)
        assert outcome.password == first.password
        assert outcome.cache_seconds <= 3600 - MARGIN_SECONDS - passed
        assert outcome.cache_seconds >= REFRESH_BELOW_SECONDS
    assert len(cloud.calls("sts")) == 1


def test_token_is_refreshed_before_its_promise_gets_short(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi
) -> None:
    in_process.world["chance"] = lambda: 0.0
    setting = settings()
    first = in_process(setting.request, setting.config)
    _at(in_process, 3_600 - MARGIN_SECONDS - REFRESH_BELOW_SECONDS + 10)
    second = in_process(setting.request, setting.config)
    assert second.password != first.password
    assert second.cache_seconds > 3_000
    assert len(cloud.calls("sts")) == 2


@pytest.mark.parametrize("hop", ["imds", "sts", "iam"])
def test_token_outlives_an_outage(in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, hop: str) -> None:
    """While it has more than a minute left it is answered, to be kept by nobody; then the failure is told."""
    in_process.world["sleep"] = lambda _: None
    setting = settings("managed-identity-impersonated")
    first = in_process(setting.request, setting.config)
    cloud.fault(hop, "status", status=503)
    for passed in (2_800, 3_300, 3_500):
        _at(in_process, passed)
        outcome = in_process(setting.request, setting.config)
        assert (outcome.password, outcome.cache_seconds) == (first.password, 0)
        assert any("not refreshed" in note for note in outcome.notes)
    _at(in_process, 3_600 - USABLE_SECONDS)
    outcome = in_process(setting.request, setting.config)
    assert (outcome.status, outcome.hop) == (503, hop)
    cloud.clear()
    _at(in_process, 3_600 + 61)
    assert in_process(setting.request, setting.config).cache_seconds > 0


@pytest.mark.parametrize("jump", [-86_400, -3_600, 3_600, 86_400])
def test_jump_of_the_wall_clock_neither_ends_nor_lengthens_a_token(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi, jump: int
) -> None:
    setting = settings()
    first = in_process(setting.request, setting.config)
    in_process.world["wall"] = lambda: time.time() + jump
    second = in_process(setting.request, setting.config)
    assert second.password == first.password
    assert second.cache_seconds <= first.cache_seconds
    assert hops(cloud) == ["imds", "sts"]


def test_token_of_another_boot_is_not_believed(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudApi
) -> None:
    setting = settings()
    in_process(setting.request, setting.config)
    in_process.world["boot_id"] = "another"
    in_process(setting.request, setting.config)
    assert len(cloud.calls("sts")) == 2


# --- any mix of all that ----------------------------------------------------------------------------------------------


class _Google:
    """STS and IAM on one faked clock: they grant lives, and date by clocks of their own."""

    def __init__(self, draw: dict[str, Any]) -> None:
        self.now = draw["start"]
        self._draw = draw
        self.ends: dict[str, float] = {}

    def send(self, _method: str, url: str, _headers: Any, _body: Any = None, **_: Any) -> Reply:
        """An answer that took its time on the way there, in the service, and back."""
        service = (urlsplit(url).hostname or "").partition(".")[0]
        there, inside, back = self._draw[service + "_way"]
        life = self._draw[service + "_life"]
        sent_at = self.now
        granted = self.now = sent_at + there
        self.ends[service] = granted + life
        dated = self._draw["epoch"] + (granted + inside)
        self.now += inside + back
        headers = {"date": format_datetime(dated.replace(microsecond=0), usegmt=True)}
        expires = self._draw["epoch"] + granted + timedelta(seconds=life)
        fraction = f".{expires.microsecond:06d}" if self._draw["fraction"] else ""
        body = {
            "sts": {"access_token": "ya29.d", "expires_in": int(life)},
            "iamcredentials": {"accessToken": "ya29.c", "expireTime": f"{expires:%Y-%m-%dT%H:%M:%S}{fraction}Z"},
        }[service]
        return Reply(200, headers, json.dumps(body).encode(), sent_at)


class _Epoch:
    """A service's date at boottime 0; added to a boottime it gives a date."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def __add__(self, seconds: float) -> datetime:
        return self._moment + timedelta(seconds=seconds)


_SECONDS = st.just(0.0) | st.floats(0, 40)
#: About what is asked for, too: there a fraction of a second decides.
_LIFE = st.floats(0, 50_000) | st.floats(300, 4_000)
_WAY = st.tuples(_SECONDS, st.floats(0, 5), _SECONDS)
_DATES = st.datetimes(datetime(2001, 1, 1), datetime(2090, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001
_DRAWN = st.fixed_dictionaries(
    {
        "start": st.floats(0, 1e8) | st.floats(0, 2),
        "epoch": st.builds(_Epoch, _DATES),
        "sts_way": _WAY,
        "iamcredentials_way": _WAY,
        "sts_life": _LIFE,
        "iamcredentials_life": _LIFE,
        "lifetime": st.just(3_600) | st.integers(600, 43_200),
        "impersonated": st.booleans(),
        "fraction": st.booleans(),
        "chance": st.floats(0, 1, exclude_max=True),
        "wall": st.floats(0, 4e9),
    }
)


@given(_DRAWN)
@settings_of_test(max_examples=500, deadline=None)
def test_promise_never_exceeds_what_is_left(draw: dict[str, Any]) -> None:
    google = _Google(draw)
    world = World(
        "/absent",
        {},
        state_directory=None,
        boottime=lambda: google.now,
        wall=lambda: draw["wall"],
        chance=lambda: draw["chance"],
    )
    account = WORLD.service_account_email if draw["impersonated"] else None
    settings: Any = SimpleNamespace(
        impersonation_url=WORLD.impersonation_url if draw["impersonated"] else None,
        service_account=account,
        token_url=WORLD.sts_url,
        lifetime=draw["lifetime"],
        subject_token_type="urn:ietf:params:oauth:token-type:jwt",
        audience=WORLD.audience(),
        scopes=[READ_ONLY],
        quota_project=None,
    )
    subject = SubjectToken(Secret("a.b.c"), Claims({"iss": "i", "sub": "s", "exp": 1}))
    transport: Any = google
    cache = TokenCache(world, None, "key")
    try:
        answered = cache.token(lambda: exchange(settings, subject, transport, {}, world), Deadline(30))
    except ProviderError as error:
        assert error.code.endswith("-token-short-lived")  # noqa: PT017 - whether it raises is the draw's choice
        return
    end = google.ends["iamcredentials" if draw["impersonated"] else "sts"]
    left = end - google.now
    # To the microsecond: boottimes are large, and floats are not endless.
    assert answered.grant.expires_at <= end + 1e-6
    assert left > USABLE_SECONDS - 1e-6
    assert 0 <= answered.cache_seconds <= max(0.0, left - MARGIN_SECONDS + 1e-6)


@given(life=st.floats(-10, 50_000), jitter=st.floats(0, JITTER), start=st.floats(0, 1e8), passed=st.floats(0, 60_000))
def test_promise_of_a_kept_token_shrinks_with_it(life: float, jitter: float, start: float, passed: float) -> None:
    grant = Grant(Secret("x"), start + life, jitter=jitter, stored_at=start)
    promised = grant.cache_seconds(start + passed)
    assert 0 <= promised <= max(0.0, life - passed - MARGIN_SECONDS + 1e-6)
    assert promised <= grant.cache_seconds(start)
