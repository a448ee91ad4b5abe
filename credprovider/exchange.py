"""Subject token in, Google access token and its life out: token exchange (RFC 8693), then, if asked, impersonation.

google-auth makes the STS request (`google.oauth2.sts.Client`). The second step is ours: in google-auth it costs
`cryptography` (16 MB, 40 ms) to sign nothing, and its errors carry the token. A test drives
`google.auth.identity_pool` beside this module against the same cloud and compares what both send.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from google.auth import metrics
from google.auth import transport as google_transport
from google.oauth2 import sts

from credprovider.errors import ProviderError
from credprovider.hops import Hop
from credprovider.secret import Secret
from credprovider.strict_json import dumps
from credprovider.token_cache import LONGEST_LIFE, USABLE_SECONDS, Grant, is_presentable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from credprovider.identity.token import SubjectToken
    from credprovider.settings import Settings
    from credprovider.transport import Reply, Transport
    from credprovider.world import World

_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
#: What a federated token must be allowed to do to be exchanged for a service account's.
_IAM_SCOPE = "https://www.googleapis.com/auth/iam"
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?Z")

# google-auth logs requests at DEBUG; ours never reach that code, and this keeps it so.
logging.getLogger("google").setLevel(logging.WARNING)
logging.getLogger("google").propagate = False


def exchange(
    settings: Settings, subject: SubjectToken, transport: Transport, facts: Mapping[str, str], world: World
) -> Grant:
    """Swap a subject token for an access token that Artifact Registry takes.

    Raises:
        ProviderError: family ``google``, or ``deadline``.
    """
    claims = subject.claims.shown()
    impersonated = settings.impersonation_url is not None
    hop = Hop("sts", transport, facts, claims=claims, impersonated=impersonated)
    scopes = [_IAM_SCOPE] if impersonated else settings.scopes
    grant = _federate(settings, subject, scopes, hop)
    if settings.impersonation_url is None:
        return _usable(grant, world, "sts", claims)
    iam = Hop("iam", transport, facts, claims=claims, impersonated=True)
    return _usable(_impersonate(settings, settings.impersonation_url, grant, iam, world), world, "iam", claims)


class _Sender(google_transport.Request):
    """google-auth's way to our transport; keeps the answer, as google-auth's errors must not be shown."""

    def __init__(self, hop: Hop) -> None:
        self._hop = hop
        self.reply: Reply | None = None

    def __call__(
        self, url: Any, method: Any = "GET", body: Any = None, headers: Any = None, timeout: Any = None, **_: Any
    ) -> _Answer:
        del timeout  # the transport's deadline rules
        self.reply = self._hop.send(method, url, headers or {}, body)
        return _Answer(self.reply)


class _Answer(google_transport.Response):
    """An answer in google-auth's shape."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    @property
    def status(self) -> int:
        return self._reply.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._reply.headers

    @property
    def data(self) -> bytes:
        return self._reply.body


def _federate(settings: Settings, subject: SubjectToken, scopes: list[str], hop: Hop) -> Grant:
    sender = _Sender(hop)
    options = {
        "sa-impersonation": "true" if settings.impersonation_url else "false",
        "config-lifetime": "true" if settings.impersonation_url and settings.lifetime != 3600 else "false",
        "source": "programmatic",
    }
    try:
        answer = sts.Client(settings.token_url).exchange_token(
            sender,
            _GRANT_TYPE,
            subject.token.reveal(),
            settings.subject_token_type,
            audience=settings.audience,
            scopes=scopes,
            requested_token_type=_ACCESS_TOKEN,
            additional_headers={metrics.API_CLIENT_HEADER: metrics.byoid_metrics_header(options)},
        )
    except ProviderError:
        raise
    except Exception:  # noqa: BLE001 - whatever google-auth makes of an odd answer; its text may hold the token
        raise hop.error("not-json", sender.reply) from None
    reply = sender.reply
    if reply is None or not isinstance(answer, dict):
        raise hop.error("not-json", reply)
    token = _token(answer.get("access_token"), hop, reply)
    seconds = _seconds(answer.get("expires_in"))
    if seconds is None:
        # Seen on a subject token with two seconds left: 200, and no lifetime.
        raise hop.error("no-expiry", reply)
    return Grant(token, reply.sent_at + min(seconds, LONGEST_LIFE))


def _impersonate(settings: Settings, url: str, federated: Grant, hop: Hop, world: World) -> Grant:
    """IAM Credentials ``generateAccessToken``, with the body that google-auth sends."""
    body = dumps_request(settings.scopes, settings.lifetime)
    headers = {
        "Content-Type": "application/json",
        metrics.API_CLIENT_HEADER: metrics.token_request_access_token_impersonate(),
        "authorization": f"Bearer {federated.token.reveal()}",
    }
    if settings.quota_project:
        headers["x-goog-user-project"] = settings.quota_project
    reply = hop.send("POST", url, headers, body)
    answer = hop.json_object(reply)
    token = _token(answer.get("accessToken"), hop, reply)
    expires = _moment(answer.get("expireTime"))
    if expires is None:
        raise hop.error("no-expiry", reply)
    # An absolute time is the server's; so is its Date, whatever this node's clock says. Both are cut to whole seconds.
    life = expires - (_date(reply) or world.wall()) - 1
    return Grant(token, reply.sent_at + min(life, settings.lifetime))


def dumps_request(scopes: list[str], lifetime: int) -> bytes:
    """The body of a ``generateAccessToken`` request; `lifetime` in seconds."""
    return dumps({"delegates": None, "scope": scopes, "lifetime": f"{lifetime}s"}).encode()


def _usable(grant: Grant, world: World, hop: str, claims: Mapping[str, str]) -> Grant:
    left = grant.left(world.boottime())
    if left > USABLE_SECONDS:
        return grant
    raise ProviderError(
        f"{hop}-token-short-lived",
        "google",
        hop,
        f"the access token that came has {max(0.0, left):.0f} s to live, too little for a pull;"
        " Google gives no more than the subject token has left",
        "see who renews the subject token, and this node's clock: timedatectl",
        claims=claims,
    )


def _token(value: Any, hop: Hop, reply: Reply) -> Secret:
    if not isinstance(value, str) or not is_presentable(value):
        raise hop.error("no-token", reply)
    return Secret(value)


def _seconds(value: Any) -> float | None:
    """``expires_in`` (RFC 6749 section 5.1): a number of seconds; some servers quote it."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9:
        return float(value)
    return None


def _moment(value: Any) -> float | None:
    """Seconds since 1970 of an RFC 3339 UTC time; fractions, which google-auth stumbles over, are cut."""
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    try:
        return datetime.fromisoformat(match[1] + "+00:00").timestamp()
    except ValueError:
        return None


def _date(reply: Reply) -> float | None:
    """The server's own clock (RFC 9110 section 6.6.1), seconds since 1970."""
    try:
        moment: datetime = parsedate_to_datetime(reply.headers.get("date", ""))
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
