"""What pages show of the program and its data is what the program and the data say now."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from credprovider.commands import COMMANDS
from docs.generate import catalogue, codes, helps, metrics, settings
from docs.generate.parts import ROOT, arguments, pages, renewed

_RENEW = "renew it: ./dev docs"


def _words(text: str) -> list[str]:
    """Pythons differ in how they break the lines of a help."""
    return text.split()


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_generated_parts_are_current(page: Path) -> None:
    kept = page.read_text()
    wanted = renewed(kept)
    if _words(kept) != _words(wanted):
        lines = difflib.unified_diff(kept.splitlines(), wanted.splitlines(), "kept", "current", lineterm="", n=0)
        pytest.fail("\n".join([_RENEW, *list(lines)[:20]]), pytrace=False)


def test_a_part_that_is_not_current_is_told() -> None:
    stale = "<!-- generated: node-metrics -->\nold\n<!-- end -->\n"
    assert "azure_gar_credential_provider_ready" in renewed(stale)
    assert renewed(renewed(stale)) == renewed(stale)


def test_text_outside_of_generated_parts_is_kept() -> None:
    page = "# by hand\n\n<!-- generated: node-metrics -->\n<!-- end -->\n\nby hand too\n"
    assert renewed(page).startswith("# by hand\n\n<!-- gen")
    assert renewed(page).endswith("<!-- end -->\n\nby hand too\n")


def test_every_command_shows_its_help() -> None:
    asked = set(arguments("help"))
    wanted = {"", *COMMANDS, "setup migrate"}
    for command in COMMANDS:
        wanted |= {f"{command} {action}" for action in helps.actions([command])}
    assert wanted <= asked


def test_every_entry_of_the_catalogue_is_shown() -> None:
    assert sorted(arguments("catalogue")) == sorted(catalogue.hops())
    page = (ROOT / "docs/reference/errors.md").read_text()
    assert [code for code in catalogue.codes() if f"### `{code}`" not in page] == []


def test_every_other_error_of_the_source_is_shown() -> None:
    page = (ROOT / "docs/reference/errors.md").read_text()
    missing = [code for code in codes.errors() if f"`{code}`" not in page]
    assert missing == []


def test_every_metric_and_every_key_is_shown() -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text()
    assert [name for name in metrics.names() if f"`{name}`" not in page] == []
    page = (ROOT / "docs/reference/settings.md").read_text()
    assert [key for key in settings.all_keys() if f"`{key}`" not in page] == []
