"""The rules that a decoded CredentialProviderConfig must keep, lest the kubelet exit; pure.

Source: validateCredentialProviderConfig in pkg/credentialprovider/plugin/config.go, 1.29 to 1.37, and what registration
does with names (RegisterCredentialProviderPlugins in plugin.go).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from credprovider.kubelet.duration import format_duration
from credprovider.kubelet.findings import Finding, Severity
from credprovider.kubelet.request import API_VERSIONS, V1
from credprovider.kubelet.url import UrlError, parse_schemeless
from credprovider.kubelet.versions import CACHE_TYPE, EXECUTABLES_INSPECTED, STRICT_COLONS, TOKEN_ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from credprovider.kubelet.config_model import Provider, Text, TokenAttributes
    from credprovider.kubelet.tree import Place
    from credprovider.kubelet.versions import KubeletVersion

CACHE_TYPES = ("ServiceAccount", "Token")
GATE = "KubeletServiceAccountTokenForCredentialProviders"

#: Longest name of a file on Linux, in bytes.
_NAME_LIMIT = 255

_QUALIFIED = re.compile(r"(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")


def check_providers(providers: Sequence[Provider], kubelet: KubeletVersion, *, token_gate: bool) -> Iterator[Finding]:
    """Every broken rule, names that no executable can have included.

    Args:
        providers: of all files together.
        kubelet: the version whose rules count.
        token_gate: is the feature gate for ServiceAccount tokens on?
    """
    if not providers:
        message = "providers is missing or empty"
        hint = "list at least one provider"
        yield Finding(Severity.ERROR, "no-providers", message, path="providers", suggestion=hint)
    seen: set[str] = set()
    for provider in providers:
        yield from _check_name(provider, seen, kubelet)
        yield from _check_api_version(provider)
        yield from _check_match_images(provider, kubelet)
        yield from _check_cache_duration(provider)
        if provider.token_attributes is not None:
            yield from _check_token_attributes(provider, provider.token_attributes, kubelet, token_gate=token_gate)


def _error(provider: Provider, rule: str, at: Text | tuple[Place, str], message: str, suggestion: str = "") -> Finding:
    place, path = at if isinstance(at, tuple) else (at.place, at.path)
    return Finding(Severity.ERROR, rule, message, provider.file, place, path, suggestion=suggestion)


def _check_name(provider: Provider, seen: set[str], kubelet: KubeletVersion) -> Iterator[Finding]:
    name = provider.name
    hint = "the name is that of an executable in the bin dir"
    if "/" in name.text:
        yield _error(provider, "name-slash", name, "a provider's name must not contain a slash", hint)
    if " " in name.text:
        yield _error(provider, "name-space", name, "a provider's name must not contain a space", hint)
    if name.text in {".", ".."}:
        yield _error(provider, "name-dot", name, "a provider's name must not be . or ..", hint)
    if name.text in seen:
        message = f"provider {name.text!r} is listed twice"
        yield _error(
            provider, "name-duplicate", name, message, "for two entries of one binary, link to it by a second name"
        )
    seen.add(name.text)
    if "\0" in name.text or len(name.text.encode("utf-8", "surrogateescape")) > _NAME_LIMIT:
        message = f"no file can have this name: it holds a NUL or is longer than {_NAME_LIMIT} bytes"
        yield _error(provider, "executable-name-impossible", name, message, hint)
    if not name.text:
        severity = Severity.ERROR if kubelet >= EXECUTABLES_INSPECTED else Severity.WARNING
        message = "without a name the provider's executable is the bin dir itself"
        rule = "executable-name-empty"
        yield Finding(severity, rule, message, provider.file, name.place, name.path, suggestion=f"name it; {hint}")


def _check_api_version(provider: Provider) -> Iterator[Finding]:
    version = provider.api_version
    hint = f"write {V1}"
    if not version.text:
        yield _error(provider, "api-version-missing", version, "the provider's apiVersion is required", hint)
    elif version.text not in API_VERSIONS:
        message = f"the provider's apiVersion must be one of {', '.join(API_VERSIONS)}"
        yield _error(provider, "api-version-unsupported", version, message, hint)


def _check_match_images(provider: Provider, kubelet: KubeletVersion) -> Iterator[Finding]:
    if not provider.match_images:
        at = (provider.place, f"{provider.path}.matchImages")
        hint = 'write e.g. "*-docker.pkg.dev"'
        yield _error(provider, "match-images-missing", at, "matchImages is missing or empty", hint)
    for pattern in provider.match_images:
        try:
            parse_schemeless(pattern.text, strict_colons=kubelet >= STRICT_COLONS)
        except UrlError as error:
            message = f"pattern {pattern.text!r} does not parse as a host with a path: {error}"
            hint = "write host[:port][/path/], with stars in the host only"
            yield _error(provider, "match-image-invalid", pattern, message, hint)


def _check_cache_duration(provider: Provider) -> Iterator[Finding]:
    at = (provider.cache_duration_place, f"{provider.path}.defaultCacheDuration")
    if provider.cache_duration is None:
        yield _error(provider, "default-cache-duration-missing", at, "defaultCacheDuration is required", 'write "0s"')
    elif provider.cache_duration < 0:
        message = f"defaultCacheDuration {format_duration(provider.cache_duration)} is negative"
        yield _error(provider, "default-cache-duration-negative", at, message, 'write "0s"')


def _check_token_attributes(
    provider: Provider, attributes: TokenAttributes, kubelet: KubeletVersion, *, token_gate: bool
) -> Iterator[Finding]:
    at = (attributes.place, attributes.path)
    if not token_gate:
        message = f"tokenAttributes needs the feature gate {GATE}, which is off"
        hint = f"start the kubelet with --feature-gates={GATE}=true, or take tokenAttributes out"
        yield _error(provider, "token-attributes-gate", at, message, hint)
    if not attributes.audience.text:
        message = "serviceAccountTokenAudience is required"
        yield _error(provider, "audience-missing", attributes.audience, message)
    if attributes.require_service_account is None:
        message = "requireServiceAccount is required: true or false"
        here = (attributes.place, f"{attributes.path}.requireServiceAccount")
        yield _error(provider, "require-service-account-missing", here, message)
    if provider.api_version.text != V1:
        message = f"tokenAttributes needs the provider's apiVersion {V1}"
        yield _error(provider, "token-attributes-api-version", at, message)
    yield from _check_annotation_keys(provider, attributes)
    if kubelet >= CACHE_TYPE and attributes.cache_type.text not in CACHE_TYPES:
        rule = "cache-type-unsupported" if attributes.cache_type.text else "cache-type-missing"
        yield _error(provider, rule, attributes.cache_type, f"cacheType must be {' or '.join(CACHE_TYPES)}")


def _check_annotation_keys(provider: Provider, attributes: TokenAttributes) -> Iterator[Finding]:
    at = (attributes.place, attributes.path)
    required, optional = attributes.required_keys, attributes.optional_keys
    if required and attributes.require_service_account is False:
        message = "requiredServiceAccountAnnotationKeys needs requireServiceAccount true"
        yield _error(provider, "required-annotations-without-service-account", at, message)
    for keys in (required, optional):
        seen: set[str] = set()
        for key in keys:
            problem = _annotation_key_problem(key.text)
            if problem:
                yield _error(provider, "annotation-key-invalid", key, f"annotation key {key.text!r}: {problem}")
            if key.text in seen:
                yield _error(provider, "annotation-key-duplicate", key, f"annotation key {key.text!r} is listed twice")
            seen.add(key.text)
    for both in sorted({key.text for key in required} & {key.text for key in optional}):
        message = f"annotation key {both!r} is both required and optional"
        yield _error(provider, "annotation-key-both", at, message)


def _annotation_key_problem(key: str) -> str:
    """Why a key is no qualified name, in any case of letters; empty for a good one.

    Source: apimachinery ``pkg/util/validation`` IsQualifiedName on Go's strings.ToLower, which makes an i of U+0130.
    """
    prefix, slash, name = key.replace("\u0130", "i").lower().rpartition("/")
    if "/" in prefix:
        return "more than one slash"
    if slash and not (len(prefix) <= 253 and _SUBDOMAIN.fullmatch(prefix)):
        return "the part before the slash is no DNS subdomain of at most 253 characters"
    if not (len(name.encode()) <= 63 and _QUALIFIED.fullmatch(name)):
        return "the name must have 1 to 63 letters, digits, -, _ or ., and begin and end with a letter or digit"
    return ""


def default_token_gate(kubelet: KubeletVersion) -> bool:
    """Is the feature gate on where nobody sets it? It came off in 1.33 and went on in 1.34."""
    return kubelet >= CACHE_TYPE or kubelet < TOKEN_ATTRIBUTES
