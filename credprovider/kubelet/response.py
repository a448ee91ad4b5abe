"""What the kubelet makes of a plugin's stdout: taken or refused, kept how long, credentials for which image; pure.

No word of the judged response gets into a message unless it is harmless by its form: a password may stand anywhere in a
broken one. Source: pkg/credentialprovider/plugin/plugin.go, (*execPlugin).ExecPlugin and (*pluginProvider).provide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

from credprovider.kubelet.codec import Decoder, Problem, TypeMetaError, read_type_meta
from credprovider.kubelet.json_text import parse_json
from credprovider.kubelet.match import lookup
from credprovider.kubelet.request import V1
from credprovider.kubelet.tree import DocumentError, Member, Node
from credprovider.secret import Secret

KIND = "CredentialProviderResponse"
CACHE_KEY_TYPES = ("Image", "Registry", "Global")

_FIELDS = frozenset({"kind", "apiVersion", "cacheKeyType", "cacheDuration", "auth"})
_ENTRY_FIELDS = frozenset({"username", "password"})
_DECODE_LOG = "error decoding credential provider plugin response from stdout"

#: What a token cannot look like: a group with a version, a registry, a field's name.
_VERSION_FORM = re.compile(r"(?:[a-z0-9.-]{1,60}/)?v\d{1,3}(?:(?:alpha|beta)\d{1,3})?")
_KEY_FORM = re.compile(
    r"(?:https?://)?(?:(?:[a-z0-9*-]{1,40}\.)+[a-z*]{1,24}|localhost|\d{1,3}(?:\.\d{1,3}){3})(?::\d{1,5})?(?:/[a-z0-9._*/-]{0,80})?"
)
_NAME_FORM = re.compile(r"[A-Za-z]{1,32}")


class Stage(Enum):
    """How far a response got. None of the failures counts in the kubelet's plugin error metric."""

    JSON = "json"
    API_VERSION = "apiVersion"
    DECODING = "decoding"
    CACHE_KEY_TYPE = "cacheKeyType"
    ACCEPTED = "accepted"


@dataclass(frozen=True)
class Credential:
    """One credential that the kubelet would hand to the container runtime, with the auth key that it came under."""

    key: str = field(repr=False)
    username: str = field(repr=False)
    password: Secret


@dataclass(frozen=True)
class Response:
    """What a response says once it is decoded; printed, it shows none of its texts.

    Attributes:
        cache_duration: nanoseconds; None leaves it to the provider's defaultCacheDuration.
        auth: by auth key as written.
    """

    cache_key_type: str = field(repr=False)
    cache_duration: int | None
    auth: dict[str, Credential] = field(repr=False)


@dataclass(frozen=True)
class Verdict:
    """The kubelet's verdict.

    Attributes:
        stage: `Stage.ACCEPTED`, or where it failed.
        log: the kubelet's log text, as of 1.37, with what might be secret as ``***``; empty when accepted.
        causes: what is wrong, in our words; the kubelet logs less.
        response: the decoded response, also when only its cacheKeyType is refused.
        credentials: for the image, in order of trial; None when no image was given or the response is refused.
    """

    stage: Stage
    log: str = ""
    causes: tuple[str, ...] = ()
    response: Response | None = None
    credentials: tuple[Credential, ...] | None = None

    @property
    def accepted(self) -> bool:
        """Would the kubelet use the response?"""
        return self.stage is Stage.ACCEPTED


def judge_response(stdout: bytes, *, api_version: str = V1, image: str | None = None) -> Verdict:
    """Judge as the kubelet does.

    Args:
        stdout: all that the plugin wrote.
        api_version: the one that the provider's configuration, and so the request, names.
        image: repository name as the kubelet sent it; with it the verdict says which credentials it gets.
    """
    try:
        document = parse_json(stdout)
    except DocumentError as error:
        log = f"error reading GVK from response: couldn't get version/kind; json parse error: {error}"
        return Verdict(Stage.JSON, log, (f"stdout is not one JSON value (line {error.place.line})",))
    try:
        meta = read_type_meta(document)
    except TypeMetaError as error:
        return Verdict(Stage.JSON, f"error reading GVK from response: {error}", ("apiVersion or kind cannot be read",))
    if meta.api_version != api_version:
        actual = _mask(meta.api_version, _VERSION_FORM)
        log = f"apiVersion from credential plugin response did not match expected apiVersion:{api_version}"
        cause = "answer in the apiVersion of the request"
        return Verdict(Stage.API_VERSION, f"{log}, actual apiVersion:{actual}", (cause,))
    return _judge_decoded(document, meta.kind, image)


def _judge_decoded(document: Node, kind: str, image: str | None) -> Verdict:
    if kind != KIND:
        return Verdict(Stage.DECODING, _DECODE_LOG, (f"kind is not {KIND}",))
    decoder = Decoder()
    response = _decode(decoder, document)
    if decoder.problems:
        return Verdict(Stage.DECODING, _DECODE_LOG, tuple(_cause(problem) for problem in decoder.problems))
    if response.cache_key_type not in CACHE_KEY_TYPES:
        found = _mask(response.cache_key_type, _NAME_FORM)
        log = f"credential provider plugin did not return a valid cacheKeyType: {found}"
        cause = f"cacheKeyType must be one of {', '.join(CACHE_KEY_TYPES)}, in this case of letters"
        return Verdict(Stage.CACHE_KEY_TYPE, log, (cause,), response)
    if image is None:
        return Verdict(Stage.ACCEPTED, response=response)
    credentials = tuple(response.auth[key] for key in lookup(response.auth, image))
    return Verdict(Stage.ACCEPTED, response=response, credentials=credentials)


def _decode(decoder: Decoder, document: Node) -> Response:
    fields = decoder.struct(document, _FIELDS, "")
    for name in ("kind", "apiVersion"):
        decoder.text(_value(fields, name), name)
    auth: dict[str, Credential] = {}
    for key, member in decoder.mapping(_value(fields, "auth"), "auth").items():
        path = f"auth.{key}"
        entry = decoder.struct(member.value, _ENTRY_FIELDS, path)
        username = decoder.text(_value(entry, "username"), f"{path}.username")
        password = decoder.text(_value(entry, "password"), f"{path}.password")
        auth[key] = Credential(key, username, Secret(password))
    return Response(
        decoder.text(_value(fields, "cacheKeyType"), "cacheKeyType"),
        decoder.duration(_value(fields, "cacheDuration"), "cacheDuration"),
        auth,
    )


def _value(fields: dict[str, Member], name: str) -> Node | None:
    member = fields.get(name)
    return None if member is None else member.value


def _cause(problem: Problem) -> str:
    return f"{problem.kind} {show_path(problem.path)} (line {problem.place.line}): {problem.detail}"


def show_path(path: str) -> str:
    """The path of a field with names that could be anything but names shown as ``***``."""
    if not path.startswith("auth."):
        return _mask(path, _NAME_FORM)
    key, dot, field = path.removeprefix("auth.").rpartition(".")
    if dot and _NAME_FORM.fullmatch(field) and _KEY_FORM.fullmatch(key):
        return path
    return f"auth.{show_key(path.removeprefix('auth.'))}"


def show_key(key: str) -> str:
    """An auth key, or ``***`` for one that does not look like a registry."""
    return _mask(key, _KEY_FORM)


def _mask(text: str, form: re.Pattern[str]) -> str:
    return text if not text or form.fullmatch(text) else "***"
