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
    """Status code and body; status 0 when there was no answer."""

    status: int
    body: bytes


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
        context = ssl.create_default_context(cafile=ca_file)
    except OSError:
        return Answer(0, b"")
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/plain"}
    if body is not None:
        headers["Content-Type"] = content_type
    connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
    return _ask(connection, method, path, body, headers)


def _ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> Answer:
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read(_BODY_LIMIT + 1)
    except (OSError, http.client.HTTPException, ValueError):
        return Answer(0, b"")
    finally:
        connection.close()
    return Answer(response.status, content) if len(content) <= _BODY_LIMIT else Answer(0, b"")
