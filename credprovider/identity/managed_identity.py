"""Source ``managed-identity``: the node's own identity, from Azure's instance metadata service (IMDS).

Request and answer: entra-docs "How to use managed identities for Azure resources on an Azure VM to acquire an access
token". Plain HTTP on a link-local address, never through a proxy.
"""

from __future__ import annotations

import urllib.parse

from credprovider.endpoints import IMDS_HOST
from credprovider.hops import Hop
from credprovider.identity.token import SubjectToken, accept
from credprovider.secret import Secret
from credprovider.transport import TRANSIENT_STATUSES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from credprovider.settings import Settings
    from credprovider.transport import Transport

#: IMDS answers 404 and 410 while it is being updated; Microsoft asks for a retry on both.
_TRANSIENT = TRANSIENT_STATUSES | {404, 410}


def fetch(settings: Settings, transport: Transport, facts: Mapping[str, str]) -> SubjectToken | None:
    """A token of the node's managed identity for `settings.resource`; None when another source is chosen.

    Raises:
        ProviderError: family ``azure``.
    """
    if settings.source != "managed-identity":
        return None
    hop = Hop("imds", transport, facts, transient=_TRANSIENT)
    query = {"api-version": "2018-02-01", "resource": settings.resource or ""}
    if settings.selector:
        query[settings.selector[0]] = settings.selector[1]
    url = f"http://{IMDS_HOST}/metadata/identity/oauth2/token?{urllib.parse.urlencode(query)}"
    reply = hop.send("GET", url, {"Metadata": "true"})
    token = hop.json_object(reply).get("access_token")
    if not isinstance(token, str) or not token:
        raise hop.error("no-token", reply)
    remedy = (
        "ask IMDS for a resource whose tokens are JWTs that others can verify (not Microsoft Graph): identity.resource"
    )
    return accept(Secret(token), hop="imds", code="imds-token-opaque", remedy=remedy)
