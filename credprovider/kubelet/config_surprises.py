"""What a kubelet that starts makes of a CredentialProviderConfig, and its author may not have meant; pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from credprovider.kubelet.duration import HOUR, format_duration
from credprovider.kubelet.findings import Finding, Severity
from credprovider.kubelet.match import split_host
from credprovider.kubelet.overlap import Pattern, overlaps
from credprovider.kubelet.url import Url, UrlError, parse_schemeless
from credprovider.kubelet.versions import STRICT_COLONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from credprovider.kubelet.config_model import Provider, Text
    from credprovider.kubelet.versions import KubeletVersion

#: An access token of Google's lives an hour unless an organisation has asked for more.
_LONG_CACHE = HOUR

#: All that a repository's path can consist of.
_PATH = re.compile(rb"/[a-z0-9._/-]*")
_TAG = re.compile(rb"@|:[^/]*$")


def find_surprises(providers: Sequence[Provider], kubelet: KubeletVersion) -> Iterator[Finding]:
    """All that is legal and rarely meant; patterns that do not parse are left to `check_providers`."""
    strict = kubelet >= STRICT_COLONS
    parsed = [[_parsed(pattern.text, strict_colons=strict) for pattern in each.match_images] for each in providers]
    for provider, urls in zip(providers, parsed, strict=True):
        for pattern, url in zip(provider.match_images, urls, strict=True):
            for rule, message, suggestion in _about_pattern(pattern.text, url):
                yield _warning(provider, rule, pattern, f"pattern {pattern.text!r} {message}", suggestion)
        yield from _about_duration(provider)
    yield from _about_overlaps(providers, parsed)


def _parsed(pattern: str, *, strict_colons: bool) -> Url | None:
    """None for one that does not parse."""
    try:
        return parse_schemeless(pattern, strict_colons=strict_colons)
    except UrlError:
        return None


def _warning(provider: Provider, rule: str, text: Text, message: str, suggestion: str) -> Finding:
    return Finding(Severity.WARNING, rule, message, provider.file, text.place, text.path, suggestion=suggestion)


def _about_duration(provider: Provider) -> Iterator[Finding]:
    if (provider.cache_duration or 0) <= _LONG_CACHE:
        return
    message = (
        f"an answer without cacheDuration is kept for {format_duration(provider.cache_duration or 0)},"
        " also one without credentials"
    )
    yield Finding(
        Severity.WARNING,
        "default-cache-duration-long",
        message,
        provider.file,
        provider.cache_duration_place,
        f"{provider.path}.defaultCacheDuration",
        suggestion='write "0s" for a plugin that always says how long its answer holds',
    )


def _about_pattern(text: str, url: Url | None) -> Iterator[tuple[str, str, str]]:
    """Rule, what is so, what to write; of what makes a pattern match nothing only the most telling."""
    if not text:
        yield "pattern-empty", "is empty and matches nothing", "take it out, or write a registry's host"
        return
    if url is None:
        return
    if "://" in text:
        yield "pattern-scheme", "has a scheme and matches nothing", f"write {text.partition('://')[2]!r}"
        return
    host = text.partition("/")[0]
    if "?" in text or "#" in text:
        yield "pattern-cut", "is cut at ? or #, which begin a URL's query or fragment", "take out what follows"
    if "@" in host:
        yield "pattern-user", "has a user name before the host, which is ignored", f"write {text.partition('@')[2]!r}"
    yield from _about_host(url)
    yield from _about_path(url.path)


def _about_host(url: Url) -> Iterator[tuple[str, str, str]]:
    labels, port = split_host(url.host)
    if labels == [b"*"]:
        yield "pattern-lone-star", "matches hosts of one label only, no registry with a dot", 'write e.g. "*.pkg.dev"'
    elif b"" in labels:
        yield "pattern-empty-label", "has an empty label in its host and matches no image", "take out the extra dot"
    if port:
        number = port.decode()
        yield "pattern-port", f"matches only images that name port {number}", "add it without a port if both occur"
    if any(byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ" for byte in url.host):
        yield "pattern-upper-case", "has an upper-case host, and hosts are compared by case", "write it in lower case"


def _about_path(path: bytes) -> Iterator[tuple[str, str, str]]:
    if path in (b"", b"/"):
        return
    if b"*" in path:
        yield (
            "pattern-path-star",
            "has a star after the host, a plain character there: matches nothing",
            "end it before",
        )
    elif _TAG.search(path):
        yield "pattern-tag", "has a tag or digest, which is dropped from images: matches nothing", "take it out"
    elif not _PATH.fullmatch(path) or b"//" in path:
        yield "pattern-path-impossible", "has a path that no image can have: matches nothing", "write it in lower case"
    elif not path.endswith(b"/"):
        yield (
            "pattern-missing-slash",
            "covers every path that begins like it, longer names of neighbours included",
            "end it in a slash unless it names one image",
        )


def _about_overlaps(providers: Sequence[Provider], parsed: Sequence[Sequence[Url | None]]) -> Iterator[Finding]:
    """One finding for every two providers that are both asked for some image."""
    patterns = [
        [Pattern(number, position, url) for position, url in enumerate(urls) if url is not None]
        for number, urls in enumerate(parsed)
    ]
    for earlier, later in overlaps(patterns):
        first, second = providers[earlier.provider], providers[later.provider]
        theirs, ours = first.match_images[earlier.position], second.match_images[later.position]
        message = (
            f"providers {first.name.text!r} ({theirs.text!r}) and {second.name.text!r} ({ours.text!r})"
            " match the same images: both are run, one after the other, for each"
        )
        yield _warning(second, "providers-overlap", ours, message, "narrow one of them unless that is meant")
