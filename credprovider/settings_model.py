"""config.json as its author writes it: strict models, and their meaning as a flat plan; loaded when settings changed.

The JSON Schema in ``schemas/config.schema.json`` is made of these models by `json_schema`.
"""

from __future__ import annotations

import difflib
import os
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from credprovider.endpoints import DEFAULT_UNIVERSE, ENTRA_CLOUDS, ENTRA_HOSTS, is_domain
from credprovider.external_account import read_external_account
from credprovider.network import parse_proxy
from credprovider.registries import check_registry
from credprovider.settings import settings_error
from credprovider.strict_json import loads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from credprovider.external_account import ExternalAccount
    from credprovider.settings import Sources
    from credprovider.world import World

#: Read-only is enough to pull, and refuses a push; Artifact Registry documents this and ``cloud-platform`` only.
READ_ONLY = "https://www.googleapis.com/auth/cloud-platform.read-only"
DEFAULT_TOKEN_FILE = "/run/azure-gar-credential-provider/azure-identity-token"
ENTRA_AUDIENCE = "api://AzureADTokenExchange"

_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# k8s.io/apimachinery validation.IsQualifiedName: [DNS sub-domain /] name of at most 63 characters.
_QUALIFIED_NAME = re.compile(
    r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_PRINTABLE = re.compile(r"[!-~]{1,512}")


def _guid(value: str) -> str:
    if not _GUID.fullmatch(value):
        raise ValueError("is no GUID")
    return value


def _printable(value: str) -> str:
    if not _PRINTABLE.fullmatch(value):
        raise ValueError("is not a line of printable ASCII without spaces")
    return value


def _qualified_name(value: str) -> str:
    if not _QUALIFIED_NAME.fullmatch(value):
        raise ValueError("is no annotation key")
    return value


def _absolute(value: str) -> str:
    if not value.startswith("/") or "\0" in value:
        raise ValueError("is not an absolute path")
    return value


def _domain(value: str) -> str:
    if not is_domain(value):
        raise ValueError("is no domain name")
    return value


Guid = Annotated[str, AfterValidator(_guid)]
Printable = Annotated[str, AfterValidator(_printable)]
AnnotationKey = Annotated[str, AfterValidator(_qualified_name)]
AbsolutePath = Annotated[str, AfterValidator(_absolute)]


class _Model(BaseModel):
    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        hide_input_in_errors=True,
        validate_by_name=False,
    )


class ServiceAccountModel(_Model):
    """How the kubelet passes pods' tokens (tokenAttributes of its CredentialProviderConfig)."""

    require: bool = Field(default=True, description="Pods without a ServiceAccount do not reach the plugin.")
    cache_type: Literal["ServiceAccount", "Token"] | None = Field(
        default=None,
        description="What the kubelet caches by. Default: Token if Google's dies with the pod's, else ServiceAccount.",
    )
    required_annotation_keys: list[AnnotationKey] = Field(
        default=[], description="Annotations a ServiceAccount must have."
    )
    optional_annotation_keys: list[AnnotationKey] = Field(
        default=[], description="Annotations that are passed when they are there."
    )


class EntraModel(_Model):
    """The first token goes through Entra ID, to become one of a managed identity or app registration."""

    tenant_id: Guid | None = Field(
        default=None, description="Tenant. Default: AZURE_TENANT_ID, or the pod's azure.workload.identity/tenant-id."
    )
    client_id: Guid | None = Field(
        default=None, description="Client id. Default: AZURE_CLIENT_ID, or the pod's azure.workload.identity/client-id."
    )
    scope: Printable | None = Field(
        default=None, description="Resource and /.default. Default: the cloud's token exchange resource."
    )
    cloud: Literal["public", "usgov", "china"] | None = Field(
        default=None, description="Azure cloud. Default: that of AZURE_AUTHORITY_HOST, else public."
    )


class IdentityModel(_Model):
    """Where the first token comes from."""

    source: Literal["managed-identity", "token-file", "service-account"] | None = Field(
        default=None,
        description="Default: what the vendor's credential_source says (file: token-file; IMDS url: managed-identity).",
    )
    client_id: Guid | None = Field(
        default=None, description="Which managed identity. Default: AZURE_CLIENT_ID, else the kubelet identity."
    )
    resource: Printable | None = Field(
        default=None,
        description="What IMDS is asked a token for. Default: the vendor file's, else the token exchange resource.",
    )
    token_file: AbsolutePath | None = Field(
        default=None, description=f"Default: AZURE_FEDERATED_TOKEN_FILE, else {DEFAULT_TOKEN_FILE}."
    )
    token_audience: Printable | None = Field(
        default=None, description="Audience of the ServiceAccount token. Needed without entra."
    )
    service_account: ServiceAccountModel | None = None
    entra: EntraModel | None = None


