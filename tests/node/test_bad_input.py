"""Every kind of node and input that is not as expected: left as it was, and told in log, Event, metric and status."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from credprovider.node.bundle import Bundle, read_bundle
from credprovider.node.commands import Ran
from credprovider.node.disk import Disk
from credprovider.node.host import Host
from credprovider.node.install import Goal, install
from credprovider.node.metrics import metrics_text
from credprovider.node.refusal import Refusal
from credprovider.node.site import find_site
from credprovider.node.status import status
from tests.node.fake_node import FakeNode
from tests.node.pods import Pod, metric
from tests.node.trees import (
    BIN_DIR,
    CONFIG,
    FIXTURES,
    HOME,
    PROGRAM,
    make_bundle,
    make_settings,
    make_tree,
    picture,
    seal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIB = 1 << 20


def _argv(change: Callable[[bytes], bytes]) -> Callable[[FakeNode], None]:
    def spoil(node: FakeNode) -> None:
        node.argv = change(node.argv)
        node.order_restart()
        node.live(60)

    return spoil


def _folder(node: FakeNode) -> None:
    """The kubelet's flag names a folder, which 1.33 cannot read; the stand-in does not mind."""
    node.version = "1.33"
    config = node.tree / CONFIG[1:]
    content = config.read_bytes()
    config.unlink()
    config.mkdir()
    (config / "a.yaml").write_bytes(content)


def _content(name: str) -> Callable[[FakeNode], None]:
    return lambda node: node.rewrite((FIXTURES / "edge-cases" / name).read_bytes())


def _set(name: str, value: object) -> Callable[[FakeNode], None]:
    return lambda node: setattr(node, name, value)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        pytest.param(
            _argv(lambda argv: argv.replace(b"credential-provider-bin-dir", b"x")), "node-flags-missing", id="flag"
        ),
        pytest.param(
            _argv(lambda argv: argv.replace(b"/opt/bin/kubelet", b"/k3s")), "node-no-kubelet", id="no kubelet"
        ),
        pytest.param(_argv(lambda argv: argv.replace(b"config.yaml", b"gone.yaml")), "node-no-config", id="no config"),
        pytest.param(_folder, "node-config-odd", id="folder before 1.34"),
        pytest.param(_set("has_systemd", False), "node-no-systemd", id="no systemd"),
        pytest.param(_set("has_timers", False), "node-no-rescue", id="no timers"),
        pytest.param(_set("test_result", Ran(203, b"", b"Exec format error")), "self-test-failed", id="architecture"),
        pytest.param(_set("test_result", Ran(126, b"", b"Permission denied")), "self-test-failed", id="denied"),
        pytest.param(_content("empty.yaml"), "config-invalid", id="empty config"),
        pytest.param(_content("as-json-in-yaml-file.yaml"), "config-not-editable", id="JSON config"),
        pytest.param(_content("future-unknown-field.yaml"), "config-invalid", id="field of tomorrow"),
    ],
)
def test_a_node_that_is_not_as_expected(
    node: FakeNode, tmp_path: Path, spoil: Callable[[FakeNode], None], code: str
) -> None:
    pod = Pod(node, make_bundle(tmp_path), settings_folder=make_settings(tmp_path))
    spoil(node)
    _refused_everywhere(pod, code)


def _missing(folder: Path) -> None:
    (folder / "config.json").unlink()


def _vendor_missing(folder: Path) -> None:
    (folder / "credential-config.json").unlink()


def _torn(folder: Path) -> None:
    (folder / "..data/config.json").write_text('{"identity":')


def _unknown(folder: Path) -> None:
    (folder / "..data/config.json").write_text('{"identity": {"sauce": "managed-identity"}}')


def _elsewhere(folder: Path) -> None:
    (folder / "..data/config.json").write_text('{"credentialConfig": "/nowhere/else.json"}')


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_missing, "node-settings-missing"),
        (_vendor_missing, "node-settings-missing"),
        (_torn, "settings-not-json"),
        (_unknown, "settings-invalid"),
        (_elsewhere, "settings-unreadable"),
    ],
)
def test_a_config_map_that_is_missing_or_invalid(
    node: FakeNode, tmp_path: Path, spoil: Callable[[Path], None], code: str
) -> None:
    folder = Path(make_settings(tmp_path))
    spoil(folder)
    _refused_everywhere(Pod(node, make_bundle(tmp_path), settings_folder=str(folder)), code)


@pytest.mark.parametrize("path", ["_internal/library", "_internal/deep/data", PROGRAM, "SHA256SUMS"])
@pytest.mark.parametrize("how", ["missing", "altered"])
def test_a_bundle_with_a_missing_or_altered_file(node: FakeNode, tmp_path: Path, path: str, how: str) -> None:
    bundle = make_bundle(tmp_path)
    pod = Pod(node, bundle, settings_folder=make_settings(tmp_path))
    pod.loop._bundle = lambda: read_bundle(bundle.folder)
    victim = Path(bundle.folder) / path
    victim.unlink() if how == "missing" else victim.write_bytes(b"?" + victim.read_bytes()[1:])
    _refused_everywhere(pod, "bundle-damaged")


