"""Hops `kubelet`, `config`, `loaded` and `bundle`: what the node's kubelet was told, has loaded, and would run."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from credprovider.catalogue import Evidence, diagnose, stand_in
from credprovider.doctor.onlooker import Onlooker
from credprovider.doctor.result import failed, good, skipped
from credprovider.errors import PROGRAM, ProviderError
from credprovider.kubelet.config import lint_directory, lint_text
from credprovider.kubelet.match import match_image
from credprovider.node.bundle import read_bundle, running_bundle
from credprovider.node.edit import entry_of
from credprovider.node.judge import check_current, hash_of, version_of
from credprovider.node.loaded import is_loaded
from credprovider.node.manifest import MANIFEST
from credprovider.node.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from credprovider.doctor.case import Case
    from credprovider.doctor.result import Outcome
    from credprovider.kubelet.config_model import Provider
    from credprovider.kubelet.findings import Finding, Report

#: Refusals that mean: this is no node.
_ELSEWHERE = {"node-no-systemd": "no systemd to ask for a kubelet here", "node-no-service": "no kubelet runs here"}
_ON_A_NODE = (
    "on the node where the pull fails all is examined:"
    f' `kubectl exec -n {PROGRAM} "$(kubectl get pods -n {PROGRAM} -o name --field-selector spec.nodeName={{node}})"'
    f" -- /opt/{PROGRAM}/{PROGRAM} doctor {{image}}`"
)
_SUDO = "`sudo` the same command on the node"


def kubelet(case: Case) -> Outcome:
    """The running kubelet: its version and the two flags that credential providers need."""
    site = case.site
    if not isinstance(site, Site):
        reason = _ELSEWHERE.get(site.code)
        if reason:
            node = case.facts.get("node_name") or stand_in("node_name")
            return skipped(reason, _ON_A_NODE.format(node=node, image=case.pods_image))
        hidden = case.host.hidden if isinstance(case.host, Onlooker) else []
        return skipped(f"needs root: {hidden[0]} cannot be read", _SUDO) if hidden else failed(site)
    found = site.kubelet
    facts = (("config", found.config), ("bin dir", found.bin_dir))
    warnings = () if found.environ else ("its environment can be read by root only; variables of this shell count",)
    return good(f"kubelet {found.version or 'of unknown version'}", facts=facts, warnings=warnings)


def _with_rights(look: Callable[[Case], Outcome]) -> Callable[[Case], Outcome]:
    """The same; what this user may not read makes it a hop for root, and no failure."""

    @functools.wraps(look)
    def looked(case: Case) -> Outcome:
        try:
            return look(case)
        except PermissionError as error:
            return skipped(f"needs root: {error.filename} cannot be read", _SUDO)

    return looked


@_with_rights
def config(case: Case) -> Outcome:
    """Would the kubelet start with its config, and does it then ask this plugin about the image?"""
    site = case.node
    if site is None:
        return skipped("no kubelet, so no config of it")
    report = _lint(site)
    if report.errors:
        raise _invalid(case, report.errors[0])
    check_current(site.host, site.kubelet, site.places, site.config())
    name = site.places.provider
    case.provider = next((each for each in report.providers if each.name.text == name), None)
    facts = case.facts
    if case.provider is None:
        raise diagnose(Evidence(hop="kubelet", failure="not-listed", facts=facts))
    patterns = [pattern.text for pattern in case.provider.match_images]
    case.is_covered = any(match_image(pattern, case.asked_image) for pattern in patterns)
    if not case.is_covered:
        raise diagnose(Evidence(hop="kubelet", failure="not-matched", facts=facts))
    _check_tokens(case, case.provider, facts)
    ours = [each for each in report.warnings if each.path.startswith(case.provider.path)]
    warnings = [f"{each.message} [{each.rule}]" for each in ours] + _about_arguments(case, case.provider)
    return good(f"{name} is asked about {', '.join(patterns)}", warnings=tuple(warnings))


def _lint(site: Site) -> Report:
    version = version_of(site.kubelet)
    if site.places.is_folder:
        return lint_directory(site.host.root + site.kubelet.config, kubelet_version=version)
    content = site.host.read(site.places.config)
    return lint_text(content, kubelet_version=version, file=site.places.config)


def _invalid(case: Case, finding: Finding) -> ProviderError:
    error = diagnose(Evidence(hop="kubelet", failure="config-invalid", facts=case.facts))
    place = f"line {finding.place.line}: " if finding.place else ""
    error.cause = f"{error.cause} {place}{finding.message} [{finding.rule}]"
    return error


def _check_tokens(case: Case, provider: Provider, facts: dict[str, str]) -> None:
    """Settings and entry must agree on whose token comes with the request, and for which audience."""
    if case.valid.source != "service-account":
        return
    if provider.token_attributes is None:
        raise diagnose(Evidence(hop="kubelet", failure="no-service-account-token", facts=facts))
    entered = provider.token_attributes.audience.text
    if entered != case.valid.token_audience:
        facts["entry_audience"] = entered
        raise diagnose(Evidence(hop="kubelet", failure="entry-audience", facts=facts))


def _about_arguments(case: Case, provider: Provider) -> list[str]:
    named = [each.text.removeprefix("--config=") for each in provider.args if each.text.startswith("--config=")]
    if named and named[-1] != case.config_path:
        return [f"the entry runs the plugin with {named[-1]}; what was examined is {case.config_path}"]
    return []


@_with_rights
def loaded(case: Case) -> Outcome:
    """Has the kubelet that runs now read this config? It does so at start only."""
    site = case.node
    if site is None or case.provider is None:
        return skipped("the config was not looked at" if site else "no kubelet to have loaded anything")
    entry = entry_of(site.config() or b"", site.places.provider)
    record = site.memory().of(site.places.provider)
    if not is_loaded(site, record, entry.digest if entry else ""):
        raise diagnose(Evidence(hop="kubelet", failure="not-loaded", facts=case.facts))
    case.is_loaded = True
    seen, there = site.probes.loaded_hash(), hash_of(site.host, site.places)
    if seen is None:
        return good("the running kubelet has read this config", details=(("hash of the config", there),))
    details = (("hash of the config", there), ("the kubelet's metric", seen))
    if seen == there:
        return good("the running kubelet's own metric names this config", details=details)
    changed = ("the file has changed since the kubelet read it, though not in our entry",)
    return good("the running kubelet has read our entry", details=details, warnings=changed)


@_with_rights
def bundle(case: Case) -> Outcome:
    """Every file of the program as it was built; what the kubelet runs, else what runs here."""
    site = case.node
    if site is None:
        try:
            folder = running_bundle()
        except ProviderError:
            return skipped("this runs from a checkout, which has no list of files to compare with")
    else:
        folder = _linked_folder(case, site)
    if not os.access(folder, os.R_OK | os.X_OK):
        return skipped(f"needs root: {folder} cannot be read", _SUDO)
    if not os.path.exists(os.path.join(folder, MANIFEST)) and site is not None:
        return skipped(f"{folder} has no {MANIFEST}: not put there by `node install`")
    found = read_bundle(folder)
    shown = folder.removeprefix(site.host.root) if site is not None else folder
    return good(f"{len(found.files)} files as they were built", facts=(("folder", shown),))


def _linked_folder(case: Case, site: Site) -> str:
    """The folder of the executable that the kubelet runs, as a path of this process."""
    path = site.host.follow(site.places.link)
    if site.host.stat(path) is None:
        raise diagnose(Evidence(hop="kubelet", failure="no-executable", facts=case.facts))
    return os.path.dirname(site.host.root + path)
