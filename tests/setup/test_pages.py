"""The pages about setup: how they call the program, and how long their lines are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_DOCS = Path(__file__).parent.parent.parent / "docs"
_PAGES = [
    *(_DOCS / "how-to" / f"{name}.md" for name in ("setup", "migrate-from-cronjob", "managed-identity")),
    *(_DOCS / "how-to" / f"{name}.md" for name in ("sovereign-clouds", "startup-taints")),
    _DOCS / "tutorial" / "first-pull.md",
]
_NAME = "azure-gar-credential-provider"


def _blocks(page: Path) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.stem))
def test_program_is_called_by_a_path_or_by_the_variable_that_the_page_sets(page: Path) -> None:
    text = "".join(_blocks(page))
    assert not re.search(rf"^(?:\s*|.*[|;&(] *){_NAME}\s+(?:setup|doctor|node|lint|request)\b", text, re.MULTILINE)
    assert '"$p"' not in text.partition(f"/{_NAME}/{_NAME}")[0]


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.stem))
def test_prose_is_wrapped(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert [line for line in prose.splitlines() if len(line) > 130 and not line.startswith("|")] == []
