"""Which images are ours: the kubelet's match rules for the few forms that `registries` may take; pure.

The kubelet's own matcher (``URLsMatchStr`` in pkg/credentialprovider/keyring.go) knows more;
`credprovider.kubelet.match` restates all of it. Entries here are narrower on purpose, so that both agree on every
entry that loads.
"""

from __future__ import annotations

from credprovider.errors import PROGRAM
from credprovider.protocol import bad_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_UNIVERSE = "googleapis.com"

_LOWER = "abcdefghijklmnopqrstuvwxyz"
_HOST = frozenset(_LOWER + "0123456789-")
_PATH = frozenset(_LOWER + "0123456789._-/")
_IPV6 = frozenset("0123456789abcdef:.")
_UPPER = frozenset(_LOWER.upper())

#: Longest repository name, in characters: the distribution reference grammar counts what follows the host.
_PATH_LIMIT = 255


class Image:
    """A repository name as the kubelet sends it: ``host[:port]/path``, nothing else."""

    __slots__ = ("host", "labels", "path", "port")

    def __init__(self, host: str, port: str, path: str) -> None:
        self.host = host
        self.port = port
        self.path = path
        self.labels = host.split(".")


def parse_image(name: str) -> Image:
    """Take a repository name apart.

    Raises:
        ProviderError: family ``request``, when the kubelet could not have sent that name.
    """
    hint = f"send the repository name alone, as the kubelet does; `{PROGRAM} request IMAGE` makes it from a pod's image"
    authority, slash, path = name.partition("/")
    if len(path) > _PATH_LIMIT:
        cause = f"field image has more than {_PATH_LIMIT} characters after the host"
        raise bad_request("request-image-too-long", cause, hint)
    if "@" in name:
        raise bad_request("request-image-invalid", "field image holds an @: a digest, or a user before the host", hint)
    if not slash or not path or not ("." in authority or ":" in authority or authority == "localhost"):
        raise bad_request("request-image-short", "field image has no registry host or no path after it", hint)
    if not path.isascii() or not _PATH.issuperset(path) or ":" in path:
        reason = "a tag" if ":" in path.rpartition("/")[2] else "a character that no repository name has"
        raise bad_request("request-image-invalid", f"field image has {reason} after the host", hint)
    host, port = _split_port(authority)
    if not _UPPER.isdisjoint(host):
        cause = "field image has an upper-case host; the kubelet compares hosts by case, so no credential would be used"
        raise bad_request("request-image-upper-case", cause, "write the registry host in lower case in the pod's image")
    if not _is_host(host) or (":" in authority.rpartition("]")[2] and not (port.isascii() and port.isdigit())):
        raise bad_request("request-image-invalid", "field image has a registry host that is no host name", hint)
    return Image(host, port, "/" + path)


def _split_port(authority: str) -> tuple[str, str]:
    """Host and port; an IPv6 literal has colons of its own, in brackets."""
    if ":" not in authority or authority.endswith("]"):
        return authority, ""
    host, _, port = authority.rpartition(":")
    return host, port


def _is_host(host: str) -> bool:
    if host.startswith("["):
        return host.endswith("]") and ":" in host and _IPV6.issuperset(host[1:-1])
    return all(label and _HOST.issuperset(label) for label in host.split("."))


class Registry:
    """One entry of `registries`, e.g. ``*-docker.pkg.dev`` or ``us-docker.pkg.dev/vendor-a/``."""

    __slots__ = ("_labels", "_path", "_port", "text")

    def __init__(self, text: str) -> None:
        """Take an entry apart that `check_registry` let pass."""
        authority, slash, path = text.partition("/")
        host, _, self._port = authority.partition(":")
        self.text = text
        self._labels = host.split(".")
        self._path = slash + path

    def covers(self, image: Image) -> bool:
        """Would the kubelet use this text as an auth key for that image: ports equal, labels match, path a prefix?"""
        return (
            self._port == image.port
            and len(self._labels) == len(image.labels)
            and all(_glob(pattern, label) for pattern, label in zip(self._labels, image.labels, strict=True))
            and image.path.startswith(self._path)
        )


def is_ours(image: Image, registries: Iterable[Registry]) -> bool:
    """Does any entry cover the image?"""
    return any(registry.covers(image) for registry in registries)


def check_registry(text: str, universe_domain: str) -> None:
    """Refuse an entry that reaches outside Google's registries, or that the kubelet reads otherwise than its author.

    Raises:
        ValueError: with the reason.
    """
    if "://" in text:
        raise ValueError("has a scheme; write the host alone")
    authority, slash, path = text.partition("/")
    host, colon, port = authority.partition(":")
    if colon and not _is_port(port):
        raise ValueError("has a port that is no port")
    if (slash + path).startswith(("/v1/", "/v2/")):
        raise ValueError("has a path that begins with v1 or v2, which the kubelet drops: it would cover the whole host")
    if "*" in path:
        raise ValueError("has a star after the host, which the kubelet takes literally and never matches")
    if slash and not path:
        raise ValueError("ends in a lone slash; leave it out")
    if path and (not path.endswith("/") or not _PATH.issuperset(path) or "//" in text):
        raise ValueError(
            "has a path prefix that does not end in / (without it, it would also cover its longer neighbours)"
        )
    labels = host.split(".")
    if not all(label and _HOST.union("*").issuperset(label) for label in labels):
        raise ValueError("is not a host glob of lower-case labels, digits, - and *")
    if not is_google(host, universe_domain):
        raise ValueError(
            "reaches outside Google's registries (*.pkg.dev, gcr.io, *.gcr.io and the configured universe)"
        )


def _is_port(text: str) -> bool:
    # The kubelet compares ports as text: 0443 would never match.
    return len(text) < 6 and text.isascii() and text.isdigit() and text[0] != "0" and int(text) < 65536


def is_google(host: str, universe_domain: str = DEFAULT_UNIVERSE) -> bool:
    """Is the host, or every host of the glob, one of Google's registries?"""
    if host == "gcr.io":
        return True
    suffixes = [".pkg.dev", ".gcr.io"]
    if universe_domain != DEFAULT_UNIVERSE:
        suffixes.append("." + universe_domain)
    return any(host.endswith(suffix) for suffix in suffixes)


def _glob(pattern: str, label: str) -> bool:
    """Go's ``filepath.Match`` for patterns whose only special character is the star."""
    head, *rest = pattern.split("*")
    if not rest:
        return pattern == label
    *middle, tail = rest
    if not label.startswith(head) or not label.endswith(tail) or len(label) < len(head) + len(tail):
        return False
    inner = label[len(head) : len(label) - len(tail)]
    for piece in middle:
        index = inner.find(piece)
        if index < 0:
            return False
        inner = inner[index + len(piece) :]
    return True
