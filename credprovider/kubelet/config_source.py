"""One text to the providers it declares, decoded as the kubelet does, with a finding for all that does not fit; pure.

JSON if the text begins with ``{``, else the first YAML document turned into JSON; then the codec, strict from 1.32
(before, unknown and duplicate fields were ignored). Source: decode in pkg/credentialprovider/plugin/config.go, and
apimachinery ``pkg/runtime/serializer/{recognizer,json}``.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NamedTuple

from credprovider.kubelet.codec import (
    BAD_DURATION,
    DUPLICATE_FIELD,
    UNKNOWN_FIELD,
    WRONG_TYPE,
    Decoder,
    Problem,
    TypeMetaError,
    read_type_meta,
)
from credprovider.kubelet.config_model import CONFIG_VERSIONS, INTERNAL, KIND, V1, ConfigDecoder, Provider
from credprovider.kubelet.findings import Finding, Severity
from credprovider.kubelet.json_text import parse_json
from credprovider.kubelet.tree import DocumentError, Kind, Node
from credprovider.kubelet.versions import CACHE_TYPE, STRICT_DECODING, TOKEN_ATTRIBUTES, KubeletVersion
from credprovider.kubelet.yaml_text import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What Go's unicode.IsSpace takes for space before the ``{`` of a JSON document.
_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

_LAST_LENIENT = KubeletVersion(STRICT_DECODING.major, STRICT_DECODING.minor - 1)


class Source(NamedTuple):
    """What one text holds."""

    providers: tuple[Provider, ...]
    findings: tuple[Finding, ...]


def decode_source(data: bytes, file: str, kubelet: KubeletVersion) -> Source:
    """Decode a configuration file's content.

    Args:
        data: the content.
        file: its name, for the findings.
        kubelet: the version whose types and strictness count.
    """
    findings: list[Finding] = []
    try:
        document = _read(data, file, kubelet, findings)
    except DocumentError as error:
        hint = _syntax_hint(data, str(error))
        return Source((), (Finding(Severity.ERROR, "syntax", str(error), file, error.place, suggestion=hint),))
    try:
        version = _config_version(document)
    except _KindError as error:
        finding = Finding(Severity.ERROR, error.rule, str(error), file, document.place, suggestion=error.suggestion)
        return Source((), (*findings, finding))
    if version == INTERNAL:
        message = "the kubelet's internal version may change its fields with any release"
        rule = "config-version-internal"
        findings.append(Finding(Severity.WARNING, rule, message, file, document.place, "apiVersion"))
    decoder = Decoder()
    providers = ConfigDecoder(decoder, file, version, kubelet).providers(document)
    findings += (_finding(problem, file, kubelet) for problem in decoder.problems)
    return Source(tuple(providers), tuple(findings))


def _syntax_hint(data: bytes, message: str) -> str:
    if _is_json(data):
        return "a file that begins with { is read as JSON, never as YAML"
    if "alias" in message or "anchor" in message:
        return 'put patterns that begin with a star into quotes: "*-docker.pkg.dev"'
    return ""


def _is_json(data: bytes) -> bool:
    return data.decode("utf-8", "replace").lstrip(_SPACE).startswith("{")


def _read(data: bytes, file: str, kubelet: KubeletVersion, findings: list[Finding]) -> Node:
    if _is_json(data):
        return parse_json(data)
    document = parse_yaml(data)
    for member in document.duplicates:
        problem = Problem(DUPLICATE_FIELD, member.name, member.place, "set before, here or by a merge")
        findings.append(_finding(problem, file, kubelet))
    if document.ignored:
        message = "only the first document of a file is read; what begins here is ignored"
        hint = "move its providers into the first document, or (from 1.34) into a file of its own in a directory"
        findings.append(Finding(Severity.WARNING, "document-ignored", message, file, document.ignored, suggestion=hint))
    return document.root


class _KindError(ValueError):
    def __init__(self, rule: str, message: str, suggestion: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.suggestion = suggestion


def _config_version(document: Node) -> str:
    """The document's apiVersion, if it is a CredentialProviderConfig of a version that the kubelet knows."""
    try:
        meta = read_type_meta(document)
    except TypeMetaError as error:
        raise _KindError("type-meta", str(error), f"begin with apiVersion: {V1} and kind: {KIND}") from None
    if not meta.kind:
        hint = f"begin with apiVersion: {V1} and kind: {KIND}"
        raise _KindError("kind-missing", "the document, which may be empty, has no kind", hint)
    if meta.api_version not in CONFIG_VERSIONS:
        known = ", ".join(version for version in CONFIG_VERSIONS if version != INTERNAL)
        raise _KindError("config-version", f"the document's apiVersion is none of {known}", f"write apiVersion: {V1}")
    if meta.kind != KIND:
        raise _KindError("kind-wrong", f"the document's kind is not {KIND}", f"write kind: {KIND}")
    return meta.api_version


def _finding(problem: Problem, file: str, kubelet: KubeletVersion) -> Finding:
    name = problem.path.rpartition(".")[2]
    hint = "".join(_hints(problem, name))
    strict_only = problem.kind in {UNKNOWN_FIELD, DUPLICATE_FIELD}
    what = {UNKNOWN_FIELD: "unknown field", DUPLICATE_FIELD: "duplicate field", BAD_DURATION: "bad duration in field"}
    message = f"{what.get(problem.kind, 'wrong type in field')} {problem.path!r}: {problem.detail}"
    severity, since, until = Severity.ERROR, STRICT_DECODING if strict_only else None, None
    if strict_only and kubelet < STRICT_DECODING:
        message += "; this kubelet ignores it, newer ones do not start"
        severity, since, until = Severity.WARNING, None, _LAST_LENIENT
    return Finding(severity, problem.kind, message, file, problem.place, problem.path, since, until, hint)


def _hints(problem: Problem, name: str) -> Iterator[str]:
    if problem.kind == UNKNOWN_FIELD:
        known = problem.detail.rpartition(": ")[2].split(", ")
        if name == "tokenAttributes":
            yield f"tokenAttributes exists in {V1} only, from kubelet {TOKEN_ATTRIBUTES}"
        elif name == "cacheType":
            yield f"cacheType exists from kubelet {CACHE_TYPE}"
        elif name.lower() in (field.lower() for field in known):
            yield "names count in exact case: " + next(field for field in known if field.lower() == name.lower())
        else:
            yield from (f"do you mean {field}?" for field in difflib.get_close_matches(name, known, 1))
    elif problem.kind == WRONG_TYPE and name.lower() == "defaultcacheduration":
        yield 'write a text with a unit, e.g. "0s" or "10m"'
    elif problem.detail.startswith((Kind.NUMBER.value, Kind.BOOL.value)) and Kind.STRING.value in problem.detail:
        yield "put the value into quotes; YAML reads numbers, yes, no, on and off as something else than text"
