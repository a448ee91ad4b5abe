"""The same sources give the same image, wherever and by whomever it is built."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.image.conftest import DIST
from tests.node.trees import PROGRAM

pytestmark = pytest.mark.image

ROOT = DIST.parent.parent


def _digest(layout: Path) -> str:
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    return str(entry["digest"])


def test_another_folder_hostname_time_zone_and_umask_give_the_same_digests(
    tmp_path: Path, layout: Path, manifest: dict[str, Any]
) -> None:
    checkout = tmp_path / "another checkout"
    skipped = shutil.ignore_patterns("work", "__pycache__")
    for name in ("build", "credprovider", "requirements"):
        shutil.copytree(ROOT / name, checkout / name, ignore=skipped)
    configuration = json.loads((layout / "blobs" / manifest["config"]["digest"].replace(":", "/")).read_text())
    created = configuration["created"]
    epoch = subprocess.run(["date", "-d", created, "+%s"], capture_output=True, text=True, check=True).stdout.strip()
    script = 'hostname elsewhere && umask 077 && exec "$0" "$@"'
    places = ["--cache", str(ROOT / "build" / "work" / "image"), "--dist", str(tmp_path / "dist")]
    command = ["unshare", "--uts", "sh", "-c", script, sys.executable, str(checkout / "build" / "image.py"), *places]
    environ = {
        "PATH": os.environ["PATH"],
        "TZ": "Pacific/Kiritimati",
        "GIT_DIR": str(ROOT / ".git"),
        "SOURCE_DATE_EPOCH": epoch,
    }

    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    for name in (f"{PROGRAM}/SHA256SUMS", "bundle.cdx.json", "image.cdx.json"):
        assert (tmp_path / "dist" / name).read_bytes() == (DIST / name).read_bytes(), name
    assert _digest(tmp_path / "dist" / "oci") == _digest(DIST / "oci")
