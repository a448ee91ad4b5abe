"""The command line of `node`: what it takes, what it answers, with which exit code."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING

import pytest

from credprovider.commands import node as command
from credprovider.node.refusal import Refusal
from tests.node.trees import BIN_DIR, CONFIG, PROGRAM, make_bundle, make_settings, make_tree, picture

if TYPE_CHECKING:
    from pathlib import Path


def call(*argv: str) -> tuple[int, str, str]:
    stdout, stderr = io.BytesIO(), io.StringIO()
    code = command.run(list(argv), io.BytesIO(), stdout, stderr)
    return code, stdout.getvalue().decode(), stderr.getvalue()


@pytest.fixture
def _bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = make_bundle(tmp_path)
    monkeypatch.setattr(command, "running_bundle", lambda: bundle.folder)


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        ([], "action"),
        (["enjoy"], "invalid choice"),
        (["install", "--root", "/x"], "--no-restart"),
        (["install", "--no-restart"], "--root"),
        (["uninstall", "--root", "/x"], "--no-restart"),
        (["status", "--no-restart"], "unrecognized"),
        (["uninstall", "--settings", "/x"], "unrecognized"),
        (["run", "--root", "/x"], "unrecognized"),
        (["run", "--mode", "watch"], "invalid choice"),
        (["run", "--metrics-address", "9911"], "HOST:PORT"),
    ],
)
def test_usage_errors_are_told_with_2(argv: list[str], word: str) -> None:
    code, out, error = call(*argv)
    assert code == 2
    assert not out
    assert word in error


def test_a_live_node_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for action in ("install", "uninstall", "status", "run"):
        code, _, error = call(action)
        assert code == 2
        assert "root" in error


def test_a_checkout_is_no_bundle(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    before = picture(tree)
    code, _, error = call("install", "--root", str(tree), "--no-restart", "--settings", make_settings(tmp_path))
    assert code == 1
    assert "bundle-not-built" in error
    assert error.count("\n") == 1
    assert picture(tree) == before


@pytest.mark.usefixtures("_bundle")
def test_a_tree_is_installed_shown_and_uninstalled(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    before = picture(tree)
    root = ("--root", str(tree))
    settings = make_settings(tmp_path)
    assert call("status", *root)[0] == 1
    code, out, error = call("install", *root, "--no-restart", "--settings", settings)
    assert (code, out) == (0, "")
    assert "changed bundle, settings, config" in error
    assert "all in place" in call("install", *root, "--no-restart", "--settings", settings)[2]
    code, out, _ = call("status", *root)
    assert code == 0
    assert out.endswith("installed\n")
    code, out, _ = call("status", *root, "--format", "json")
    assert json.loads(out)["provider"] == PROGRAM
    assert "removed" in call("uninstall", *root, "--no-restart")[2]
    assert picture(tree) == before
    assert "was not installed" in call("uninstall", *root, "--no-restart")[2]


@pytest.mark.usefixtures("_bundle")
def test_a_tree_without_flags_takes_them_from_the_caller(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    (tree / "etc/default/kubelet").unlink()
    (tree / CONFIG[1:]).rename(tree / "elsewhere.yaml")
    settings = make_settings(tmp_path)
    common = ("install", "--root", str(tree), "--no-restart", "--settings", settings)
    code, _, error = call(*common)
    assert code == 1
    assert "--image-credential-provider-config" in error
    flags = ("--image-credential-provider-config", "/elsewhere.yaml", "--image-credential-provider-bin-dir", BIN_DIR)
    assert call(*common, *flags)[0] == 0
    assert PROGRAM in (tree / "elsewhere.yaml").read_text()


@pytest.mark.usefixtures("_bundle")
def test_warnings_of_the_settings_are_told(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    settings = make_settings(tmp_path, identity={"source": "token-file", "tokenAudience": "api://AzureADTokenExchange"})
    code, _, error = call("install", "--root", str(tree), "--no-restart", "--settings", settings)
    assert code == 0
    assert "replayed" in error


def test_our_own_mistakes_have_a_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def mistaken(*_: object) -> None:
        raise KeyError("mistake")

    monkeypatch.setattr(command, "status", mistaken)
    assert call("status", "--root", str(tmp_path))[0] == 70


def test_a_refusal_is_one_line_and_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refusing(*_: object) -> None:
        raise Refusal("node-test", "no\nreason", "none")

    monkeypatch.setattr(command, "status", refusing)
    code, _, error = call("status", "--root", str(tmp_path))
    assert code == 1
    assert error == f"{PROGRAM}: node-test [node]: no reason. Fix: none\n"


@pytest.mark.usefixtures("_bundle")
@pytest.mark.parametrize("path", [CONFIG, BIN_DIR, "/etc/azure-gar-credential-provider/config.json"])
@pytest.mark.parametrize("action", ["install", "uninstall", "status"])
def test_links_that_lead_nowhere_are_told_in_one_line(tmp_path: Path, action: str, path: str) -> None:
    tree = make_tree(tmp_path)
    place = tree / path[1:]
    place.parent.mkdir(exist_ok=True)
    if place.exists():
        place.rename(tmp_path / "away")
    place.symlink_to(place.name)
    words = ["--no-restart"] if action != "status" else []
    code, out, error = call(action, "--root", str(tree), *words)
    told = out if action == "status" else error
    if (action, path) == ("uninstall", "/etc/azure-gar-credential-provider/config.json"):
        assert code == 0, "settings that are not ours are left alone"
    else:
        assert code == 1
        assert f"Too many levels of symbolic links at {path}" in told
    assert "Traceback" not in error
    assert error.count("\n") <= 1


@pytest.mark.usefixtures("_bundle")
@pytest.mark.parametrize("action", ["install", "uninstall", "status"])
def test_a_file_too_large_to_be_a_config_is_called_so(tmp_path: Path, action: str) -> None:
    tree = make_tree(tmp_path)
    with (tree / CONFIG[1:]).open("ab") as file:
        file.write(b"# more\n" * 200_000)
    words = ["--no-restart"] if action != "status" else []
    settings = ["--settings", make_settings(tmp_path)] if action == "install" else []
    code, out, error = call(action, "--root", str(tree), *words, *settings)
    assert code == 1
    assert f"{CONFIG} is larger than 1 MiB, too large to be a config" in out + error
    assert "Traceback" not in error
