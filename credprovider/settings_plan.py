"""What config.json, the vendor's file and the environment mean together: one flat plan; only for changed settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pydantic.alias_generators import to_camel

from credprovider.endpoints import ENTRA_CLOUDS, ENTRA_HOSTS
from credprovider.external_account import read_external_account
from credprovider.network import parse_proxy
from credprovider.registries import check_registry
from credprovider.settings import settings_error
from credprovider.settings_model import GUID, ConfigModel, IdentityModel, ServiceAccountModel, parse_config
from credprovider.strict_json import loads
from credprovider.world import DEFAULT_STATE_DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from credprovider.external_account import ExternalAccount
    from credprovider.settings import Sources
    from credprovider.world import World

TOKEN_FILE_NAME = "azure-identity-token"
ENTRA_AUDIENCE = "api://AzureADTokenExchange"


def compile_plan(world: World, sources: Sources) -> dict[str, Any]:
    """Read, validate and flatten everything that settings draw from; the keys are the attributes of `Settings`.

    Raises:
        ProviderError: family ``settings``, naming the file and the field.
    """
    path = world.config
    config = parse_config(path, sources.read(path))
    account_path = _beside(
        path,
        config.credential_config or world.environ.get("GOOGLE_APPLICATION_CREDENTIALS") or "credential-config.json",
    )
    account = read_external_account(account_path, sources.read(account_path), config.universe_domain)
    for index, entry in enumerate(config.registries):
        try:
            check_registry(entry, config.universe_domain)
        except ValueError as error:
            raise settings_error("settings-registries", f"{path}: registries.{index} {error}") from None
        if entry in config.registries[:index]:
            # Each becomes a key of the answer, and the kubelet's strict decoder refuses an answer with a key twice.
            raise settings_error("settings-registries", f"{path}: registries.{index} is there already")
    if config.network.https_proxy:
        parse_proxy(f"{path}: network.httpsProxy", config.network.https_proxy)
    warnings: list[str] = []
    return {
        **_identity(path, config, account, world, sources, warnings),
        **account.plan(),
        "registry_texts": config.registries,
        "scopes": config.scopes,
        "universe_domain": config.universe_domain,
        "https_proxy": config.network.https_proxy,
        "no_proxy": config.network.no_proxy,
        "ca_file": config.network.ca_file,
        "cache_enabled": config.cache.enabled,
        "warnings": warnings,
    }


def _beside(path: str, name: str) -> str:
    return os.path.normpath(os.path.join(os.path.dirname(path), name))


def _identity(
    path: str, config: ConfigModel, account: ExternalAccount, world: World, sources: Sources, warnings: list[str]
) -> dict[str, Any]:
    identity = config.identity or IdentityModel()
    source = identity.source or account.source
    _refuse_misplaced(path, source, identity)
    entra = _entra(path, source, identity, world.environ)
    plan: dict[str, Any] = {
        "source": source,
        "resource": None,
        "selector": None,
        "token_file": None,
        "token_field": None,
        "token_audience": None,
        "require_service_account": False,
        "cache_type": None,
        "required_annotations": [],
        "optional_annotations": [],
        "entra": entra,
    }
    if source == "managed-identity":
        resource = identity.resource or account.imds_resource or ENTRA_AUDIENCE
        if resource.endswith("/.default"):
            raise settings_error(
                "settings-resource",
                f"{path}: identity.resource ends in /.default, as Entra's scopes do; IMDS takes the resource alone",
            )
        plan |= {"resource": resource, "selector": _selector(identity, account, world, sources)}
        return plan
    plan["token_audience"] = _token_audience(path, config, entra, warnings)
    if source == "token-file":
        named = world.environ.get("AZURE_FEDERATED_TOKEN_FILE")
        if named and not named.startswith("/") and not identity.token_file:
            raise settings_error("settings-token-file", "AZURE_FEDERATED_TOKEN_FILE is not an absolute path")
        plan["token_file"] = identity.token_file or named or _relayed_token_file(world)
        plan["token_field"] = account.token_field if account.source == "token-file" else None
        return plan
    pods = identity.service_account or ServiceAccountModel()
    if pods.required_annotation_keys and not pods.require:
        raise settings_error(
            "settings-service-account",
            f"{path}: identity.serviceAccount.requiredAnnotationKeys needs require true, as the kubelet demands",
        )
    if set(pods.required_annotation_keys) & set(pods.optional_annotation_keys):
        raise settings_error(
            "settings-service-account",
            f"{path}: an annotation key of identity.serviceAccount is both required and optional",
        )
    # Without impersonation Google's token lives no longer than the pod's own, which the kubelet renews per pod.
    dies_with_pod = entra is None and account.impersonation_url is None
    return plan | {
        "require_service_account": pods.require,
        "cache_type": pods.cache_type or ("Token" if dies_with_pod else "ServiceAccount"),
        "required_annotations": pods.required_annotation_keys,
        "optional_annotations": pods.optional_annotation_keys,
    }


def _relayed_token_file(world: World) -> str:
    """Where `node run` puts the DaemonSet's token: in the folder of our state."""
    return f"{world.state_directory or DEFAULT_STATE_DIRECTORY}/{TOKEN_FILE_NAME}"


