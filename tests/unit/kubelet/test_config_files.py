"""Files, directories and executables are found, read and judged as by the kubelet."""

from __future__ import annotations

import os
import platform
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from credprovider.kubelet.config import config_hash, lint_directory, lint_file, lint_path, lint_text
from credprovider.kubelet.findings import Report
from credprovider.kubelet.versions import KubeletVersion
from tests.unit.kubelet.configs import document, provider
from tests.unit.kubelet.vectors import each

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_OLD = KubeletVersion(1, 29)


def rules(report: Report) -> list[tuple[str, str]]:
    return [(finding.severity.value, finding.rule) for finding in report.findings]


@each("config_directory")
def test_directory_vector(row: dict[str, Any], tmp_path: Path) -> None:
    for name, content in row["files"].items():
        if name.endswith("/"):
            (tmp_path / name).mkdir()
        else:
            (tmp_path / name).write_text(content)
    report = lint_directory(str(tmp_path))
    assert report.starts is row["accepted"]
    if row["accepted"]:
        assert [each_.name.text for each_ in report.providers] == row["providers"]


def test_directory_is_nothing_for_an_older_kubelet(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(document())
    report = lint_path(str(tmp_path), kubelet_version=KubeletVersion(1, 33))
    assert rules(report) == [("error", "directory-unsupported")]
    assert lint_path(str(tmp_path), kubelet_version=KubeletVersion(1, 34)).starts


def test_missing_file_and_missing_directory_are_errors(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    for judge in (lint_file, lint_directory, lint_path):
        report = judge(gone)
        assert rules(report) == [("error", "unreadable")]
        assert report.config_hash is None


def test_impossible_file_name_is_an_error() -> None:
    assert rules(lint_file("a\0b")) == [("error", "unreadable")]
    assert rules(lint_directory("a\0b")) == [("error", "unreadable")]


@pytest.mark.parametrize("judge", [lint_file, lint_directory, lint_path])
def test_empty_path_is_an_error_and_not_the_current_folder(
    judge: Callable[[str], Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.yaml").write_text(document())
    monkeypatch.chdir(tmp_path)
    report = judge("")
    assert rules(report) == [("error", "unreadable")]
    assert "its path is empty" in report.text()


def test_link_to_a_directory_is_an_error_as_the_kubelet_tries_to_read_it(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(document())
    (tmp_path / "b.yaml").symlink_to(tmp_path, target_is_directory=True)
    assert rules(lint_directory(str(tmp_path))) == [("error", "unreadable")]


def test_names_of_a_directory_are_taken_byte_by_byte(tmp_path: Path) -> None:
    for name in ("b.yaml", "B.yml", "é.json", ".yaml", "a.YAML", "yaml"):
        (tmp_path / name).write_text(document(provider(name=f"p-{name}", matchImages=[f"{name}.dev"])))
    report = lint_directory(str(tmp_path))
    assert [each_.name.text for each_ in report.providers] == ["p-.yaml", "p-B.yml", "p-b.yaml", "p-é.json"]
    assert report.config_hash == config_hash(
        [(tmp_path / file).read_bytes() for file in (".yaml", "B.yml", "b.yaml", "é.json")]
    )


def test_findings_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(document())
    (tmp_path / "b.yaml").write_text(document(provider(matchImages=["x.dev"])))
    report = lint_directory(str(tmp_path))
    assert [(finding.rule, finding.file) for finding in report.findings] == [
        ("name-duplicate", str(tmp_path / "b.yaml"))
    ]


def test_good_file_beside_a_bad_one_is_still_judged(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("")
    (tmp_path / "b.yaml").write_text(document(provider(name="a b")))
    assert [rule for _, rule in rules(lint_directory(str(tmp_path)))] == ["kind-missing", "name-space"]


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def judged(bin_dir: Path, name: str = "p", version: KubeletVersion | None = None) -> list[tuple[str, str]]:
    version = version or KubeletVersion(1, 37)
    return rules(lint_text(document(provider(name=name)), bin_dir=str(bin_dir), kubelet_version=version))


def put(bin_dir: Path, content: bytes, mode: int = 0o755) -> None:
    (bin_dir / "p").write_bytes(content)
    (bin_dir / "p").chmod(mode)


def elf(machine: int, order: str = "little") -> bytes:
    data = b"\x01" if order == "little" else b"\x02"
    return b"\x7fELF\x02" + data + b"\x01" + bytes(9) + bytes(2) + machine.to_bytes(2, order) + bytes(40)  # type: ignore[arg-type]


def test_missing_bin_dir(bin_dir: Path) -> None:
    assert judged(bin_dir / "gone") == [("error", "executable-bin-dir")]


def test_empty_bin_dir_is_an_error_and_not_the_current_folder(bin_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(bin_dir, b"#!/bin/sh\n")
    monkeypatch.chdir(bin_dir)
    report = lint_text(document(), bin_dir="")
    assert rules(report) == [("error", "executable-bin-dir")]


def test_missing_executable(bin_dir: Path) -> None:
    assert judged(bin_dir) == [("error", "executable-missing")]


def test_impossible_executable_is_told_once(bin_dir: Path) -> None:
    assert judged(bin_dir, "a\0b") == [("error", "executable-name-impossible")]


@pytest.mark.parametrize(("name", "rule"), [(".", "name-dot"), ("..", "name-dot"), ("bin/p", "name-slash")])
def test_name_that_leads_elsewhere_is_told_once(bin_dir: Path, name: str, rule: str) -> None:
    put(bin_dir, b"#!/bin/sh\n")
    assert judged(bin_dir.parent, name) == [("error", rule)]


def test_bin_dir_that_is_a_file(bin_dir: Path) -> None:
    put(bin_dir, b"")
    assert judged(bin_dir / "p") == [("error", "executable-missing")]


def test_dangling_link(bin_dir: Path) -> None:
    (bin_dir / "p").symlink_to("gone")
    assert judged(bin_dir) == [("error", "executable-missing")]


def test_directory_in_place_of_an_executable(bin_dir: Path) -> None:
    (bin_dir / "p").mkdir()
    assert judged(bin_dir) == [("error", "executable-is-directory")]
    assert judged(bin_dir, version=_OLD) == [("warning", "executable-is-directory")]


def test_executable_without_an_x_bit(bin_dir: Path) -> None:
    put(bin_dir, b"#!/bin/sh\n", 0o644)
    assert judged(bin_dir) == [("error", "executable-not-executable")]
    assert judged(bin_dir, version=_OLD) == [("warning", "executable-not-executable")]


def test_executable_on_a_file_system_that_runs_none(bin_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(bin_dir, b"#!/bin/sh\n")
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_NOEXEC))
    assert judged(bin_dir) == [("error", "executable-not-executable")]
    assert judged(bin_dir, version=_OLD) == [("warning", "executable-not-executable")]


def test_pipe_in_place_of_an_executable_is_not_waited_for(bin_dir: Path) -> None:
    os.mkfifo(bin_dir / "p")
    (bin_dir / "p").chmod(0o755)
    assert judged(bin_dir) == [("warning", "executable-format")]


def test_executable_for_another_machine_passes_the_kubelet_and_is_told(bin_dir: Path) -> None:
    put(bin_dir, elf(22, "big") if platform.machine() != "s390x" else elf(62))
    assert judged(bin_dir) == [("warning", "executable-architecture")]


def test_text_without_an_interpreter_is_told(bin_dir: Path) -> None:
    put(bin_dir, b"echo\n")
    assert judged(bin_dir) == [("warning", "executable-format")]


def test_script_and_link_to_it_are_sound(bin_dir: Path) -> None:
    put(bin_dir, b"#!/bin/sh\n", 0o111)
    (bin_dir / "q").symlink_to("p")
    assert judged(bin_dir, "q") == []


def test_own_interpreter_is_sound(bin_dir: Path) -> None:
    (bin_dir / "p").symlink_to("/bin/sh")
    assert judged(bin_dir) == []


def test_without_bin_dir_executables_are_not_judged_and_that_is_said() -> None:
    report = lint_text(document())
    assert not report.executables_judged
    assert "--bin-dir" in report.text()
