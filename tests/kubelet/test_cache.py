"""How long and for whom the kubelet keeps a plugin's answer; the vectors of section `cache` are marks here."""

from __future__ import annotations

import pytest

from credprovider.kubelet.versions import parse_version
from tests.kubelet.build import Harness
from tests.kubelet.real import Cluster, Pull, ServiceAccount, Token
from tests.kubelet.scripted import AUDIENCE, Scripted, credential, response, token_attributes
from tests.kubelet.vectors import ids, marked

US, US_TOO, EUROPE = "us-docker.pkg.dev/p/r/a", "us-docker.pkg.dev/p/r/b", "europe-docker.pkg.dev/p/r/a"
HOST = {"us-docker.pkg.dev": credential()}
ALL_HOSTS = {"*-docker.pkg.dev": credential()}
TWO_ACCOUNTS = Cluster(
    [ServiceAccount("one", uid="uid-one"), ServiceAccount("two", uid="uid-two")],
    [Token("token-of-one", "one"), Token("token-of-two", "two")],
)


@pytest.fixture
def scripted(harness: Harness, tmp_path_factory: pytest.TempPathFactory) -> Scripted:
    return Scripted(tmp_path_factory.mktemp("node"), harness, {}, {})


def test_every_vector_has_its_test() -> None:
    assert marked(globals()) == set(ids("cache"))


@pytest.mark.vector("cache-11")
def test_failing_plugin_is_run_again_at_once(scripted: Scripted) -> None:
    with scripted.kubelet("-exit", "1", "-stderr", "why it failed") as kubelet:
        first, second = kubelet.pull(Pull(US)), kubelet.pull(Pull(US))
    assert (first.execs, second.execs) == (1, 1)
    assert (first.errors, second.errors) == (1, 1)
    assert second.only.credentials == []
    assert "exit status 1: why it failed" in second.log


@pytest.mark.vector("cache-08", "cache-09", "cache-10")
@pytest.mark.parametrize(
    ("cache_duration", "default"),
    [("0s", "10m"), (None, "0s"), ("-5m", "10m")],
    ids=["cache-08 zero", "cache-09 absent, default zero", "cache-10 negative"],
)
def test_answer_without_life_is_not_kept(scripted: Scripted, cache_duration: str | None, default: str) -> None:
    scripted.entry["defaultCacheDuration"] = default
    scripted.answers(response(HOST, cache_duration))
    with scripted.kubelet() as kubelet:
        first, second = kubelet.pull(Pull(US)), kubelet.pull(Pull(US))
    assert (first.execs, second.execs) == (1, 1)
    assert first.only.password == second.only.password == "secret"


@pytest.mark.vector("cache-06", "cache-07")
@pytest.mark.parametrize(
    ("cache_duration", "default"), [("5m", "0s"), (None, "12h")], ids=["cache-06 kept", "cache-07 kept by default"]
)
def test_no_credentials_are_kept_like_credentials(scripted: Scripted, cache_duration: str | None, default: str) -> None:
    scripted.entry["defaultCacheDuration"] = default
    scripted.answers(response(None, cache_duration))
    with scripted.kubelet() as kubelet:
        first = kubelet.pull(Pull(US))
        scripted.answers(response(HOST))
        second = kubelet.pull(Pull(US))
    assert (first.execs, second.execs) == (1, 0)
    assert first.only.credentials == second.only.credentials == []


@pytest.mark.vector("cache-04")
def test_global_scope_with_a_narrow_key_leaves_other_hosts_anonymous(scripted: Scripted) -> None:
    scripted.answers(response(HOST, scope="Global"))
    with scripted.kubelet() as kubelet:
        first, second = kubelet.pull(Pull(US)), kubelet.pull(Pull(EUROPE))
    assert (first.execs, second.execs) == (1, 0)
    assert second.only.credentials == []


def test_global_scope_with_keys_for_all_serves_all_from_one_run(scripted: Scripted) -> None:
    scripted.answers(response(ALL_HOSTS, scope="Global"))
    with scripted.kubelet() as kubelet:
        pulls = [kubelet.pull(Pull(image)) for image in (US, US_TOO, EUROPE)]
    assert [pull.execs for pull in pulls] == [1, 0, 0]
    assert [pull.only.password for pull in pulls] == ["secret"] * 3


@pytest.mark.vector("cache-14")
def test_registry_scope_ends_at_the_port(scripted: Scripted) -> None:
    scripted.answers(response({**HOST, "us-docker.pkg.dev:443": credential("of the port")}))
    with scripted.kubelet() as kubelet:
        first, second = kubelet.pull(Pull(US)), kubelet.pull(Pull("us-docker.pkg.dev:443/p/r/a"))
    assert (first.execs, second.execs) == (1, 1)
    assert second.only.password == "of the port"


@pytest.mark.vector("cache-13")
def test_different_images_at_once_are_a_run_each(scripted: Scripted) -> None:
    """None of them answers before all ten run."""
    scripted.answers(response(HOST))
    with scripted.kubelet("-await-runs", "10") as kubelet:
        happened = kubelet.pull(*(Pull(f"us-docker.pkg.dev/p/r/i{number}") for number in range(10)))
    assert happened.execs == 10
    assert [found.password for found in happened.found] == ["secret"] * 10


@pytest.mark.vector("cache-15")
def test_revoked_credentials_are_handed_out_until_they_expire(scripted: Scripted) -> None:
    """A failed pull is not told to this code at all."""
    scripted.answers(response({"us-docker.pkg.dev": credential("revoked")}))
    with scripted.kubelet() as kubelet:
        kubelet.pull(Pull(US))
        scripted.answers(response({"us-docker.pkg.dev": credential("fresh")}))
        again = kubelet.pull(Pull(US))
    assert again.execs == 0
    assert again.only.password == "revoked"


