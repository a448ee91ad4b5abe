"""What an error means and what mends it: catalogue.json and its matcher, for the plugin's failures and `doctor`; pure.

Remote text is only ever compared. What is shown of it are values in named groups of the catalogue's own patterns, and
only if they look like an id or a URL and not like a token.
"""

from __future__ import annotations

import json
import os
import re
from functools import lru_cache

from credprovider.endpoints import ENTRA_HOSTS
from credprovider.errors import PROGRAM, ProviderError
from credprovider.refusal import GUID, Refusal, has_token_mark, is_harmless, safe_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

#: Failures after which the service has seen the token; others happen before it is sent.
_ANSWERED = frozenset({"not-json", "no-token", "no-expiry", "redirect", "oversize", "truncated"})
#: What may stand in a command: nothing that a shell or an option parser takes for more than text.
_VALUE = re.compile(r"[A-Za-z0-9/][A-Za-z0-9._:/@,=+~%-]{0,255}")
_PLACEHOLDER = re.compile(r"\{([a-z_]+(?:\|[a-z_]+)*)\}")
_SERVICE_ACCOUNT = re.compile(r"system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})")
_TENANT = re.compile(rf"https://[a-z0-9.-]+/({GUID})(?:/.*)?")


class Evidence:
    """What is known of one failure.

    Args:
        hop: imds, entra, sts, iam, registry, kubelet, or another hop of `ProviderError`.
        status: HTTP status, if the service (or the proxy) answered.
        body: the answer's body, any bytes; for hop ``kubelet`` also the text of an event or a log line.
        headers: of the answer; only Retry-After, WWW-Authenticate and Content-Type are looked at.
        failure: `transport.Failure.kind`; ``not-json``, ``no-token``, ``no-expiry`` for a success that is none; from
            `doctor` also ``not-called`` and ``no-service-account-token``.
        claims: of the token that was sent, by their JWT names (``iss``, ``aud``, ``sub``, ``azp`` or ``appid``).
        facts: values of the catalogue's placeholders, from settings and whatever else the caller may believe.
        impersonated: does the exchange end in a Google service account?
    """

    __slots__ = ("body", "claims", "facts", "failure", "headers", "hop", "impersonated", "status")

    def __init__(
        self,
        *,
        hop: str,
        status: int | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        failure: str | None = None,
        claims: Mapping[str, str] | None = None,
        facts: Mapping[str, str] | None = None,
        impersonated: bool = False,
    ) -> None:
        self.hop = hop
        self.status = status
        self.body = body
        self.headers = {name.lower(): value for name, value in (headers or {}).items()}
        self.failure = failure
        self.claims = claims or {}
        self.facts = facts or {}
        self.impersonated = impersonated

    def known(self) -> dict[str, str]:
        """Placeholder -> value, as far as the caller said it; the token's own claims win."""
        claims = {**self.claims, "appid": self.claims.get("appid") or self.claims.get("azp", "")}
        shown = {name: claims.get(name, "") for name in ("iss", "aud", "sub", "appid")}
        return {**self.facts, **{name: value for name, value in shown.items() if value and safe_text(value) == value}}


class Entry:
    """One error of the catalogue.

    Attributes:
        code: stable name, kebab-case.
        number: 1 to 41 for the pairs that the project promises to explain; None for what makes the catalogue complete.
        hops: where it can happen; empty means anywhere.
        family: of `ProviderError`; None means that of the hop.
        match: alternatives, each a set of conditions that must all hold.
        cause, remedy: templates with placeholders.
        retry: does the same request have a chance a moment later?
    """

    __slots__ = ("cause", "code", "family", "hops", "match", "number", "remedy", "retry")

    def __init__(self, data: Mapping[str, Any], expand: Callable[[str], str], patterns: Mapping[str, str]) -> None:
        self.code: str = data["code"]
        self.number: int | None = data.get("number")
        self.family: str | None = data.get("family")
        self.hops: tuple[str, ...] = tuple(data.get("hops", ()))
        self.match: list[dict[str, Any]] = [
            {**each, "text": patterns[each["text"][1:]]} if each.get("text", "").startswith("@") else each
            for each in data["match"]
        ]
        self.cause = expand(data["cause"])
        self.remedy = expand(data["remedy"])
        self.retry: bool = data.get("retry", False)


