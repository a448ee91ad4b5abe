"""Whatever others did to our own part of the config or of the bin dir, it is mended, or taken away."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from credprovider.node.host import Host
from credprovider.node.install import Goal, install
from credprovider.node.refusal import Refusal
from credprovider.node.site import find_site
from credprovider.node.uninstall import uninstall
from tests.node.acts import run, shot, site_of
from tests.node.fake_node import FakeNode
from tests.node.pods import Pod
from tests.node.trees import (
    BIN_DIR,
    CONFIG,
    HOME,
    LINK,
    PROGRAM,
    make_bundle,
    make_goal,
    make_settings,
    make_tree,
    picture,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DRIFTS = [
    pytest.param((b'Duration: "0s"', b'Duration: "zero"'), id="no duration"),
    pytest.param((b'Duration: "0s"', b"Duration: 0"), id="a number"),
    pytest.param((b'Duration: "0s"', b"Duration:"), id="null"),
    pytest.param((b'Duration: "0s"', b'Duration: "0s"\n    surprise: true'), id="an unknown field"),
    pytest.param((b'"*-docker.pkg.dev"', b'"*-docker.pkg.dev:x"'), id="no pattern"),
    pytest.param((b"/config.json", b"/other.json"), id="another argument"),
]


def drift(node: FakeNode, change: tuple[bytes, bytes]) -> None:
    assert node.config.count(change[0]) == 1
    node.rewrite(node.config.replace(*change))


@pytest.mark.parametrize("change", DRIFTS)
def test_our_own_entry_is_mended_without_a_restart(tmp_path: Path, node: FakeNode, change: tuple[bytes, bytes]) -> None:
    pod = Pod(node, make_bundle(tmp_path), settings_folder=make_settings(tmp_path))
    pod.tick()
    config, pid = node.config, node.pid
    drift(node, change)
    pod.tick(2)
    assert pod.situation.ready
    assert node.config == config
    assert node.pid == pid
    assert pod.cluster.events[-1][0] == "DriftRepaired"


@pytest.mark.parametrize("change", DRIFTS)
def test_our_own_entry_goes_however_it_reads(tmp_path: Path, node: FakeNode, change: tuple[bytes, bytes]) -> None:
    before = shot(node)
    run(node, make_goal(tmp_path))
    drift(node, change)
    assert uninstall(site_of(node)).restarted
    assert shot(node) == before


@pytest.mark.parametrize("change", DRIFTS[:2])
def test_a_kubelet_that_our_entry_keeps_from_starting_is_helped_up(
    tmp_path: Path, node: FakeNode, change: tuple[bytes, bytes]
) -> None:
    """Within the ten minutes after its last restart, too, and though it does not stay up as it is."""
    pod = Pod(node, make_bundle(tmp_path), settings_folder=make_settings(tmp_path))
    pod.tick()
    config = node.config
    drift(node, change)
    node.order_restart()
    node.live(20)
    assert not node.would_start()
    pod.tick(2)
    assert pod.situation.ready
    assert node.config == node.loaded == config


def test_an_entry_that_keeps_the_kubelet_from_starting_can_be_taken_away(tmp_path: Path, node: FakeNode) -> None:
    before = shot(node)
    run(node, make_goal(tmp_path))
    drift(node, (b'Duration: "0s"', b'Duration: "zero"'))
    node.order_restart()
    node.live(20)
    uninstall(site_of(node))
    assert shot(node) == before
    assert node.loaded == node.config


def test_our_entry_is_mended_where_it_is_the_only_one(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    goal = make_goal(tmp_path)
    install(find_site(Host(str(tree))), goal)
    config = tree / CONFIG[1:]
    text = config.read_text()
    ours = text[: text.index("  - name: acr")] + text[text.index(f"  - name: {PROGRAM}") :]
    config.write_text(ours.replace('"0s"', '"zero"'))
    assert install(find_site(Host(str(tree))), goal).changed == ("config",)
    assert config.read_text() == ours


@pytest.mark.parametrize("act", ["install", "uninstall"])
def test_what_is_wrong_with_others_entries_is_left_to_them(tmp_path: Path, node: FakeNode, act: str) -> None:
    goal = make_goal(tmp_path)
    run(node, goal)
    drift(node, (b'Duration: "0s"', b'Duration: "zero"'))
    node.rewrite(node.config.replace(b'"10m"', b'"ten"'))
    before, pid = shot(node), node.pid
    with pytest.raises(Refusal, match="config-invalid"):
        run(node, goal) if act == "install" else uninstall(site_of(node))
    assert shot(node) == before
    assert node.pid == pid


def test_what_is_wrong_with_others_does_not_keep_us_in_a_tree(tmp_path: Path) -> None:
    """Nobody starts with it while we are at it, and it is no more wrong than it was."""
    tree = make_tree(tmp_path)
    config = tree / CONFIG[1:]
    install(find_site(Host(str(tree))), make_goal(tmp_path))
    config.write_bytes(config.read_bytes().replace(b'"10m"', b'"ten"'))
    uninstall(find_site(Host(str(tree))))
    assert PROGRAM not in config.read_text()
    assert '"ten"' in config.read_text()
    assert not (tree / LINK[1:]).is_symlink()


# --- a kubelet newer than any known here ------------------------------------------------------------------------------

TOMORROW = (b"    defaultCacheDuration: ", b"    quotaPolicy: fair\n    defaultCacheDuration: ")


@pytest.mark.parametrize(("version", "code"), [("1.38", ""), ("1.37", "config-invalid")])
def test_a_field_of_tomorrow_is_for_tomorrows_kubelet(tmp_path: Path, node: FakeNode, version: str, code: str) -> None:
    node.version = version
    if not code:
        node.would_start = lambda: True  # type: ignore[method-assign] # it knows the field
    node.rewrite(node.config.replace(*TOMORROW))
    before = node.config
    goal = make_goal(tmp_path)
    if code:
        with pytest.raises(Refusal, match=code):
            run(node, goal)
        assert node.config == before
        return
    assert run(node, goal).restarted
    assert b"quotaPolicy" in node.loaded
    assert PROGRAM.encode() in node.loaded
    uninstall(site_of(node))
    assert node.config == before


# --- several instances ------------------------------------------------------------------------------------------------


@pytest.fixture(params=["one bundle", "two bundles"])
def pods(request: pytest.FixtureRequest, tmp_path: Path, node: FakeNode) -> list[Pod]:
    """Two vendors' pods, both done."""
    first = make_bundle(tmp_path)
    second = first if request.param == "one bundle" else make_bundle(tmp_path, "2.0.0")
    made = [
        Pod(node, first, settings_folder=make_settings(tmp_path, "a", registries=["us-docker.pkg.dev/a/"])),
        Pod(
            node,
            second,
            instance="acme",
            settings_folder=make_settings(tmp_path, "b", registries=["us-docker.pkg.dev/b/"]),
        ),
    ]
    for pod in made:
        pod.tick()
        assert pod.situation.ready
        node.live(1000)
    return made


