"""`node run`: rounds, drift, the relayed token, readiness, what is told to whom, the startup taint."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from credprovider.node.commands import Ran
from credprovider.node.exchange_check import image_of
from credprovider.node.metrics import metrics_text
from credprovider.node.status import status, status_text
from credprovider.registries import Registry, parse_image
from tests.node.fake_host import undisturbed
from tests.node.fake_node import CREDENTIAL, FakeNode, anything
from tests.node.pods import Pod, metric
from tests.node.trees import (
    BIN_DIR,
    CONFIG,
    HOME,
    LINK,
    PODS,
    PROGRAM,
    SETTINGS,
    Picture,
    make_bundle,
    make_settings,
    make_tree,
    picture,
)

if TYPE_CHECKING:
    pass

AUDIENCE = "https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool-1/providers/azure"
TOKEN_FILE: dict[str, Any] = {"identity": {"source": "token-file", "tokenAudience": AUDIENCE}}
TOKEN_PATH = "/run/azure-gar-credential-provider/azure-identity-token"
REFUSED = Ran(
    4, b"", b"azure-gar-credential-provider: imds-no-identity [imds HTTP 400]: no such identity. Fix: az vm identity\n"
)


@pytest.fixture
def pod(tmp_path: Path, node: FakeNode) -> Pod:
    return Pod(node, make_bundle(tmp_path), settings_folder=make_settings(tmp_path))


def token(audience: str = AUDIENCE, *, expires: float, subject: str = "system:serviceaccount:ns:installer") -> str:
    claims = {"iss": "https://oidc", "sub": subject, "aud": [audience], "exp": int(expires)}
    parts = [{"alg": "RS256"}, claims]
    return ".".join(
        [*(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts), "c2ln"]
    )


def shot(node: FakeNode) -> Picture:
    return picture(node.tree, without=("/proc", "/run", "/etc/systemd/system/multi-user.target.wants"))


# --- rounds -----------------------------------------------------------------------------------------------------------


def test_the_first_round_installs_and_makes_ready(pod: Pod, node: FakeNode) -> None:
    assert metric(pod, "ready") == "0"
    pod.tick()
    assert pod.situation.ready
    assert node.loaded == node.config
    assert pod.cluster.events == [
        ("Installed", f"{PROGRAM} 1.0.0 changed bundle, settings, config; kubelet restarted", False)
    ]
    assert metric(pod, "ready") == "1"
    assert metric(pod, "kubelet_restarts_total") == "1"
    assert json.loads(node.asked[0])["image"] == "us-docker.pkg.dev/check"


def test_a_quiet_node_gets_no_work_between_rounds(pod: Pod, node: FakeNode) -> None:
    pod.tick()
    asked = len(node.asked)
    pod.tick(20)
    assert len(node.asked) == asked
    pod.tick(15)
    assert len(node.asked) == asked + 1
    assert len(pod.cluster.events) == 1


@pytest.mark.parametrize(
    "drift",
    [
        pytest.param(lambda node: (node.tree / LINK[1:]).unlink(), id="link gone"),
        pytest.param(lambda node: (node.tree / SETTINGS[1:] / "config.json").unlink(), id="settings gone"),
        pytest.param(lambda node: node.rewrite(node.starts[0][0]), id="config rewritten"),
    ],
)
def test_drift_is_repaired_at_the_next_look(pod: Pod, node: FakeNode, drift: Any) -> None:
    pod.tick()
    installed = {path: entry for path, entry in shot(node).items() if not path.endswith("state.json")}
    drift(node)
    pod.tick(2)
    assert {path: entry for path, entry in shot(node).items() if not path.endswith("state.json")} == installed
    assert pod.cluster.events[-1][0] == "DriftRepaired"
    assert metric(pod, "drift_repairs_total") == "1"


def test_drift_during_a_round_is_repaired_at_the_next_look(pod: Pod, node: FakeNode) -> None:
    theirs = node.config

    def rewrite(_: int, step: str, __: str) -> None:
        if step == "systemd-run" and PROGRAM.encode() in node.loaded:  # the exchange
            node.steps.before = undisturbed
            node.rewrite(theirs)

    node.steps.before = rewrite
    pod.tick()
    assert node.config == theirs
    pod.tick(2)
    assert PROGRAM.encode() in node.config


def test_a_reimaged_node_is_installed_anew(tmp_path: Path, pod: Pod, node: FakeNode) -> None:
    pod.tick()
    fresh = FakeNode(make_tree(tmp_path / "reimaged"))
    fresh.live(60)
    other = Pod(fresh, pod.loop._bundle(), settings_folder=pod.loop._options.settings_folder)
    other.tick()
    assert other.situation.ready
    assert fresh.loaded == node.loaded


def test_a_changed_config_map_is_seen_without_waiting(tmp_path: Path, pod: Pod, node: FakeNode) -> None:
    pod.tick()
    folder = Path(pod.loop._options.settings_folder or "")
    new = Path(make_settings(tmp_path, "new", scopes=["https://www.googleapis.com/auth/cloud-platform"]))
    (folder / "..data").rename(folder / "old")
    (new / "..data").rename(folder / "..data")
    pod.tick(2)
    assert b'auth/cloud-platform"' in (node.tree / SETTINGS[1:] / "config.json").read_bytes()


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_a_refusal_is_told_in_log_event_metric_and_status_and_leaves_the_node(pod: Pod, node: FakeNode) -> None:
    before = shot(node)
    node.test_result = Ran(203, b"", b"Exec format error")
    pod.tick()
    assert shot(node) == before
    assert not pod.situation.ready
    assert len(pod.log) == 1
    assert "self-test-failed" in pod.log[0]
    assert [(reason, warning) for reason, _, warning in pod.cluster.events] == [("SelfTestFailed", True)]
    assert (
        'azure_gar_credential_provider_refused{provider="azure-gar-credential-provider",code="self-test-failed"} 1'
        in (metrics_text(pod.situation))
    )
    found = status(node.host(), None)
    assert not found["installed"]
    assert "Exec format error" in found["lastRun"]["line"]
    assert "Exec format error" in status_text(found)


def test_the_same_refusal_is_told_once_an_hour(pod: Pod, node: FakeNode) -> None:
    node.test_result = Ran(203, b"", b"Exec format error")
    pod.tick(60)
    assert len(pod.log) == 1
    pod.tick(400)
    assert len(pod.log) == 2


def test_a_missing_config_map_is_a_refusal_and_its_coming_ends_it(tmp_path: Path, node: FakeNode) -> None:
    folder = tmp_path / "later"
    pod = Pod(node, make_bundle(tmp_path), settings_folder=str(folder))
    pod.tick()
    assert pod.situation.code == "node-settings-missing"
    make_settings(tmp_path, "later")
    pod.tick(2)
    assert pod.situation.ready
    assert [line.partition(": ")[2] for line in pod.log[1:]] == [
        f"installed: {PROGRAM} 1.0.0 changed bundle, settings, config; kubelet restarted\n",
        "all is well again\n",
    ]


def test_a_rejected_combination_costs_one_try_only(pod: Pod, node: FakeNode) -> None:
    node.likes = lambda content: PROGRAM.encode() not in content
    pod.tick()
    assert pod.situation.code == "node-rolled-back"
    pid = node.last_pid
    node.likes = anything
    pod.tick(500)
    assert node.last_pid == pid
    assert pod.situation.code == "node-rejected"
    assert metric(pod, "rollbacks_total") == "1"
    assert [reason for reason, _, _ in pod.cluster.events] == ["NodeRolledBack", "NodeRejected", "NodeRejected"]


# --- the exchange -----------------------------------------------------------------------------------------------------


def test_ready_needs_one_exchange(pod: Pod, node: FakeNode) -> None:
    node.exchange = REFUSED
    pod.tick()
    assert metric(pod, "ready") == "0"
    assert pod.situation.code == "imds-no-identity"
    assert "az vm identity" in pod.log[-1]
    assert node.loaded == node.config
    node.exchange = Ran(0, CREDENTIAL)
    pod.tick(10)
    assert pod.situation.ready
    assert metric(pod, "last_exchange_timestamp_seconds") is not None


def test_a_later_outage_is_told_and_does_not_end_readiness(pod: Pod, node: FakeNode) -> None:
    pod.tick()
    node.exchange = REFUSED
    pod.tick(40)
    assert pod.situation.ready
    assert [reason for reason, _, _ in pod.cluster.events] == ["Installed", "ExchangeFailed"]
    assert 'exchange_failed{provider="azure-gar-credential-provider",code="imds-no-identity"} 1' in metrics_text(
        pod.situation
    )


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Ran(0, b"{}"), "exchange-answer"),
        (Ran(139, b"", b""), "exchange-failed"),
        (Ran(70, b"", b"Traceback"), "exchange-failed"),
    ],
)
def test_an_answer_that_no_kubelet_would_use_is_no_proof(pod: Pod, node: FakeNode, answer: Ran, code: str) -> None:
    node.exchange = answer
    pod.tick()
    assert pod.situation.code == code


def test_tokens_of_pods_cannot_be_had_for_a_proof(tmp_path: Path, node: FakeNode) -> None:
    pod = Pod(node, make_bundle(tmp_path), settings_folder=make_settings(tmp_path, **PODS))
    pod.tick()
    assert pod.situation.ready
    assert node.asked == []


@pytest.mark.parametrize(
    ("registry", "image"),
    [
        ("*-docker.pkg.dev", "us-docker.pkg.dev/check"),
        ("us-docker.pkg.dev/vendor-a/", "us-docker.pkg.dev/vendor-a/check"),
        ("*.gcr.io", "us.gcr.io/check"),
        ("gcr.io", "gcr.io/check"),
    ],
)
def test_the_image_asked_for_is_covered_by_the_registry(registry: str, image: str) -> None:
    assert image_of(registry) == image
    assert Registry(registry).covers(parse_image(image))


# --- the relayed token ------------------------------------------------------------------------------------------------


@pytest.fixture
def projected(tmp_path: Path, node: FakeNode) -> Path:
    path = tmp_path / "token"
    path.write_text(token(expires=node.now + 3600))
    return path


@pytest.fixture
def relaying(tmp_path: Path, node: FakeNode, projected: Path) -> Pod:
    folder = make_settings(tmp_path, **TOKEN_FILE)
    return Pod(node, make_bundle(tmp_path), settings_folder=folder, relay_token=str(projected))


def test_the_token_is_brought_to_the_node_for_root_alone(relaying: Pod, node: FakeNode, projected: Path) -> None:
    relaying.tick()
    place = node.tree / TOKEN_PATH[1:]
    assert place.read_text() == projected.read_text()
    assert place.stat().st_mode & 0o777 == 0o600
    assert place.parent.stat().st_mode & 0o777 == 0o700
    assert relaying.situation.ready
    payload = json.loads(base64.urlsafe_b64decode(projected.read_text().split(".")[1] + "=="))
    assert metric(relaying, "relayed_token_expiry") == str(payload["exp"])


def test_a_renewed_token_follows_at_the_next_look(relaying: Pod, node: FakeNode, projected: Path) -> None:
    relaying.tick()
    projected.write_text(token(expires=node.now + 7200, subject="system:serviceaccount:ns:renewed"))
    relaying.tick(2)
    assert (node.tree / TOKEN_PATH[1:]).read_text() == projected.read_text()


def test_after_a_reboot_the_token_is_there_again(relaying: Pod, node: FakeNode) -> None:
    relaying.tick()
    node.boot()
    assert not (node.tree / TOKEN_PATH[1:]).exists()
    relaying.tick(45)
    assert (node.tree / TOKEN_PATH[1:]).exists()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param("", "relay-token-invalid", id="empty"),
        pytest.param("eyJ.not.a-token", "relay-token-invalid", id="no JWT"),
        pytest.param("\xff", "relay-token-invalid", id="not ASCII"),
        pytest.param(token(expires=1000), "relay-token-expired", id="expired"),
        pytest.param(token("api://other", expires=4e9), "relay-token-audience", id="audience"),
        pytest.param(None, "relay-token-missing", id="missing"),
    ],
)
def test_a_token_that_nobody_would_take_is_not_relayed_and_the_rest_is_installed(
    relaying: Pod, node: FakeNode, projected: Path, content: str | None, code: str
) -> None:
    projected.unlink()
    if content is not None:
        projected.write_bytes(content.encode("latin-1"))
    relaying.tick()
    assert not (node.tree / TOKEN_PATH[1:]).exists()
    assert relaying.situation.code == code
    assert node.loaded == node.config
    assert PROGRAM.encode() in node.config
    assert not content or content not in "".join(relaying.log)


def test_uninstall_takes_token_and_all_away(tmp_path: Path, relaying: Pod, node: FakeNode) -> None:
    before = shot(node)
    relaying.tick()
    assert (node.tree / TOKEN_PATH[1:]).exists()
    leaving = Pod(node, make_bundle(tmp_path / "x"), mode="uninstall")
    leaving.tick()
    assert leaving.situation.ready
    assert leaving.cluster.events[-1][:2] == ("Removed", f"{PROGRAM} changed removed; kubelet restarted")
    assert shot(node) == before
    assert not (node.tree / TOKEN_PATH[1:]).exists()
    leaving.tick(50)
    assert leaving.situation.ready
    assert len(leaving.cluster.events) == 1


# --- status -----------------------------------------------------------------------------------------------------------


def test_status_of_a_good_node_says_so(pod: Pod, node: FakeNode) -> None:
    pod.tick()
    before = shot(node)
    found = status(node.host(), None)
    assert found["installed"]
    assert found["problems"] == []
    assert found["loaded"]
    assert found["entry"]["name"] == PROGRAM
    assert found["lastRun"]["code"] == ""
    assert json.loads(json.dumps(found)) == found
    assert status_text(found).endswith("\ninstalled\n")
    assert shot(node) == before


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        pytest.param(lambda node: (node.tree / LINK[1:]).unlink(), LINK, id="link"),
        pytest.param(
            lambda node: next((node.tree / HOME[1:]).glob("*/_internal/library")).unlink(), "library", id="file"
        ),
        pytest.param(lambda node: node.rewrite(node.starts[0][0]), CONFIG, id="entry"),
        pytest.param(
            lambda node: (node.tree / SETTINGS[1:] / "config.json").write_text("{"), "config.json", id="settings"
        ),
        pytest.param(
            lambda node: (node.tree / HOME[1:] / "state.json").unlink() or node.rewrite(node.config),
            "loaded",
            id="not loaded",
        ),
        pytest.param(lambda node: (node.tree / BIN_DIR[1:]).rename(node.tree / "x"), BIN_DIR, id="bin dir"),
    ],
)
def test_status_names_what_is_wrong(pod: Pod, node: FakeNode, spoil: Any, word: str) -> None:
    pod.tick()
    spoil(node)
    found = status(node.host(), None)
    assert not found["installed"]
    assert any(word in problem for problem in found["problems"])
    assert all("\n" not in problem for problem in found["problems"])


def test_no_secret_is_ever_told(relaying: Pod, node: FakeNode, projected: Path) -> None:
    relaying.tick()
    found = json.dumps(status(node.host(), None)) + metrics_text(relaying.situation) + "".join(relaying.log)
    assert projected.read_text() not in found
    assert "secret" not in metrics_text(relaying.situation)
