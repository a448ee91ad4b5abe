"""The built image as fixtures; what needs it runs when asked for by `-m image`."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.image.container import Image
from tests.node.trees import make_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Where `./dev image` puts it.
DIST = Path(__file__).parent.parent.parent / "dist" / "image"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known wherever these tests are collected."""
    config.addinivalue_line("markers", "image: needs what `./dev image` built, umoci, runc, skopeo, and root")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs the image where nobody asked for it: building it takes minutes."""
    if "image" in config.option.markexpr:
        return
    ours = [item for item in items if item.get_closest_marker("image")]
    items[:] = [item for item in items if item not in ours]
    config.hook.pytest_deselected(items=ours)


@pytest.fixture(scope="session")
def layout() -> Path:
    """The OCI layout."""
    if not (DIST / "oci" / "index.json").exists():
        pytest.fail(f"{DIST}/oci is not built: run `./dev image`", pytrace=False)
    return DIST / "oci"


@pytest.fixture(scope="session")
def manifest(layout: Path) -> dict[str, Any]:
    """The image's manifest."""
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    document: dict[str, Any] = json.loads((layout / "blobs" / entry["digest"].replace(":", "/")).read_text())
    return document


@pytest.fixture(scope="session")
def layer(layout: Path, manifest: dict[str, Any]) -> list[tarfile.TarInfo]:
    """What the image's one layer lists."""
    (part,) = manifest["layers"]
    with tarfile.open(layout / "blobs" / part["digest"].replace(":", "/")) as archive:
        return archive.getmembers()


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Settings as they are on a node: plain files, root's."""
    source = Path(make_settings(tmp_path, "mounted"))
    place = tmp_path / "settings"
    place.mkdir(mode=0o755)
    for name in ("config.json", "credential-config.json"):
        (place / name).write_bytes((source / name).read_bytes())
        (place / name).chmod(0o644)
    return place


@pytest.fixture(scope="session")
def unpacked(layout: Path) -> Iterator[Path]:
    """The image as umoci unpacks it for a runtime: config.json and rootfs."""
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    name = entry["annotations"]["org.opencontainers.image.ref.name"]
    folder = Path(tempfile.mkdtemp(prefix="image-"))
    subprocess.run(
        ["umoci", "unpack", "--image", f"{layout}:{name}", folder / "bundle"], check=True, capture_output=True
    )
    yield folder / "bundle"
    shutil.rmtree(folder)


@pytest.fixture
def image(unpacked: Path, tmp_path: Path) -> Image:
    """Runs the image as its pod runs it."""
    return Image(unpacked, tmp_path)
