"""The bytes that the kubelet writes to a plugin's stdin; pure.

Source: (*execPlugin).encodeRequest in pkg/credentialprovider/plugin/plugin.go, and Go's encoding/json: one compact
line, fields in order of declaration, map keys sorted, ``<``, ``>`` and ``&`` escaped, empty optional fields left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from credprovider.secret import Secret

GROUP = "credentialprovider.kubelet.k8s.io"
V1 = f"{GROUP}/v1"
V1BETA1 = f"{GROUP}/v1beta1"
V1ALPHA1 = f"{GROUP}/v1alpha1"
API_VERSIONS = (V1, V1BETA1, V1ALPHA1)

_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPED = re.compile('[\x00-\x1f"\\\\<>&\u2028\u2029]|[\ud800-\udfff]')


def encode_request(
    image: str,
    *,
    api_version: str = V1,
    token: Secret | None = None,
    annotations: Mapping[str, str] | None = None,
) -> bytes:
    """One CredentialProviderRequest as the kubelet encodes it, newline included.

    Args:
        image: repository name, as `image_name` makes it.
        api_version: one of `API_VERSIONS`; only v1 carries the two following.
        token: the pod's ServiceAccount token.
        annotations: the ServiceAccount's annotations that the provider's tokenAttributes list.
    """
    fields = {"kind": "CredentialProviderRequest", "apiVersion": api_version, "image": image}
    if api_version == V1 and token is not None and len(token):
        fields["serviceAccountToken"] = token.reveal()
    text = ",".join(f'"{name}":{_quote(value)}' for name, value in fields.items())
    if api_version == V1 and annotations:
        # Code point order is UTF-8 byte order, which is Go's.
        pairs = ",".join(f"{_quote(key)}:{_quote(annotations[key])}" for key in sorted(annotations))
        text += f',"serviceAccountAnnotations":{{{pairs}}}'
    return f"{{{text}}}\n".encode()


def _quote(text: str) -> str:
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if "\ud800" <= character <= "\udfff":
        # A surrogate in a str is a byte that is not UTF-8; Go writes the replacement character for each.
        return "\\ufffd"
    return _SHORT.get(character) or f"\\u{ord(character):04x}"
