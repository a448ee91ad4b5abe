"""The Dockerfile as the one definition, the lists beside it, and the writer of layouts: no image needed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

import dockerfile
import image
import lock
import oci
import stage
from credprovider import __version__
from credprovider.node.commands import INTO_THE_NODE
from tests.image.conftest import DIST

BUILD = DIST.parent.parent / "build"
TEXT = (BUILD / "Dockerfile").read_text()
CONFIG: dict[str, Any] = {"architecture": "amd64", "os": "linux", "config": {"Labels": {"title": "t"}}}


@pytest.mark.parametrize("line", ["ADD a b", "VOLUME /x", 'CMD ["a"]', "WORKDIR /x", "HEALTHCHECK NONE", 'SHELL ["a"]'])
def test_an_instruction_that_only_an_engine_would_understand_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=line.partition(" ")[0]):
        dockerfile.stages(f"FROM scratch\n{line}\n", {})


def test_variables_lines_and_quotes_are_read_as_an_engine_reads_them() -> None:
    text = 'ARG A=1\nFROM x:${A} AS y\n# note\nLABEL a="b c" \\\n    d=${A}\nENV P=/x Q=y\nENTRYPOINT ["/e", "f"]\n'

    (found,) = dockerfile.stages(text, {"A": "2"})

    assert found.base == "x:2"
    assert found.labels == {"a": "b c", "d": "2"}
    assert found.environment == {"P": "/x", "Q": "y"}
    assert found.entrypoint == ["/e", "f"]


def test_the_image_begins_with_the_executable_and_holds_only_what_was_assembled() -> None:
    build, final = dockerfile.stages(TEXT, {"REVISION": "abc"})

    assert final.base == "scratch"
    assert final.copies == [["--from=build", "/image-root/", "/"]]
    assert final.runs == []
    assert final.entrypoint == ["/opt/azure-gar-credential-provider/azure-gar-credential-provider"]
    assert final.labels["org.opencontainers.image.revision"] == "abc"
    assert "latest" not in build.base
    assert stage.SUITE in build.base


def _documented() -> list[str]:
    """Every command that builds with an engine: the Dockerfile's own, and the page's."""
    page = (BUILD.parent / "docs" / "how-to" / "air-gapped.md").read_text()
    texts = (TEXT.replace("\n#", "\n"), page)
    return [match[0] for text in texts for match in re.finditer(r"docker buildx build(?:.*\\\n)*.*", text)]


def test_the_label_is_the_sources_version_whatever_is_passed() -> None:
    for arguments in ({}, {"VERSION": "1.2.3"}):
        _, final = dockerfile.stages(TEXT, arguments)
        assert final.labels["org.opencontainers.image.version"] == __version__


def test_the_documented_commands_pass_every_argument_and_no_other() -> None:
    needed = {*re.findall(r"^ARG (\w+)", TEXT, re.MULTILINE)} - {"BASE"}  # which has its default
    commands = _documented()

    assert len(commands) == 2
    for command in commands:
        assert {*re.findall(r"--build-arg (\w+)=", command)} == needed
        assert f"azure-gar-credential-provider:{__version__}," in command


def test_every_step_is_a_script_that_is_there_and_can_be_run() -> None:
    build, _ = dockerfile.stages(TEXT, {})

    assert build.runs[0] == stage.TOOLCHAIN
    for program in build.runs:
        path = BUILD.parent / program.removeprefix("/src/")
        assert os.access(path, os.X_OK), path


def test_the_toolchain_is_made_from_the_files_that_both_ways_copy_before_it() -> None:
    build, _ = dockerfile.stages(TEXT, {})

    *sources, target = build.copies[0]
    assert target == "/src/build/image/"
    assert sorted(sources) == [f"build/image/{name}" for name in sorted(stage.TOOLCHAIN_FILES)]


def test_no_architecture_is_written_into_the_definition() -> None:
    for path in (BUILD / "Dockerfile", BUILD / "image" / "toolchain.sh", BUILD / "image" / "bundle.sh"):
        instructions = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        assert not re.search(r"amd64|x86_64|arm64|aarch64", "\n".join(instructions)), path


def test_the_one_program_beside_the_bundle_is_the_way_to_the_node() -> None:
    lines = (BUILD / "image" / "root.files").read_text().splitlines()
    paths = [line.split()[1] for line in lines if not line.startswith("#")]

    assert [path for path in paths if "/bin/" in path or "/sbin/" in path] == ["/usr/bin/nsenter"]
    assert INTO_THE_NODE[0] == "nsenter"
    assert "busybox" not in (BUILD / "image" / "root.sh").read_text()


@pytest.mark.parametrize("architecture", lock.ARCHITECTURES)
def test_every_package_of_the_root_is_pinned_by_digest(architecture: str) -> None:
    lines = (BUILD / "image" / f"root.{architecture}.lock").read_text().splitlines()
    pinned = [line.split() for line in lines if not line.startswith("#")]

    assert [path.rpartition("/")[2].partition("_")[0] for _, _, path in pinned] == lock.wanted()
    for digest, archive, path in pinned:
        assert re.fullmatch(r"[0-9a-f]{64}", digest)
        assert archive in {"debian", "debian-security"}
        assert path.endswith((f"_{architecture}.deb", "_all.deb"))


def test_all_packages_of_both_architectures_have_the_same_versions() -> None:
    versions = []
    for architecture in lock.ARCHITECTURES:
        text = (BUILD / "image" / f"root.{architecture}.lock").read_text()
        versions.append(re.sub(r"^[0-9a-f]{64}", "", text, flags=re.MULTILINE).replace(architecture, "ARCH"))

    assert versions[0] == versions[1]


def test_the_configuration_says_what_the_dockerfile_says() -> None:
    _, final = image.stages()

    found = image.configuration(final, "arm64", 86400)

    assert found["architecture"] == "arm64"
    assert found["created"] == "1970-01-02T00:00:00Z"
    assert found["config"]["Entrypoint"] == final.entrypoint
    assert found["config"]["Env"] == ["PATH=/usr/sbin:/usr/bin", "LC_ALL=C.UTF-8"]


def _tree(folder: Path, names: list[str], time: int) -> Path:
    (folder / "d").mkdir(parents=True)
    for name in names:
        (folder / name).write_text(name)
        (folder / name).chmod(0o644)
        os.utime(folder / name, (time, time))
    (folder / "l").symlink_to("d/a")
    os.utime(folder / "d", (time, time))
    (folder / "d").chmod(0o755)
    return folder


def test_the_same_content_gives_the_same_digest_whatever_order_owner_and_later_time(tmp_path: Path) -> None:
    one = _tree(tmp_path / "1", ["d/a", "d/b", "c"], 2_000_000_000)
    other = _tree(tmp_path / "2", ["c", "d/b", "d/a"], 2_100_000_000)

    digests = {oci.pack(str(tree), f"{tree}.oci", CONFIG, 1_000_000_000, "1") for tree in (one, other)}

    assert len(digests) == 1
    assert (tmp_path / "1.oci" / "index.json").read_bytes() == (tmp_path / "2.oci" / "index.json").read_bytes()


@pytest.mark.parametrize("change", ["content", "mode", "name"])
def test_any_other_content_gives_another_digest(tmp_path: Path, change: str) -> None:
    one, other = (_tree(tmp_path / name, ["d/a", "d/b"], 1) for name in ("1", "2"))
    if change == "content":
        (other / "d" / "a").write_text("x")
    elif change == "mode":
        (other / "d" / "a").chmod(0o755)
    else:
        (other / "d" / "a").rename(other / "d" / "z")

    assert oci.pack(str(one), f"{one}.oci", CONFIG, 1, "1") != oci.pack(str(other), f"{other}.oci", CONFIG, 1, "1")


def test_a_layout_says_what_it_is(tmp_path: Path) -> None:
    digest = oci.pack(str(_tree(tmp_path / "1", ["c"], 1)), str(tmp_path / "oci"), CONFIG, 1, "1.0")

    assert json.loads((tmp_path / "oci" / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads((tmp_path / "oci" / "index.json").read_text())["manifests"]
    assert entry["digest"] == digest
    assert entry["platform"] == {"os": "linux", "architecture": "amd64"}
    assert (tmp_path / "oci" / "blobs" / digest.replace(":", "/")).exists()
