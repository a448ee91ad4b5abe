"""The image that `./dev image` built: what it holds, and that its programs run as the DaemonSet runs them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import checks
import elf
from credprovider import __version__
from credprovider.node.bundle import read_bundle
from credprovider.node.commands import INTO_THE_NODE
from credprovider.node.manifest import digest_of
from tests.image.conftest import DIST
from tests.node.trees import BIN_DIR, LINK, PROGRAM, make_settings, make_tree

if TYPE_CHECKING:
    from tests.image.container import Image

pytestmark = pytest.mark.image

BUNDLE = f"opt/{PROGRAM}"
FOREIGN = (
    b'{"kind":"CredentialProviderRequest","apiVersion":"credentialprovider.kubelet.k8s.io/v1",'
    b'"image":"registry.example.com/team/app"}'
)
MIB = 1 << 20

#: Stands for a node: namespaces of its own, whose first process tells which they are and starts the runtime.
_SPACES = ("mnt", "uts", "ipc", "net", "pid")
_MARK = "--- container ---"
_SCRIPT = f'ls -l /proc/self/ns; echo "{_MARK}"; "$@"; exit $?'
_NODE = ["unshare", "-m", "-u", "-i", "-n", "-p", "--fork", "--mount-proc", "sh", "-c", _SCRIPT, "node"]


def _files(root: Path) -> list[Path]:
    return [path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink()]


def test_blobs_are_what_their_names_say(layout: Path) -> None:
    blobs = list((layout / "blobs" / "sha256").iterdir())

    assert len(blobs) == 3
    for blob in blobs:
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name


def test_another_tool_reads_the_same_image(layout: Path) -> None:
    raw = subprocess.run(["skopeo", "inspect", f"oci:{layout}:{__version__}"], capture_output=True, check=True).stdout
    seen = json.loads(raw)

    assert seen["Os"] == "linux"
    assert seen["Architecture"] in {"amd64", "arm64"}
    assert seen["Labels"]["org.opencontainers.image.title"] == PROGRAM
    assert seen["Labels"]["org.opencontainers.image.version"] == __version__
    assert len(seen["Layers"]) == 1


def test_it_stays_small(manifest: dict[str, Any], image: Image) -> None:
    pulled = sum(part["size"] for part in manifest["layers"])
    unpacked = sum(path.stat().st_size for path in _files(image.root))
    print(f"{pulled} bytes to pull, {unpacked} bytes unpacked")

    assert pulled < 20 * MIB
    assert unpacked < 45 * MIB


def test_there_is_no_package_manager_and_nothing_of_the_build(layer: list[tarfile.TarInfo]) -> None:
    names = {os.path.basename(entry.name) for entry in layer}
    loader = ["lib64"] if os.uname().machine == "x86_64" else []

    assert not names & {"apt", "apt-get", "dpkg-deb", "pip", "python3", "gcc", "make", "perl", "bash", "sh", "busybox"}
    assert {entry.name for entry in layer if "/" not in entry.name} == {
        *("bin", "dev", "etc", "lib", "opt", "proc", "root", "run", "sbin", "sys", "tmp", "usr", "var"),
        *loader,
    }


def test_everything_is_roots_and_only_tmp_is_open(layer: list[tarfile.TarInfo]) -> None:
    assert [entry.name for entry in layer] == sorted(entry.name for entry in layer)
    for entry in layer:
        assert (entry.uid, entry.gid, entry.uname, entry.gname) == (0, 0, "", ""), entry.name
        assert not entry.mode & (stat.S_ISUID | stat.S_ISGID), entry.name
        assert entry.issym() or not entry.mode & 0o022 or (entry.name, entry.mode) == ("tmp", 0o1777), entry.name


def test_no_file_of_its_bundle_needs_a_c_library_newer_than_ubuntu_20_04(image: Image) -> None:
    folder = str(image.root / BUNDLE)

    assert checks.check_glibc(folder, checks.files_of(folder), (2, 31)).good


def test_its_bundle_brings_every_library_but_the_c_library(image: Image) -> None:
    folder = image.root / BUNDLE
    own = {path.name for path in _files(folder)}
    c_library = re.compile(r"(ld-linux-.*|lib(c|dl|m|pthread|rt|util))\.so\.\d")

    for path in _files(folder):
        if elf.is_elf(str(path)):
            listing = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
            needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", listing))
            assert {name for name in needed if not c_library.fullmatch(name)} <= own, path


def test_every_library_of_its_programs_is_there(image: Image) -> None:
    programs = [path for path in _files(image.root / "usr") if elf.is_elf(str(path)) and path.stat().st_mode & 0o100]

    assert [path.name for path in programs if path.parent.name in {"bin", "sbin"}] == ["nsenter"]
    for path in programs:
        listing = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
        for name in re.findall(r"\(NEEDED\).*\[(.+)\]", listing):
            assert list((image.root / "usr").rglob(name)), f"{path} needs {name}"


def test_it_begins_with_the_executable_as_root(image: Image) -> None:
    done = image.run("--version", "--format", "json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["version"] == __version__
    assert image.process["args"] == [f"/{BUNDLE}/{PROGRAM}"]
    assert image.process["user"]["uid"] == 0


def test_its_plugin_answers_for_a_registry_that_is_not_ours(image: Image, settings: Path) -> None:
    done = image.run("--config=/settings/config.json", stdin=FOREIGN, mounts=[(settings, "/settings")])

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["auth"] == {}


def test_its_plugin_says_in_one_line_what_is_missing(image: Image) -> None:
    done = image.run("--config=/settings/config.json", stdin=FOREIGN)

    assert done.returncode == 3
    assert done.stderr.count(b"\n") == 1


def test_it_reaches_the_nodes_namespaces_from_a_pod_that_shares_its_processes(image: Image) -> None:
    done = image.run("ls", "-l", "/proc/self/ns", entrypoint=INTO_THE_NODE, node=_NODE)

    assert done.returncode == 0, done.stderr
    inits, entered = (dict(re.findall(r"(\w+) -> (\S+)", part)) for part in done.stdout.decode().split(_MARK))
    assert {name: entered[name] for name in _SPACES} == {name: inits[name] for name in _SPACES}
    assert entered["mnt"] != os.readlink("/proc/self/ns/mnt")


def test_whoever_gets_into_it_finds_no_shell_and_nothing_to_fetch_with(image: Image) -> None:
    programs = [path.name for path in image.root.rglob("*") if path.parent.name in {"bin", "sbin"}]

    assert programs == ["nsenter"]


def test_its_certificates_are_read(image: Image) -> None:
    text = (image.root / "etc/ssl/certs/ca-certificates.crt").read_text()

    assert text.count("BEGIN CERTIFICATE") > 100
    done = subprocess.run(
        ["openssl", "x509", "-noout", "-subject"], input=text.encode(), capture_output=True, check=False
    )
    assert done.returncode == 0


def test_what_it_installs_on_a_node_is_its_own_bundle(image: Image, tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    mounts = [(tree, "/mnt"), (Path(make_settings(tmp_path)), "/settings")]

    done = image.run("node", "install", "--root", "/mnt", "--no-restart", "--settings", "/settings", mounts=mounts)

    assert done.returncode == 0, done.stderr
    target = tree / (BIN_DIR + "/" + os.readlink(tree / LINK.lstrip("/"))).lstrip("/")
    installed = target.parent
    read_bundle(str(installed), __version__)
    for line in (image.root / BUNDLE / "SHA256SUMS").read_text().splitlines():
        digest, _, path = line.partition("  ")
        assert digest_of(str(installed / path)) == digest


def test_the_bundle_beside_the_image_is_the_one_in_it(image: Image) -> None:
    beside = (DIST / PROGRAM / "SHA256SUMS").read_bytes()

    assert (image.root / BUNDLE / "SHA256SUMS").read_bytes() == beside
