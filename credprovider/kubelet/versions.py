"""Kubelet versions and what changed between them in the reading of a CredentialProviderConfig; pure data.

Each constant is the first minor with the behaviour, read off the source of that minor and its predecessor.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class KubeletVersion(NamedTuple):
    """A minor release; patch releases do not differ in what is judged here."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


OLDEST = KubeletVersion(1, 29)
NEWEST = KubeletVersion(1, 37)

#: An executable must be a file with an x bit (exec.LookPath); before, it only had to exist.
EXECUTABLES_INSPECTED = KubeletVersion(1, 30)
#: Unknown and duplicate fields are errors (serializer.EnableStrict); before, they were ignored.
STRICT_DECODING = KubeletVersion(1, 32)
#: The field tokenAttributes exists; duplicate names are a validation error instead of a crash.
TOKEN_ATTRIBUTES = KubeletVersion(1, 33)
#: tokenAttributes.cacheType exists and is required; the feature gate is on by default.
CACHE_TYPE = KubeletVersion(1, 34)
#: A directory of configuration files is read.
DIRECTORIES = KubeletVersion(1, 34)
#: A host with two colons does not parse (Go 1.26's urlstrictcolons).
STRICT_COLONS = KubeletVersion(1, 36)

_FORM = re.compile(r"v?([0-9]{1,3})\.([0-9]{1,3})(?:[.+-].*)?")


def parse_version(text: str) -> KubeletVersion:
    """A version such as ``1.34``, ``v1.34.2`` or ``1.34.2-aks``.

    Raises:
        ValueError: not of that form, or older than `OLDEST`. A newer one than `NEWEST` is taken as it is.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("not a kubelet version; write e.g. 1.34")
    version = KubeletVersion(int(match[1]), int(match[2]))
    if version < OLDEST:
        raise ValueError(f"kubelet {version} is too old to be judged; {OLDEST} is the oldest")
    return version
