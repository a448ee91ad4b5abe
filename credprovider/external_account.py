"""The vendor's ``external_account`` file (AIP-4117) as handed out: read strictly, never edited, hosts by allow-list.

Two authors are known: a vendor's portal (file source) and ``gcloud iam workload-identity-pools create-cred-config
--azure`` (URL source that points at IMDS).
"""

from __future__ import annotations

import difflib
import re
import urllib.parse
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from credprovider.endpoints import IMDS_HOST, is_google_endpoint
from credprovider.registries import DEFAULT_UNIVERSE
from credprovider.settings import settings_error
from credprovider.strict_json import loads

if TYPE_CHECKING:
    from credprovider.errors import ProviderError

_JWT_TYPES = ("urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token")
_AUDIENCE = re.compile(
    r"//iam\.([a-z0-9.-]+)/projects/[0-9]+/locations/global/workloadIdentityPools/([^/\s]*)/providers/([^/\s]*)"
)
#: Of a pool and of a provider, as IAM lets them be made.
_ID = re.compile(r"[a-z0-9-]{4,32}")
_IMPERSONATION_PATH = re.compile(
    r"/v1/projects/-/serviceAccounts/([a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z0-9.:-]+\.iam\.gserviceaccount\.com):generateAccessToken"
)
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_IMDS_PATH = "/metadata/identity/oauth2/token"
_AWS_FIELDS = ("environment_id", "region_url", "regional_cred_verification_url", "imdsv2_session_token_url")
_SELECTORS = ("client_id", "object_id", "msi_res_id")


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class _Format(_Model):
    type: Literal["text", "json"] = "text"
    subject_token_field_name: str | None = None


class _CredentialSource(_Model):
    file: str | None = None
    url: str | None = None
    headers: dict[str, str] | None = None
    format: _Format = _Format()


class _Impersonation(_Model):
    token_lifetime_seconds: int = Field(default=3600, ge=600, le=43200)


class _File(_Model):
    type: Literal["external_account"]
    audience: str
    subject_token_type: str
    token_url: str
    token_info_url: str | None = None
    service_account_impersonation_url: str | None = None
    service_account_impersonation: _Impersonation = _Impersonation()
    credential_source: _CredentialSource
    quota_project_id: str | None = None
    universe_domain: str = DEFAULT_UNIVERSE


