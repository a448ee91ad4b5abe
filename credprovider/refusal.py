"""What a service's error answer says of itself, whatever bytes it is made of, and what of it may be shown; pure.

Four shapes are known: OAuth 2.0 (RFC 6749 section 5.2), Entra ID's extension of it, google.rpc.Status, and the errors
of the OCI distribution specification. `error` is a string in the first two and an object in the third.
"""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

_BODY_LIMIT = 64 << 10
_TEXT_LIMIT = 4096
_SHOWN_LIMIT = 200
_TOKEN_MARK = re.compile(r"ya29\.|eyJ")
_MARKED = re.compile(rf"(?:{_TOKEN_MARK.pattern})[A-Za-z0-9+/_.~=-]*")
_LONG_RUN = re.compile(r"[A-Za-z0-9+_=-]{40,}")
#: A lower-case DNS label, Kubernetes name or GUID may be long without being a secret.
_PLAIN_RUN = re.compile(r"[a-z0-9-]{1,63}")
_SERVICE_CODE = re.compile(r"[A-Za-z][A-Za-z_]{0,54}[0-9]{0,9}")
_TRACES = {"trace_id": rf"Trace ID: ({GUID})\b", "correlation_id": rf"Correlation ID: ({GUID})\b"}


class Refusal:
    """One error answer.

    Attributes:
        text: the description, on one line; to be compared, never to be shown.
        error: OAuth's ``error`` or the OCI error code, as it came.
        google: ``status`` of a google.rpc.Status, as it came.
        reasons: ``reason`` of each ErrorInfo, as they came.
        aadsts: Entra's error number, digits only, or empty.
        trace: Entra's ``trace_id`` and ``correlation_id``, if they are GUIDs.
        retry_after: seconds of the Retry-After header in its delay form (RFC 9110 section 10.2.3).
        challenge: was there a WWW-Authenticate header?
        page: is it a web page?
        empty: has it no body?
    """

    def __init__(self, body: bytes, headers: Mapping[str, str], *, plain: bool = False) -> None:
        """Read an answer.

        Args:
            body: any bytes; those beyond 64 KiB are not looked at.
            headers: with lower-case names.
            plain: take a body that is not JSON as the description, as an event's or a log's text.
        """
        raw = body[:_BODY_LIMIT].decode("utf-8-sig", "replace")
        digits = headers.get("retry-after", "").strip()
        self.retry_after = float(digits) if re.fullmatch("[0-9]{1,6}", digits) else None
        self.challenge = "www-authenticate" in headers
        self.page = "html" in headers.get("content-type", "").lower() or raw.lstrip().startswith("<")
        self.empty = not raw.strip()
        self.error = self.google = ""
        self.reasons: list[str] = []
        document = _parse(raw)
        text = self._read(document) or (raw if plain else "")
        self.text = " ".join(text[:_TEXT_LIMIT].split())
        self.aadsts = _aadsts(document.get("error_codes"), self.text)
        self.trace: dict[str, str] = {}
        for name, pattern in _TRACES.items():
            if found := re.fullmatch(f"({GUID})", _text(document.get(name))) or re.search(pattern, self.text):
                self.trace[name] = found[1]

    def service_error(self) -> str | None:
        """The machine code that tells most, if it has the form of one."""
        code = f"AADSTS{self.aadsts}" if self.aadsts else self.google or self.error
        return code if _SERVICE_CODE.fullmatch(code) and is_harmless(code) else None

    def _read(self, document: Mapping[str, Any]) -> str:
        """Take in the codes; return the description."""
        error, listed = document.get("error"), document.get("errors")
        if isinstance(error, dict):
            self.google = _text(error.get("status"))
            details = error.get("details")
            found = details if isinstance(details, list) else []
            self.reasons = [_text(each.get("reason")) for each in found if isinstance(each, dict)]
            return _text(error.get("message"))
        if isinstance(listed, list) and listed and isinstance(listed[0], dict):
            self.error = _text(listed[0].get("code"))
            return _text(listed[0].get("message"))
        self.error = _text(error)
        # IMDS tells of a wrong api-version in `error` itself; a Kubernetes Status has `message`.
        return _text(document.get("error_description")) or _text(document.get("message")) or self.error


def safe_text(text: str) -> str:
    """Text as it may be shown: printable ASCII, at most 200 characters, whatever could be a token masked."""
    visible = "".join(character if " " <= character <= "~" else "?" for character in text[: 4 * _SHOWN_LIMIT])
    masked = _MARKED.sub("(hidden)", visible)
    masked = _LONG_RUN.sub(lambda run: run[0] if _PLAIN_RUN.fullmatch(run[0]) else "(hidden)", masked)
    return masked if len(masked) <= _SHOWN_LIMIT else masked[: _SHOWN_LIMIT - 3] + "..."


def has_token_mark(text: str) -> bool:
    """Does it hold what Google's access tokens or JWTs begin with?"""
    return _TOKEN_MARK.search(text) is not None


def is_harmless(text: str) -> bool:
    """Is a piece of a remote text free of all that could be a token?"""
    return not has_token_mark(text) and not _LONG_RUN.search(text)


def _parse(raw: str) -> dict[str, Any]:
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    first = document[0] if isinstance(document, list) and document else document
    return first if isinstance(first, dict) else {}


def _aadsts(codes: object, text: str) -> str:
    """Entra's error number: the field before the text, which Microsoft may change."""
    first = codes[0] if isinstance(codes, list) and codes else None
    if isinstance(first, int) and not isinstance(first, bool) and 0 < first < 10**9:
        return str(first)
    found = re.search(r"AADSTS([0-9]{2,9})(?![0-9])", text)
    return found[1] if found else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
