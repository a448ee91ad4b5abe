"""The fixture matrix on trees: install, install again, uninstall; what others wrote stays to the byte."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from credprovider.errors import ProviderError
from credprovider.node.host import Host
from credprovider.node.install import Goal, Outcome, install
from credprovider.node.refusal import Refusal
from credprovider.node.site import find_site
from credprovider.node.uninstall import uninstall
from tests.node.trees import (
    BIN_DIR,
    CONFIG,
    FIXTURES,
    HOME,
    LINK,
    PODS,
    PROGRAM,
    SETTINGS,
    TREES,
    VARIANTS,
    make_bundle,
    make_goal,
    make_settings,
    make_tree,
    picture,
)

EDGES = FIXTURES / "edge-cases"
EDITABLE = [*VARIANTS, EDGES / "crlf.yaml"]
ZERO_INDENT = b"""\
apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
- apiVersion: credentialprovider.kubelet.k8s.io/v1
  args:
  - /etc/kubernetes/azure.json
  defaultCacheDuration: 10m0s
  matchImages:
  - '*.azurecr.io'
  name: acr-credential-provider
"""
PROVIDERS_FIRST = b"""\
# written by hand
providers:
    -   name: acr-credential-provider   # theirs
        matchImages: ["*.azurecr.io",
          '*.azurecr.cn']
        defaultCacheDuration: 10m
        apiVersion: credentialprovider.kubelet.k8s.io/v1
        # no arguments

