"""Who runs the plugin on a node, with which environment, and what is left of it: self-test, proof of an exchange."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from credprovider.node.bundle import read_bundle
from credprovider.node.commands import Commands, Ran
from credprovider.node.exchange_check import check_exchange
from credprovider.node.host import Host
from credprovider.node.install import Goal, install
from credprovider.node.refusal import Refusal
from credprovider.node.selftest import self_test
from credprovider.node.site import Site, find_site
from credprovider.node.transient import environment_file
from credprovider.node.wanted import wanted_settings
from credprovider.world import DEFAULT_STATE_DIRECTORY
from tests.node.acts import run
from tests.node.fake_host import FakeCommands, FakeHost
from tests.node.fake_node import FakeNode
from tests.node.trees import LINK, PROGRAM, SETTINGS, make_bundle, make_goal, make_settings, make_tree, seal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from credprovider.settings import Settings

SECRET = "http://user:pass@proxy:3128"
ENVIRON = {"PATH": "/opt/evil", "LD_PRELOAD": "/opt/evil.so", "HTTPS_PROXY": SECRET, "odd name": "x"}
CONTEXT = "system_u:system_r:kubelet_t:s0"


class Recording(FakeCommands):
    """Remembers how the plugin was started, and what was in the file of its environment then."""

    def __init__(self, node: FakeNode) -> None:
        super().__init__(node)
        self.tree = node.tree
        self.argv: list[str] = []
        self.environ: Mapping[str, str] | None = None
        self.file = b""
        self.mode = 0

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        environ: Mapping[str, str] | None = None,
        timeout: float = 30.0,
    ) -> Ran:
        if argv[0] == "systemd-run" and argv[-1].startswith("--config="):
            self.argv, self.environ = list(argv), environ
            named = [word.partition("EnvironmentFile=")[2] for word in argv if "EnvironmentFile=" in word]
            if named:
                place = self.tree / named[0][1:]
                self.file, self.mode = place.read_bytes(), place.stat().st_mode & 0o777
        return super().run(argv, stdin=stdin, environ=environ, timeout=timeout)


@pytest.fixture
def installed(node: FakeNode, tmp_path: Path) -> Site:
    run(node, make_goal(tmp_path))
    site = find_site(FakeHost(node, commands=Recording(node)))
    return dataclasses.replace(site, kubelet=dataclasses.replace(site.kubelet, environ=ENVIRON, selinux=CONTEXT))


def commands_of(site: Site) -> Recording:
    assert isinstance(site.host.commands, Recording)
    return site.host.commands


def settings_of(site: Site) -> Settings:
    return wanted_settings(site.host, site.places, {}, None).settings


def test_the_proof_is_run_as_the_kubelet_runs_the_plugin(installed: Site) -> None:
    check_exchange(installed, settings_of(installed))
    ran = commands_of(installed)
    assert ran.argv[-2:] == [LINK, f"--config={SETTINGS}/config.json"]
    assert f"--property=SELinuxContext={CONTEXT}" in ran.argv
    assert ran.environ is None, "systemd-run and what leads to it inherit nothing of the kubelet"
    assert ran.file == environment_file(ENVIRON)
    assert b'PATH="/opt/evil"\n' in ran.file


def test_a_proxys_password_is_in_no_command_line_and_on_no_file_that_stays(installed: Site, node: FakeNode) -> None:
    check_exchange(installed, settings_of(installed))
    ran = commands_of(installed)
    assert SECRET.encode() in ran.file
    assert ran.mode == 0o600
    assert SECRET not in " ".join(ran.argv)
    assert not any(SECRET.encode() in path.read_bytes() for path in node.tree.rglob("*") if path.is_file())


def test_an_environment_that_cannot_be_handed_over_is_told(installed: Site, node: FakeNode) -> None:
    def full(_: int, step: str, path: str) -> None:
        if step == "create" and "kubelet-environment" in path:
            raise OSError(28, "No space left on device")

    node.steps.before = full
    with pytest.raises(Refusal, match="exchange-failed") as refusal:
        check_exchange(installed, settings_of(installed))
    assert "No space left on device" in refusal.value.cause


def test_the_self_test_gets_no_environment_at_all(installed: Site) -> None:
    self_test(installed, LINK, f"{SETTINGS}/config.json")
    ran = commands_of(installed)
    assert ran.argv[-4:] == ["/usr/bin/env", "-i", LINK, f"--config={SETTINGS}/config.json"]
    assert f"--property=SELinuxContext={CONTEXT}" in ran.argv
    assert ran.file == b""


@pytest.mark.parametrize("is_in_a_tree", [False, True])
def test_a_self_test_that_fails_names_the_file_where_it_will_be(
    installed: Site, node: FakeNode, is_in_a_tree: bool
) -> None:
    waiting = installed.places.staged_settings
    prefix = str(node.tree) if is_in_a_tree else ""
    node.test_result = Ran(
        3, b"", f"{PROGRAM}: settings-not-json [settings]: {prefix}{waiting}/config.json: no".encode()
    )
    with pytest.raises(Refusal) as refusal:
        self_test(installed, LINK, f"{waiting}/config.json")
    assert f"settings-not-json [settings]: {SETTINGS}/config.json: no" in refusal.value.cause


def test_values_are_quoted_for_systemd() -> None:
    environ = {"A": 'a "b" \\ $HOME `c`', "B": "", "C": "x\ny", "1D": "no name", "É": "no name"}
    assert environment_file(environ) == b'A="a \\"b\\" \\\\ \\$HOME \\`c\\`"\nB=""\nC="x\ny"\n'


def test_what_leads_to_the_node_gets_none_of_the_environment_for_the_node(tmp_path: Path) -> None:
    way = tmp_path / "way"
    way.write_text('#!/bin/sh\necho "way ${LEAKS-without} $PATH"\nexec "$@"\n')
    way.chmod(0o755)
    environ = {"LEAKS": "with", "PATH": "/opt/evil"}
    ran = Commands([str(way)]).run(["/bin/sh", "-c", 'echo "node $LEAKS $PATH"'], environ=environ)
    assert ran.stdout.decode().splitlines() == [
        "way without /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "node with /opt/evil",
    ]


def test_a_program_of_this_machine_gets_its_environment() -> None:
    assert Commands().run(["/bin/sh", "-c", "echo $A"], environ={"A": "b"}).stdout == b"b\n"


# --- trees ------------------------------------------------------------------------------------------------------------

_REAL = """#!/bin/sh
cd {folder} && exec {python} -m credprovider "$@"
"""


@pytest.mark.parametrize("is_made", [False, True])
def test_a_tree_leaves_nothing_in_the_runtime_state_of_the_machine_that_installs_it(
    tmp_path: Path, is_made: bool
) -> None:
    bundle = make_bundle(tmp_path, mark="real")
    program = Path(bundle.folder) / PROGRAM
    program.write_text(_REAL.format(folder=Path(__file__).parents[2], python=sys.executable))
    seal(Path(bundle.folder))
    goal = Goal(read_bundle(bundle.folder, "1.0.0"), make_settings(tmp_path))
    state = Path(DEFAULT_STATE_DIRECTORY)
    made = is_made and not state.exists()
    if made:
        state.mkdir(0o700)
    before = sorted(state.glob("*")) if state.exists() else None
    try:
        install(find_site(Host(str(make_tree(tmp_path)))), goal)
        assert (sorted(state.glob("*")) if state.exists() else None) == before
    finally:
        if made:
            state.rmdir()