class ExternalAccount:
    """What the vendor's file says, checked.

    Attributes:
        source: ``token-file`` or ``managed-identity``, as credential_source suggests.
        token_field: name of the JSON field that holds a file's token, or None for plain text.
        imds_resource, imds_selector: what an IMDS URL asks for.
        impersonation_url: None for direct access.
    """

    def __init__(self, path: str, file: _File, universe_domain: str) -> None:
        self._path = path
        self._file = file
        self._universe = universe_domain
        self._check_identity()
        self._check_token_url()
        self.service_account: str | None = None
        self.impersonation_url = self._impersonation_url()
        self.source = "token-file" if file.credential_source.url is None else "managed-identity"
        self.token_field: str | None = None
        self.imds_resource: str | None = None
        self.imds_selector: list[str] | None = None
        self._read_source(file.credential_source)

    def plan(self) -> dict[str, Any]:
        """The Google side of the settings' plan."""
        return {
            "audience": self._file.audience,
            "subject_token_type": self._file.subject_token_type,
            "token_url": self._file.token_url,
            "impersonation_url": self.impersonation_url,
            "service_account": self.service_account,
            "lifetime": self._file.service_account_impersonation.token_lifetime_seconds,
            "quota_project": self._file.quota_project_id,
        }

    def _error(self, field: str, reason: str, remedy: str = "") -> ProviderError:
        return settings_error(
            "credential-config-invalid",
            f"{self._path}: {field} {reason}",
            remedy or "ask the vendor for the file again; it is used as it was handed out",
        )

    def _check_identity(self) -> None:
        file = self._file
        if file.universe_domain != self._universe:
            raise self._error(
                "universe_domain", "differs from universeDomain of config.json", "set universeDomain to the file's"
            )
        match = _AUDIENCE.fullmatch(file.audience)
        if match is None or match[1] not in {DEFAULT_UNIVERSE, self._universe}:
            hint = " (it must not start with https:)" if file.audience.startswith("http") else ""
            expected = (
                "//iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"
            )
            raise self._error(
                "audience",
                f"is not {expected}, with the project's number{hint}",
                "gcloud projects describe PROJECT --format='value(projectNumber)'",
            )
        for kind, name in (("pool", match[2]), ("provider", match[3])):
            if not _ID.fullmatch(name):
                raise self._error(
                    "audience", f"names a {kind} that cannot be: an id has 4 to 32 lower-case letters, digits and -"
                )
        if file.subject_token_type not in _JWT_TYPES:
            raise self._error(
                "subject_token_type", f"is none of {', '.join(_JWT_TYPES)}: Azure and Kubernetes issue JWTs"
            )
        if file.quota_project_id is not None and not re.fullmatch(r"[a-z0-9.:-]{4,64}", file.quota_project_id):
            raise self._error("quota_project_id", "is no project id")

    def _check_token_url(self) -> None:
        for field, url, path in (
            ("token_url", self._file.token_url, "/v1/token"),
            ("token_info_url", self._file.token_info_url, "/v1/introspect"),
        ):
            host = _https_host(url, path)
            if url is not None and (host is None or not is_google_endpoint(host, "sts", self._universe)):
                raise self._error(
                    field,
                    f"is not https://sts.{self._universe}{path} or its regional or private form;"
                    " the subject token is sent there",
                )

    def _impersonation_url(self) -> str | None:
        url = self._file.service_account_impersonation_url
        if url is None:
            return None
        _, slash, rest = url.removeprefix("https://").partition("/")
        match = _IMPERSONATION_PATH.fullmatch(slash + rest)
        host = _https_host(url, slash + rest)
        # gcloud writes the default universe's host in files of every universe.
        universes = {self._universe, DEFAULT_UNIVERSE}
        if match is None or not any(host and is_google_endpoint(host, "iamcredentials", each) for each in universes):
            expected = f"https://iamcredentials.{self._universe}/v1/projects/-/serviceAccounts/NAME@PROJECT.iam.gserviceaccount.com:generateAccessToken"
            raise self._error("service_account_impersonation_url", f"is not {expected} or its regional or private form")
        self.service_account = match[1]
        return url

    def _read_source(self, source: _CredentialSource) -> None:
        if (source.file is None) == (source.url is None):
            raise self._error("credential_source", "must have one of file and url")
        field = source.format.subject_token_field_name
        if source.format.type == "json" and not (field and _FIELD.fullmatch(field)):
            raise self._error("credential_source.format", "is json and lacks a usable subject_token_field_name")
        if source.url is None:
            self.token_field = field if source.format.type == "json" else None
            return
        self._read_imds_url(source.url)

    def _read_imds_url(self, url: str) -> None:
        # The parts are taken apart here and the URL is made anew for the request; urlsplit forgives too much.
        address, _, query = url.partition("?")
        if address != f"http://{IMDS_HOST}{_IMDS_PATH}":
            raise self._error(
                "credential_source.url", f"is not http://{IMDS_HOST}{_IMDS_PATH}; no other URL source is used"
            )
        asked = urllib.parse.parse_qs(query, keep_blank_values=True)
        if "#" in query or not asked.keys() <= {"api-version", "resource", *_SELECTORS}:
            raise self._error(
                "credential_source.url", f"asks IMDS for more than resource and one of {', '.join(_SELECTORS)}"
            )
        if not all(len(values) == 1 and re.fullmatch(r"[ -~]{1,512}", values[0]) for values in asked.values()):
            raise self._error("credential_source.url", "has a parameter that is repeated, empty or not printable")
        resource = asked.get("resource", [""])[0]
        if not resource or " " in resource:
            raise self._error("credential_source.url", "asks IMDS for no resource")
        selectors = [[name, asked[name][0]] for name in _SELECTORS if name in asked]
        if len(selectors) > 1:
            raise self._error("credential_source.url", "asks IMDS for several identities at once")
        self.imds_resource = resource
        self.imds_selector = selectors[0] if selectors else None


def read_external_account(path: str, content: bytes, universe_domain: str) -> ExternalAccount:
    """Parse and check the vendor's file.

    Raises:
        ProviderError: family ``settings``, naming the field.
    """
    try:
        document = loads(content)
    except ValueError as error:
        raise settings_error("credential-config-invalid", f"{path}: {error}") from None
    _refuse_by_name(path, document)
    try:
        file = _File.model_validate(document)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in fault["loc"]) or "the document"
        near = (
            difflib.get_close_matches(str(fault["loc"][-1]), list(_File.model_fields), n=1, cutoff=0.6)
            if fault["type"] == "extra_forbidden"
            else []
        )
        hint = f"; did you mean {near[0]}?" if near else ""
        raise settings_error("credential-config-invalid", f"{path}: {field}: {fault['msg']}{hint}") from None
    return ExternalAccount(path, file, universe_domain)


def _refuse_by_name(path: str, document: object) -> None:
    """What google-auth would follow and we do not, each by its own name."""
    if not isinstance(document, dict):
        return
    if document.get("type") == "service_account":
        raise settings_error(
            "credential-config-key",
            f"{path}: this is a service account key; no key is needed or used here",
            "ask the vendor for an external_account file",
        )
    for field, reason in (
        ("client_id", "a client"),
        ("client_secret", "a secret"),
        ("workforce_pool_user_project", "a workforce pool"),
    ):
        if document.get(field) is not None:
            raise settings_error(
                "credential-config-invalid", f"{path}: {field} names {reason}; workload identity federation has none"
            )
    source = document.get("credential_source")
    if not isinstance(source, dict):
        return
    for field in ("executable", "certificate", *_AWS_FIELDS):
        if field in source:
            kind = "AWS" if field in _AWS_FIELDS else field
            raise settings_error(
                "credential-config-source", f"{path}: credential_source.{field}: {kind} sources are never followed"
            )


def _https_host(url: str | None, path: str) -> str | None:
    """The host of ``https://HOST/path`` and nothing more: no user, port, query or fragment."""
    if url is None:
        return None
    host = url.removeprefix("https://").removesuffix(path)
    return host if url == f"https://{host}{path}" and re.fullmatch(r"[a-z0-9.-]+", host) else None
