"""The map of the loopback cloud: each host, its address, the hop it plays; as a script it prints /etc/hosts.

Standard library only and no relative import: `enter` runs this file before any environment of the project exists.
"""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """One host of the cloud: an address of its own, so that one hop can be refused without the others."""

    host: str
    address: str
    hop: str
    ports: tuple[int, ...] = (443,)


#: The link-local address of Azure's Instance Metadata Service.
IMDS_ADDRESS = "169.254.169.254"
#: Host of the AKS OIDC issuer (one per region).
AKS_ISSUER_HOST = "westeurope.oic.prod-aks.azure.com"
#: A plain HTTP proxy that knows CONNECT.
PROXY_HOST = "proxy.corp.example"
PROXY_PORT = 3128
#: Where redirects lead by default; nothing should ever arrive there.
ELSEWHERE_HOST = "elsewhere.example"

PLACES: tuple[Place, ...] = (
    Place(IMDS_ADDRESS, IMDS_ADDRESS, "imds", (80,)),
    Place("login.microsoftonline.com", "127.1.0.10", "entra"),
    Place("login.microsoftonline.us", "127.1.0.11", "entra"),
    Place("login.partner.microsoftonline.cn", "127.1.0.12", "entra"),
    Place("sts.googleapis.com", "127.1.0.20", "sts"),
    Place("sts.us-east1.rep.googleapis.com", "127.1.0.21", "sts"),
    Place("sts-private.p.googleapis.com", "127.1.0.22", "sts"),
    Place("iamcredentials.googleapis.com", "127.1.0.30", "iam"),
    Place("iamcredentials.us-east1.rep.googleapis.com", "127.1.0.31", "iam"),
    Place("iamcredentials-private.p.googleapis.com", "127.1.0.32", "iam"),
    Place("us-docker.pkg.dev", "127.1.0.40", "registry"),
    Place("europe-docker.pkg.dev", "127.1.0.41", "registry"),
    Place("europe-west1-docker.pkg.dev", "127.1.0.42", "registry"),
    Place("gcr.io", "127.1.0.43", "registry"),
    Place(AKS_ISSUER_HOST, "127.1.0.50", "issuer"),
    Place(PROXY_HOST, "127.1.0.60", "proxy", (PROXY_PORT,)),
    Place(ELSEWHERE_HOST, "127.1.0.99", "elsewhere", (443, 80)),
)

HOPS: tuple[str, ...] = tuple(dict.fromkeys(place.hop for place in PLACES))


def hosts_file() -> str:
    """The text of /etc/hosts inside the namespace: one line per host, so that one byte can switch one off."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost"]
    lines += [f"{place.address} {place.host}" for place in PLACES if place.host != place.address]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(hosts_file(), end="")
