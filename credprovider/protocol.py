"""The kubelet's wire types in three versions: request bytes in, response bytes out; pure, and used by the plugin alone.

Source: kubernetes/kubelet ``pkg/apis/credentialprovider/{v1,v1beta1,v1alpha1}/types.go``. The response is decoded by
a strict codec, so it carries those five fields and nothing else.
"""

from __future__ import annotations

from credprovider.errors import PROGRAM, ProviderError
from credprovider.secret import Secret
from credprovider.strict_json import loads, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

GROUP = "credentialprovider.kubelet.k8s.io/"
API_VERSIONS = (GROUP + "v1", GROUP + "v1beta1", GROUP + "v1alpha1")

#: A request is one image name and one token; the kubelet sends some 2 KiB.
REQUEST_LIMIT = 1 << 20

#: What a token may weigh before it is called oversized (Google documents 12,288 bytes for its own).
TOKEN_LIMIT = 16 << 10

#: The user name that Artifact Registry takes for any OAuth access token.
USERNAME = "oauth2accesstoken"


class Request:
    """One CredentialProviderRequest.

    Attributes:
        api_version: the version to answer in.
        image: repository name without tag or digest, as the kubelet sends it.
        token: the pod's ServiceAccount token (v1 with tokenAttributes only).
        annotations: the ServiceAccount's annotations that the kubelet's config lists.
    """

    __slots__ = ("annotations", "api_version", "image", "token")

    def __init__(self, api_version: str, image: str, token: Secret | None, annotations: dict[str, str]) -> None:
        self.api_version = api_version
        self.image = image
        self.token = token
        self.annotations = annotations


def bad_request(code: str, cause: str, remedy: str = "") -> ProviderError:
    """A `ProviderError` of the family ``request``."""
    remedy = remedy or f"send one CredentialProviderRequest on stdin; `{PROGRAM} request IMAGE` prints a correct one"
    return ProviderError(code, "request", "request", cause, remedy)


def parse_request(raw: bytes) -> Request:
    """Read one CredentialProviderRequest; unknown fields are ignored, as new ones have come (KEP-4412).

    Raises:
        ProviderError: family ``request``, naming the field.
    """
    if not raw.strip():
        raise bad_request("request-empty", "stdin held nothing")
    if len(raw) > REQUEST_LIMIT:
        raise bad_request("request-too-large", f"stdin held more than {REQUEST_LIMIT} bytes")
    try:
        document = loads(raw)
    except ValueError as error:
        raise bad_request("request-not-json", f"stdin did not hold one JSON value: {error}") from None
    if not isinstance(document, dict):
        raise bad_request("request-not-object", "stdin held JSON that is not an object")
    if document.get("kind") != "CredentialProviderRequest":
        raise bad_request("request-wrong-kind", "field kind is not CredentialProviderRequest")
    version = document.get("apiVersion")
    if version not in API_VERSIONS:
        raise bad_request("request-wrong-version", f"field apiVersion is none of {', '.join(API_VERSIONS)}")
    image = document.get("image")
    if not isinstance(image, str) or not image:
        raise bad_request("request-without-image", "field image is missing, empty or not a string")
    if version != API_VERSIONS[0]:
        return Request(version, image, None, {})
    return Request(version, image, _token(document.get("serviceAccountToken")), _annotations(document))


def _token(value: object) -> Secret | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise bad_request("request-token-garbled", "field serviceAccountToken is not a string")
    if len(value) > TOKEN_LIMIT:
        raise bad_request("request-token-too-large", f"field serviceAccountToken is longer than {TOKEN_LIMIT} bytes")
    return Secret(value)


def _annotations(document: dict[str, object]) -> dict[str, str]:
    found = document.get("serviceAccountAnnotations")
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise bad_request(
            "request-annotations-garbled", "field serviceAccountAnnotations does not map strings to strings"
        )
    return found


def encode_response(
    api_version: str, cache_key_type: str, cache_seconds: int, keys: Iterable[str], token: Secret | None
) -> bytes:
    """One CredentialProviderResponse: every key of `keys` with the same user and password.

    Args:
        api_version: the version that was asked.
        cache_key_type: ``Image``, ``Registry`` or ``Global``: what the kubelet may reuse the answer for.
        cache_seconds: seconds that the kubelet may keep it; 0 is "do not".
        keys: auth keys in the kubelet's matching language.
        token: the password; without it the answer holds no credentials.
    """
    entry = "" if token is None else f'{{"username":{quote(USERNAME)},"password":{quote(token.reveal())}}}'
    auth = "" if token is None else ",".join(f"{quote(key)}:{entry}" for key in keys)
    return (
        f'{{"kind":"CredentialProviderResponse","apiVersion":{quote(api_version)},'
        f'"cacheKeyType":{quote(cache_key_type)},"cacheDuration":"{cache_seconds}s","auth":{{{auth}}}}}\n'
    ).encode("ascii")
