"""Where tokens may be sent: the allow-list of hosts, as data; asked when settings load.

google-auth removed its own checks in 2.16.1 and leaves them to its caller; a settings file that names another host
would otherwise be handed the subject token.
"""

from __future__ import annotations

import re

IMDS_HOST = "169.254.169.254"

#: Entra ID's token hosts by cloud, each with the audience of its token exchange (entra-docs).
ENTRA_CLOUDS = {
    "public": ("login.microsoftonline.com", "api://AzureADTokenExchange"),
    "usgov": ("login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"),
    "china": ("login.partner.microsoftonline.cn", "api://AzureADTokenExchangeChina"),
}
ENTRA_HOSTS = frozenset(host for host, _ in ENTRA_CLOUDS.values())

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"


def is_google_endpoint(host: str, service: str, universe_domain: str) -> bool:
    """Is `host` an endpoint of a Google service?

    Args:
        host: a host name without a port.
        service: ``sts`` or ``iamcredentials``.
        universe_domain: ``googleapis.com``, or that of a Trusted Partner Cloud.

    The forms: global; regional ``SERVICE.LOCATION.rep.UNIVERSE``; Private Service Connect ``SERVICE-NAME.p.UNIVERSE``.
    """
    universe = re.escape(universe_domain)
    forms = rf"{service}(?:\.{_LABEL}\.rep|-{_LABEL}\.p)?\.{universe}"
    return re.fullmatch(forms, host) is not None


def is_domain(text: str) -> bool:
    """Is `text` a lower-case domain name of at least two labels?"""
    return re.fullmatch(rf"{_LABEL}(?:\.{_LABEL})+", text) is not None and len(text) <= 253
