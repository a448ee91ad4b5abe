"""What `./dev build` judges a bundle by: the checks refuse what they should, and this bundle passes them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

import checks
import elf
from credprovider import __version__
from tests.plugin.runner import PROGRAM, Frozen

#: On a newer system the interpreter itself asks for more; a bundle for nodes is not built there.
_NEWER_SYSTEM = tuple(map(int, os.confstr("CS_GNU_LIBC_VERSION").split()[1].split("."))) > (2, 36)  # type: ignore[union-attr]


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    shutil.copytree(bundle, tmp_path / PROGRAM, symlinks=True)
    return tmp_path / PROGRAM


def _elf_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and elf.is_elf(str(path))]


@pytest.mark.skipif(_NEWER_SYSTEM, reason="this system's Python needs a newer C library than the nodes have")
def test_no_file_needs_a_c_library_newer_than_ubuntu_22_04(bundle: Path) -> None:
    assert checks.check_glibc(str(bundle), checks.files_of(str(bundle))).good


def test_versions_are_read_as_objdump_reads_them(bundle: Path) -> None:
    for path in _elf_files(bundle):
        listing = subprocess.run(["objdump", "-T", str(path)], capture_output=True, text=True, check=True).stdout
        versions = {word.strip("()") for line in listing.splitlines() for word in line.split() if "GLIBC_2" in word}
        expected = max((tuple(map(int, version[6:].split("."))) for version in versions), default=(0,))
        assert elf.glibc_needed(str(path)) == expected, path


def test_a_weakened_symbol_no_longer_asks_for_its_version(bundle: Path, tmp_path: Path) -> None:
    source = next(path for path in _elf_files(bundle) if path.name.startswith("libssl"))
    before = subprocess.run(["objdump", "-T", str(source)], capture_output=True, text=True, check=True).stdout
    by_version: dict[str, list[str]] = {}
    for words in (line.split() for line in before.splitlines() if "*UND*" in line and "(GLIBC_2" in line):
        by_version.setdefault(words[-2], []).append(words[-1])
    version, (symbol,) = next((version, names) for version, names in by_version.items() if len(names) == 1)
    target = tmp_path / source.name
    shutil.copyfile(source, target)

    assert elf.weaken(str(target), symbol)

    after = subprocess.run(["objdump", "-T", str(target)], capture_output=True, text=True, check=True).stdout
    assert version not in after
    assert len(after.splitlines()) == len(before.splitlines())
    assert [line.split()[1] for line in after.splitlines() if line.endswith(f" {symbol}")] == ["w"]


def test_a_symbol_that_is_not_imported_is_left_alone(bundle: Path, tmp_path: Path) -> None:
    source = _elf_files(bundle)[0]
    target = tmp_path / source.name
    shutil.copyfile(source, target)

    assert not elf.weaken(str(target), "no_such_symbol")
    assert target.read_bytes() == source.read_bytes()


def test_a_file_that_nobody_asked_for_is_named(copy: Path) -> None:
    (copy / "_internal" / "libstranger.so.1").touch()

    verdict = checks.check_files(checks.files_of(str(copy)), PROGRAM)

    assert not verdict.good
    assert "_internal/libstranger.so.1" in verdict.text


def test_too_large_a_bundle_is_refused(copy: Path) -> None:
    os.truncate(copy / "_internal" / "base_library.zip", checks.SIZE_LIMIT)

    assert not checks.check_size(str(copy), checks.files_of(str(copy))).good


def test_a_library_that_is_not_pinned_is_named(copy: Path) -> None:
    record = copy / "_internal" / "credprovider" / "bundle.json"
    document = json.loads(record.read_text())
    document["libraries"]["stranger"] = "1.0"
    record.write_text(json.dumps(document))

    verdict = checks.check_libraries(str(copy))

    assert not verdict.good
    assert "stranger 1.0" in verdict.text


def test_a_bundle_that_does_not_start_is_refused(copy: Path) -> None:
    (copy / "_internal" / "base_library.zip").unlink()

    assert not checks.check_run(str(copy), PROGRAM).good


def test_the_interpreter_starts_with_few_codecs(bundle: Path) -> None:
    with zipfile.ZipFile(bundle / "_internal" / "base_library.zip") as library:
        codecs = [name for name in library.namelist() if name.startswith("encodings/")]

    assert len(codecs) < 12, codecs


@pytest.mark.parametrize("arguments", [["--version"], ["--version", "--format", "json"]], ids=["text", "json"])
def test_it_tells_its_version_and_what_is_in_it(bundle: Path, arguments: list[str]) -> None:
    done = subprocess.run([bundle / PROGRAM, *arguments], env={}, cwd="/", capture_output=True, text=True, check=True)

    assert __version__ in done.stdout
    for library in ("google-auth", "pydantic", "certifi"):
        assert library in done.stdout
    assert done.stderr == ""


def test_a_person_without_input_gets_a_hint(bundle: Path) -> None:
    leader, follower = os.openpty()
    try:
        done = subprocess.run([bundle / PROGRAM], stdin=follower, env={}, capture_output=True, text=True, check=False)
    finally:
        os.close(leader)
        os.close(follower)

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 2
    assert "request IMAGE" in done.stderr


def test_no_settings_is_one_line_and_no_traceback(bundle: Path) -> None:
    request = (
        b'{"kind":"CredentialProviderRequest","apiVersion":"credentialprovider.kubelet.k8s.io/v1","image":"a.b/c"}'
    )

    outcome = Frozen({}, bundle / PROGRAM)(request, Path("/nonexistent/config.json"))

    assert outcome.code == 3
    assert "/nonexistent/config.json" in outcome.line
