"""What must not stay on a node: tokens that it was not accepted for or no longer needs, and strays in a bundle."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from credprovider.node.host import Host
from credprovider.node.install import install
from credprovider.node.site import find_site
from credprovider.node.status import status
from tests.node.acts import record, run
from tests.node.fake_node import FakeNode
from tests.node.pods import Pod
from tests.node.trees import HOME, PROGRAM, make_bundle, make_goal, make_settings, make_tree, picture

if TYPE_CHECKING:
    from collections.abc import Callable

AUDIENCE = "https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool-1/providers/azure"
DEFAULT = f"/run/{PROGRAM}/azure-identity-token"
CUSTOM = "/var/lib/tokens/ours"


def token_file(place: str = DEFAULT) -> dict[str, Any]:
    return {"identity": {"source": "token-file", "tokenAudience": AUDIENCE, "tokenFile": place}}


@pytest.fixture
def projected(tmp_path: Path, node: FakeNode) -> Path:
    (node.tree / CUSTOM[1:]).parent.mkdir(parents=True)
    path = tmp_path / "token"
    renew(path, node)
    return path


def renew(path: Path, node: FakeNode) -> None:
    claims = {"iss": "https://oidc", "sub": "s", "aud": [AUDIENCE], "exp": int(node.now + 3600)}
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims))
    path.write_text(".".join([*parts, "c2ln"]))


@pytest.fixture
def relay(tmp_path: Path, node: FakeNode, projected: Path) -> Callable[..., Pod]:
    """Pods with settings of their own kind."""

    def make(name: str, instance: str | None = None, mode: str = "install", **config: Any) -> Pod:
        folder = make_settings(tmp_path, name, **config) if mode == "install" else None
        bundle = make_bundle(tmp_path / name)
        return Pod(node, bundle, settings_folder=folder, relay_token=str(projected), instance=instance, mode=mode)

    return make


def is_there(node: FakeNode, path: str) -> bool:
    return (node.tree / path[1:]).exists()


@pytest.mark.parametrize("place", [DEFAULT, CUSTOM])
def test_uninstall_takes_the_token_away(node: FakeNode, relay: Callable[..., Pod], place: str) -> None:
    relay("a", **token_file(place)).tick()
    assert is_there(node, place)
    node.live(60)
    pod = relay("b", mode="uninstall")
    pod.tick()
    assert pod.situation.ready
    assert not is_there(node, place)


@pytest.mark.parametrize("place", [DEFAULT, CUSTOM])
@pytest.mark.parametrize(
    ("config", "then"),
    [
        pytest.param({"identity": {"source": "managed-identity"}}, None, id="another source"),
        pytest.param(token_file("/var/lib/tokens/other"), "/var/lib/tokens/other", id="another place"),
    ],
)
def test_a_change_of_settings_takes_the_token_away(
    node: FakeNode, relay: Callable[..., Pod], place: str, config: dict[str, Any], then: str | None
) -> None:
    relay("a", **token_file(place)).tick()
    pod = relay("b", **config)
    pod.tick()
    assert pod.situation.ready
    assert not is_there(node, place)
    assert record(node)["token"] == (then or "")
    assert then is None or is_there(node, then)


def test_a_token_that_another_instance_has_at_the_same_place_stays(node: FakeNode, relay: Callable[..., Pod]) -> None:
    relay("a", registries=["us-docker.pkg.dev/a/"], **token_file(CUSTOM)).tick()
    relay("b", "acme", registries=["us-docker.pkg.dev/b/"], **token_file(CUSTOM)).tick()
    node.live(60)
    relay("c", mode="uninstall").tick()
    assert is_there(node, CUSTOM)
    node.live(60)
    relay("d", "acme", mode="uninstall").tick()
    assert not is_there(node, CUSTOM)


def test_an_install_by_hand_leaves_the_pods_token(tmp_path: Path, node: FakeNode, relay: Callable[..., Pod]) -> None:
    relay("a", **token_file(CUSTOM)).tick()
    run(node, make_goal(tmp_path, **token_file(CUSTOM)))
    assert is_there(node, CUSTOM)
    assert record(node)["token"] == CUSTOM


def test_a_refused_node_gets_no_token(node: FakeNode, relay: Callable[..., Pod]) -> None:
    node.rewrite(b"providers: []\n")
    pod = relay("a", **token_file())
    pod.tick(20)
    assert pod.situation.code == "config-invalid"
    assert not is_there(node, DEFAULT)


def _broken_config(node: FakeNode, _: Pod) -> None:
    node.rewrite(b"providers: []\n")


def _broken_settings(_: FakeNode, pod: Pod) -> None:
    (Path(pod.loop._options.settings_folder or "") / "config.json").write_text("{")


@pytest.mark.parametrize(
    ("happens", "code"), [(_broken_config, "config-invalid"), (_broken_settings, "settings-not-json")]
)
def test_a_node_that_was_accepted_is_not_left_with_an_expired_token(
    node: FakeNode,
    relay: Callable[..., Pod],
    projected: Path,
    happens: Callable[[FakeNode, Pod], None],
    code: str,
) -> None:
    """The kubelet goes on with what it has loaded, whatever somebody asks for since."""
    pod = relay("a", **token_file())
    pod.tick()
    happens(node, pod)
    node.live(60)
    renew(projected, node)
    pod.tick(20)
    assert pod.situation.code == code
    assert (node.tree / DEFAULT[1:]).read_text() == projected.read_text()


# --- what does not belong into a bundle -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "shown"),
    [
        pytest.param(lambda home: (home / "stray").touch(), "stray", id="file"),
        pytest.param(lambda home: (home / "_internal/deep/stray.so").touch(), "stray.so", id="library"),
        pytest.param(lambda home: (home / "_internal/.torn").touch(), ".torn", id="torn copy"),
        pytest.param(lambda home: (home / "link").symlink_to("/etc"), "link", id="link"),
        pytest.param(lambda home: (home / "_internal").rename(home / "old"), "old", id="moved folder"),
        pytest.param(
            lambda home: [(home / "_internal/library").unlink(), (home / "_internal/library").mkdir()],
            "_internal/library",
            id="folder in place of a file",
        ),
        pytest.param(
            lambda home: [(home / "_internal").rename(home.parent / "x"), (home / "_internal").symlink_to("../x")],
            "_internal",
            id="link in place of a folder",
        ),
        pytest.param(lambda home: (home / "_internal/library").chmod(0o600), "not as it was installed", id="mode"),
        pytest.param(lambda home: (home / PROGRAM).chmod(0o644), "may not be executed", id="not executable"),
    ],
)
def test_status_and_repair_see_the_same(tmp_path: Path, spoil: Callable[[Path], object], shown: str) -> None:
    tree = make_tree(tmp_path)
    goal = make_goal(tmp_path)
    install(find_site(Host(str(tree))), goal)
    remembered = (f"{HOME}/state.json", f"{HOME}/x")
    whole = picture(tree, without=remembered)
    spoil(tree / HOME[1:] / goal.bundle.id)
    found = status(Host(str(tree)), None)
    assert not found["installed"]
    assert any(shown in problem for problem in found["problems"]), found["problems"]
    assert install(find_site(Host(str(tree))), goal).changed == ("bundle",)
    after = picture(tree, without=remembered)
    assert {path for path in after if after[path][0] != "folder"} == {
        path for path in whole if whole[path][0] != "folder"
    }
    assert status(Host(str(tree)), None)["installed"]


def test_status_knows_a_list_that_was_written_anew(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    goal = make_goal(tmp_path)
    install(find_site(Host(str(tree))), goal)
    home = tree / HOME[1:] / goal.bundle.id
    (home / "SHA256SUMS").write_text((home / "SHA256SUMS").read_text().replace("  _internal/deep/data", "  data"))
    (home / "_internal/deep/data").rename(home / "data")
    found = status(Host(str(tree)), None)
    assert [problem for problem in found["problems"] if "not as it was installed" in problem]
    assert install(find_site(Host(str(tree))), goal).changed == ("bundle",)
