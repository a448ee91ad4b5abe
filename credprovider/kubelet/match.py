"""Which images a pattern or an auth key covers, and which credentials the kubelet tries in which order; pure.

Source: pkg/credentialprovider/keyring.go (URLsMatch, SplitURL, BasicDockerKeyring, isDefaultRegistryMatch).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from credprovider.kubelet.glob import BadPatternError, glob_match
from credprovider.kubelet.url import Url, UrlError, parse_schemeless

if TYPE_CHECKING:
    from collections.abc import Iterable

_DEFAULT_REGISTRY = "index.docker.io"


def split_host(host: bytes) -> tuple[list[bytes], bytes]:
    """The labels and the port of ``Url.host``; a host that Go cannot split keeps its colons and has no port.

    Source: SplitURL, whose Go net.SplitHostPort takes brackets off only where a port follows.
    """
    name, port = _split_port(host)
    return name.split(b"."), port


def _split_port(host: bytes) -> tuple[bytes, bytes]:
    colon = host.rfind(b":")
    if colon < 0:
        return host, b""
    name, port = host[:colon], host[colon + 1 :]
    if host.startswith(b"["):
        end = host.find(b"]")
        if end < 0 or end + 1 != colon:
            return host, b""
        name = host[1:end]
    elif b":" in name:
        return host, b""
    if b"[" in host[1:] or b"]" in host[colon:] or (b"]" in name):
        return host, b""
    return name, port


def urls_match(pattern: Url, target: Url) -> bool:
    """Ports equal in both directions, path a raw prefix, as many labels, each label matching by `glob_match`.

    Raises:
        BadPatternError: a label of the pattern is malformed; to the kubelet that is no match.
    """
    pattern_labels, pattern_port = split_host(pattern.host)
    target_labels, target_port = split_host(target.host)
    return (
        pattern_port == target_port
        and len(pattern_labels) == len(target_labels)
        and target.path.startswith(pattern.path)
        and all(glob_match(glob, label) for glob, label in zip(pattern_labels, target_labels, strict=True))
    )


def match_image(pattern: str | bytes, image: str, *, strict_colons: bool = True) -> bool:
    """Does a matchImages entry or a normalised auth key cover the image? Unparsable or malformed ones cover nothing.

    Args:
        pattern: without a scheme.
        image: repository name as the kubelet uses it, without tag and digest.
        strict_colons: see `parse_schemeless`.
    """
    try:
        return urls_match(
            parse_schemeless(pattern, strict_colons=strict_colons), parse_schemeless(image, strict_colons=strict_colons)
        )
    except (UrlError, BadPatternError):
        return False


def normalise_auth_key(key: str, *, strict_colons: bool = True) -> bytes:
    """The form under which the kubelet files an auth key: no scheme, user or query; ``/v1/`` and ``/v2/`` are dropped.

    Raises:
        UrlError: the key does not parse; the kubelet logs that and skips the entry.
    """
    schemeless = next((key[len(scheme) :] for scheme in ("https://", "http://") if key.startswith(scheme)), key)
    url = parse_schemeless(schemeless, strict_colons=strict_colons)
    path = url.path[3:] if url.path.startswith((b"/v1/", b"/v2/")) else url.path
    return url.host if path == b"/" else url.host + path


@dataclass(frozen=True)
class KeyringEntry:
    """One auth key: as written, and as filed; ``filed`` is None for a key that the kubelet skips."""

    key: str
    filed: bytes | None


def file_keys(keys: Iterable[str], *, strict_colons: bool = True) -> list[KeyringEntry]:
    """All keys with their filed form, in the order in which the kubelet asks them: filed form in reverse byte order.

    Keys with the same filed form keep the order given here; the kubelet's own order among them is random.
    """
    entries: list[KeyringEntry] = []
    for key in keys:
        try:
            entries.append(KeyringEntry(key, normalise_auth_key(key, strict_colons=strict_colons)))
        except UrlError:
            entries.append(KeyringEntry(key, None))
    filed = [entry for entry in entries if entry.filed is not None]
    filed.sort(key=lambda entry: entry.filed or b"", reverse=True)
    return filed + [entry for entry in entries if entry.filed is None]


def lookup(keys: Iterable[str], image: str, *, strict_colons: bool = True) -> list[str]:
    """The keys whose credentials the kubelet would try for the image, in order of trial; empty means an anonymous pull.

    Args:
        keys: of a response's ``auth``.
        image: repository name as the kubelet uses it.
        strict_colons: see `parse_schemeless`.
    """
    filed = [entry for entry in file_keys(keys, strict_colons=strict_colons) if entry.filed is not None]
    found = [entry.key for entry in filed if match_image(entry.filed or b"", image, strict_colons=strict_colons)]
    if not found and _is_docker_hub(image):
        found = [entry.key for entry in filed if entry.filed == _DEFAULT_REGISTRY.encode()]
    return found


def _is_docker_hub(image: str) -> bool:
    """Would the kubelet fall back to the credentials of ``index.docker.io``?"""
    first, slash, _ = image.partition("/")
    if not first:
        return False
    return not slash or first in ("docker.io", _DEFAULT_REGISTRY) or not ("." in first or ":" in first)