# the end
kind: CredentialProviderConfig
apiVersion: kubelet.config.k8s.io/v1
"""
ACR = VARIANTS[-1].read_bytes()


def run(tree: Path, goal: Goal, instance: str | None = None) -> Outcome:
    return install(find_site(Host(str(tree)), instance), goal)


def remove(tree: Path, instance: str | None = None) -> Outcome:
    return uninstall(find_site(Host(str(tree)), instance))


def providers(tree: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = yaml.safe_load((tree / CONFIG[1:]).read_bytes())["providers"]
    return found


def with_config(folder: Path, content: bytes) -> Path:
    tree = make_tree(folder)
    (tree / CONFIG[1:]).write_bytes(content)
    return tree


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param((EDGES / "empty.yaml").read_bytes(), "config-invalid", id="empty"),
        pytest.param((EDGES / "providers-null.yaml").read_bytes(), "config-invalid", id="providers null"),
        pytest.param((EDGES / "providers-empty-flow.yaml").read_bytes(), "config-invalid", id="providers empty"),
        pytest.param((EDGES / "duplicate-names-kubelet-rejects.yaml").read_bytes(), "config-invalid", id="twice"),
        pytest.param((EDGES / "future-unknown-field.yaml").read_bytes(), "config-invalid", id="unknown field"),
        pytest.param((EDGES / "as-json-in-yaml-file.yaml").read_bytes(), "config-not-editable", id="JSON"),
        pytest.param(ACR[: ACR.index(b"defaultCache")], "config-invalid", id="truncated"),
        pytest.param(ACR.replace(b"acr-credential-provider", b"lost-provider"), "config-invalid", id="no executable"),
        pytest.param(ACR.replace(b"    args:", b"    args: &a"), "config-not-editable", id="anchor"),
        pytest.param(ACR + b"---\n", "config-not-editable", id="two documents"),
        pytest.param(ACR + b"...\n", "config-not-editable", id="explicit end"),
        pytest.param(b"%YAML 1.1\n---\n" + ACR, "config-not-editable", id="directive"),
        pytest.param(ACR.replace(b"\n", b"\r"), "config-not-editable", id="old Mac line ends"),
        pytest.param(ACR.replace(b"name: acr", b"name: !!str acr"), "config-not-editable", id="tag"),
        pytest.param(b"\xff\xfe" + ACR.decode().encode("utf-16-le"), "config-not-editable", id="UTF-16"),
    ],
)
def test_a_config_that_is_no_kubelets_or_cannot_be_edited_is_left_alone(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    tree = with_config(tmp_path, content)
    before = picture(tree)
    with pytest.raises(Refusal) as refusal:
        run(tree, make_goal(tmp_path))
    assert refusal.value.code == reason
    assert "\n" not in refusal.value.line()
    assert picture(tree) == before


@pytest.mark.parametrize("content", [pytest.param(ACR[:-1], id="no final newline"), pytest.param(ACR, id="plain")])
@pytest.mark.parametrize("crlf", [False, True])
def test_line_ends_of_the_file_are_kept(tmp_path: Path, content: bytes, crlf: bool) -> None:
    original = content.replace(b"\n", b"\r\n") if crlf else content
    tree = with_config(tmp_path, original)
    run(tree, make_goal(tmp_path))
    result = (tree / CONFIG[1:]).read_bytes()
    assert result.startswith(original)
    assert result.count(b"\n") == result.count(b"\r\n") or not crlf
    assert result.endswith(b"\n") == original.endswith(b"\n")
    remove(tree)
    assert (tree / CONFIG[1:]).read_bytes() == original


@pytest.mark.parametrize("config", [pytest.param({}, id="node"), pytest.param(PODS, id="pods")])
@pytest.mark.parametrize(
    "content",
    [
        *(pytest.param(path.read_bytes(), id=path.stem) for path in EDITABLE),
        pytest.param(ZERO_INDENT, id="zero indent"),
        pytest.param(PROVIDERS_FIRST, id="providers first"),
    ],
)
def test_the_config_gets_our_entry_and_loses_nothing(tmp_path: Path, content: bytes, config: dict[str, Any]) -> None:
    tree = with_config(tmp_path, content)
    config_path = tree / CONFIG[1:]
    config_path.chmod(0o640)
    before, original = providers(tree), picture(tree)
    goal = make_goal(tmp_path, **config)

    assert run(tree, goal).changed == ("bundle", "settings", "config")
    result = config_path.read_bytes()
    *others, ours = providers(tree)
    assert others == before
    assert ours["name"] == PROGRAM
    assert ours["args"] == [f"--config={SETTINGS}/config.json"]
    assert ours["defaultCacheDuration"] == "0s"
    assert ("tokenAttributes" in ours) == bool(config)
    # All other bytes, in their order, around one inserted piece.
    same = (
        next(index for index in range(len(content) + 1) if result[:index] != content[:index]) - 1
        if (not result.startswith(content))
        else len(content)
    )
    assert result.endswith(content[same:])
    assert config_path.stat().st_mode & 0o7777 == 0o640

    installed = picture(tree)
    assert run(tree, goal).changed == ()
    assert picture(tree) == installed

    remove(tree)
    assert picture(tree) == original
    remove(tree)
    assert picture(tree) == original


@pytest.mark.parametrize("name", TREES)
def test_every_tree_is_brought_back_to_what_it_was(tmp_path: Path, name: str) -> None:
    tree = make_tree(tmp_path, name)
    original = picture(tree)
    run(tree, make_goal(tmp_path))
    changed = {path for path, found in picture(tree).items() if original.get(path) != found}
    ours = (CONFIG, BIN_DIR + "/." + PROGRAM, LINK, SETTINGS)
    assert all(path.startswith(ours) for path in changed)
    remove(tree)
    assert picture(tree) == original


def test_a_node_without_the_two_flags_is_refused(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, "ubuntu-2204-k8s129-no-oot")
    before = picture(tree)
    with pytest.raises(Refusal, match="node-flags-missing"):
        find_site(Host(str(tree)))
    assert picture(tree) == before


def test_what_is_installed_has_roots_modes_and_nothing_more(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    goal = make_goal(tmp_path)
    run(tree, goal)
    found = picture(tree)
    folder = f"{HOME}/{goal.bundle.id}"
    assert found[LINK][4].decode() == f".{PROGRAM}.d/{goal.bundle.id}/{PROGRAM}"
    assert {
        path: found[path][1] for path in found if path.startswith((HOME, SETTINGS)) and found[path][0] != "link"
    } == {
        HOME: 0o755,
        folder: 0o755,
        f"{folder}/SHA256SUMS": 0o644,
        f"{folder}/_internal": 0o755,
        f"{folder}/_internal/deep": 0o755,
        f"{folder}/_internal/deep/data": 0o644,
        f"{folder}/_internal/library": 0o644,
        f"{folder}/{PROGRAM}": 0o755,
        f"{HOME}/state.json": 0o644,
        SETTINGS: 0o755,
        f"{SETTINGS}/config.json": 0o644,
        f"{SETTINGS}/credential-config.json": 0o644,
    }


def test_an_upgrade_keeps_the_old_bundle_and_drops_the_one_before(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    goals = [make_goal(tmp_path, version=version) for version in ("1.0.0", "1.1.0", "1.2.0")]
    run(tree, goals[0])
    config = (tree / CONFIG[1:]).read_bytes()
    for goal in goals[1:]:
        run(tree, goal)
    assert (tree / CONFIG[1:]).read_bytes() == config
    names = {path.name for path in (tree / HOME[1:]).iterdir()}
    assert names == {goals[1].bundle.id, goals[2].bundle.id, "state.json"}
    assert (tree / LINK[1:]).resolve().parent.name == goals[2].bundle.id


def test_a_changed_setting_changes_the_entry_in_its_place(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    config = tree / CONFIG[1:]
    run(tree, make_goal(tmp_path, mark="a"))
    with config.open("ab") as file:
        file.write(
            ZERO_INDENT.partition(b"providers:\n")[2].replace(b"\n", b"\n  ").replace(b"acr-", b"x-").rstrip(b" ")
        )
    text = config.read_text().replace("- apiVersion: cred", "  - apiVersion: cred")
    config.write_text(text)
    shutil.copy(tree / BIN_DIR[1:] / "acr-credential-provider", tree / BIN_DIR[1:] / "x-credential-provider")
    before = providers(tree)
    outcome = run(tree, make_goal(tmp_path, mark="b", registries=["us-docker.pkg.dev"]))
    assert "config" in outcome.changed
    after = providers(tree)
    assert [provider["name"] for provider in after] == [provider["name"] for provider in before]
    assert after[0] == before[0]
    assert after[2] == before[2]
    assert after[1]["matchImages"] == ["us-docker.pkg.dev"]


def test_two_instances_live_side_by_side_and_share_a_bundle(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    original = picture(tree)
    bundle = make_bundle(tmp_path)
    first = Goal(bundle, make_settings(tmp_path, "a", registries=["us-docker.pkg.dev/vendor-a/"]))
    second = Goal(bundle, make_settings(tmp_path, "b", registries=["us-docker.pkg.dev/vendor-b/"]))
    run(tree, first)
    one = picture(tree)
    run(tree, second, "vendor-b")
    assert [provider["name"] for provider in providers(tree)][1:] == [PROGRAM, f"{PROGRAM}.vendor-b"]
    assert providers(tree)[2]["args"] == [f"--config={SETTINGS}/vendor-b/config.json"]
    assert [path.name for path in (tree / HOME[1:]).iterdir() if path.is_dir()] == [bundle.id]
    remove(tree, "vendor-b")
    assert picture(tree) == one
    run(tree, second, "vendor-b")
    remove(tree)
    assert [provider["name"] for provider in providers(tree)][1:] == [f"{PROGRAM}.vendor-b"]
    assert (tree / LINK[1:]).with_name(f"{PROGRAM}.vendor-b").resolve().is_file()
    remove(tree, "vendor-b")
    assert picture(tree) == original


@pytest.mark.parametrize("name", ["", "UPPER", "a.b", "a/b", "-a", "a" * 41])
def test_an_instance_that_cannot_be_part_of_a_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refusal, match="node-instance-name"):
        find_site(Host(str(make_tree(tmp_path))), name)


def hand_made(tree: Path, args: str) -> None:
    with (tree / CONFIG[1:]).open("a") as file:
        file.write(
            f"  - name: {PROGRAM}\n    matchImages: ['*-docker.pkg.dev']\n    defaultCacheDuration: 0s\n"
            f"    apiVersion: credentialprovider.kubelet.k8s.io/v1\n    args: [{args}]\n"
        )
    (tree / LINK[1:]).write_text("#!/bin/sh\n")
    (tree / LINK[1:]).chmod(0o755)


def test_a_hand_made_entry_that_says_the_same_is_adopted_as_it_is(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    original = (tree / CONFIG[1:]).read_bytes()
    hand_made(tree, f"--config={SETTINGS}/config.json")
    config = (tree / CONFIG[1:]).read_bytes()
    assert run(tree, make_goal(tmp_path)).changed == ("bundle", "settings")
    assert (tree / CONFIG[1:]).read_bytes() == config
    assert (tree / LINK[1:]).is_symlink()
    remove(tree)
    assert (tree / CONFIG[1:]).read_bytes() == original


def test_a_hand_made_entry_that_says_something_else_is_replaced(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    original = (tree / CONFIG[1:]).read_bytes()
    hand_made(tree, "--config=/elsewhere.json")
    run(tree, make_goal(tmp_path))
    assert providers(tree)[-1]["args"] == [f"--config={SETTINGS}/config.json"]
    remove(tree)
    assert (tree / CONFIG[1:]).read_bytes() == original


def test_settings_that_lie_on_the_node_count_without_a_folder(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    source = Path(make_settings(tmp_path))
    place = tree / SETTINGS[1:]
    place.mkdir()
    for name in ("config.json", "credential-config.json"):
        (place / name).write_bytes((source / name).read_bytes())
    original = picture(tree)
    assert run(tree, Goal(make_bundle(tmp_path))).changed == ("bundle", "config")
    remove(tree)
    assert picture(tree) == original


def test_uninstall_is_refused_when_ours_is_the_only_entry(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    run(tree, make_goal(tmp_path))
    config = tree / CONFIG[1:]
    text = config.read_text()
    config.write_text(text[: text.index("  - name: acr")] + text[text.index(f"  - name: {PROGRAM}") :])
    before = picture(tree)
    with pytest.raises(Refusal, match="config-only-entry"):
        remove(tree)
    assert picture(tree) == before


def test_absolute_links_in_the_bin_dir_lead_into_the_tree(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    acr = tree / BIN_DIR[1:] / "acr-credential-provider"
    (tree / "usr/bin").mkdir(parents=True)
    acr.rename(tree / "usr/bin/azure-acr-credential-provider")
    acr.symlink_to("/usr/bin/azure-acr-credential-provider")
    original = picture(tree)
    run(tree, make_goal(tmp_path))
    remove(tree)
    assert picture(tree) == original


def test_links_on_the_way_to_the_config_are_followed_and_stay(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    (tree / "mnt").mkdir()
    (tree / "var/lib/kubelet").rename(tree / "mnt/kubelet")
    (tree / "var/lib/kubelet").symlink_to("/mnt/kubelet")
    (tree / "mnt/kubelet/real.yaml").write_bytes((tree / "mnt/kubelet/credential-provider-config.yaml").read_bytes())
    (tree / "mnt/kubelet/credential-provider-config.yaml").unlink()
    (tree / "mnt/kubelet/credential-provider-config.yaml").symlink_to("real.yaml")
    original = picture(tree)
    run(tree, make_goal(tmp_path))
    assert (tree / "mnt/kubelet/credential-provider-config.yaml").is_symlink()
    assert PROGRAM in (tree / "mnt/kubelet/real.yaml").read_text()
    remove(tree)
    assert picture(tree) == original


def test_a_folder_of_configs_gets_a_file_of_ours(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    config = tree / CONFIG[1:]
    content = config.read_bytes()
    config.unlink()
    config.mkdir()
    (config / "10-acr.yaml").write_bytes(content)
    original = picture(tree)
    goal = make_goal(tmp_path, **PODS)
    run(tree, goal)
    assert (config / "10-acr.yaml").read_bytes() == content
    assert sorted(path.name for path in config.iterdir()) == ["10-acr.yaml", f"{PROGRAM}.yaml"]
    assert yaml.safe_load((config / f"{PROGRAM}.yaml").read_bytes())["providers"][0]["name"] == PROGRAM
    assert run(tree, goal).changed == ()
    remove(tree)
    assert picture(tree) == original


def test_our_file_in_a_folder_of_configs_stays_when_it_is_the_only_one(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    config = tree / CONFIG[1:]
    content = config.read_bytes()
    config.unlink()
    config.mkdir()
    (config / "10-acr.yaml").write_bytes(content)
    run(tree, make_goal(tmp_path))
    (config / "10-acr.yaml").unlink()
    with pytest.raises(Refusal, match="config-only-entry"):
        remove(tree)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda home: (home / PROGRAM).unlink(), id="executable gone"),
        pytest.param(lambda home: (home / "_internal/library").write_text("x"), id="library altered"),
        pytest.param(lambda home: (home / PROGRAM).chmod(0o644), id="not executable"),
        pytest.param(shutil.rmtree, id="all gone"),
    ],
)
def test_a_damaged_bundle_is_mended_without_another_change(tmp_path: Path, damage: object) -> None:
    tree = make_tree(tmp_path)
    goal = make_goal(tmp_path)
    run(tree, goal)
    remembered = (f"{HOME}/state.json",)
    whole = picture(tree, without=remembered)
    damage(tree / HOME[1:] / goal.bundle.id)  # type: ignore[operator]
    outcome = run(tree, goal)
    assert outcome.changed == ("bundle",)
    assert outcome.repaired
    assert picture(tree, without=remembered) == whole


def test_settings_errors_name_the_field_and_leave_the_node_alone(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    before = picture(tree)
    goal = Goal(make_bundle(tmp_path), make_settings(tmp_path, registries=["docker.io"]))
    with pytest.raises(ProviderError) as error:
        run(tree, goal)
    assert "registries.0" in error.value.line()
    assert picture(tree) == before
