"""What Azure made up: the ids and the issuer that azure.sh and Terraform write into ``azure-outputs.json``; pure."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from credprovider.settings_model import GUID
from credprovider.strict_json import loads

FILE = "azure-outputs.json"
_ISSUER = re.compile(r"https://[a-z0-9][a-z0-9.-]{3,200}(?:/[A-Za-z0-9._-]{1,200}){0,8}/?")


def _guid(value: str) -> str:
    if not GUID.fullmatch(value):
        raise ValueError("is no GUID")
    return value.lower()


def _issuer(value: str) -> str:
    if not _ISSUER.fullmatch(value):
        raise ValueError("is no https:// URL of an issuer")
    return value


Guid = Annotated[str, AfterValidator(_guid)]


class OutputsError(ValueError):
    """The file is not what azure.sh writes; the message names the key."""


class Outputs(BaseModel):
    """Ids and issuer, each only where the mode needs it.

    Attributes:
        client_id: of the managed identity; who it is to Azure's token services.
        principal_id: its object id, which becomes `sub` and is what Google trusts.
        oidc_issuer_url: of the cluster, to the letter: a trailing slash counts.
    """

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, alias_generator=to_camel, hide_input_in_errors=True
    )

    subscription_id: Guid
    tenant_id: Guid
    client_id: Guid | None = None
    principal_id: Guid | None = None
    oidc_issuer_url: Annotated[str, AfterValidator(_issuer)] | None = None


def read_outputs(content: bytes) -> Outputs:
    """Parse the file.

    Raises:
        OutputsError: naming the key, never its value.
    """
    try:
        return Outputs.model_validate(loads(content))
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in fault["loc"]) or "the document"
        raise OutputsError(f"{field}: {fault['msg'].removeprefix('Value error, ')}") from None
    except ValueError as error:
        raise OutputsError(str(error)) from None
