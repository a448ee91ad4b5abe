"""Hops `reach-…` and `clock`: name look-up, proxy and TLS to every endpoint by the plugin's own connector; its time."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from credprovider.catalogue import Evidence, diagnose
from credprovider.connection import Failure
from credprovider.doctor.result import good, not_reached, skipped
from credprovider.endpoints import IMDS_HOST
from credprovider.refusal import safe_text

if TYPE_CHECKING:
    import socket

    from credprovider.doctor.case import Case
    from credprovider.doctor.result import Outcome, Pairs
    from credprovider.network import Proxy

#: What may be different in a moment.
_PASSING = frozenset({"refused", "reset", "timeout", "dns", "unreachable"})
#: Difference of clocks, in seconds, from which on Google refuses tokens; Entra forgives five minutes.
_SKEW = 60.0


def host_of(case: Case, service: str) -> str | None:
    """The host of a service that these settings use; None where they use none."""
    settings = case.valid
    if service == "imds":
        return IMDS_HOST if settings.source == "managed-identity" else None
    if service == "entra":
        return str(settings.entra["authority"]) if settings.entra else None
    if service == "registry":
        return case.asked_image.partition("/")[0].partition(":")[0]
    url = settings.token_url if service == "sts" else settings.impersonation_url
    return url.split("/")[2] if url else None


def reach(case: Case, service: str) -> Outcome:
    """Open a connection as the plugin would, and close it."""
    host = host_of(case, service)
    if host is None:
        return skipped("these settings do without it")
    proxy = None if host == IMDS_HOST else case.network.proxy_for(host)
    try:
        summary, details = _open(case, host, proxy)
    except Failure as failure:
        if service == "imds" and case.node is None and failure.kind in _PASSING:
            reason = "nothing answers at 169.254.169.254: this is no Azure machine"
            return not_reached(reason, "run doctor on a node, where the plugin will run")
        scheme = "http" if host == IMDS_HOST else "https"
        facts = {**case.facts, "endpoint": f"{scheme}://{host}/"}
        raise diagnose(Evidence(hop=service, failure=failure.kind, status=failure.status, facts=facts)) from None
    return good(summary, details=details)


def _open(case: Case, host: str, proxy: Proxy | None) -> tuple[str, Pairs]:
    """Who answered, and how the way there is secured."""
    with _connect(case, host) as channel:
        version, certificate = getattr(channel, "version", None), getattr(channel, "getpeercert", None)
        peer = str(channel.getpeername()[0])
        secured = f"{version()}, certificate by {_issuer(certificate() or {})}" if version and certificate else ""
    way = f"through the proxy {safe_text(proxy.address[0])}:{proxy.address[1]}" if proxy else f"at {peer}"
    return f"{host} {way}" + (f", {secured}" if secured else ""), (("address", peer),)


def _connect(case: Case, host: str) -> socket.socket:
    """Tried as often as `transport` tries."""
    limits, connector = case.world.limits, case.connector()
    opening = connector.begin(host)
    for attempt in range(1, limits.tries):
        try:
            return opening.wait(limits.connect)
        except Failure as failure:
            if failure.kind not in _PASSING:
                raise
            case.world.sleep(limits.pause * 2 ** (attempt - 1))
            opening = opening if opening.is_under_way() else connector.begin(host)
    try:
        return opening.wait(limits.connect)
    except Failure:
        opening.abandon()
        raise


def _issuer(certificate: dict[str, object]) -> str:
    """Whose certificate authority it is: a proxy that opens TLS shows here."""
    parts = certificate.get("issuer")
    names = {key: value for part in (parts if isinstance(parts, tuple) else ()) for key, value in part}
    return safe_text(str(names.get("organizationName") or names.get("commonName") or "an unnamed authority"))


def clock(case: Case) -> Outcome:
    """This machine's time against that of Google's token service, which judges the subject token's life."""
    host = host_of(case, "sts") or ""
    try:
        reply = case.transport([host]).send("HEAD", f"https://{host}/", {}, transient=frozenset())
    except Failure:
        return skipped(f"{host} gave no answer to compare with; hop sts will tell why")
    try:
        theirs = parsedate_to_datetime(reply.headers.get("date", "")).timestamp()
    except (TypeError, ValueError, OverflowError):
        return skipped(f"{host} did not say what time it has")
    ahead = case.world.wall() - theirs
    # A Date has whole seconds and may be as old as the answer took.
    shown = f"{abs(ahead):.0f}"
    if abs(ahead) <= _SKEW:
        return good(f"{shown} s from the time of {host}")
    facts = {**case.facts, "clock_seconds": shown, "clock_side": "ahead" if ahead > 0 else "behind"}
    raise diagnose(Evidence(hop="clock", failure="clock", facts={**facts, "endpoint": f"https://{host}/"}))