def _refused_everywhere(pod: Pod, code: str) -> None:
    node = pod.node
    passing = ("/proc", "/run", "/etc/systemd/system/multi-user.target.wants")
    before = picture(node.tree, without=passing)
    starts = len(node.starts)
    pod.tick()
    assert picture(node.tree, without=passing) == before
    assert len(node.starts) == starts
    assert node.timer is None
    assert pod.situation.code == code
    assert len(pod.log) == 1
    assert pod.log[0].count("\n") == 1
    assert code in pod.log[0]
    assert [warning for _, _, warning in pod.cluster.events] == [True]
    assert f'code="{code}"' in metrics_text(pod.situation)
    assert metric(pod, "ready") == "0"
    found = status(node.host(), None)
    assert code in str(found["lastRun"]) or any(code in problem for problem in found["problems"])


# --- mounts -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """A tree whose bin dir is a file system of its own, mounted as asked, in the namespace of ``tests/cloud/enter``."""
    places: list[Path] = []

    def mount(options: str) -> Path:
        tree = make_tree(tmp_path)
        place = tree / BIN_DIR[1:]
        acr = (place / "acr-credential-provider").read_bytes()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], check=True)
        places.append(place)
        (place / "acr-credential-provider").write_bytes(acr)
        (place / "acr-credential-provider").chmod(0o755)
        if options:
            subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)
        return tree

    yield mount
    for place in places:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize(
    ("options", "code"), [("ro", "node-read-only"), ("noexec,size=64m", "node-noexec"), ("", "node-no-space")]
)
def test_a_file_system_that_cannot_take_the_bundle(
    mounted: Callable[..., Path], tmp_path: Path, options: str, code: str
) -> None:
    tree = mounted(options)
    before = picture(tree)
    with pytest.raises(Refusal) as refusal:
        install(find_site(Host(str(tree))), Goal(make_bundle(tmp_path), make_settings(tmp_path)))
    assert refusal.value.code == code
    assert picture(tree) == before


def test_a_bundle_for_another_machine_is_found_out_before_anything_points_to_it(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    before = picture(tree)
    bundle = make_bundle(tmp_path)
    with pytest.raises(Refusal, match="self-test-failed"):
        install(find_site(Host(str(tree))), Goal(_foreign(bundle), make_settings(tmp_path)))
    assert picture(tree) == before


def _foreign(bundle: Bundle) -> Bundle:
    """The same with an executable whose ELF header names a machine that does not exist."""
    header = bytearray(Path(shutil.which("true") or "/bin/true").read_bytes())
    header[18:20] = b"\xee\xee"
    place = Path(bundle.folder)
    (place / PROGRAM).write_bytes(header)
    seal(place)
    return read_bundle(bundle.folder)


# --- SELinux ----------------------------------------------------------------------------------------------------------


class LabellingHost(Host):
    """A host with labels, which this machine may not have; those that are set are remembered."""

    def __init__(self, tree: Path) -> None:
        self.labels: dict[str, bytes] = {}
        super().__init__(str(tree), disk=_LabellingDisk(self.labels))

    def has_selinux(self) -> bool:
        return True

    def label(self, path: str) -> bytes | None:  # noqa: ARG002
        return b"system_u:object_r:container_var_lib_t:s0\0"


class _LabellingDisk(Disk):
    def __init__(self, labels: dict[str, bytes]) -> None:
        self._labels = labels

    def set_label(self, path: str, label: bytes) -> None:
        self._labels[os.path.basename(path)] = label

    def rename(self, source: str, destination: str) -> None:
        super().rename(source, destination)
        if os.path.basename(source) in self._labels:
            self._labels[os.path.basename(destination)] = self._labels.pop(os.path.basename(source))


def test_where_selinux_is_on_the_bundle_is_executable_and_the_config_keeps_its_label(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    host = LabellingHost(tree)
    install(find_site(host), Goal(make_bundle(tmp_path), make_settings(tmp_path)))
    assert host.labels[PROGRAM] == b"system_u:object_r:bin_t:s0\0"
    assert host.labels["library"] == b"system_u:object_r:bin_t:s0\0"
    assert host.labels[os.path.basename(CONFIG)] == b"system_u:object_r:container_var_lib_t:s0\0"


def test_leftovers_of_a_damaged_journal_do_not_stop_a_run(tmp_path: Path, node: FakeNode) -> None:
    home = node.tree / HOME[1:]
    home.mkdir()
    for name, content in (
        ("change.json", "{"),
        ("change-done.json", '{"format": 99}'),
        ("armed", ""),
        ("state.json", "["),
    ):
        (home / name).write_text(content)
    pod = Pod(node, make_bundle(tmp_path), settings_folder=make_settings(tmp_path))
    pod.tick()
    assert pod.situation.ready
    assert not (home / "armed").exists()


def test_a_folder_in_place_of_our_link_is_left_alone(tmp_path: Path, node: FakeNode) -> None:
    (node.tree / BIN_DIR[1:] / PROGRAM).mkdir()
    _refused_everywhere(Pod(node, make_bundle(tmp_path), settings_folder=make_settings(tmp_path)), "node-link-odd")
