"""One request to one service: its success, or the catalogue's word on anything else; for `identity` and `exchange`."""

from __future__ import annotations

import json

from credprovider.catalogue import Evidence, diagnose
from credprovider.connection import Failure
from credprovider.transport import TRANSIENT_STATUSES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from credprovider.errors import ProviderError
    from credprovider.transport import Reply, Transport


class Hop:
    """A service on the way, and what is known when it fails.

    Args:
        name: imds, entra, sts or iam.
        transport: sends the request.
        facts: values for the remedy's commands, from settings.
        claims: claims of the token that is sent to it.
        impersonated: does the way end in a service account?
        transient: statuses that are tried again.
    """

    def __init__(
        self,
        name: str,
        transport: Transport,
        facts: Mapping[str, str],
        *,
        claims: Mapping[str, str] | None = None,
        impersonated: bool = False,
        transient: frozenset[int] = TRANSIENT_STATUSES,
    ) -> None:
        self._name = name
        self._transport = transport
        self._facts = dict(facts)
        self._claims = claims or {}
        self._impersonated = impersonated
        self._transient = transient

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        """The service's answer of status 200.

        Raises:
            ProviderError: for any other answer, and for none.
        """
        self._facts["endpoint"] = url[: url.index("/", len("https://")) + 1]
        try:
            reply = self._transport.send(method, url, headers, body, transient=self._transient)
        except Failure as failure:
            raise self.error(failure.kind, status=failure.status) from None
        if reply.status != 200:
            raise self.error(None, reply)
        return reply

    def json_object(self, reply: Reply) -> dict[str, Any]:
        """The object in an answer's body.

        Raises:
            ProviderError: when it holds anything else, as a captive portal's page does.
        """
        try:
            document = json.loads(reply.body)
        except (ValueError, RecursionError):
            raise self.error("not-json", reply) from None
        if not isinstance(document, dict):
            raise self.error("not-json", reply)
        return document

    def error(self, failure: str | None, reply: Reply | None = None, *, status: int | None = None) -> ProviderError:
        """The catalogue's word on what happened here."""
        return diagnose(
            Evidence(
                hop=self._name,
                status=reply.status if reply is not None else status,
                body=reply.body if reply is not None and failure is None else b"",
                headers=reply.headers if reply is not None else {},
                failure=failure,
                claims=self._claims,
                facts=self._facts,
                impersonated=self._impersonated,
            )
        )
