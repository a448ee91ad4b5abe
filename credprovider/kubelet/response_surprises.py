"""What a response that the kubelet takes brings about, and its author may not have meant; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from credprovider.kubelet.duration import HOUR, format_duration
from credprovider.kubelet.match import KeyringEntry, file_keys, split_host
from credprovider.kubelet.response import show_key
from credprovider.kubelet.url import Url, parse_schemeless

if TYPE_CHECKING:
    from collections.abc import Iterator

    from credprovider.kubelet.response import Credential, Response

#: The longest life that Google grants an access token where an organisation has asked for more than the usual hour.
_LONGEST_LIFE = 12 * HOUR

#: What Artifact Registry knows as user names of tokens and keys.
GOOGLE_USERNAMES = frozenset({"oauth2accesstoken", "_token", "_json_key", "_json_key_base64", "_dcgcloud_token"})


class Surprise(NamedTuple):
    """A rule's stable id and one sentence."""

    rule: str
    message: str


def response_surprises(response: Response) -> list[Surprise]:
    """All that is legal in a response and rarely meant; empty for a sound one."""
    found = [*_about_duration(response), *_about_keys(response), *_about_scope(response)]
    for credential in response.auth.values():
        found += _about_entry(credential)
    return found


def _is_cached(response: Response) -> bool:
    return response.cache_duration is None or response.cache_duration > 0


def _about_duration(response: Response) -> Iterator[Surprise]:
    duration = response.cache_duration
    if duration is None:
        yield Surprise(
            "cache-duration-missing",
            "without cacheDuration the kubelet keeps the answer for the provider's defaultCacheDuration, whatever the"
            " credential's life",
        )
    elif duration < 0:
        yield Surprise("cache-duration-negative", "a negative cacheDuration is stored as expired: one exec per pull")
    elif duration > _LONGEST_LIFE:
        yield Surprise(
            "cache-duration-long",
            f"a cacheDuration of {format_duration(duration)} outlives every access token of Google's; a 401 does not"
            " make the kubelet ask again",
        )
    if not response.auth and _is_cached(response):
        yield Surprise(
            "no-credentials-cached",
            'an answer without credentials is kept, too: pulls are anonymous until it expires; write "0s"',
        )


def _about_keys(response: Response) -> Iterator[Surprise]:
    seen: dict[bytes, str] = {}
    for entry in file_keys(response.auth):
        shown = show_key(entry.key)
        if entry.filed is None:
            yield Surprise("key-unparsable", f"auth key {shown} does not parse: the kubelet logs that and skips it")
            continue
        if entry.filed in seen:
            yield Surprise("key-repeated", f"auth keys {shown} and {seen[entry.filed]} are one key to the kubelet")
        seen[entry.filed] = shown
        yield from _about_key(_parsed(entry), shown)


def _about_key(url: Url, shown: str) -> Iterator[Surprise]:
    labels, port = split_host(url.host)
    if b"*" in url.path:
        yield Surprise("key-path-star", f"auth key {shown} has a star after the host, where it is a plain character")
    elif url.path not in (b"", b"/") and not url.path.endswith(b"/"):
        yield Surprise("key-missing-slash", f"auth key {shown} also covers neighbours whose path begins alike")
    if port:
        yield Surprise(
            "key-port", f"auth key {shown} covers only images that name port {port.decode('ascii', 'replace')}"
        )
    if all(b"*" in label for label in labels[-2:]):
        yield Surprise("key-wide", f"auth key {shown} offers the credential to other owners' registries")


def _parsed(entry: KeyringEntry) -> Url:
    return parse_schemeless(entry.filed or b"")


def _about_scope(response: Response) -> Iterator[Surprise]:
    """All keys are kept under one cache key: images that none of them covers get nothing until the answer expires."""
    if not response.auth or not _is_cached(response) or response.cache_key_type == "Image":
        return
    urls = [_parsed(entry) for entry in file_keys(response.auth) if entry.filed is not None]
    if all(url.path not in (b"", b"/") for url in urls):
        yield Surprise(
            "scope-wider-than-keys",
            f"cacheKeyType {response.cache_key_type} with keys for paths only: other images of the registry get no"
            " credential until the answer expires",
        )
    elif response.cache_key_type == "Global" and len({url.host for url in urls}) == 1 and b"*" not in urls[0].host:
        yield Surprise(
            "scope-wider-than-keys",
            "cacheKeyType Global with a key for one registry only: images of other registries that the provider matches"
            " get no credential until the answer expires",
        )


def _about_entry(credential: Credential) -> Iterator[Surprise]:
    shown = show_key(credential.key)
    if not credential.username or not len(credential.password):
        yield Surprise(
            "credential-empty",
            f"auth key {shown} has no user name or no password; it is tried all the same, instead of an anonymous pull",
        )
    elif ".pkg.dev" in credential.key and credential.username not in GOOGLE_USERNAMES:
        yield Surprise("username-unknown", f"auth key {shown} has a user name that Artifact Registry does not know")
