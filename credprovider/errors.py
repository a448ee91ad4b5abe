"""What can go wrong, each error owning its one line for the kubelet's log; imported by all, imports nothing.

The texts of remote services are not kept here: a `ProviderError` carries our own sentence, the service's short
error code, and the unverified claims that explain a refusal.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = "azure-gar-credential-provider"

#: Family of an error -> exit code of the plugin (design: 0 answered, the rest below).
EXIT_CODES = {
    "request": 2,
    "settings": 3,
    "azure": 4,
    "google": 5,
    "node": 6,
    "deadline": 7,
    "registry": 8,
    "bug": 70,
}

#: Longest line written to stderr, in characters: the kubelet puts all of it into one log record.
LINE_LIMIT = 1800
#: Longest cause in it: a path from settings may be long, and the remedy must still be read.
_CAUSE_LIMIT = 600


class ProviderError(Exception):
    """A failure that is ready to be shown: which hop, why, and what mends it.

    Args:
        code: stable name of the error, kebab-case, e.g. ``sts-audience-mismatch``.
        family: key of `EXIT_CODES`.
        hop: where it happened: request, settings, cache, imds, token-file, service-account, entra, sts, iam,
            registry, kubelet.
        cause: our own sentence; never text of a remote service, never a token.
        remedy: what mends it, often a command.
        status: HTTP status that the hop answered with, if it answered.
        service_error: the service's short machine code (``invalid_grant``, ``AADSTS700213``, ``PERMISSION_DENIED``).
        claims: unverified claims of the token that was sent (``iss``, ``aud``, ``sub``), for people to compare.
        retry_after: seconds the service asked to wait, if it did.
        trace: ids that the vendor's support asks for (Entra's trace and correlation id).
    """

    def __init__(
        self,
        code: str,
        family: str,
        hop: str,
        cause: str,
        remedy: str,
        *,
        status: int | None = None,
        service_error: str | None = None,
        claims: Mapping[str, str] | None = None,
        retry_after: float | None = None,
        trace: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.family = family
        self.hop = hop
        self.cause = cause
        self.remedy = remedy
        self.status = status
        self.service_error = service_error
        self.claims = dict(claims or {})
        self.retry_after = retry_after
        self.trace = dict(trace or {})

    @property
    def exit_code(self) -> int:
        """The process's exit code for this family."""
        return EXIT_CODES[self.family]

    def line(self) -> str:
        """The one stderr line, without a newline: printable, at most `LINE_LIMIT` characters."""
        facts = [self.hop]
        if self.status is not None:
            facts.append(f"HTTP {self.status}")
        if self.service_error:
            facts.append(self.service_error)
        cause = one_line(self.cause, _CAUSE_LIMIT)
        end = "" if cause.endswith((".", "?")) else "."
        text = f"{PROGRAM}: {self.code} [{' '.join(facts)}]: {cause}{end}"
        if self.claims:
            text += " Token sent: " + ", ".join(f"{name}={value}" for name, value in self.claims.items()) + "."
        if self.trace:
            text += " " + ", ".join(f"{name}={value}" for name, value in self.trace.items()) + "."
        return one_line(f"{text} Fix: {self.remedy}")


def one_line(text: str, limit: int = LINE_LIMIT) -> str:
    """Squeeze any text into one printable line: control and non-printable characters become spaces or ``?``."""
    flat = " ".join(text.split())
    safe = "".join(character if character.isprintable() else "?" for character in flat)
    return safe if len(safe) <= limit else safe[: limit - 3] + "..."
