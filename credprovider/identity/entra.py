"""Through Entra ID: a Kubernetes token in, a token of a managed identity or app registration out.

RFC 7523 section 2.2 client assertion on Entra's v2.0 token endpoint (entra-docs "Workload identity federation").
"""

from __future__ import annotations

import re
import urllib.parse

from credprovider.errors import ProviderError
from credprovider.hops import Hop
from credprovider.identity.service_account import annotation
from credprovider.identity.token import SubjectToken, accept
from credprovider.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from credprovider.protocol import Request
    from credprovider.settings import Settings
    from credprovider.transport import Transport

_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def exchange(
    settings: Settings, request: Request, first: SubjectToken, transport: Transport, facts: Mapping[str, str]
) -> SubjectToken:
    """Entra's token for the identity that trusts `first`; `first` itself when settings name no Entra hop.

    Raises:
        ProviderError: family ``azure``; family ``request`` when ids should come from annotations and do not.
    """
    if settings.entra is None:
        return first
    client = settings.entra["client_id"] or _annotated(settings, request, "client-id")
    tenant = settings.entra["tenant_id"] or _annotated(settings, request, "tenant-id")
    hop = Hop("entra", transport, {**facts, "client_id": client, "tenant": tenant}, claims=first.claims.shown())
    form = {
        "client_id": client,
        "scope": settings.entra["scope"],
        "client_assertion_type": _ASSERTION,
        "client_assertion": first.token.reveal(),
        "grant_type": "client_credentials",
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    url = f"https://{settings.entra['authority']}/{tenant}/oauth2/v2.0/token"
    reply = hop.send("POST", url, headers, urllib.parse.urlencode(form).encode())
    token = hop.json_object(reply).get("access_token")
    if not isinstance(token, str) or not token:
        raise hop.error("no-token", reply)
    remedy = "ask for a scope whose tokens are JWTs that others can verify (not Microsoft Graph): identity.entra.scope"
    return accept(Secret(token), hop="entra", code="entra-token-opaque", remedy=remedy)


def _annotated(settings: Settings, request: Request, name: str) -> str:
    """A GUID from the pod's ``azure.workload.identity/*`` annotations, as Azure Workload Identity names them."""
    full = f"azure.workload.identity/{name}"
    value = annotation(settings, request, full)
    if value is None or not _GUID.fullmatch(value):
        state = "is missing from" if value is None else "is no GUID in"
        raise ProviderError(
            "service-account-annotation",
            "request",
            "service-account",
            f"annotation {full} {state} the request, and settings have no identity.entra value in its place",
            f"kubectl annotate serviceaccount NAME {full}=GUID, and list the key in"
            " identity.serviceAccount.requiredAnnotationKeys; or set it in settings",
        )
    return value
