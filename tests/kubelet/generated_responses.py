"""Generated responses: mostly good, each with up to three oddities, some damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.kubelet.damage import damaged
from tests.kubelet.durations import duration
from tests.kubelet.json_texts import Object, Text, quoted, space, spoil, text_of
from tests.kubelet.real import IMAGES, V1, ResponseCase

if TYPE_CHECKING:
    from tests.kubelet.choices import Choices

VERSIONS = (V1, V1 + "beta1", V1 + "alpha1")
_KINDS = ("CredentialProviderResponse", "CredentialProviderRequest", "CredentialProviderConfig", "List", "Status", "")
_OTHER_VERSIONS = (
    *VERSIONS, "v1", "", "kubelet.config.k8s.io/v1", "credentialprovider.kubelet.k8s.io/v2", "a/b/c", "/v1",
)  # fmt: skip
_SCOPES = (
    "Image", "Registry", "Global", "image", "GLOBAL", "ServiceAccount", "Token", "", "Registry ", "Global\\u0000",
)  # fmt: skip
_KEYS = (
    "us-docker.pkg.dev", "*-docker.pkg.dev", "*.pkg.dev", "*.*.*", "us-docker.pkg.dev/p",
    "us-docker.pkg.dev/p/r/i", "https://us-docker.pkg.dev", "http://us-docker.pkg.dev/",
    "https://us-docker.pkg.dev/v1/", "us-docker.pkg.dev/v2/p", "us-docker.pkg.dev:443", "US-docker.pkg.dev",
    "europe-docker.pkg.dev", "us-docker.pkg.dev/p/r/i/", "[u]s-docker.pkg.dev", "", "*", "u?-docker.pkg.dev",
    "us-docker.pkg.dev#x", "us docker.pkg.dev", "user@us-docker.pkg.dev", "[::1]", "%75s-docker.pkg.dev",
    "us-docker.pkg.dev/%70", "ftp://us-docker.pkg.dev", "HTTPS://us-docker.pkg.dev", "us-docker.pkg.dev:", ":443",
    "us-docker.pkg.dev:4:4", "index.docker.io", "us\u2011docker.pkg.dev", "us-docker.pkg.dev/p\u00e4",
    "us-docker.pkg.dev/../p", "//us-docker.pkg.dev", "[a-z]s-docker.pkg.dev", "us-docker.pkg.d[e-f]v",
    "us-docker.pkg.dev/%zz", "us-docker.pkg.dev/%", "u\\\\s-docker.pkg.dev",
)  # fmt: skip
_BEFORE = (" ", "\n", "\ufeff", "INFO go\n", "\x00", "[")
_AFTER = ("", " \n\t", "\x00", "{}", "\nbye", "\ufeff", "}", ",", "//")
_WORDS = (
    '"oauth2accesstoken"', '"ya29.token"', '"p\\"w"', '""', '"\\ud800"', '"\\u00e9"', '"Ä💥"', '"a\\/b"', '"\x7f"',
    "null",
)  # fmt: skip


def generated_response(choices: Choices) -> ResponseCase:
    """A case."""
    asked = choices.pick(VERSIONS) if choices.seldom(4) else V1
    auth = _auth(choices)
    document = _document(choices, asked, auth)
    for _ in range(max(0, choices.below(6) - 3)):
        spoil(
            choices, choices.pick((document, auth if isinstance(auth, Object) else document, _entry_of(auth, document)))
        )
    text = text_of(document, space(choices) if choices.seldom(4) else "")
    before = choices.pick(_BEFORE) if choices.seldom(12) else ""
    after = choices.pick(_AFTER) if choices.seldom(12) else "\n"
    data = f"{before}{text}{after}".encode()
    if choices.seldom(8):
        data = damaged(choices, data)
    default = choices.pick(("10m", "0s"))
    return ResponseCase(data, asked, default, IMAGES)


def _document(choices: Choices, asked: str, auth: Text | Object) -> Object:
    document = Object()
    kind = choices.pick(_KINDS) if choices.seldom(20) else _KINDS[0]
    version = choices.pick(_OTHER_VERSIONS) if choices.seldom(12) else asked
    scope = choices.pick(_SCOPES) if choices.seldom(8) else choices.pick(_SCOPES[:3])
    document.set("kind", Text(quoted(kind)))
    document.set("apiVersion", Text(quoted(version)))
    document.set("cacheKeyType", Text(f'"{scope}"'))
    if not choices.seldom(5):
        document.set("cacheDuration", Text(duration(choices)))
    document.set("auth", auth)
    if choices.seldom(3):
        document.members = choices.shuffled(document.members)
    return document


def _auth(choices: Choices) -> Text | Object:
    if choices.seldom(12):
        return Text(choices.pick(("{}", "null", "[]", '"x"', "0")))
    auth = Object()
    for _ in range(1 + choices.below(4)):
        key = choices.pick(_KEYS) if choices.seldom(2) else _KEYS[0]
        entry = Object()
        if not choices.seldom(12):
            entry.set("username", Text(choices.pick(_WORDS) if choices.seldom(3) else _WORDS[0]))
        if not choices.seldom(12):
            own = f'"ya29.{len(auth.members)}"'
            entry.set("password", Text(choices.pick(_WORDS) if choices.seldom(3) else own))
        auth.set(key, Text(choices.pick(("null", "{}"))) if choices.seldom(15) else entry)
    return auth


def _entry_of(auth: Text | Object, otherwise: Object) -> Object:
    if isinstance(auth, Object) and auth.members and isinstance(auth.members[0][1], Object):
        return auth.members[0][1]
    return otherwise
