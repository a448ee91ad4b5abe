"""What a node gets: config.json, the vendor's file, and the kubelet's entry; judged by the product's own rules."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from credprovider.endpoints import ENTRA_CLOUDS, IMDS_HOST
from credprovider.kubelet.config import lint_text
from credprovider.kubelet.versions import parse_version
from credprovider.node.entry import make_entry
from credprovider.node.places import Places
from credprovider.registries import DEFAULT_UNIVERSE
from credprovider.settings import Settings, Sources
from credprovider.settings_plan import compile_plan
from credprovider.world import World

if TYPE_CHECKING:
    from credprovider.setup.plan import Plan

CREDENTIAL_CONFIG = "credential-config.json"
_JWT = "urn:ietf:params:oauth:token-type:jwt"


def credential_config(plan: Plan) -> bytes:
    """The vendor's file to the byte; where the user owns the Google side and has none, a new one."""
    if plan.vendor_content is not None:
        return plan.vendor_content
    trust = plan.trust
    if trust is None:
        raise ValueError("a credential configuration before its time")
    document: dict[str, Any] = {"type": "external_account", "audience": trust.audience, "subject_token_type": _JWT}
    if trust.service_account:
        document["service_account_impersonation_url"] = (
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
            f"{trust.service_account}:generateAccessToken"
        )
    document["token_url"] = "https://sts.googleapis.com/v1/token"
    document["credential_source"] = _credential_source(plan)
    return (json.dumps(document, indent=2) + "\n").encode("ascii")


def _credential_source(plan: Plan) -> dict[str, Any]:
    """As Google's and Azure's own tools write it; config.json says what is really read."""
    if plan.mode.source != "managed-identity":
        return {"file": "/var/run/secrets/azure/tokens/azure-identity-token"}
    path = f"/metadata/identity/oauth2/token?api-version=2018-02-01&resource={plan.exchange_resource}"
    return {
        "url": f"http://{IMDS_HOST}{path}",
        "headers": {"Metadata": "True"},
        "format": {"type": "json", "subject_token_field_name": "access_token"},
    }


def config(plan: Plan) -> dict[str, Any]:
    """config.json as an object."""
    identity: dict[str, Any] = {"source": plan.mode.source}
    client_id = plan.outputs.client_id if plan.outputs else None
    if plan.mode.source == "managed-identity":
        if client_id is not None:  # also the kubelet's: an add-on may bring more identities to the node some day
            identity["clientId"] = client_id
        identity["resource"] = plan.exchange_resource
    elif not plan.mode.entra:
        identity["tokenAudience"] = plan.token_audience
    if plan.mode.source == "service-account":
        identity["serviceAccount"] = {"require": True}
    if plan.mode.entra:
        entra = {"tenantId": plan["tenant"], "clientId": client_id, "cloud": plan["cloud"]}
        if plan.exchange_resource != ENTRA_CLOUDS[plan["cloud"]][1]:
            entra["scope"] = f"{plan.exchange_resource}/.default"
        identity["entra"] = entra
    document: dict[str, Any] = {"identity": identity, "registries": plan.registries}
    if plan.universe != DEFAULT_UNIVERSE:
        document["universeDomain"] = plan.universe
    return document


def config_text(plan: Plan) -> str:
    """config.json."""
    return json.dumps(config(plan), indent=2) + "\n"


def settings(plan: Plan) -> Settings:
    """What both files mean on a node, read by the product's own loader.

    Raises:
        ProviderError: family ``settings``.
    """
    places = _places(plan)
    folder = places.settings
    files = {
        places.config_json: config_text(plan).encode("utf-8"),
        f"{folder}/{CREDENTIAL_CONFIG}": credential_config(plan),
    }
    world = World(places.config_json, {}, state_directory=places.run, boottime=lambda: 0.0, chance=lambda: 0.0)
    return Settings(compile_plan(world, _Texts(world, files)))


def entry(plan: Plan) -> str:
    """The kubelet's entry as a whole configuration, which `lint` passes for the nodes' version.

    Raises:
        ValueError: it would not; an error of ours.
    """
    places = _places(plan)
    text = make_entry(places.provider, places.config_json, settings(plan)).document().decode("ascii")
    report = lint_text(text, kubelet_version=parse_version(plan["kubernetesVersion"]), file="entry")
    if not report.starts:
        raise ValueError(report.text())
    return (
        "# What `node install` adds to the kubelet's configuration; to be read. Never put it in place of that file:\n"
        "# AKS's own entry serves system images.\n" + text
    )


def _places(plan: Plan) -> Places:
    return Places("/var/lib/kubelet/credential-provider", "", is_folder=False, instance=plan["instance"])


class _Texts(Sources):
    """Settings files that are not written yet."""

    def __init__(self, world: World, texts: dict[str, bytes]) -> None:
        super().__init__(world)
        self._texts = texts

    def read(self, path: str) -> bytes:
        return self._texts[path]

    def read_if_there(self, path: str) -> bytes | None:
        return self._texts.get(path)
