"""What a JWT says of itself, read without verifying: enough to compare, to explain and to key a cache; pure.

NOTE: nothing here decides whether a token is genuine. Entra and Google verify signatures; we only refuse early what
they would refuse late, and tell people what was sent.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64

from credprovider.protocol import TOKEN_LIMIT
from credprovider.strict_json import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from credprovider.secret import Secret

#: Clock difference that is forgiven, in seconds; Google STS forgives as much.
LEEWAY_SECONDS = 60.0

_URL_SAFE = str.maketrans("-_", "+/")
_BASE64URL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


class Claims:
    """The payload of a JWT (RFC 7519 section 4.1).

    Attributes:
        issuer, subject: ``iss`` and ``sub``.
        audience: ``aud``; several are joined by a comma.
        expires: ``exp``, seconds since 1970.
        application: Entra's client id (``azp`` in v2 tokens, ``appid`` in v1), or empty.
        service_account_uid: uid of a Kubernetes ServiceAccount, or empty.
    """

    __slots__ = ("application", "audience", "expires", "issuer", "service_account_uid", "subject")

    def __init__(self, payload: dict[str, object]) -> None:
        self.issuer = _text(payload.get("iss"))
        self.subject = _text(payload.get("sub"))
        self.audience = _audience(payload.get("aud"))
        self.expires = _number(payload.get("exp"))
        self.application = _text(payload.get("azp")) or _text(payload.get("appid"))
        kubernetes = payload.get("kubernetes.io")
        account = kubernetes.get("serviceaccount") if isinstance(kubernetes, dict) else None
        self.service_account_uid = _text(account.get("uid")) if isinstance(account, dict) else ""

    def shown(self) -> dict[str, str]:
        """The claims that explain a refusal, by their JWT names."""
        pairs = {"iss": self.issuer, "aud": self.audience, "sub": self.subject, "azp": self.application}
        return {name: _visible(value) for name, value in pairs.items() if value}

    def is_expired(self, now: float) -> bool:
        """Is ``exp`` (seconds since 1970) past, by more than the leeway?"""
        return self.expires <= now - LEEWAY_SECONDS


def read_claims(token: Secret) -> Claims:
    """Decode the payload of a compact JWS.

    Raises:
        ValueError: with a reason that quotes nothing of the token.
    """
    text = token.reveal()
    if len(text) > TOKEN_LIMIT:
        raise ValueError(f"is longer than {TOKEN_LIMIT} bytes")
    segments = text.split(".")
    if len(segments) != 3 or not all(segments):
        raise ValueError("is not a JWT of three segments")
    if not all(_BASE64URL.issuperset(segment) for segment in segments):
        raise ValueError("holds characters that no JWT has")
    try:
        payload = loads(a2b_base64(segments[1].translate(_URL_SAFE) + "=" * (-len(segments[1]) % 4)))
    except (ValueError, Base64Error):
        raise ValueError("has a payload that is not base64url JSON") from None
    if not isinstance(payload, dict):
        raise ValueError("has a payload that is not a JSON object")
    claims = Claims(payload)
    if not (claims.issuer and claims.subject and claims.expires):
        raise ValueError("lacks one of the claims iss, sub and exp")
    return claims


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12 else 0.0


def _audience(value: object) -> str:
    if isinstance(value, list):
        return ",".join(_text(item) for item in value)
    return _text(value)


def _visible(value: str) -> str:
    """A claim as it may be shown: printable ASCII, short, and nothing that could itself be a token."""
    safe = "".join(character if " " <= character <= "~" else "?" for character in value[:200])
    return "(hidden: looks like a token)" if "eyJ" in safe or "ya29." in safe else safe
