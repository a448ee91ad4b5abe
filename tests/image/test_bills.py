"""The bills of materials: everything in bundle and image has an owner, a digest and a licence; the schema holds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import contents
import image_contents
import notices
import sbom
from tests.image.conftest import DIST
from tests.plugin.runner import EXECUTABLE, PROGRAM

BUNDLE = EXECUTABLE.parent

#: A bill, the folder that it is of.
BILLS = [
    pytest.param(BUNDLE.with_suffix(".cdx.json"), BUNDLE, id="bundle"),
    pytest.param(DIST / "bundle.cdx.json", DIST / PROGRAM, id="bundle-of-image", marks=pytest.mark.image),
    pytest.param(DIST / "image.cdx.json", DIST / PROGRAM, id="image", marks=pytest.mark.image),
]
PATHS = [pytest.param(bill.values[0], id=bill.id, marks=bill.marks) for bill in BILLS]


def _all(bill: dict[str, Any]) -> list[dict[str, Any]]:
    found = [bill["metadata"]["component"], *bill["components"]]
    return [*found, *(part for component in found for part in component.get("components", ()))]


def _bundled(bill: dict[str, Any]) -> dict[str, str]:
    """Digest by path of the bundle's files."""
    return {
        part["name"]: part["hashes"][0]["content"]
        for part in _all(bill)
        if part["type"] == "file" and (part["name"].startswith("_internal/") or "/" not in part["name"])
    }


@pytest.mark.parametrize("path", PATHS)
def test_it_follows_the_schema(path: Path) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(path.read_text()) is None


@pytest.mark.parametrize(("path", "folder"), BILLS)
def test_it_lists_every_file_of_the_bundle_with_its_digest(path: Path, folder: Path) -> None:
    files = {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and file.name != "SHA256SUMS"
    }

    assert _bundled(json.loads(path.read_text())) == files


@pytest.mark.parametrize("path", PATHS)
def test_every_component_has_version_licence_and_identity(path: Path) -> None:
    for component in json.loads(path.read_text())["components"]:
        if component["name"] != PROGRAM:
            assert component["version"], component["name"]
            assert component["licenses"], component["name"]
            assert component["purl"].startswith(("pkg:pypi/", "pkg:deb/debian/", "pkg:generic/")), component["name"]


@pytest.mark.parametrize(("path", "folder"), BILLS)
def test_it_names_what_is_known_to_be_in_it(path: Path, folder: Path) -> None:
    bill = json.loads(path.read_text())
    names = {component["name"] for component in bill["components"]}
    record = json.loads((folder / "_internal" / "credprovider" / "bundle.json").read_text())

    assert {*record["libraries"], "pyinstaller"} <= names
    assert any("python3" in name or name == "python" for name in names)
    assert {"regex", "serde", "pyo3"} & {part["name"] for part in _all(bill)}, "the crates in pydantic-core"


@pytest.mark.image
def test_the_images_bill_names_what_was_compiled_and_what_was_added() -> None:
    bill = json.loads((DIST / "image.cdx.json").read_text())
    names = {component["name"]: component for component in bill["components"]}

    assert {"openssl", "python3.13", "zlib", "libgcc-s1"} <= set(names)
    assert {"libc6", "util-linux", "ca-certificates", PROGRAM} <= set(names)
    assert "busybox-static" not in names
    assert names["openssl"]["purl"].endswith("?arch=source")
    assert bill["metadata"]["component"]["type"] == "container"


def test_the_notices_hold_everybodys_licence() -> None:
    text = (BUNDLE / notices.NOTICES).read_text()
    bill = json.loads(BUNDLE.with_suffix(".cdx.json").read_text())

    for component in bill["components"]:
        assert f"{component['name']} {component['version']}\n" in text
    for words in ("Mozilla Public License", "Apache License", "Bootloader Exception", "GCC RUNTIME LIBRARY EXCEPTION"):
        assert words.lower() in text.lower(), words


def test_a_module_of_unknown_origin_is_refused() -> None:
    with pytest.raises(LookupError, match="no_such_module"):
        contents.of_module("no_such_module")


def test_a_file_of_unknown_origin_is_refused(tmp_path: Path) -> None:
    (tmp_path / "libstranger.so").touch()

    with pytest.raises(LookupError, match="libstranger"):
        contents.of_file(str(tmp_path / "libstranger.so"))


def test_an_owner_without_licence_text_is_refused() -> None:
    with pytest.raises(LookupError, match="stranger"):
        notices.notices([contents.Owner("deb", "stranger", "1")])


def test_a_file_of_the_image_that_is_nobodys_is_found(tmp_path: Path) -> None:
    (tmp_path / image_contents.STATUS).mkdir(parents=True)
    (tmp_path / image_contents.STATUS / "known").write_text("Package: known\nVersion: 1\nDescription: a\n b: c\n")
    (tmp_path / image_contents.STATUS / "known.md5sums").write_text(f"{'0' * 32}  usr/bin/known\n")
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    (tmp_path / "usr" / "bin" / "known").touch()
    (tmp_path / "usr" / "bin" / "stranger").touch()

    owners = image_contents.packages(str(tmp_path))

    assert [(owner.name, owner.version) for owner in owners] == [("known", "1")]
    assert image_contents.strangers(str(tmp_path), owners) == ["usr/bin/stranger"]


def test_the_same_bundle_gives_the_same_bill(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("f")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")

    def bill(version: str) -> str:
        ours = contents.Owner("ours", PROGRAM, version, files={"f"})
        return sbom.bundle_bom([ours, contents.Owner("pypi", "a", "1", "MIT")], str(tmp_path))

    assert bill("1") == bill("1")
    assert json.loads(bill("1"))["serialNumber"] != json.loads(bill("2"))["serialNumber"]
    assert json.loads(bill("1"))["metadata"]["timestamp"].startswith("1970-01-02T00:00:00")
