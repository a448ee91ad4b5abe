"""All hops in order, each with what it needs: the whole of `doctor` on one page."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from credprovider.doctor import (
    log_hop,
    node_hops,
    plugin_hop,
    reach_hops,
    registry_hops,
    settings_hops,
    token_hops,
)
from credprovider.doctor.walk import Hop

if TYPE_CHECKING:
    from credprovider.doctor.case import Case


def _reach(service: str) -> Hop:
    def host(case: Case) -> str:
        return reach_hops.host_of(case, service) or ""

    needs = ("settings", "image") if service == "registry" else ("settings",)
    return Hop(f"reach-{service}", needs, partial(reach_hops.reach, service=service), host)


HOPS: tuple[Hop, ...] = (
    Hop("settings", (), settings_hops.settings),
    Hop("image", ("settings",), settings_hops.image),
    Hop("kubelet", (), node_hops.kubelet),
    Hop("config", ("kubelet", "settings", "image"), node_hops.config),
    Hop("loaded", ("config",), node_hops.loaded),
    Hop("bundle", ("kubelet",), node_hops.bundle),
    _reach("imds"),
    _reach("entra"),
    _reach("sts"),
    _reach("iam"),
    _reach("registry"),
    Hop("clock", ("reach-sts",), reach_hops.clock),
    Hop("first-token", ("settings", "reach-imds"), token_hops.first_token),
    Hop("entra", ("first-token", "reach-entra"), token_hops.entra),
    Hop("sts", ("entra", "reach-sts"), token_hops.sts),
    Hop("iam", ("sts", "reach-iam"), token_hops.iam),
    Hop("registry", ("image", "reach-registry"), registry_hops.registry),
    Hop("registry-token", ("iam", "registry"), registry_hops.registry_token),
    Hop("manifest", ("registry-token",), registry_hops.manifest),
    Hop("plugin", ("image", "config", "bundle", "iam"), plugin_hop.plugin),
    Hop("kubelet-log", ("settings", "kubelet"), log_hop.kubelet_log),  # judged by what the others have found
)

#: Name of a hop -> what it is about, for people and for the reference.
TITLES: dict[str, str] = {
    "settings": "config.json and the vendor's file, their owners and modes",
    "image": "is the image one of those that the plugin is for?",
    "kubelet": "the running kubelet, its version and its flags",
    "config": "the kubelet's credential provider config, by its own rules, and our entry in it",
    "loaded": "has the running kubelet read that config?",
    "bundle": "every file of the program as it was built",
    "reach-imds": "the node's metadata service",
    "reach-entra": "name, proxy and TLS of Entra ID",
    "reach-sts": "name, proxy and TLS of Google's token service",
    "reach-iam": "name, proxy and TLS of Google's IAM Credentials",
    "reach-registry": "name, proxy and TLS of the registry",
    "clock": "this machine's time against Google's",
    "first-token": "the first token, and what it says of itself",
    "entra": "Entra ID's token for it",
    "sts": "Google's token for that",
    "iam": "the service account's token",
    "registry": "does the registry ask for a credential?",
    "registry-token": "does it take ours, and may its owner read the repository?",
    "manifest": "is the image there?",
    "plugin": "the plugin itself, run as the kubelet runs it",
    "kubelet-log": "errors of the last minutes that only the kubelet sees",
}
