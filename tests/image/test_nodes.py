"""The image's bundle on the C libraries of nodes: it starts and answers where nothing but that library is there."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from credprovider import __version__
from tests.cloud.modes import MODES_BY_NAME, set_up
from tests.image.conftest import DIST
from tests.image.systems import SYSTEMS, package_of
from tests.image.test_image import FOREIGN
from tests.node.trees import PROGRAM

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi

pytestmark = pytest.mark.image


@pytest.fixture(params=SYSTEMS, ids=lambda system: system.name)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A root with a system's C library, the image's bundle, and nothing else."""
    if platform.machine() != "x86_64":
        pytest.skip("the packages listed here are amd64's")
    root = tmp_path / "root"
    subprocess.run(["dpkg-deb", "-x", package_of(request.param), root], check=True)
    for name in ("lib", "lib64"):
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    for name in ("dev", "proc", "run", "tmp", "opt"):
        (root / name).mkdir()
    (root / "etc" / "nsswitch.conf").write_text("hosts: files dns\n")
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