class NetworkModel(_Model):
    """The way out of the node; null means: as the environment says."""

    https_proxy: str | None = Field(
        default=None, description="http://[USER:PASSWORD@]HOST:PORT; an empty text means no proxy."
    )
    no_proxy: str | None = Field(
        default=None, description="Hosts and domains, comma separated, that are reached directly."
    )
    ca_file: AbsolutePath | None = Field(
        default=None, description="PEM bundle. Default: SSL_CERT_FILE, the node's bundle, certifi's."
    )


class CacheModel(_Model):
    """The cross-process cache under /run."""

    enabled: bool = True


class ConfigModel(_Model):
    """config.json of azure-gar-credential-provider."""

    # `$schema` lets editors find the schema; it has no meaning for us.
    schema_: str | None = Field(default=None, alias="$schema")
    credential_config: str | None = Field(
        default=None,
        description="The vendor's external_account file, relative to this one."
        " Default: GOOGLE_APPLICATION_CREDENTIALS, else credential-config.json.",
    )
    identity: IdentityModel | None = None
    registries: list[str] = Field(
        default=["*-docker.pkg.dev"],
        min_length=1,
        description="Host globs with optional port and path prefix ending in /.",
    )
    scopes: list[Printable] = Field(default=[READ_ONLY], min_length=1, description="OAuth scopes of the access token.")
    universe_domain: Annotated[str, AfterValidator(_domain)] = DEFAULT_UNIVERSE
    network: NetworkModel = NetworkModel()
    cache: CacheModel = CacheModel()


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of config.json."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ConfigModel.model_json_schema(by_alias=True)}


def compile_plan(world: World, sources: Sources) -> dict[str, Any]:
    """Read, validate and flatten everything that settings draw from; the keys are the attributes of `Settings`.

    Raises:
        ProviderError: family ``settings``, naming the file and the field.
    """
    path = world.config
    config = _parse(path, sources.read(path))
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
    if config.network.https_proxy:
        parse_proxy(config.network.https_proxy)
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


def _parse(path: str, content: bytes) -> ConfigModel:
    try:
        document = loads(content)
    except ValueError as error:
        raise settings_error("settings-not-json", f"{path}: {error}") from None
    try:
        return ConfigModel.model_validate(document)
    except ValidationError as error:
        raise settings_error("settings-invalid", f"{path}: {_explain(error)}") from None


def _explain(error: ValidationError) -> str:
    """The first fault, by field and kind; a `ValidationError`'s own text may quote its input."""
    fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in fault["loc"]) or "the document"
    if fault["type"] == "extra_forbidden":
        name = str(fault["loc"][-1])
        near = difflib.get_close_matches(name, _known_keys(fault["loc"][:-1]), n=1, cutoff=0.5)
        return f"unknown key {field}" + (f"; did you mean {near[0]}?" if near else "")
    return f"{field}: {fault['msg']}"


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    model: Any = ConfigModel
    for part in location:
        found = {field.alias: field.annotation for field in model.model_fields.values()}.get(str(part))
        candidates = [found, *getattr(found, "__args__", ())]
        model = next(
            (candidate for candidate in candidates if isinstance(candidate, type) and issubclass(candidate, BaseModel)),
            None,
        )
        if model is None:
            return []
    return [field.alias or name for name, field in model.model_fields.items() if name != "schema_"]


def _beside(path: str, name: str) -> str:
    return os.path.normpath(os.path.join(os.path.dirname(path), name))


def _identity(
    path: str, config: ConfigModel, account: ExternalAccount, world: World, sources: Sources, warnings: list[str]
) -> dict[str, Any]:
    identity = config.identity or IdentityModel()
    source = identity.source or account.source
    if source is None:
        raise settings_error(
            "settings-source",
            f"{path}: identity.source is missing, and the vendor's credential_source names neither a file nor IMDS",
        )
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
        plan["token_file"] = (
            identity.token_file or world.environ.get("AZURE_FEDERATED_TOKEN_FILE") or DEFAULT_TOKEN_FILE
        )
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
    client_id = identity.client_id or world.environ.get("AZURE_CLIENT_ID")
    if client_id:
        return ["client_id", client_id]
    if account.imds_selector:
        return account.imds_selector
    if not os.path.exists(world.azure_json):
        return None
    try:
        document = loads(sources.read(world.azure_json))
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
        if value and not _GUID.fullmatch(value):
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