class _Catalogue:
    """catalogue.json, with its shared commands and patterns put where they are used."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.placeholders: dict[str, str] = data["placeholders"]
        self.endpoints: dict[str, str] = data["endpoints"]
        self.families: dict[str, str] = data["families"]
        self._commands: dict[str, str] = data["commands"]
        self.entries = [Entry(each, self._expand, data["patterns"]) for each in data["entries"]]

    def _expand(self, template: str) -> str:
        return _PLACEHOLDER.sub(lambda found: self._commands.get(found[1], found[0]), template)

    def render(self, template: str, values: Mapping[str, str]) -> str:
        """Fill a template: ``{a|b}`` is the first that is known, or has its `stand_in`."""

        def fill(found: re.Match[str]) -> str:
            names = found[1].split("|")
            if not self.placeholders.keys() >= set(names):
                return found[0]  # braces of the command itself
            return next((values[name] for name in names if values.get(name)), stand_in(names[0]))

        return _PLACEHOLDER.sub(fill, template)


@lru_cache(maxsize=1)
def _catalogue() -> _Catalogue:
    with open(os.path.join(os.path.dirname(__file__), "catalogue.json"), encoding="utf-8") as file:
        return _Catalogue(json.load(file))


def entries() -> list[Entry]:
    """All entries in the order in which they are tried; the last one takes what no other took."""
    return list(_catalogue().entries)


def placeholders() -> dict[str, str]:
    """Every placeholder that a template may hold, with its meaning: what a caller can give as `Evidence.facts`."""
    return dict(_catalogue().placeholders)


def stand_in(placeholder: str) -> str:
    """What stands where a value is not known: its name in capitals, to be filled in; for our program its own."""
    return PROGRAM if placeholder == "program" else placeholder.upper()


def diagnose(evidence: Evidence) -> ProviderError:
    """The error to raise or to show: the first entry that fits, with this user's own values filled in.

    Any bytes may come as a body; of what they say only short machine codes and checked ids are shown.
    """
    catalogue = _catalogue()
    answer = _read(evidence)
    entry, groups = _find(evidence, answer)
    values = _values(catalogue, evidence, answer, groups)
    sent = evidence.failure is None or evidence.failure in _ANSWERED
    return ProviderError(
        entry.code,
        entry.family or catalogue.families.get(evidence.hop, "bug"),
        evidence.hop,
        catalogue.render(entry.cause, values),
        catalogue.render(entry.remedy, values),
        status=evidence.status,
        service_error=answer.service_error(),
        claims={name: safe_text(value) for name, value in evidence.claims.items()} if sent else {},
        retry_after=answer.retry_after,
        trace=answer.trace,
    )


def is_transient(evidence: Evidence) -> bool:
    """Has the same request a chance a moment later?"""
    return _find(evidence, _read(evidence))[0].retry


def issuer_kind(issuer: str, subject: str = "") -> str | None:
    """Whose token it is, by ``iss`` and ``sub``: kubernetes, entra-v1, entra-v2; None if it is neither's."""
    host = issuer.partition("://")[2].partition("/")[0]
    if subject.startswith("system:serviceaccount:") or ".oic.prod-aks.azure." in host:
        return "kubernetes"
    if host in {"sts.windows.net", "sts.chinacloudapi.cn"}:
        return "entra-v1"
    return "entra-v2" if host in ENTRA_HOSTS or host == "login.chinacloudapi.cn" else None


def _read(evidence: Evidence) -> Refusal:
    return Refusal(evidence.body, evidence.headers, plain=evidence.hop == "kubelet")


def _find(evidence: Evidence, answer: Refusal) -> tuple[Entry, dict[str, str]]:
    listed, known = _catalogue().entries, evidence.known()
    for entry in listed:
        if not entry.hops or evidence.hop in entry.hops:
            for alternative in entry.match:
                groups = _holds(alternative, evidence, answer, known)
                if groups is not None:
                    return entry, groups
    return listed[-1], {}


def _holds(
    alternative: Mapping[str, Any], evidence: Evidence, answer: Refusal, known: Mapping[str, str]
) -> dict[str, str] | None:
    """The named groups of ``text`` if all conditions hold; a condition without ``failure`` is about answers."""
    found = re.search(alternative.get("text", ""), answer.text)
    if found is None:
        return None
    groups = {name: value for name, value in found.groupdict().items() if value and is_harmless(value)}
    bound, subject = known.get("bound_subject"), known.get("sub")
    seen = {
        "failure": evidence.failure,
        "status": evidence.status,
        "impersonated": evidence.impersonated,
        "aadsts": answer.aadsts,
        "error": answer.error,
        "google": answer.google,
        "reason": answer.reasons,
        "challenge": answer.challenge,
        "empty": answer.empty,
        "page": answer.page,
        "sent": issuer_kind(evidence.claims.get("iss") or groups.get("sent_issuer", ""), subject or ""),
        "expected": issuer_kind(groups.get("expected_issuer", "")),
        "bound_to_client_id": bool(bound) and bound != subject and bound == known.get("appid"),
    }
    wanted = {"failure": [None], **alternative}
    return groups if all(_fits(wanted[name], seen[name]) for name in wanted.keys() - {"text"}) else None


def _fits(wanted: Any, seen: Any) -> bool:
    """A text wants a full match, a list one of its members (or of its ranges of numbers), all else equality."""
    if isinstance(wanted, str):
        return re.fullmatch(wanted, seen) is not None
    if not isinstance(wanted, list):
        return bool(wanted == seen)
    if isinstance(seen, list):
        return not set(wanted).isdisjoint(seen)
    ranges = (each for each in wanted if isinstance(each, list))
    return seen in wanted or (isinstance(seen, int) and any(low <= seen <= high for low, high in ranges))


def _values(catalogue: _Catalogue, evidence: Evidence, answer: Refusal, groups: Mapping[str, str]) -> dict[str, str]:
    """Placeholder -> value: what claims and settings say before what the answer says."""
    known = evidence.known()
    issuer = known.get("iss", "")
    derived = {"issuer_base": issuer.rstrip("/"), "aadsts": answer.aadsts, "status": str(evidence.status or "none")}
    if account := _SERVICE_ACCOUNT.fullmatch(known.get("sub", "")):
        derived |= {"namespace": account[1], "service_account_name": account[2]}
    if tenant := _TENANT.fullmatch(issuer):
        derived["tenant"] = tenant[1]
    values = {**groups, **derived, **known}
    safe = {name: value for name, value in values.items() if _VALUE.fullmatch(value) and not has_token_mark(value)}
    endpoint = safe.get("endpoint") or catalogue.render(catalogue.endpoints.get(evidence.hop, ""), safe)
    return {**safe, "endpoint": endpoint, "endpoint_host": endpoint.partition("://")[2].partition("/")[0]}
