"""What Google's APIs have in common: error bodies in the google.rpc.Status shape, headers, and bearer tokens."""

from __future__ import annotations

from typing import Any

from tests.cloud.state import State
from tests.cloud.wire import Answer, Request

#: HTTP status -> canonical code of google.rpc.
CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
BAD_CREDENTIALS = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid"
    " authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)


def headers(server: str) -> dict[str, str]:
    """Response headers of an API frontend."""
    return {
        "Content-Type": "application/json; charset=UTF-8",
        "Vary": "Origin, X-Origin, Referer",
        "Server": server,
        "Cache-Control": "private",
    }


def rpc_error(
    state: State,
    server: str,
    status: int,
    message: str,
    *,
    info: dict[str, Any] | None = None,
    retry_after: int | None = None,
) -> Answer:
    """`{"error": {code, message, status}}`, with one ErrorInfo detail when given."""
    error: dict[str, Any] = {
        "code": status,
        "message": message + state.canary_text(),
        "status": CODES.get(status, "UNKNOWN"),
    }
    if info is not None:
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", **info}]
    head = headers(server)
    if retry_after is not None:
        head["Retry-After"] = str(retry_after)
    return Answer.of_json(status, {"error": error}, head, indent=2)


def bearer(request: Request) -> str | None:
    """The bearer token of the request."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
