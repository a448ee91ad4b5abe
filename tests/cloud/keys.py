"""OIDC issuers: RSA keys, JWKS and real signatures, by PyJWT and cryptography."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from jwt.types import Options

#: The services judge time themselves, on their own (skewed) clocks and in their own words.
_SIGNATURE_ONLY: Options = {
    "verify_aud": False,
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class BadToken(Exception):
    """`kind` says why: parse (not a JWT), key (one that the issuer does not publish) or signature (wrong)."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class SigningKey:
    """An RSA key with a key id, and its public half as a JWK."""

    def __init__(self) -> None:
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.public = self.private.public_key()
        self.kid = _fingerprint(self.public)

    def jwk(self) -> dict[str, Any]:
        """RFC 7517 member of a JWKS."""
        key: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(self.public))
        key.pop("key_ops", None)
        return {**key, "kid": self.kid, "use": "sig", "alg": "RS256"}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """A compact JWS of the claims, RS256, with `kid`."""
        return jwt.encode(claims, self.private, algorithm="RS256", headers={"kid": self.kid, **header})

    def verify(self, token: str) -> dict[str, Any]:
        """The claims; BadToken unless this key signed exactly this token."""
        header, claims = peek(token)
        if header.get("kid") != self.kid:
            raise BadToken("key")
        try:
            jwt.decode(token, self.public, algorithms=["RS256"], options=_SIGNATURE_ONLY)
        except jwt.PyJWTError as error:
            raise BadToken("signature") from error
        return claims


def _fingerprint(public: rsa.RSAPublicKey) -> str:
    """A key id as libtrust makes it, because docker-registry finds its trusted keys by that; others take any id."""
    encoded = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    text = base64.b32encode(hashlib.sha256(encoded).digest()[:30]).decode()
    return ":".join(text[at : at + 4] for at in range(0, len(text), 4))


def peek(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, unverified; BadToken when it is no JWT."""
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError) as error:
        raise BadToken("parse") from error
    return header, claims
