"""Where commands for a person find the product's checkout: where this program runs, or where one usually has it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from credprovider.setup import checkout as module
from credprovider.setup.checkout import CHART, checkout_word, find_checkout

_ROOT = Path(__file__).parent.parent.parent


def test_checkout_is_the_one_that_the_program_runs_in() -> None:
    assert find_checkout() == _ROOT.resolve()


def test_bundle_in_dist_finds_its_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / CHART).mkdir(parents=True)
    (tmp_path / CHART / "Chart.yaml").touch()
    inside = "dist/azure-gar-credential-provider/_internal/credprovider/setup/checkout.pyc"
    monkeypatch.setattr(module, "__file__", str(tmp_path / inside))
    assert find_checkout() == tmp_path.resolve()


def test_bundle_on_its_own_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "__file__", "/nowhere/_internal/credprovider/setup/checkout.pyc")
    assert find_checkout() is None


@pytest.mark.parametrize(
    ("checkout", "seen_from", "expected"),
    [
        (None, None, "/home/me/azure-gar-credential-provider"),
        (None, Path("/x/y"), "/home/me/azure-gar-credential-provider"),
        (Path("/src/it's here"), None, "/src/it's here"),
        (Path("/src/a b"), Path("/src/a b/pulls"), ".."),
        (Path("/src/a b"), Path("/src/other/pulls"), "../../a b"),
    ],
    ids=["unknown", "unknown, from a folder", "absolute", "inside", "beside"],
)
@pytest.mark.parametrize("form", ["CHECKOUT={}", "CHECKOUT=${{CHECKOUT:-{}}}"])
def test_word_means_the_place_in_every_shell(
    form: str, checkout: Path | None, seen_from: Path | None, expected: str
) -> None:
    line = form.format(checkout_word(checkout, seen_from))
    for shell in ("sh", "bash"):
        command = [shell, "-c", f'{line}\nprintf %s "$CHECKOUT"']
        done = subprocess.run(command, env={"HOME": "/home/me"}, capture_output=True, text=True, check=True)
        assert done.stdout == expected
