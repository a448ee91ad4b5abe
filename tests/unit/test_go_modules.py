"""The Go modules that tests build: each can be built by the one Go that is pinned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kubelet.golang import TOOLCHAIN

_TESTS = Path(__file__).resolve().parent.parent
_MODULES = sorted(_TESTS.rglob("*.mod"))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


@pytest.mark.parametrize("module", _MODULES, ids=lambda path: str(path.relative_to(_TESTS)))
def test_no_module_asks_for_a_newer_go_than_compiles_it(module: Path) -> None:
    asked = re.findall(r"^(?:go |toolchain go)([\d.]+)$", module.read_text(), re.MULTILINE)
    assert asked
    assert max(map(_numbers, asked)) <= _numbers(TOOLCHAIN.removeprefix("go"))
