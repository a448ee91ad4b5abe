"""Would the kubelet start with this config? `lint`'s rules, asked about a file that is there, or one to be.

Our own entries are judged apart from those of others: what is wrong with them is for us to mend.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections import Counter
from typing import TYPE_CHECKING

from credprovider.kubelet.codec import UNKNOWN_FIELD
from credprovider.kubelet.config import config_hash, lint_directory, lint_text
from credprovider.kubelet.versions import NEWEST, KubeletVersion, parse_version
from credprovider.node.edit import without_entry
from credprovider.node.places import is_provider_of_ours
from credprovider.node.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from credprovider.kubelet.findings import Finding, Report
    from credprovider.node.discover import Kubelet
    from credprovider.node.host import Host
    from credprovider.node.places import Places

_EXTENSIONS = (".json", ".yaml", ".yml")
_INDEX = re.compile(r"providers\[\d+\]")
_MISSING = "executable-"


def check_current(host: Host, kubelet: Kubelet, places: Places, content: bytes | None) -> None:
    """Refuse to touch a config that the kubelet would refuse for what others wrote.

    Ours is cut out first, and what is wrong with another instance's entry or executable is that instance's to mend. If
    there is nobody else's, there is nothing to judge.

    Raises:
        Refusal: ``config-invalid``, with the first error.
    """
    if places.is_folder:
        if content is not None and not others_in_folder(host, places):
            return
        content = None
    else:
        try:
            content = without_entry(content or b"", places.provider)
        except Refusal as refusal:
            if refusal.code == "config-only-entry":
                return
    report = _report(host, kubelet, places, content)
    errors = [finding for finding in _errors(report, places) if not _owner(report, finding)]
    if errors:
        raise _invalid(errors[0])


def _invalid(error: Finding) -> Refusal:
    return Refusal(
        "config-invalid",
        f"the kubelet's credential provider config is invalid already: {error.message} [{error.rule}]",
        "mend that first: with it the kubelet does not start",
    )


def check_wanted(
    host: Host, kubelet: Kubelet, places: Places, content: bytes | None, *, starts: bool, linked: bool
) -> None:
    """Refuse to write a config that the kubelet would refuse, every listed executable included.

    Args:
        host: the node.
        kubelet: that will read it.
        places: ours.
        content: of the config.
        starts: will a kubelet start with it? If not, another instance's entry may stay as broken as it was.
        linked: are our executables in place? Before, only those of others count.

    Raises:
        Refusal: ``entry-invalid``, with the first error.
    """
    report = _report(host, kubelet, places, content)
    for error in _errors(report, places):
        owner = _owner(report, error)
        if owner and error.rule.startswith(_MISSING) and not linked:
            continue
        if owner not in ("", places.provider) and not starts:
            continue
        raise Refusal(
            "entry-invalid",
            f"kubelet {report.kubelet_version} would not start with our entry: {error.message} [{error.rule}]",
            error.suggestion or "compare registries and identity.serviceAccount with the settings reference",
        )


def check_left(host: Host, kubelet: Kubelet, places: Places, current: bytes | None, left: bytes | None) -> None:
    """Refuse to leave a config behind that the kubelet would refuse for another reason than the one that is there.

    Raises:
        Refusal: ``config-invalid``, with the first error that is new.
    """
    before, after = (_report(host, kubelet, places, content) for content in (current, left))
    known = Counter(map(_kind, _errors(before, places)))
    for error in _errors(after, places):
        known[_kind(error)] -= 1
        if known[_kind(error)] < 0:
            raise _invalid(error)


def _kind(error: Finding) -> tuple[str, str]:
    """The same before and after an item of the list went."""
    return error.rule, _INDEX.sub("providers[]", error.message)


def would_start(host: Host, kubelet: Kubelet, places: Places, content: bytes | None) -> bool:
    """Would the kubelet start with this config and the executables that are there?"""
    return not _errors(_report(host, kubelet, places, content), places)


def missing_links(host: Host, kubelet: Kubelet, places: Places, content: bytes | None) -> list[str]:
    """Providers of our other instances that the config lists and that have no executable, in the order of the list."""
    report = _report(host, kubelet, places, content)
    missing = {_owner(report, error) for error in report.errors if error.rule.startswith(_MISSING)}
    return sorted(missing - {"", places.provider})


def hash_with(host: Host, places: Places, content: bytes | None) -> str:
    """What the metric ``kubelet_credential_provider_config_info`` says of a kubelet that has loaded this.

    Args:
        host: the node.
        places: ours.
        content: of the config, or of our file in a folder of them; None for the folder without it.
    """
    if not places.is_folder:
        return config_hash([content or b""])
    contents = {path: host.read(path) for path in _files(host, places) if path != places.config}
    if content is not None:
        contents[places.config] = content
    return config_hash([contents[path] for path in sorted(contents, key=os.fsencode)])


def hash_of(host: Host, places: Places) -> str:
    """The same for what lies there now."""
    return hash_with(host, places, host.read_if_there(places.config))


def others_in_folder(host: Host, places: Places) -> bool:
    """Does the config folder hold a file that is not ours? Without any the kubelet does not start."""
    return any(path != places.config for path in _files(host, places))


def version_of(kubelet: Kubelet) -> KubeletVersion:
    """Whose rules count; the newest known where the version cannot be told.

    Raises:
        Refusal: a kubelet too old for this.
    """
    try:
        return parse_version(kubelet.version) if kubelet.version else NEWEST
    except ValueError as error:
        raise Refusal("node-kubelet-old", str(error), "upgrade the node pool") from None


def _files(host: Host, places: Places) -> list[str]:
    if not places.is_folder:
        return [places.config]
    folder = os.path.dirname(places.config)
    names = [name for name in host.names(folder) if name.endswith(_EXTENSIONS)]
    return [f"{folder}/{name}" for name in sorted(names, key=os.fsencode) if not host.is_folder(f"{folder}/{name}")]


def _report(host: Host, kubelet: Kubelet, places: Places, content: bytes | None) -> Report:
    """Judge the config as it would be with this content of our file (None: without that file)."""
    version = version_of(kubelet)
    with _bin_dir(host, places) as bin_dir:
        if not places.is_folder:
            return lint_text(content or b"", kubelet_version=version, bin_dir=bin_dir, file=places.config)
        with _folder(host, places, content) as folder:
            return lint_directory(folder, kubelet_version=version, bin_dir=bin_dir)


@contextlib.contextmanager
def _folder(host: Host, places: Places, content: bytes | None) -> Iterator[str]:
    """A copy of the config folder with our file as it would be."""
    with tempfile.TemporaryDirectory() as copy:
        for path in _files(host, places):
            if path != places.config:
                _write(f"{copy}/{os.path.basename(path)}", host.read(path))
        if content is not None:
            _write(f"{copy}/{os.path.basename(places.config)}", content)
        yield copy


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


@contextlib.contextmanager
def _bin_dir(host: Host, places: Places) -> Iterator[str]:
    """The bin dir as this process can follow its links: from a pod, an absolute one would lead into the pod."""
    local = host.root + places.bin_dir
    targets = {name: host.link_target(f"{places.bin_dir}/{name}") for name in host.names(places.bin_dir)}
    if not host.root or not any(target and target.startswith("/") for target in targets.values()):
        yield local
        return
    shadow = tempfile.mkdtemp()
    try:
        for name in targets:
            os.symlink(host.root + host.follow(f"{places.bin_dir}/{name}"), f"{shadow}/{name}")
        yield shadow
    finally:
        shutil.rmtree(shadow, ignore_errors=True)


def _errors(report: Report, places: Places) -> list[Finding]:
    """What would keep the kubelet from starting.

    A kubelet newer than any known here may know a field that is unknown here, though not in what we wrote.
    """
    if report.kubelet_version <= NEWEST:
        return report.errors
    return [error for error in report.errors if error.rule != UNKNOWN_FIELD or _owner(report, error) == places.provider]


def _owner(report: Report, finding: Finding) -> str:
    """The provider of ours, of any instance, that a finding is about; empty if it is about something else."""
    for provider in report.providers:
        inside = f"{finding.path}.".startswith(f"{provider.path}.")
        if inside and finding.file == provider.file and is_provider_of_ours(provider.name.text):
            return provider.name.text
    return ""
