"""The error bodies that each service would send with a status, for faults that order just a status."""

from __future__ import annotations

from tests.cloud import entra, googleapi, iam, registry, sts
from tests.cloud.state import State
from tests.cloud.wire import Answer
from tests.cloud.world import WORLD

_IMDS = {
    400: ("invalid_request", "Identity not found"),
    403: ("forbidden", "Access to the identity endpoint is denied"),
    410: ("gone", "IMDS is being updated"),
    429: ("too_many_requests", "Temporarily throttled, too many requests"),
    500: ("unknown", "Failed to retrieve token from the Active directory. For details see logs in <file path>"),
    503: ("service_unavailable", "The service is temporarily unavailable"),
}
_ENTRA = {
    400: (90002, "invalid_request", "Tenant 'x' not found. Check to make sure you have the correct tenant ID."),
    401: (700213, "invalid_client", "No matching federated identity record found for presented assertion subject 'x'."),
    403: (53003, "access_denied", "Access has been blocked by Conditional Access policies."),
    429: (
        90055,
        "temporarily_unavailable",
        "The server is too busy to handle the request. Too many requests from this tenant.",
    ),
    500: (90033, "temporarily_unavailable", "A transient error has occurred. Please try again."),
    503: (90033, "temporarily_unavailable", "A transient error has occurred. Please try again."),
}
_GOOGLE = {
    400: "Request contains an invalid argument.",
    401: googleapi.BAD_CREDENTIALS,
    403: "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
    404: "Requested entity was not found.",
    500: "Internal error encountered.",
    503: "The service is currently unavailable.",
}
_REGISTRY = {
    401: ("UNAUTHORIZED", "not authenticated: No valid credential was supplied."),
    403: (
        "DENIED",
        'Permission "artifactregistry.repositories.downloadArtifacts" denied on resource "x" (or it may not exist)',
    ),
    404: ("MANIFEST_UNKNOWN", 'Failed to fetch "x"'),
    429: ("TOOMANYREQUESTS", "Quota exceeded"),
}


def own_error(state: State, hop: str, status: int, retry_after: int | None = None) -> Answer:
    """An error as this hop words it, with `Retry-After` when asked for."""
    if hop == "imds":
        answer = _imds(state, status)
    elif hop == "entra":
        code, error, text = _ENTRA.get(status, (90099, "server_error", "An unexpected error occurred."))
        answer = entra.TokenService(state).refuse(entra.Refusal(code, error, text, status))
    elif hop == "sts" and status == 400:
        text = "The audience in ID Token [x] does not match the expected audience."
        answer = sts.TokenExchange(state).refuse(sts.Refusal("invalid_grant", text))
    elif hop in ("sts", "iam"):
        answer = googleapi.rpc_error(
            state, sts.SERVER if hop == "sts" else iam.SERVER, status, _google_text(hop, status)
        )
    elif hop == "registry":
        name, text = _REGISTRY.get(status, ("UNKNOWN", "unknown error"))
        answer = registry.error(status, name, text + state.canary_text())
    else:
        answer = Answer(status, {"Content-Type": "text/plain"}, f"status {status}{state.canary_text()}".encode())
    if retry_after is not None:
        answer.headers["Retry-After"] = str(retry_after)
    return answer


def _imds(state: State, status: int) -> Answer:
    headers = {"Server": "IMDS/150.870.65.1854"}
    if status not in _IMDS:  # 404 has no body, as while IMDS is updated
        return Answer(status, {**headers, "Content-Type": "application/json; charset=utf-8"})
    error, text = _IMDS[status]
    return Answer.of_json(status, {"error": error, "error_description": text + state.canary_text()}, headers)


def _google_text(hop: str, status: int) -> str:
    if status == 429:
        what, host = ("Token exchange", "sts") if hop == "sts" else ("Generate credentials", "iamcredentials")
        return (
            f"Quota exceeded for quota metric '{what} requests' and limit '{what} requests per minute' of service"
            f" '{host}.googleapis.com' for consumer 'project_number:{WORLD.project_number}'."
        )
    return _GOOGLE.get(status, "Unknown error.")
