"""Would the kubelet start with this config? `lint`'s rules, asked about a file that is there, or one to be."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from credprovider.kubelet.config import config_hash, lint_directory, lint_text
from credprovider.kubelet.versions import NEWEST, KubeletVersion, parse_version
from credprovider.node.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from credprovider.kubelet.findings import Finding, Report
    from credprovider.node.discover import Kubelet
    from credprovider.node.host import Host
    from credprovider.node.places import Places

_EXTENSIONS = (".json", ".yaml", ".yml")


def check_current(host: Host, kubelet: Kubelet, places: Places, content: bytes | None) -> None:
    """Refuse to touch a config that the kubelet itself would refuse; our own executable may be missing.

    Raises:
        Refusal: ``config-invalid``, with the first error.
    """
    report = _report(host, kubelet, places, content)
    errors = [finding for finding in report.errors if not _is_our_executable(report, finding, places.provider)]
    if errors:
        raise Refusal(
            "config-invalid",
            f"the kubelet's credential provider config is invalid already: {errors[0].message} [{errors[0].rule}]",
            "mend that first: with it the kubelet does not start",
        )


def check_wanted(host: Host, kubelet: Kubelet, places: Places, content: bytes | None) -> None:
    """Refuse to write a config that the kubelet would refuse, every listed executable included.

    Raises:
        Refusal: ``entry-invalid``, with the first error.
    """
    report = _report(host, kubelet, places, content)
    if report.errors:
        first = report.errors[0]
        raise Refusal(
            "entry-invalid",
            f"kubelet {report.kubelet_version} would not start with our entry: {first.message} [{first.rule}]",
            first.suggestion or "compare registries and identity.serviceAccount with the settings reference",
        )


def hash_of(host: Host, places: Places) -> str:
    """What the metric ``kubelet_credential_provider_config_info`` says if a kubelet has loaded what lies there now."""
    return config_hash([host.read(path) for path in _files(host, places)])


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


def _is_our_executable(report: Report, finding: Finding, name: str) -> bool:
    ours = {provider.name.path for provider in report.providers if provider.name.text == name}
    return finding.rule.startswith("executable-") and finding.path in ours