def _refuse_misplaced(path: str, source: str, identity: IdentityModel) -> None:
    """Keys that the chosen source would silently ignore are mistakes."""
    belongs = {
        "clientId": (
            identity.client_id,
            {"managed-identity"},
            "; the identity that Entra issues for is identity.entra.clientId",
        ),
        "resource": (identity.resource, {"managed-identity"}, "; Entra takes identity.entra.scope"),
        "tokenFile": (identity.token_file, {"token-file"}, ""),
        "tokenAudience": (identity.token_audience, {"token-file", "service-account"}, ""),
        "serviceAccount": (identity.service_account, {"service-account"}, ""),
        "entra": (identity.entra, {"token-file", "service-account"}, "; IMDS tokens are Entra's already"),
    }
    for name, (value, sources, hint) in belongs.items():
        if value is not None and source not in sources:
            raise settings_error(
                "settings-misplaced", f"{path}: identity.{name} has no meaning with source {source}{hint}"
            )


def _selector(identity: IdentityModel, account: ExternalAccount, world: World, sources: Sources) -> list[str] | None:
    """Which identity IMDS is asked for: exactly one parameter, as nodes normally have several identities."""
    if identity.client_id:
        return ["client_id", identity.client_id]
    if account.imds_selector:
        return account.imds_selector
    client_id = world.environ.get("AZURE_CLIENT_ID")
    if client_id:
        if not GUID.fullmatch(client_id):
            raise settings_error(
                "settings-client-id", "AZURE_CLIENT_ID is no GUID", "correct it, or set identity.clientId"
            )
        return ["client_id", client_id]
    content = sources.read_if_there(world.azure_json)
    if content is None:
        return None
    try:
        document = loads(content)
    except ValueError as error:
        raise settings_error("settings-azure-json", f"{world.azure_json}: {error}", "set identity.clientId") from None
    found = document.get("userAssignedIdentityID") if isinstance(document, dict) else None
    if not isinstance(found, str) or not found:
        return None
    return ["msi_res_id" if found.startswith("/") else "client_id", found]


def _token_audience(path: str, config: ConfigModel, entra: dict[str, Any] | None, warnings: list[str]) -> str:
    identity = config.identity or IdentityModel()
    audience = identity.token_audience
    if audience is None and entra is not None:
        return str(entra["audience"])
    if audience is None and config.identity is not None:
        raise settings_error(
            "settings-token-audience",
            f"{path}: identity.tokenAudience is missing; without identity.entra Google's provider must expect it",
            "set it to an allowed audience of the provider, e.g. https://iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER",
        )
    audience = audience or ENTRA_AUDIENCE
    if entra is None and audience.startswith(ENTRA_AUDIENCE):
        warnings.append(
            f"tokens with audience {audience} can be replayed at Entra ID to become the managed identity;"
            " let Google's provider expect an audience of its own"
        )
    return audience


def _entra(path: str, source: str, identity: IdentityModel, environ: Mapping[str, str]) -> dict[str, Any] | None:
    if identity.entra is None:
        return None
    entra = identity.entra
    cloud = entra.cloud or _cloud_of(path, environ.get("AZURE_AUTHORITY_HOST"))
    authority, audience = ENTRA_CLOUDS[cloud]
    client_id, tenant_id = (
        entra.client_id or environ.get("AZURE_CLIENT_ID"),
        entra.tenant_id or environ.get("AZURE_TENANT_ID"),
    )
    pods = identity.service_account or ServiceAccountModel()
    for name, value in (("client-id", client_id), ("tenant-id", tenant_id)):
        key = f"azure.workload.identity/{name}"
        if value and not GUID.fullmatch(value):
            raise settings_error("settings-entra", f"AZURE_{name.upper().replace('-', '_')} is no GUID")
        if not value and (
            source != "service-account" or key not in [*pods.required_annotation_keys, *pods.optional_annotation_keys]
        ):
            field = to_camel(name.replace("-", "_"))
            hint = (
                f", or list {key} in identity.serviceAccount.requiredAnnotationKeys"
                if source == "service-account"
                else ""
            )
            raise settings_error("settings-entra", f"{path}: identity.entra.{field} is missing{hint}")
    scope = entra.scope or audience + "/.default"
    if not scope.endswith("/.default"):
        raise settings_error(
            "settings-entra",
            f"{path}: identity.entra.scope does not end in /.default, which Entra demands of a client credential",
        )
    return {
        "authority": authority,
        "tenant_id": tenant_id or None,
        "client_id": client_id or None,
        "scope": scope,
        "audience": audience,
    }


def _cloud_of(path: str, authority: str | None) -> str:
    """The cloud that AZURE_AUTHORITY_HOST names, as Azure Workload Identity sets it."""
    if not authority:
        return "public"
    host = authority.removeprefix("https://").rstrip("/")
    if host not in ENTRA_HOSTS:
        raise settings_error(
            "settings-entra", f"{path}: AZURE_AUTHORITY_HOST is none of {', '.join(sorted(ENTRA_HOSTS))}"
        )
    return next(cloud for cloud, (known, _) in ENTRA_CLOUDS.items() if known == host)
