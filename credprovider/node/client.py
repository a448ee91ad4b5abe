"""The one place of the installer that opens connections: to this node's kubelet and to the cluster's API server."""

from __future__ import annotations

import http.client
import ssl
from typing import NamedTuple

#: Seconds for one question; an answer that takes longer is none. Four are asked between two looks at the kubelet.
TIMEOUT = 3.0

#: A kubelet's metrics are a few MiB.
_BODY_LIMIT = 16 << 20


class Answer(NamedTuple):
    """Status code and body; where there was no answer, status 0 and why, in words of this machine alone."""

    status: int
    body: bytes
    why: str = ""


def ask_plain(port: int, path: str) -> Answer:
    """GET from 127.0.0.1, without TLS."""
    return _ask(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT), "GET", path, None, {})


def ask_tls(
    host: str,
    port: int,
    path: str,
    *,
    ca_file: str,
    token: str,
    method: str = "GET",
    body: bytes | None = None,
    content_type: str = "application/json",
) -> Answer:
    """One request with a bearer token; the server must prove its name by the CA before it gets to see the token."""
    try:
        context = _context(ca_file)
    except OSError:  # which ssl.SSLError is
        return Answer(0, b"", f"{ca_file} holds no CA certificate that can be read")
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/plain"}
    if body is not None:
        headers["Content-Type"] = content_type
    connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
    return _ask(connection, method, path, body, headers)


def _context(ca_file: str) -> ssl.SSLContext:
    """As `credprovider.connection` makes its own, and kubectl does.

    Not create_default_context: that honours SSLKEYLOGFILE, and from Python 3.13 on refuses a CA without key identifiers
    (VERIFY_X509_STRICT), as many a cluster's is.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cafile=ca_file)
    return context


def _ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> Answer:
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read(_BODY_LIMIT + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(0, b"", _why(error))
    finally:
        connection.close()
    if len(content) > _BODY_LIMIT:
        return Answer(0, b"", "its answer is too long")
    return Answer(response.status, content)


def _why(error: Exception) -> str:
    """Nothing of what the other side sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate was refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason}"
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT:.0f} s"
    if isinstance(error, OSError):
        return error.strerror or "it closed the connection"
    return "what it sent is no HTTP"