def test_answer_lives_as_long_as_it_says(scripted: Scripted) -> None:
    scripted.answers(response(HOST, "1ns"))
    with scripted.kubelet() as kubelet:
        first, second = kubelet.pull(Pull(US)), kubelet.pull(Pull(US))
    assert (first.execs, second.execs) == (1, 1)


@pytest.mark.vector("cache-16")
def test_restarted_kubelet_remembers_nothing(scripted: Scripted) -> None:
    scripted.answers(response(HOST))
    for _ in range(2):
        with scripted.kubelet() as kubelet:
            assert kubelet.pull(Pull(US)).execs == 1


@pytest.mark.vector("cache-17")
def test_pods_of_one_service_account_share_an_answer(scripted: Scripted) -> None:
    """Since 1.35 (KEP-2535) only they may use what was pulled with it."""
    scripted.entry |= token_attributes("ServiceAccount")
    scripted.answers(response(HOST))
    with scripted.kubelet(cluster=TWO_ACCOUNTS) as kubelet:
        first, second = (kubelet.pull(Pull(US, "one", pod=pod)) for pod in ("p1", "p2"))
    recorded = parse_version(scripted.harness.minor) >= (1, 35)
    assert (first.execs, second.execs) == (1, 0)
    assert second.only.sources == ["default/one/uid-one" if recorded else None]


@pytest.mark.vector("cache-18")
def test_pods_of_two_service_accounts_do_not(scripted: Scripted) -> None:
    scripted.entry |= token_attributes("ServiceAccount")
    scripted.answers(response(HOST))
    with scripted.kubelet(cluster=TWO_ACCOUNTS) as kubelet:
        first, second = (kubelet.pull(Pull(US, account)) for account in ("one", "two"))
    assert (first.execs, second.execs) == (1, 1)
    assert ["token-of-one" in run["stdin"] for run in scripted.runs] == [True, False]


@pytest.mark.vector("cache-19")
def test_cache_type_token_separates_pods_of_one_service_account(scripted: Scripted) -> None:
    """Their tokens are bound to the pod."""
    scripted.entry |= token_attributes("Token")
    scripted.answers(response(HOST))
    tokens = [Token(f"token-of-{pod}", "one", pod=pod) for pod in ("p1", "p2")]
    with scripted.kubelet(cluster=Cluster(TWO_ACCOUNTS.service_accounts, tokens)) as kubelet:
        pulls = [kubelet.pull(Pull(US, "one", pod=pod)) for pod in ("p1", "p2", "p1")]
    assert [pull.execs for pull in pulls] == [1, 1, 0]


def test_changed_annotation_is_another_identity(scripted: Scripted) -> None:
    scripted.entry |= token_attributes(optional=["example.com/account"])
    scripted.answers(response(HOST))
    changed = Cluster([ServiceAccount("one", annotations={"example.com/account": "b"})], TWO_ACCOUNTS.tokens)
    with scripted.kubelet(cluster=TWO_ACCOUNTS) as kubelet:
        first, second = kubelet.pull(Pull(US, "one")), kubelet.pull(Pull(US, "one"), cluster=changed)
    assert (first.execs, second.execs) == (1, 1)


@pytest.mark.vector("cache-20")
@pytest.mark.parametrize("cache_type", ["ServiceAccount", "Token"])
def test_service_account_token_as_password_needs_cache_type_token(scripted: Scripted, cache_type: str) -> None:
    scripted.entry |= token_attributes(cache_type)
    with scripted.kubelet("-echo-token", cluster=TWO_ACCOUNTS) as kubelet:
        happened = kubelet.pull(Pull(US, "one"))
    assert happened.execs == 1
    expected = [("token", "token-of-one")] if cache_type == "Token" else []
    assert happened.only.credentials == expected
    assert ("returned the service account token as the password" in happened.log) is (cache_type != "Token")


@pytest.mark.vector("cache-21")
def test_missing_required_annotation_keeps_the_plugin_from_running(scripted: Scripted) -> None:
    scripted.entry |= token_attributes(required=["example.com/account"])
    with scripted.kubelet(cluster=TWO_ACCOUNTS) as kubelet:
        happened = kubelet.pull(Pull(US, "one"))
    assert happened.execs == 0
    assert happened.only.credentials == []
    assert happened.token_requests == []
    assert "required annotation example.com/account not found" in happened.log


@pytest.mark.vector("cache-22")
def test_static_pod_gets_nothing_where_a_service_account_is_required(scripted: Scripted) -> None:
    scripted.entry |= token_attributes()
    with scripted.kubelet(cluster=TWO_ACCOUNTS) as kubelet:
        happened = kubelet.pull(Pull(US))
    assert happened.execs == 0
    assert happened.only.credentials == []
    assert happened.token_requests == []


def test_static_pod_is_asked_for_without_token_where_none_is_required(scripted: Scripted) -> None:
    scripted.entry |= token_attributes(require=False)
    scripted.answers(response(HOST))
    with scripted.kubelet(cluster=TWO_ACCOUNTS) as kubelet:
        happened = kubelet.pull(Pull(US))
    assert happened.execs == 1
    assert "serviceAccount" not in scripted.runs[0]["stdin"]


def test_token_is_asked_for_with_audience_and_pod(scripted: Scripted) -> None:
    scripted.entry |= token_attributes()
    scripted.answers(response(HOST))
    with scripted.kubelet(cluster=TWO_ACCOUNTS) as kubelet:
        happened = kubelet.pull(Pull(US, "one", pod="p1"))
    asked = {"namespace": "default", "service_account": "one", "uid": "uid-one", "pod": "p1", "pod_uid": "uid-of-p1"}
    assert happened.token_requests == [{**asked, "audiences": [AUDIENCE]}]
