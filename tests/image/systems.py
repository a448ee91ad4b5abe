"""C libraries that nodes have, to run the image's bundle on; ``python -m tests.image.systems`` fetches them."""

from __future__ import annotations

import hashlib
import urllib.request
from pathlib import Path
from typing import NamedTuple

_CACHE = Path(__file__).parent.parent.parent / "build" / "work" / "image" / "systems"


class System(NamedTuple):
    """A system's C library: the package of its release, which its archive keeps as long as the release."""

    name: str
    version: str
    digest: str


#: By age. Azure Linux 3 and Azure Container Linux have 2.38, between the last two; their packages were not at hand.
SYSTEMS = (
    System("ubuntu-20.04", "2.31-0ubuntu9", "847a68e5f1ec2cd4e6fc191c5eaf0547445dd5c473c7617c068ba4441f63b292"),
    System("ubuntu-22.04", "2.35-0ubuntu3", "ea9a27e0ebdd0cfc9c750d94f8074f3a35d1f97dcc77ae04c370fb498a6b6db2"),
    System("ubuntu-24.04", "2.39-0ubuntu8", "af36c7ac770770fe3d3c10e85d6bc538e76e57570ba7db7d397fb9f654783ef3"),
)


def package_of(system: System) -> Path:
    """The package, as it was fetched.

    Raises:
        ValueError: it is another one.
        FileNotFoundError: nobody has fetched it.
    """
    path = _CACHE / f"libc6_{system.version}_amd64.deb"
    if hashlib.sha256(path.read_bytes()).hexdigest() != system.digest:
        raise ValueError(f"{path} is not the package that is listed")
    return path


def fetch(system: System) -> None:
    """Get the package unless it is here."""
    path = _CACHE / f"libc6_{system.version}_amd64.deb"
    if not path.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        url = f"http://archive.ubuntu.com/ubuntu/pool/main/g/glibc/{path.name}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            path.write_bytes(answer.read())


if __name__ == "__main__":
    for entry in SYSTEMS:
        fetch(entry)
        package_of(entry)
