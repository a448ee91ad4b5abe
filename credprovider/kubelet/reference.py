"""What the kubelet sends as ``image``: a pod's image without tag and digest, Docker Hub's short names in full; pure.

Source: pkg/util/parsers ParseImageName, i.e. github.com/distribution/reference v0.6.0 ParseNormalizedNamed(...).Name()
and the digest check of github.com/opencontainers/go-digest v1.0.0.
"""

from __future__ import annotations

import re

_DEFAULT_DOMAIN = "docker.io"
_LEGACY_DOMAIN = "index.docker.io"
_PATH_LIMIT = 255

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_DOMAIN}/)?(?P<path>{_PATH}))(?::\w[\w.-]{{0,127}})?(?:@(?P<digest>{_DIGEST}))?", re.ASCII
)
_KNOWN_DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}")
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")


class ImageNameError(ValueError):
    """The container runtime and the kubelet refuse this image name; the message says why."""


def image_name(text: str) -> str:
    """The repository name that the kubelet asks credentials for.

    Args:
        text: a pod's ``image``, e.g. ``nginx`` or ``us-docker.pkg.dev/p/r/i:v1``.

    Raises:
        ImageNameError: the text is no image reference (the pod fails with InvalidImageName before any plugin runs).
    """
    if _IDENTIFIER.fullmatch(text):
        raise ImageNameError("64 hexadecimal digits are an image id, not a name")
    domain, remainder = _split_domain(text)
    remote = remainder.partition(":")[0]
    if remote.lower() != remote:
        raise ImageNameError("the repository name must be lower case")
    match = _REFERENCE.fullmatch(f"{domain}/{remainder}")
    if match is None:
        raise ImageNameError("invalid reference format")
    if len(match["path"]) > _PATH_LIMIT:
        raise ImageNameError(f"the repository name must not be more than {_PATH_LIMIT} characters")
    if match["digest"] and not _KNOWN_DIGEST.fullmatch(match["digest"]):
        raise ImageNameError("the digest is none of sha256, sha384, sha512 in lower case and of the right length")
    return match["name"]


def _split_domain(text: str) -> tuple[str, str]:
    """Registry and remainder; a registry has a dot, a colon or an upper-case letter, or is localhost."""
    first, slash, rest = text.partition("/")
    if not slash:
        return _DEFAULT_DOMAIN, f"library/{text}"
    if first == _LEGACY_DOMAIN:
        first = _DEFAULT_DOMAIN
    elif not (first == "localhost" or "." in first or ":" in first or first.lower() != first):
        return _DEFAULT_DOMAIN, text
    if first == _DEFAULT_DOMAIN and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest
