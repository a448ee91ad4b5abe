"""A subject token: what a source hands on, with the claims it makes of itself; pure."""

from __future__ import annotations

from credprovider.claims import Claims, read_claims
from credprovider.errors import ProviderError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from credprovider.secret import Secret


class SubjectToken:
    """A JWT and its unverified claims.

    Attributes:
        token: to be sent to Entra ID or Google STS.
        claims: to be shown, compared and used as a cache key.
    """

    __slots__ = ("claims", "token")

    def __init__(self, token: Secret, claims: Claims) -> None:
        self.token = token
        self.claims = claims


def accept(token: Secret, *, hop: str, code: str, family: str = "azure", remedy: str) -> SubjectToken:
    """Take a token in, if it is a JWT at all.

    Args:
        token: untrusted text.
        hop: of the error, when it is none.
        code: as hop.
        family: as hop.
        remedy: as hop.

    Raises:
        ProviderError: saying what is wrong with its form, never what is in it.
    """
    try:
        return SubjectToken(token, read_claims(token))
    except ValueError as error:
        raise ProviderError(code, family, hop, f"the token {error}", remedy) from None
