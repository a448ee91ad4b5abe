"""What a lint of a CredentialProviderConfig says, as data, as text for people and as JSON for machines; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from credprovider.errors import one_line

if TYPE_CHECKING:
    from credprovider.kubelet.config_model import Provider
    from credprovider.kubelet.tree import Place
    from credprovider.kubelet.versions import KubeletVersion


class Severity(Enum):
    """An error keeps the kubelet from starting; with a warning it starts, and surprises."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One remark.

    Attributes:
        rule: stable id, kebab-case; those of an executable in the bin dir begin with ``executable-``.
        message: what is so.
        file: as it was given; empty where no file is to blame.
        place: None where the whole file, or none, is meant.
        path: of the field, e.g. ``providers[0].matchImages[1]``.
        since: first kubelet minor to which this applies; None for all judged ones.
        until: last one; None for all newer ones.
        suggestion: what to do.
    """

    severity: Severity
    rule: str
    message: str
    file: str = ""
    place: Place | None = None
    path: str = ""
    since: KubeletVersion | None = None
    until: KubeletVersion | None = None
    suggestion: str = ""

    @property
    def kubelet_versions(self) -> str:
        """Which kubelets this applies to, in words."""
        if self.since and self.until:
            return f"{self.since} to {self.until}"
        if self.since:
            return f"{self.since} and newer"
        return f"up to {self.until}" if self.until else "all"

    def to_json(self) -> dict[str, Any]:
        """A JSON object; line and column count from 1 and are null without a place."""
        return {
            "severity": self.severity.value,
            "rule": self.rule,
            "message": self.message,
            "file": self.file,
            "line": self.place.line if self.place else None,
            "column": self.place.column if self.place else None,
            "field": self.path,
            "kubeletVersions": self.kubelet_versions,
            "suggestion": self.suggestion,
        }

    def text(self) -> str:
        """One printable line for a person, and a second one with the suggestion."""
        where = ":".join([self.file, *(str(number) for number in self.place or ())]) if self.file else "-"
        applies = "" if self.kubelet_versions == "all" else f" (kubelet {self.kubelet_versions})"
        line = one_line(f"{where}: {self.severity.value}: {self.message}{applies} [{self.rule}]")
        return f"{line}\n    {one_line(self.suggestion)}" if self.suggestion else line


@dataclass(frozen=True)
class Report:
    """The judgement on one configuration for one kubelet version.

    Attributes:
        providers: all that could be decoded, in the order in which the kubelet registers them; also of a refused one.
        files: that were read, in the kubelet's order.
        config_hash: as in the metric ``kubelet_credential_provider_config_info``; None where a file was unreadable.
        executables_judged: was a bin dir given?
    """

    kubelet_version: KubeletVersion
    findings: tuple[Finding, ...]
    providers: tuple[Provider, ...] = ()
    files: tuple[str, ...] = field(default=())
    config_hash: str | None = None
    executables_judged: bool = False

    @property
    def errors(self) -> list[Finding]:
        """What keeps the kubelet from starting."""
        return [finding for finding in self.findings if finding.severity is Severity.ERROR]

    @property
    def warnings(self) -> list[Finding]:
        """What surprises."""
        return [finding for finding in self.findings if finding.severity is Severity.WARNING]

    @property
    def starts(self) -> bool:
        """Would the kubelet start, as far as its credential providers are concerned?"""
        return not self.errors

    def to_json(self) -> dict[str, Any]:
        """The whole report as a JSON object."""
        return {
            "kubeletVersion": str(self.kubelet_version),
            "kubeletStarts": self.starts,
            "executablesJudged": self.executables_judged,
            "files": list(self.files),
            "configHash": self.config_hash,
            "providers": [provider.name.text for provider in self.providers],
            "findings": [finding.to_json() for finding in self.findings],
        }

    def text(self) -> str:
        """All findings and a verdict, for a person; ends in a newline."""
        verdict = "would start" if self.starts else "would not start"
        counts = f"{_count(len(self.errors), 'error')}, {_count(len(self.warnings), 'warning')}"
        lines = [finding.text() for finding in self.findings]
        lines.append(f"kubelet {self.kubelet_version} {verdict}: {counts}, {_count(len(self.providers), 'provider')}")
        if not self.executables_judged:
            lines.append("executables were not judged; --bin-dir DIR does")
        return "\n".join(lines) + "\n"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
