"""`lint`: would a kubelet start with this CredentialProviderConfig, and do what its author means? Reads files.

Source: readCredentialProviderConfig in pkg/credentialprovider/plugin/config.go, 1.29 to 1.37.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from credprovider.kubelet.codec import BAD_DURATION, WRONG_TYPE
from credprovider.kubelet.config_rules import check_providers, default_token_gate
from credprovider.kubelet.config_source import Source, decode_source
from credprovider.kubelet.config_surprises import find_surprises
from credprovider.kubelet.executables import check_executables
from credprovider.kubelet.findings import Finding, Report, Severity
from credprovider.kubelet.versions import DIRECTORIES, NEWEST, KubeletVersion

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_EXTENSIONS = ("json", "yaml", "yml")
#: Rule of a finding about a file or directory that could not be looked at.
UNREADABLE = "unreadable"


def lint_text(
    text: str | bytes,
    *,
    kubelet_version: KubeletVersion = NEWEST,
    bin_dir: str | None = None,
    file: str = "<text>",
    token_gate: bool | None = None,
) -> Report:
    """Judge the content of one configuration file.

    Args:
        text: the content.
        kubelet_version: whose rules count; one newer than `NEWEST` is judged by the rules of `NEWEST`, with a warning.
        bin_dir: the kubelet's ``--image-credential-provider-bin-dir``; without it executables are not judged.
        file: what the findings call the file.
        token_gate: the feature gate KubeletServiceAccountTokenForCredentialProviders; None is the version's default.
    """
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return _judge([(file, data)], [], kubelet_version, bin_dir, token_gate=token_gate)


def lint_file(
    path: str,
    *,
    kubelet_version: KubeletVersion = NEWEST,
    bin_dir: str | None = None,
    token_gate: bool | None = None,
) -> Report:
    """Judge a configuration file; an unreadable one is an error in the report. Arguments as for `lint_text`."""
    contents, unreadable = _read([path])
    return _judge(contents, unreadable, kubelet_version, bin_dir, token_gate=token_gate)


def lint_directory(
    path: str,
    *,
    kubelet_version: KubeletVersion = NEWEST,
    bin_dir: str | None = None,
    token_gate: bool | None = None,
) -> Report:
    """Judge a directory: its files with a known extension, dot files included, by name, as one configuration."""
    if kubelet_version < DIRECTORIES:
        message = f"kubelets before {DIRECTORIES} read a file, no directory"
        finding = Finding(Severity.ERROR, "directory-unsupported", message, path, until=_before(DIRECTORIES))
        return _judge([], [finding], kubelet_version, bin_dir, token_gate=token_gate)
    try:
        entries = [entry for entry in _path(path).iterdir() if entry.is_symlink() or not entry.is_dir()]
    except (OSError, ValueError) as error:
        return _judge([], [_unreadable(path, error)], kubelet_version, bin_dir, token_gate=token_gate)
    names = [str(entry) for entry in entries if "." in entry.name and entry.name.rpartition(".")[2] in _EXTENSIONS]
    if not names:
        message = f"no file in the directory ends in .{', .'.join(_EXTENSIONS)}"
        finding = Finding(Severity.ERROR, "directory-empty", message, path)
        return _judge([], [finding], kubelet_version, bin_dir, token_gate=token_gate)
    contents, unreadable = _read(sorted(names, key=lambda name: name.encode("utf-8", "surrogateescape")))
    return _judge(contents, unreadable, kubelet_version, bin_dir, token_gate=token_gate)


def lint_path(
    path: str,
    *,
    kubelet_version: KubeletVersion = NEWEST,
    bin_dir: str | None = None,
    token_gate: bool | None = None,
) -> Report:
    """`lint_directory` or `lint_file`, as the kubelet's flag takes either."""
    judge = lint_directory if Path(path).is_dir() else lint_file
    return judge(path, kubelet_version=kubelet_version, bin_dir=bin_dir, token_gate=token_gate)


def config_hash(contents: Sequence[bytes]) -> str:
    """The hash by which the metric ``kubelet_credential_provider_config_info`` names a loaded configuration.

    Args:
        contents: of all files, in the kubelet's order.
    """
    digest = hashlib.sha256()
    for content in contents:
        digest.update(len(content).to_bytes(8, "big") + content)
    return f"sha256:{digest.hexdigest()}"


def _judge(
    contents: Sequence[tuple[str, bytes]],
    unreadable: Sequence[Finding],
    kubelet: KubeletVersion,
    bin_dir: str | None,
    *,
    token_gate: bool | None,
) -> Report:
    rules = min(kubelet, NEWEST)
    sources: list[Source] = [decode_source(data, file, rules) for file, data in contents]
    providers = tuple(provider for source in sources for provider in source.providers)
    findings = [*unreadable, *(finding for source in sources for finding in source.findings)]
    if providers or not any(finding.severity is Severity.ERROR for finding in findings):
        gate = default_token_gate(rules) if token_gate is None else token_gate
        findings += _without_echoes(check_providers(providers, rules, token_gate=gate), findings)
        findings += find_surprises(providers, rules)
    if bin_dir is not None:
        findings += check_executables(providers, bin_dir, rules)
    if kubelet > NEWEST:
        message = f"kubelet {kubelet} is newer than any known here; judged by the rules of {NEWEST}"
        findings.append(Finding(Severity.WARNING, "kubelet-version-unknown", message))
    files = {file: number for number, (file, _) in enumerate(contents)}
    findings.sort(key=lambda finding: (files.get(finding.file, -1), finding.place or (0, 0)))
    return Report(
        kubelet,
        tuple(findings),
        providers,
        tuple(file for file, _ in contents),
        None if unreadable else config_hash([data for _, data in contents]),
        executables_judged=bin_dir is not None,
    )


def _without_echoes(broken: Iterable[Finding], findings: Sequence[Finding]) -> list[Finding]:
    """Broken rules but those about a field of which it is already said that its value does not fit, or a part of it."""
    said = [(finding.file, finding.path) for finding in findings if finding.rule in {WRONG_TYPE, BAD_DURATION}]
    return [
        finding
        for finding in broken
        if not any(finding.file in {file, ""} and f"{finding.path}.".startswith(f"{path}.") for file, path in said)
    ]


def _read(paths: Sequence[str]) -> tuple[list[tuple[str, bytes]], list[Finding]]:
    contents: list[tuple[str, bytes]] = []
    unreadable: list[Finding] = []
    for path in paths:
        try:
            contents.append((path, _path(path).read_bytes()))
        except (OSError, ValueError) as error:
            unreadable.append(_unreadable(path, error))
    return contents, unreadable


def _path(path: str) -> Path:
    """Raises ValueError for an empty one, which the kubelet refuses and pathlib takes for the current folder."""
    if not path:
        raise ValueError
    return Path(path)


def _unreadable(path: str, error: OSError | ValueError) -> Finding:
    reason = "no possible name of a file" if path else "its path is empty"
    if isinstance(error, OSError):
        reason = error.strerror or "unreadable"
    return Finding(Severity.ERROR, UNREADABLE, f"cannot be read: {reason}", path)


def _before(version: KubeletVersion) -> KubeletVersion:
    return KubeletVersion(version.major, version.minor - 1)
