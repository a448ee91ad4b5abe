"""Hops `registry`, `registry-token` and `manifest`: what a container runtime does with the credential, up to a HEAD.

The flow is Docker's token authentication: a challenge at /v2/, a token for one repository, a request with it. Google's
token goes to the registry's own host and nowhere else, by a transport that knows that one host.
"""

from __future__ import annotations

import re
import urllib.parse
from binascii import b2a_base64
from typing import TYPE_CHECKING

from credprovider.catalogue import Evidence, diagnose
from credprovider.connection import Failure
from credprovider.doctor.result import good, not_reached, skipped
from credprovider.hops import Hop
from credprovider.protocol import USERNAME
from credprovider.secret import Secret

if TYPE_CHECKING:
    from credprovider.doctor.case import Case
    from credprovider.doctor.result import Outcome
    from credprovider.transport import Reply

_PARAMETER = re.compile(r'([a-z]+)="([^"]*)"')
#: What containerd accepts, in short: a list of platforms or one image, of either standard.
_ACCEPT = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json,"
    " application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)


def reference_of(image: str, name: str) -> str:
    """Tag or digest of a pod's image, ``latest`` by default.

    Args:
        image: as in the pod; a digest wins over a tag.
        name: its repository name, which `credprovider.kubelet.reference` made of it.
    """
    rest, _, digest = image.partition("@")
    tag = rest.rpartition("/")[2].partition(":")[2]
    found = digest or tag or "latest"
    if not (_DIGEST.fullmatch(found) or _TAG.fullmatch(found)):
        raise ValueError(f"{name}: neither a tag nor a sha256 digest follows the name")
    return found


def registry(case: Case) -> Outcome:
    """Does the host answer as a registry, and where is its token to be had? A 401 is the right answer here."""
    host = _host(case)
    if host is None:
        return skipped("images at a port of their own are not asked for here")
    try:
        reply = case.transport([host]).send("GET", f"https://{host}/v2/", {"Accept": "application/json"})
    except Failure as failure:
        raise _hop(case).error(failure.kind, status=failure.status) from None
    if reply.status != 401:
        raise _hop(case).error(None, reply)
    case.realm = _realm(case, host, reply)
    return good("asks for a credential, as it should (HTTP 401 with a challenge)", details=(("realm", case.realm),))


def registry_token(case: Case) -> Outcome:
    """Does the registry take Google's token, and does this identity reach the repository?

    A 401 means that the token is no good; a 403, that it is, and its owner may not read there.
    """
    host = _host(case)
    if host is None or not case.realm:
        return skipped("images at a port of their own are not asked for here")
    if case.grant is None:
        raise AssertionError("a Google token is needed")
    query = {"service": host}
    if case.image is not None:
        query["scope"] = f"repository:{_name(case)}:pull"
    credential = b2a_base64(f"{USERNAME}:{case.grant.token.reveal()}".encode(), newline=False).decode()
    hop = _hop(case)
    url = f"{case.realm}?{urllib.parse.urlencode(query)}"
    reply = hop.send("GET", url, {"Authorization": f"Basic {credential}", "Accept": "application/json"})
    token = hop.json_object(reply).get("token")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise hop.error("no-token", reply)
    case.pull_token = Secret(token)
    if case.image is None:
        return good("takes Google's token; no repository was asked for")
    return good("takes Google's token, and lets its owner read the repository")


def manifest(case: Case) -> Outcome:
    """Is the image there? HEAD of its manifest, nothing is pulled. A 404 means: allowed, and not there."""
    host = _host(case)
    if case.image is None:
        return skipped("no IMAGE was given")
    if host is None or case.pull_token is None:
        return not_reached("images at a port of their own are not asked for here")
    url = f"https://{host}/v2/{_name(case)}/manifests/{case.reference}"
    headers = {"Authorization": f"Bearer {case.pull_token.reveal()}", "Accept": _ACCEPT}
    reply = _hop(case).send("HEAD", url, headers)
    digest = reply.headers.get("docker-content-digest", "")
    details = (("digest", digest),) if _DIGEST.fullmatch(digest) else ()
    return good(f"{case.reference} is there", details=details)


def _host(case: Case) -> str | None:
    """The image's registry, which settings cover; None at a port that `transport` does not talk to."""
    host, _, port = case.asked_image.partition("/")[0].partition(":")
    return host if port in ("", "443") else None


def _name(case: Case) -> str:
    return case.asked_image.partition("/")[2]


def _hop(case: Case) -> Hop:
    settings = case.valid
    claims = case.subject.claims.shown() if case.subject is not None else {}
    impersonated = settings.impersonation_url is not None
    transport = case.transport([_host(case) or ""])
    return Hop("registry", transport, case.facts, claims=claims, impersonated=impersonated)


def _realm(case: Case, host: str, reply: Reply) -> str:
    """Where the challenge sends us, if that is the registry itself: whoever gets the Google token can use it."""
    scheme, _, rest = reply.headers.get("www-authenticate", "").partition(" ")
    realm = dict(_PARAMETER.findall(rest)).get("realm", "") if scheme.lower() == "bearer" else ""
    facts = {**case.facts, "endpoint": f"https://{host}/v2/"}
    if not realm:
        raise diagnose(Evidence(hop="registry", status=401, failure="no-challenge", facts=facts))
    parts = urllib.parse.urlsplit(realm)
    if (parts.scheme, parts.netloc, parts.query, parts.fragment) != ("https", host, "", "") or not parts.path.isascii():
        raise diagnose(Evidence(hop="registry", status=401, failure="foreign-realm", facts=facts))
    return realm
