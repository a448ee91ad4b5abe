"""Which mode: the decision table of ``modes.json``, and what each mode means; pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credprovider.kubelet.versions import parse_version

if TYPE_CHECKING:
    from collections.abc import Mapping

_DATA: dict[str, Any] = json.loads((Path(__file__).parent / "modes.json").read_text("utf-8"))


@dataclass(frozen=True)
class Mode:
    """One way from an Azure identity to Google.

    Attributes:
        name: key of the table.
        source: `identity.source` of config.json.
        entra: does the ServiceAccount's token pass through Entra ID before Google?
        needs_issuer: must the cluster have an OIDC issuer?
        implies: answers that follow from the mode.
    """

    name: str
    source: str
    entra: bool
    needs_issuer: bool
    implies: Mapping[str, str]


def _mode(name: str, data: Mapping[str, Any]) -> Mode:
    implies = {key: data[key] for key in ("pulledBy", "trust", "identity") if key in data}
    through_entra = data["trust"] == "entra" and data["source"] != "managed-identity"
    return Mode(name, data["source"], through_entra, data["needsIssuer"], implies)


MODES = {name: _mode(name, data) for name, data in _DATA["modes"].items()}


@dataclass(frozen=True)
class Row:
    """One line of the decision table."""

    pulled_by: str
    trust: str
    identity: str
    kubernetes: str
    mode: str
    reason: str


ROWS = tuple(
    Row(row["pulledBy"], row["trust"], row.get("identity", "-"), row["kubernetes"], row["mode"], row["reason"])
    for row in _DATA["decision"]
)


class NoModeError(ValueError):
    """No line of the table fits; the message says what would have to change."""


def recommended_trust(answers: Mapping[str, Any]) -> tuple[str, str]:
    """Whom Google had best trust, and why."""
    for row in _DATA["trust"]:
        if all(answers.get(name) in words for name, words in row["when"].items()):
            return row["choice"], row["reason"]
    raise NoModeError("no line of the table of trust fits")


def decide(answers: Mapping[str, Any]) -> tuple[Mode, Row]:
    """The mode for settled answers, and the line of the table that chose it.

    A mode that was named stands, if the version allows it; the line then is the one of that mode.

    Raises:
        NoModeError: the nodes' Kubernetes is too old for it.
    """
    version = parse_version(answers["kubernetesVersion"])
    named = answers.get("mode")
    row = next(row for row in ROWS if (row.mode == named if named else _fits(row, answers)))
    if version < parse_version(row.kubernetes):
        remedy = (
            "choose pulledBy node, or upgrade the nodes: before, the kubelet passes no pod's token"
            if row.pulled_by == "service-accounts"
            else "upgrade the nodes: before, nodes are laid out otherwise"
        )
        raise NoModeError(f"mode {row.mode} needs Kubernetes {row.kubernetes}, and the nodes have {version}: {remedy}")
    return MODES[row.mode], row


def _fits(row: Row, answers: Mapping[str, Any]) -> bool:
    return (
        row.pulled_by == answers["pulledBy"]
        and row.trust == answers["trust"]
        and (row.identity == "-" or row.pulled_by == "service-accounts" or row.identity == answers["identity"])
    )


def picture(chosen: Row, *, mark: str = "▸") -> str:
    """The table for a person, with the chosen line marked."""
    head = ("Kubernetes", "who may pull", "Google trusts", "identity", "mode")
    lines = [(f"≥ {row.kubernetes}", row.pulled_by, row.trust, row.identity, row.mode) for row in ROWS]
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    text = []
    for row, line in [(None, head), *zip(ROWS, lines, strict=True)]:
        cells = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        text.append(f"{mark if row is chosen else ' '} {cells}".rstrip())
    return "\n".join(text) + "\n"
