"""Builds the image without a container engine, as an OCI layout in dist/image/: ``image.py``; root only.

build/Dockerfile is the definition: the copies and programs of its first stage are done in a Debian 11 tree, its last
stage says what the image is told to be. ``--platform`` of another machine needs that machine.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from typing import Any

import dockerfile
from stage import ROOT, TOOLCHAIN, Stage, enter, say

NAME = "azure-gar-credential-provider"
_PACK = ["/usr/local/bin/python3.13", "-I", "-B", "/src/build/oci.py", "/image-root", "/image-layout"]


def stages() -> list[dockerfile.Stage]:
    """The Dockerfile for this checkout."""
    arguments = {"REVISION": _git("rev-parse", "HEAD")}
    with open(os.path.join(ROOT, "build", "Dockerfile"), encoding="utf-8") as file:
        return dockerfile.stages(file.read(), {name: value for name, value in arguments.items() if value})


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False)  # noqa: S607
    return done.stdout.strip()


def configuration(final: dockerfile.Stage, architecture: str, epoch: int) -> dict[str, Any]:
    """The image's configuration, as OCI writes it."""
    return {
        "architecture": architecture,
        "os": "linux",
        "created": dt.datetime.fromtimestamp(epoch, dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "config": {
            "Entrypoint": final.entrypoint,
            "Env": [f"{name}={value}" for name, value in final.environment.items()],
            "Labels": final.labels,
            "WorkingDir": "/",
        },
    }


def build(cache: str, dist: str, epoch: int) -> str:
    """Make bundle, bills of materials and layout below a folder; the digest of the image's manifest."""
    first, final = stages()
    stage = Stage(cache)
    stage.prepare()
    stage.fill(first.copies)
    for program in first.runs:
        if program != TOOLCHAIN:
            stage.run([program], {"SOURCE_DATE_EPOCH": str(epoch)})
    shutil.rmtree(os.path.join(stage.tree, "image-layout"), ignore_errors=True)
    architecture = (
        enter(stage.tree, ["dpkg", "--print-architecture"], {}, stdout=subprocess.PIPE).stdout.decode().strip()
    )
    version = final.labels["org.opencontainers.image.version"]
    order = {"config": configuration(final, architecture, epoch), "epoch": epoch, "name": version}
    done = enter(stage.tree, _PACK, {}, stdin=json.dumps(order).encode(), stdout=subprocess.PIPE)
    if done.returncode:
        sys.exit(done.stdout.decode())
    deliver(stage.tree, dist)
    return done.stdout.decode().strip()


def deliver(tree: str, dist: str) -> None:
    """Take what was made out of the stage: layout, bundle and both bills of materials."""
    shutil.rmtree(dist, ignore_errors=True)
    os.makedirs(dist)
    shutil.move(os.path.join(tree, "image-layout"), os.path.join(dist, "oci"))
    shutil.copytree(os.path.join(tree, "src/dist", NAME), os.path.join(dist, NAME), symlinks=True)
    for bill in ("bundle", "image"):
        shutil.copy(os.path.join(tree, "image-root/usr/share/doc", NAME, f"{bill}.cdx.json"), dist)


def main() -> int:
    """Build and say what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cache", default=os.path.join(ROOT, "build", "work", "image"), help="where trees are kept")
    parser.add_argument("--dist", default=os.path.join(ROOT, "dist", "image"), help="where the image goes")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("building the image needs root: it makes a Debian tree and changes its root to it")
    if not shutil.which("debootstrap"):
        sys.exit("building the image needs debootstrap")
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct") or "315532800")
    os.umask(0o022)
    digest = build(options.cache, options.dist, epoch)
    layout = os.path.join(options.dist, "oci")
    size = sum(os.path.getsize(os.path.join(place, name)) for place, _, names in os.walk(layout) for name in names)
    say(f"image {digest}, {size / (1 << 20):.1f} MiB to pull, in {os.path.relpath(layout)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
