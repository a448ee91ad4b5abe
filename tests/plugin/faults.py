"""The fault matrix as data: what each hop can do to us, what must come of it, and how often it is tried."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

HOPS = ("imds", "entra", "sts", "iam")
#: A mode that passes the hop; with impersonation, so that a hop after it would be seen too.
MODE_OF = {
    "imds": "managed-identity-impersonated",
    "entra": "token-file-entra-impersonated",
    "sts": "managed-identity-impersonated",
    "iam": "managed-identity-impersonated",
}
EXIT_CODE = {"imds": 4, "entra": 4, "sts": 5, "iam": 5}
TRIES = 3


@dataclass(frozen=True)
class Fault:
    """One row of the matrix.

    Attributes:
        kind, options: what the cloud is ordered to do.
        errors: the error's code by hop, or several with a bar between; its keys are the hops that can have this fault.
        tries: how often it is tried; the same for all hops, or by hop.
        status: HTTP status in the line; 0 if it does not matter.
        waits: does the client wait for a limit to pass? Then the limits are short.
    """

    name: str
    kind: str
    errors: dict[str, str]
    options: dict[str, Any] = field(default_factory=dict)
    tries: int | dict[str, int] = 1
    status: int | None = None
    waits: bool = False

    def tries_of(self, hop: str) -> int:
        """How often `hop` is tried."""
        return self.tries if isinstance(self.tries, int) else self.tries.get(hop, 1)


def _same(code: str, imds: str | None = "") -> dict[str, str]:
    """One code for the three TLS hops, another for IMDS (the same if empty, none if None)."""
    codes = dict.fromkeys(("entra", "sts", "iam"), code)
    return codes if imds is None else {"imds": imds or code, **codes}


def _status(status: int, *codes: str, tries: int | dict[str, int] = 1, **options: Any) -> Fault:
    name = "-".join([str(status), *(f"{key}-{value}" for key, value in options.items())])
    errors = dict(zip(HOPS, codes, strict=True))
    return Fault(name, "status", errors, {"status": status, **options}, tries, status)


_REFUSED = ("imds-refused", "entra-refused", "sts-refused", "iam-refused")
_BUSY = ("imds-busy", "entra-throttled", "sts-throttled", "iam-throttled")
_BROKEN = ("imds-server-error", "entra-unavailable", "sts-unavailable", "iam-unavailable")
_CUT = "imds-unreachable"

FAULTS = [
    Fault("refused", "refused", _same("network-refused", _CUT), tries=TRIES),
    Fault("reset-on-connect", "reset", _same("network-reset", _CUT), {"at": "connect"}, TRIES),
    Fault("reset-in-tls", "reset", _same("network-reset", None), {"at": "tls"}, TRIES),
    Fault("reset-before-headers", "reset", _same("network-reset", _CUT), {"at": "request"}, TRIES),
    # OpenSSL may show a reset between two records as the end of the data.
    Fault("reset-in-body", "reset", _same("network-reset|network-truncated", _CUT), {"at": "body"}, TRIES, 0),
    Fault("hang-after-connect", "hang", _same("network-timeout", "imds-busy"), {"at": "connect"}, TRIES, waits=True),
    Fault("hang-in-tls", "hang", _same("network-timeout", None), {"at": "tls"}, TRIES, waits=True),
    Fault("hang-before-headers", "hang", _same("network-timeout", "imds-busy"), {}, TRIES, waits=True),
    Fault("hang-in-body", "hang", _same("network-timeout", "imds-busy"), {"at": "body"}, TRIES, waits=True),
    Fault("drip", "drip", _same("network-timeout", "imds-busy"), {"seconds": 0.05}, TRIES, waits=True),
    Fault("name-unknown", "dns", _same("network-dns", None), {"how": "absent"}, TRIES),
    Fault("name-server-dead", "dns", _same("network-dns", None), {"how": "dead"}, TRIES),
    Fault("name-server-hangs", "dns", _same("network-timeout", None), {"how": "hang"}, TRIES, waits=True),
    Fault("expired-certificate", "expired", _same("network-tls-expired", None)),
    Fault("certificate-of-another-host", "wrong-name", _same("network-tls-hostname", None)),
    Fault("certificate-of-an-unknown-ca", "untrusted", _same("network-tls-untrusted", None)),
    _status(400, "imds-identity-not-assigned", "entra-tenant-unknown", "sts-audience-mismatch", "iam-argument-invalid"),
    _status(401, "imds-refused", "entra-subject-mismatch", "sts-refused", "iam-token-rejected"),
    _status(403, "imds-intercepted", "entra-refused", "sts-refused", "iam-subject-not-bound"),
    _status(404, "imds-busy", "entra-refused", "sts-refused", "iam-service-account-unknown", tries={"imds": TRIES}),
    _status(410, "imds-busy", *_REFUSED[1:], tries={"imds": TRIES}),
    _status(418, *_REFUSED),
    _status(408, *("imds-busy", *_BROKEN[1:]), tries=TRIES),
    _status(429, *_BUSY, tries=TRIES),
    _status(429, *_BUSY, tries=TRIES, retry_after=2),
    _status(429, *_BUSY, tries=1, retry_after=600),
    _status(500, *_BROKEN, tries=TRIES),
    _status(502, *_BROKEN, tries=TRIES),
    _status(503, *_BROKEN, tries=TRIES),
    _status(503, *_BROKEN, tries=1, retry_after=30),
    _status(504, *_BROKEN, tries=TRIES),
    Fault("truncated", "truncated", _same("network-truncated", _CUT), {}, TRIES, 200),
    Fault("cut-json", "cut-json", _same("network-not-json"), status=200),
    Fault("html", "html", _same("network-web-page", "imds-intercepted"), status=200),
    # google-auth takes an empty body for an empty object, as RFC 7009 has it for revocations.
    Fault("empty", "empty", {**_same("network-not-json"), "sts": "token-missing"}, status=200),
    *(
        Fault(
            f"redirect-{status}",
            "redirect",
            _same("network-redirect", "imds-intercepted"),
            {"status": status},
            1,
            status,
        )
        for status in (301, 302, 303, 307, 308)
    ),
    Fault("endless", "oversize", _same("network-oversize"), status=200),
    Fault("padded", "oversize", _same("network-oversize"), {"size": 70_000}, status=200),
]
BY_NAME = {fault.name: fault for fault in FAULTS}
#: Every fault at every hop that can have it.
MATRIX = [(hop, fault) for fault in FAULTS for hop in fault.errors]
