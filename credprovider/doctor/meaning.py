"""A subject token's claims in words: whose it is, for whom, for how long, and what must be trusted for it; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credprovider.catalogue import issuer_kind

if TYPE_CHECKING:
    from credprovider.claims import Claims

#: Longest google.subject that STS takes, in bytes.
SUBJECT_LIMIT = 127

_KINDS = {
    "kubernetes": "a ServiceAccount token of the cluster",
    "entra-v1": "a token of Entra ID, version 1",
    "entra-v2": "a token of Entra ID, version 2",
    None: "a token of another issuer",
}


def kind_of(claims: Claims) -> str:
    """Whose token it is."""
    return _KINDS[issuer_kind(claims.issuer, claims.subject)]


def meaning(claims: Claims, now: float, *, for_google: bool) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """What to show, and what to be careful about.

    Args:
        claims: unverified.
        now: seconds since 1970.
        for_google: is this the token that STS gets, so that its ``sub`` becomes google.subject?
    """
    shown = claims.shown()
    is_entra = issuer_kind(claims.issuer, claims.subject) in ("entra-v1", "entra-v2")
    size = len(claims.subject.encode())
    facts = [
        ("iss", shown.get("iss", "")),
        ("aud", shown.get("aud", "")),
        ("sub", shown.get("sub", "") + (" (the identity's object id)" if is_entra else "")),
        ("azp", f"{shown['azp']} (its client id; no grant names this)" if "azp" in shown else ""),
        ("left", duration(claims.expires - now)),
    ]
    warnings = []
    if for_google:
        facts.append(("google.subject", f"{size} of {SUBJECT_LIMIT} bytes, if the provider maps assertion.sub"))
    if for_google and size > SUBJECT_LIMIT:
        warnings.append(f"sub has {size} bytes: unless the provider maps it to something shorter, Google refuses it")
    if claims.expires - now < 600:
        warnings.append("this token is about to expire; Google's may live no longer")
    return tuple((name, value) for name, value in facts if value), tuple(warnings)


def duration(seconds: float) -> str:
    """Time left, in the two largest units, e.g. ``23 h 58 min``."""
    if seconds <= 0:
        return f"expired {duration(-seconds)} ago" if seconds < -1 else "none"
    whole = int(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"
