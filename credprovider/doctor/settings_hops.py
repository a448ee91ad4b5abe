"""Hops `settings` and `image`: can the plugin use its settings, and is the image one of those that it is for?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from credprovider.catalogue import Evidence, diagnose
from credprovider.doctor.result import good, skipped
from credprovider.node.places import Places
from credprovider.node.wanted import wanted_settings
from credprovider.registries import DEFAULT_UNIVERSE, is_google, is_ours, parse_image
from credprovider.settings import load_settings

if TYPE_CHECKING:
    from credprovider.doctor.case import Case
    from credprovider.doctor.result import Outcome, Pairs
    from credprovider.settings import Settings


def settings(case: Case) -> Outcome:
    """Files, their owners and modes, and what they mean together; read afresh, whatever plan is kept of them."""
    case.settings = _load(case)
    found = case.settings
    facts: list[tuple[str, str]] = [("files", case.config_path), ("provider", found.audience)]
    if case.is_kubelets_environ:
        details: Pairs = (("variables", "those of the running kubelet"),)
    elif case.node is not None:
        details = (("variables", "of this shell: those of the kubelet can be read by root only"),)
    else:
        details = (("variables", "of this shell: no kubelet runs here"),)
    details += (("registries", ", ".join(found.registry_texts)), ("scopes", " ".join(found.scopes)))
    return good(_way(found), facts=tuple(facts), details=details, warnings=tuple(found.warnings))


def _load(case: Case) -> Settings:
    if case.config is None and case.host.root:  # the node's files, seen from a pod
        places = Places("", "", is_folder=False, instance=case.instance)
        return wanted_settings(case.host, places, case.environ, None).settings
    return load_settings(case.plugin_world, None)


def _way(found: Settings) -> str:
    """The chain in one line."""
    first = {
        "managed-identity": "the node's managed identity",
        "token-file": f"the token in {found.token_file}",
        "service-account": "the pod's own token",
    }[found.source]
    account = [f"as {found.service_account}"] if found.service_account else ["no service account"]
    return ", ".join([first, *(["Entra ID"] if found.entra else []), "Google STS", *account])


def image(case: Case) -> Outcome:
    """Is it covered by `registries`? If not, the plugin answers without a credential, which is no error of its own."""
    if case.image is None:
        return skipped("no IMAGE was given", "name one as in a pod to have its repository and manifest asked for")
    parsed = parse_image(case.image)
    if is_ours(parsed, case.valid.registries):
        covering = next(registry.text for registry in case.valid.registries if registry.covers(parsed))
        return good(f"{case.image} is covered by {covering}")
    universe = case.valid.universe_domain or DEFAULT_UNIVERSE
    kind = "not-ours" if is_google(parsed.host, universe) else "foreign"
    raise diagnose(Evidence(hop="image", failure=kind, facts=case.facts))
