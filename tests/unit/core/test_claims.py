"""What is read of a JWT nobody has verified, and what of it may be shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credprovider.claims import LEEWAY_SECONDS, read_claims
from credprovider.protocol import TOKEN_LIMIT
from credprovider.secret import Secret
from tests.unit.core.making import EXAMPLES, PAYLOAD, jwt

GARBLED = {
    "empty": ("", "three segments"),
    "opaque Google token": ("ya29.c.b0Aaekm1", "payload"),
    "opaque": ("canary", "three segments"),
    "two segments": ("eyJh.eyJh", "three segments"),
    "four segments": (jwt() + ".x", "three segments"),
    "JWE of five": ("a.b.c.d.e", "three segments"),
    "no signature": (jwt(signature=""), "three segments"),
    "empty payload": ("eyJh..c2ln", "three segments"),
    "space at the end": (jwt() + " ", "characters"),
    "newline at the end": (jwt() + "\n", "characters"),
    "newline before": ("\n" + jwt(), "characters"),
    "padded": ("eyJh.e30=.c2ln", "characters"),
    "standard alphabet": ("eyJh.e3+/.c2ln", "characters"),
    "not ASCII": ("eyJh.e3ä.c2ln", "characters"),
    "header to be injected": (jwt(signature="x\r\nHost: evil"), "characters"),
    "payload of impossible length": ("eyJh.e30aa.c2ln", "payload"),
    "payload not JSON": (jwt(b"not json"), "payload"),
    "payload not UTF-8": (jwt(b'{"iss":"\xff"}'), "payload"),
    "payload two values": (jwt(b"{}{}"), "payload"),
    "payload with a duplicate": (jwt(b'{"iss":"a","iss":"b","sub":"c","exp":2}'), "payload"),
    "payload nested too deeply": (jwt(b"[" * 9000), "payload"),
    "payload a list": (jwt([1]), "not a JSON object"),
    "no issuer": (jwt(iss=None), "lacks"),
    "no subject": (jwt(sub=""), "lacks"),
    "no expiry": (jwt(exp=None), "lacks"),
    "issuer a number": (jwt(iss=1), "lacks"),
    "expiry a text": (jwt(exp="1800003600"), "lacks"),
    "expiry true": (jwt(exp=True), "lacks"),
    "expiry 0": (jwt(exp=0), "lacks"),
    "expiry beyond reason": (jwt(exp=10**400), "lacks"),
    "expiry infinite": (jwt(b'{"iss":"a","sub":"b","exp":1e999}'), "lacks"),
    "oversized": ("a" * (TOKEN_LIMIT + 1), str(TOKEN_LIMIT)),
}


@pytest.mark.parametrize(("token", "reason"), GARBLED.values(), ids=GARBLED.keys())
def test_refuses(token: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        read_claims(Secret(token))
    assert "canary" not in str(caught.value)
    assert len(str(caught.value)) < 100


def test_reads_a_token_of_a_service_account() -> None:
    extra = {"kubernetes.io": {"namespace": "apps", "serviceaccount": {"name": "puller", "uid": "9999"}}}
    claims = read_claims(Secret(jwt({**PAYLOAD, "aud": ["https://a", "https://b"], **extra})))
    assert claims.issuer == "https://issuer.example/"
    assert claims.subject == "system:serviceaccount:apps:puller"
    assert claims.audience == "https://a,https://b"
    assert claims.expires == 1_800_003_600
    assert claims.service_account_uid == "9999"
    assert claims.application == ""


@pytest.mark.parametrize(
    ("names", "application"),
    [({"azp": "v2"}, "v2"), ({"appid": "v1"}, "v1"), ({"azp": "v2", "appid": "v1"}, "v2"), ({"azp": 7}, "")],
    ids=["Entra v2", "Entra v1", "both", "garbled"],
)
def test_reads_the_client_of_an_entra_token(names: dict[str, Any], application: str) -> None:
    assert read_claims(Secret(jwt(**names))).application == application


@pytest.mark.parametrize("kubernetes", [None, 7, [], {}, {"serviceaccount": None}, {"serviceaccount": {"uid": 7}}])
def test_a_garbled_kubernetes_claim_is_no_uid(kubernetes: object) -> None:
    assert read_claims(Secret(jwt({**PAYLOAD, "kubernetes.io": kubernetes}))).service_account_uid == ""


@pytest.mark.parametrize(
    ("age", "expired"),
    [(LEEWAY_SECONDS + 1, True), (LEEWAY_SECONDS, True), (LEEWAY_SECONDS - 1, False), (0, False), (-3600, False)],
    ids=["past the leeway", "at the leeway", "within the leeway", "just now", "alive"],
)
def test_expiry_forgives_a_minute(age: float, expired: bool) -> None:
    assert read_claims(Secret(jwt(exp=1_000_000))).is_expired(1_000_000 + age) is expired


def test_shows_the_claims_that_explain_a_refusal_and_no_other() -> None:
    claims = read_claims(Secret(jwt(azp="client", oid="object", jti="canary", upn="someone@example")))
    assert claims.shown() == {
        "iss": "https://issuer.example/",
        "aud": "https://audience",
        "sub": "system:serviceaccount:apps:puller",
        "azp": "client",
    }


HIDDEN = {
    "token as subject": (jwt(), "(hidden: looks like a token)"),
    "Google token as subject": ("ya29.canary", "(hidden: looks like a token)"),
    "token inside a sentence": ("subject eyJcanary", "(hidden: looks like a token)"),
    "newline": ("a\nb", "a?b"),
    "terminal escape": ("a\x1b[31mb", "a?[31mb"),
    "not ASCII": ("pülier", "p?lier"),
    "right-to-left override": ("a\u202eb", "a?b"),
    "too long": ("a" * 5000, "a" * 200),
}


@pytest.mark.parametrize(("value", "shown"), HIDDEN.values(), ids=HIDDEN.keys())
@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "azp"])
def test_masks_what_could_mislead_or_leak(claim: str, value: str, shown: str) -> None:
    assert read_claims(Secret(jwt(**{claim: value}))).shown()[claim] == shown


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
CLAIMS = st.dictionaries(
    st.sampled_from(["iss", "sub", "aud", "exp", "azp", "appid", "kubernetes.io"]), JSON_VALUES, max_size=7
)


@EXAMPLES
@given(CLAIMS)
def test_any_payload_is_read_or_refused(payload: dict[str, Any]) -> None:
    try:
        claims = read_claims(Secret(jwt(payload)))
    except ValueError:
        return
    assert all(value.isascii() and value.isprintable() and len(value) <= 200 for value in claims.shown().values())
    assert claims.is_expired(float("inf"))


@EXAMPLES
@given(st.text(max_size=60) | st.lists(st.text("abcABC-_=+/", max_size=9)).map(".".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_claims(Secret(text))
