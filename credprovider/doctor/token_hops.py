"""Hops `first-token`, `entra`, `sts` and `iam`: the plugin's own way to a Google token, asked afresh, nothing kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credprovider.catalogue import Evidence, diagnose
from credprovider.doctor.meaning import duration, kind_of, meaning
from credprovider.doctor.result import good, not_reached, skipped
from credprovider.errors import ProviderError
from credprovider.exchange import exchange
from credprovider.identity import entra as entra_id
from credprovider.identity import managed_identity, service_account, token_file
from credprovider.identity.token import accept

if TYPE_CHECKING:
    from credprovider.doctor.case import Case
    from credprovider.doctor.result import Outcome
    from credprovider.identity.token import SubjectToken

#: Failures of a token file for which the catalogue knows better commands than the plugin, which knows no cluster.
_RELAYED = frozenset({"token-file-missing", "token-file-expired"})


def first_token(case: Case) -> Outcome:
    """The token that everything begins with, by the source that settings choose."""
    source = case.valid.source
    if source == "service-account" and case.token is None:
        return not_reached("no ServiceAccount token was given", _how_to_get_one(case))
    try:
        found = _fetch(case)
    except ProviderError as error:
        outcome = _missing(case, error)
        if outcome is not None:
            return outcome
        raise _with_commands(case, error) from None
    case.first = found
    facts, warnings = meaning(found.claims, case.world.wall(), for_google=case.valid.entra is None)
    return good(kind_of(found.claims), facts=facts, warnings=warnings)


def _fetch(case: Case) -> SubjectToken:
    settings, world = case.valid, case.plugin_world
    if settings.source == "token-file" and case.token is not None:
        found = accept(case.token, hop="token-file", code="token-file-garbled", remedy="see what the given file holds")
    else:
        presented = service_account.read(settings, case.request, world) or token_file.read(settings, world)
        fetched = presented or managed_identity.fetch(settings, case.exchange_transport, case.facts)
        if fetched is None:
            raise AssertionError(settings.source)
        found = fetched
    if settings.source == "token-file":
        token_file.refuse_expired(found, world)
    return found


def _missing(case: Case, error: ProviderError) -> Outcome | None:
    """Away from a node there is no relay, and without root its file cannot be read: both are no fault of settings."""
    if error.code == "token-file-missing" and case.node is None:
        return not_reached(f"{case.valid.token_file} is on nodes only", _how_to_get_one(case))
    if error.code == "token-file-unreadable" and case.world.euid != 0:
        return not_reached(f"needs root: {case.valid.token_file} cannot be read", "`sudo` the same command")
    return None


def _with_commands(case: Case, error: ProviderError) -> ProviderError:
    if error.code not in _RELAYED:
        return error
    known = diagnose(Evidence(hop="token-file", failure=error.code, claims=error.claims, facts=case.facts))
    known.cause, known.claims = error.cause, error.claims
    return known


def _how_to_get_one(case: Case) -> str:
    facts = dict(case.facts)
    if case.valid.source == "token-file":
        facts |= {"namespace": "azure-gar-credential-provider", "service_account_name": "azure-gar-credential-provider"}
    return diagnose(Evidence(hop="service-account", failure="not-given", facts=facts)).remedy


def entra(case: Case) -> Outcome:
    """The first token through Entra ID, where settings say so."""
    if case.first is None:
        raise AssertionError("the first token is needed")
    case.subject = entra_id.exchange(case.valid, case.request, case.first, case.exchange_transport, case.facts)
    if case.valid.entra is None:
        return skipped("the first token goes straight to Google")
    facts, warnings = meaning(case.subject.claims, case.world.wall(), for_google=True)
    return good(kind_of(case.subject.claims), facts=facts, warnings=warnings)


def sts(case: Case) -> Outcome:
    """The exchange at Google, both of its steps; how the second one ends is told by hop `iam`."""
    if case.subject is None:
        raise AssertionError("a subject token is needed")
    try:
        case.grant = exchange(case.valid, case.subject, case.exchange_transport, case.facts, case.plugin_world)
    except ProviderError as error:
        if error.hop != "iam":
            raise
        case.stopped_at_iam = error
    details = (("provider", case.valid.audience),)
    if case.valid.impersonation_url is not None:
        return good("Google takes the subject token", details=details)
    return good(f"an access token for {_life(case)}", details=details)


def iam(case: Case) -> Outcome:
    """Does Google hand out a token of the service account?"""
    if case.valid.impersonation_url is None:
        return skipped("direct access: no service account is impersonated")
    if case.stopped_at_iam is not None:
        raise case.stopped_at_iam
    return good(f"an access token of {case.valid.service_account} for {_life(case)}")


def _life(case: Case) -> str:
    return duration(case.grant.left(case.world.boottime())) if case.grant is not None else "no time"