def _folder_gone(node: FakeNode) -> None:
    shutil.rmtree(node.tree / HOME[1:])


def _links_gone(node: FakeNode) -> None:
    for name in (PROGRAM, f"{PROGRAM}.acme"):
        (node.tree / BIN_DIR[1:] / name).unlink()


def _both_gone(node: FakeNode) -> None:
    _folder_gone(node)
    _links_gone(node)


def _both_entries_spoilt(node: FakeNode) -> None:
    node.rewrite(node.config.replace(b'"0s"', b'"zero"'))


LOSSES = [_folder_gone, _links_gone, _both_gone, _both_entries_spoilt]


@pytest.mark.parametrize("lose", LOSSES)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_instances_mend_what_they_share(
    node: FakeNode, pods: list[Pod], lose: Callable[[FakeNode], None], order: tuple[int, int]
) -> None:
    config = node.config
    lose(node)
    assert not node.would_start()
    pods[order[0]].tick(2)
    if lose is not _both_entries_spoilt:
        assert node.would_start(), "the first to come helps the other"
    for _ in range(2):
        for number in order:
            pods[number].tick(31)
    assert [pod.situation.code for pod in pods] == ["", ""]
    assert node.config == config
    assert node.would_start()
    for pod in pods:
        name = PROGRAM if pod is pods[0] else f"{PROGRAM}.acme"
        assert (node.tree / BIN_DIR[1:] / name).resolve().parent.name == pod.loop._bundle().id


@pytest.mark.parametrize("lose", LOSSES)
@pytest.mark.parametrize("order", [(None, "acme"), ("acme", None)])
@pytest.mark.usefixtures("pods")
def test_instances_leave_though_they_have_lost_what_they_share(
    tmp_path: Path, node: FakeNode, lose: Callable[[FakeNode], None], order: tuple[str | None, str | None]
) -> None:
    original = FakeNode(make_tree(tmp_path / "fresh")).config
    lose(node)
    for instance in order:
        uninstall(site_of(node, instance))
        assert node.pid
    assert node.config == node.loaded == original
    left = [path for path in picture(node.tree / BIN_DIR[1:]) if PROGRAM in path]
    assert not left


def test_an_instance_that_lacks_another_keeps_it_running(tmp_path: Path, node: FakeNode, pods: list[Pod]) -> None:
    """Even a restart that one instance needs waits for nobody: the other is given its bundle for so long."""
    _folder_gone(node)
    other = make_settings(tmp_path, "c", registries=["us-docker.pkg.dev/c/"])
    run(node, Goal(pods[0].loop._bundle(), other))
    assert b"us-docker.pkg.dev/c/" in node.loaded
    assert node.would_start()


def _by_hand(tree: Path, **place: Any) -> None:
    for name, kind in place.items():
        getattr(tree / BIN_DIR[1:] / f"{PROGRAM}.{name}", kind)()


def test_what_is_no_link_of_another_instance_is_not_replaced(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    goal = make_goal(tmp_path)
    install(find_site(Host(str(tree)), "acme"), goal)
    (tree / BIN_DIR[1:] / f"{PROGRAM}.acme").unlink()
    _by_hand(tree, acme="mkdir")
    before = picture(tree)
    with pytest.raises(Refusal, match="entry-invalid"):
        install(find_site(Host(str(tree))), goal)
    assert picture(tree) == before
