"""Every step and every entry of the vendor's guide has its row on the page that tells what takes its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_PAGE = Path(__file__).parent.parent.parent / "docs" / "vendor-guide.md"

#: Section of the page -> for each entry of the guide, in its order, words that its row must have on the left.
_ENTRIES: dict[str, list[tuple[str, ...]]] = {
    "Steps": [
        ("How it works",),
        ("Prerequisites", "AKS 1.24", "workload identity"),
        ("Prerequisites", "Azure CLI", "kubectl"),
        ("Prerequisites", "tenant id", "client id"),
        ("Step 1", "enable OIDC issuer"),
        ("Step 1", "OIDC issuer URL"),
        ("Step 2", "create a managed identity"),
        ("Step 2", "client id"),
        ("Step 3", "federated credential"),
        ("Step 4", "send tenant id and client id"),
        ("Step 4", "configures the trust"),
        ("Step 5", "ConfigMap"),
        ("Step 5", "exact values"),
        ("Step 6", "ServiceAccount"),
        ("Step 7", "CronJob"),
        ("Step 7", "Role and RoleBinding"),
        ("Step 8", "Deployment"),
        ("Step 8", "Service"),
        ("Bootstrap", "namespace", "kubectl apply"),
        ("Bootstrap", "trigger the CronJob", "wait"),
        ("Bootstrap", "Secret was created"),
    ],
    "Verifying access": [
        ("oidcIssuerProfile.enabled",),
        ("federated-credential show",),
        ("jobs ran",),
        ("CronJob's logs",),
        ("Secret exists",),
    ],
    "Troubleshooting": [
        ("ImagePullBackOff", "Secret exist"),
        ("ImagePullBackOff", "CronJob succeed"),
        ("ImagePullBackOff", "labels"),
        ("ImagePullBackOff", "events"),
        ("ImagePullBackOff", "annotations"),
        ("Token exchange failures", "CronJob's logs"),
        ("audience mismatch",),
        ("subject mismatch",),
        ("permission denied",),
        ("managed identity exists",),
        ("federated credentials",),
        ("token mounted",),
    ],
    "Its summary": [("registry",), ("authentication",), ("token lives",), ("name of the Secret",)],
}


def _rows(section: str) -> list[tuple[str, str]]:
    """Left and right of each row of a section's table."""
    text = re.split(r"^## ", _PAGE.read_text(), flags=re.MULTILINE)
    (found,) = (part for part in text if part.startswith(f"{section}\n"))
    rows = [line.strip("|").split(" | ") for line in found.splitlines() if line.startswith("| ")]
    return [(row[0].strip(), row[-1].strip()) for row in rows[1:]]


@pytest.mark.parametrize(
    ("section", "words"),
    [(section, words) for section, entries in _ENTRIES.items() for words in entries],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_entry_has_a_row_that_says_something(section: str, words: tuple[str, ...]) -> None:
    found = [answer for left, answer in _rows(section) if all(word in left for word in words)]
    assert found
    assert all(found)


@pytest.mark.parametrize("section", _ENTRIES)
def test_entries_have_rows_of_their_own(section: str) -> None:
    assert len(_rows(section)) >= len(_ENTRIES[section])
