"""Source ``service-account``: the pod's own token, which the kubelet passes in the request (KEP-4412)."""

from __future__ import annotations

from credprovider.errors import ProviderError
from credprovider.identity.token import SubjectToken, accept
from credprovider.protocol import API_VERSIONS, bad_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from credprovider.protocol import Request
    from credprovider.settings import Settings
    from credprovider.world import World

_TOKEN_ATTRIBUTES = (
    "give the provider's entry in the kubelet's CredentialProviderConfig tokenAttributes (Kubernetes 1.34, or 1.33 with"
    " the feature gate KubeletServiceAccountTokenForCredentialProviders); static pods have no ServiceAccount and cannot"
    " pull in this mode"
)


def read(settings: Settings, request: Request, world: World) -> SubjectToken | None:
    """The request's token; None when another source is chosen.

    Its ``exp`` counts before anything cached does: whoever shows an expired token gets nothing.

    Raises:
        ProviderError: family ``request``: absent, garbled or expired.
    """
    if settings.source != "service-account":
        return None
    if request.token is None:
        version = (
            "" if request.api_version == API_VERSIONS[0] else f"; apiVersion {request.api_version} has no field for it"
        )
        cause = f"field serviceAccountToken is missing{version}, and settings choose identity.source service-account"
        raise bad_request("service-account-token-missing", cause, _TOKEN_ATTRIBUTES)
    subject = accept(
        request.token,
        hop="request",
        code="request-token-garbled",
        family="request",
        remedy="the kubelet sends a JWT in serviceAccountToken; compare the request",
    )
    if subject.claims.is_expired(world.wall()):
        age = world.wall() - subject.claims.expires
        raise ProviderError(
            "request-token-expired",
            "request",
            "request",
            f"the token in serviceAccountToken expired {age:.0f} s ago, or this node's clock is wrong",
            "timedatectl; restart the kubelet if its token cache is stuck",
            claims=subject.claims.shown(),
        )
    return subject


def annotation(settings: Settings, request: Request, name: str) -> str | None:
    """An annotation of the pod's ServiceAccount, if settings list it for the kubelet to send."""
    if name not in settings.required_annotations and name not in settings.optional_annotations:
        return None
    return request.annotations.get(name) or None
