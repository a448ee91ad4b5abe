"""config.json as its author writes it: strict pydantic models; loaded by `settings_plan` alone.

The JSON Schema in ``schemas/config.schema.json`` is made of these models by `json_schema`.
"""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema

from credprovider.endpoints import is_domain
from credprovider.registries import DEFAULT_UNIVERSE
from credprovider.settings import settings_error
from credprovider.strict_json import loads

#: Read-only is enough to pull, and refuses a push; Artifact Registry documents this and ``cloud-platform`` only.
READ_ONLY = "https://www.googleapis.com/auth/cloud-platform.read-only"

GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# k8s.io/apimachinery validation.IsQualifiedName: [DNS sub-domain /] name of at most 63 characters.
_QUALIFIED_NAME = re.compile(
    r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_PRINTABLE = re.compile(r"[!-~]{1,512}")


def _guid(value: str) -> str:
    if not GUID.fullmatch(value):
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


def _path(value: str) -> str:
    # NUL and half characters (a lone \ud800) would reach the kernel's door as an error of Python's.
    if not value or not value.isprintable():
        raise ValueError("is no path")
    return value


def _absolute(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError("is not an absolute path")
    return _path(value)


def _domain(value: str) -> str:
    if not is_domain(value):
        raise ValueError("is no domain name")
    return value


Guid = Annotated[str, AfterValidator(_guid)]
Printable = Annotated[str, AfterValidator(_printable)]
AnnotationKey = Annotated[str, AfterValidator(_qualified_name)]
Path = Annotated[str, AfterValidator(_path)]
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
        default=None,
        description="Which managed identity. Default: the vendor file's, AZURE_CLIENT_ID, the kubelet identity.",
    )
    resource: Printable | None = Field(
        default=None,
        description="What IMDS is asked a token for. Default: the vendor file's, else the token exchange resource.",
    )
    token_file: AbsolutePath | None = Field(
        default=None,
        description="Where the token lies."
        " Default: AZURE_FEDERATED_TOKEN_FILE, else /run/azure-gar-credential-provider/azure-identity-token.",
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
    credential_config: Path | None = Field(
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


class _Schema(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: object) -> bool:
        """Never: an editor shows the key, and "Tenantid" is no title."""
        del schema
        return False


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of config.json."""
    schema = ConfigModel.model_json_schema(by_alias=True, schema_generator=_Schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def parse_config(path: str, content: bytes) -> ConfigModel:
    """The model of config.json.

    Raises:
        ProviderError: family ``settings``, naming the field and never its value.
    """
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
    return f"{field}: {fault['msg'].removeprefix('Value error, ')}"


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
