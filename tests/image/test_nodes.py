"""The image's bundle on the C libraries of nodes: it starts and answers where nothing but that library is there."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from credprovider import __version__
from tests.cloud.modes import MODES_BY_NAME, set_up
from tests.image.conftest import DIST
from tests.image.test_image import FOREIGN
from tests.node.trees import PROGRAM

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi

pytestmark = pytest.mark.image

_CACHE = DIST.parent.parent / "build" / "work" / "image" / "systems"


class System(NamedTuple):
    """A system's C library: the package of its release, which its archive keeps as long as the release."""

    name: str
    version: str
    digest: str


#: By age. Azure Linux 3 and Azure Container Linux have 2.38, between the last two; their packages were not at hand.
SYSTEMS = (
    System("ubuntu-20.04", "2.31-0ubuntu9", "847a68e5f1ec2cd4e6fc191c5eaf0547445dd5c473c7617c068ba4441f63b292"),
    System("ubuntu-22.04", "2.35-0ubuntu3", "ea9a27e0ebdd0cfc9c750d94f8074f3a35d1f97dcc77ae04c370fb498a6b6db2"),
    System("ubuntu-24.04", "2.39-0ubuntu8", "af36c7ac770770fe3d3c10e85d6bc538e76e57570ba7db7d397fb9f654783ef3"),
)


def _package(system: System) -> Path:
    """The package, from the archive if it is not here yet."""
    path = _CACHE / f"libc6_{system.version}_amd64.deb"
    if not path.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        url = f"http://archive.ubuntu.com/ubuntu/pool/main/g/glibc/{path.name}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            path.write_bytes(answer.read())
    assert hashlib.sha256(path.read_bytes()).hexdigest() == system.digest
    return path


@pytest.fixture(params=SYSTEMS, ids=lambda system: system.name)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A root with a system's C library, the image's bundle, and nothing else."""
    if platform.machine() != "x86_64":
        pytest.skip("the packages listed here are amd64's")
    root = tmp_path / "root"
    subprocess.run(["dpkg-deb", "-x", _package(request.param), root], check=True)
    for name in ("lib", "lib64"):
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    for name in ("dev", "proc", "run", "tmp", "opt"):
        (root / name).mkdir()
    (root / "etc" / "hosts").write_bytes(Path("/etc/hosts").read_bytes())
    shutil.copytree(DIST / PROGRAM, root / "opt" / PROGRAM)
    return root


def _run(root: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = ["chroot", str(root), f"/opt/{PROGRAM}/{PROGRAM}", *arguments]
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    return subprocess.run(command, input=stdin, env=path, capture_output=True, check=False, timeout=60)


def test_it_starts_with_nothing_but_the_c_library(node: Path) -> None:
    done = _run(node, "--version", "--format", "json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["version"] == __version__


def test_it_answers_for_a_registry_that_is_not_ours(node: Path, settings: Path) -> None:
    shutil.copytree(settings, node / "settings")

    done = _run(node, "--config=/settings/config.json", stdin=FOREIGN)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["auth"] == {}


def test_it_fetches_a_token_over_tls_where_dev_and_proc_are_empty(node: Path, cloud: CloudApi) -> None:
    setting = set_up(
        node / "settings",
        cloud,
        MODES_BY_NAME["managed-identity-impersonated"],
        network={"caFile": "/settings/ca.pem"},
    )
    shutil.copyfile(cloud.ca_file, node / "settings" / "ca.pem")
    (node / "settings" / "ca.pem").chmod(0o644)

    done = _run(node, "--config=/settings/config.json", stdin=setting.request)

    assert done.returncode == 0, done.stderr
    assert b"ya29." in done.stdout
