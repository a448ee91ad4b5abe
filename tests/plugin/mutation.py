"""What hypothesis makes of a good document: the same with parts replaced, taken away, added, or bytes changed."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

#: Texts with half surrogate pairs, control characters and all of Unicode.
texts = st.text(st.characters(), max_size=40)
numbers = st.one_of(
    st.integers(), st.floats(), st.sampled_from([0, -1, 1 << 63, 1 << 70, 10**400, 1e308, -0.0, 1e-320])
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=10,
)

#: Places that a token must never be sent to, files that are no settings, and texts that parsers read in two ways.
HOSTILE = [
    "",
    " ",
    "\n",
    "\0",
    "a\0b",
    "\ud800",
    "\udcff",
    "null",
    "x" * 5000,
    "/",
    ".",
    "..",
    "/dev/zero",
    "/dev/stdin",
    "/etc/passwd",
    "/proc/self/environ",
    "../" * 40 + "etc/passwd",
    "file:///etc/passwd",
    "https://elsewhere.example/v1/token",
    "https://sts.googleapis.com.elsewhere.example/v1/token",
    "https://sts.googleapis.com@elsewhere.example/v1/token",
    "https://elsewhere.example#sts.googleapis.com/v1/token",
    "https://elsewhere.example\\sts.googleapis.com/v1/token",
    "https://sts.googleapis.com:8443/v1/token",
    "https://sts.googleapis.com\t/v1/token",
    "https://sts.googleapis.com/v1/token\r\nHost: elsewhere.example",
    "https://sts.googleapis.com/v1/../v1/token",
    "https://STS.googleapis.com/v1/token",
    "https://sts-.p.googleapis.com/v1/token",
    "https://sts.us-east1.rep.googleapis.com/v1/token",
    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b.iam.gserviceaccount.com:signJwt",
    "https://[",
    "https://[::1]/v1/token",
    "https://\u2100.googleapis.com/v1/token",
    "http://sts.googleapis.com/v1/token",
    "http://169.254.169.254/metadata/identity/oauth2/token",
    "http://169.254.169.254/metadata/identity/oauth2/token?resource=a&resource=b",
    "http://169.254.169.254/metadata/identity/oauth2/token?resource=a&client_id=\ud800",
    "http://169.254.169.254@elsewhere.example/metadata/identity/oauth2/token?resource=a",
    "http://[fe80::%25]",
    "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider",
    "elsewhere.example",
    "login.microsoftonline.com",
    "api://AzureADTokenExchange",
    "api://AzureADTokenExchange/.default",
    "*.pkg.dev",
    "*",
    "[*",
    "us-docker.pkg.dev/a*/",
    "usgov",
    "token-file",
    "managed-identity",
    "service-account",
    "00000000-0000-4000-8000-00000000000\uff10",
    "executable",
]
hostile = st.one_of(st.sampled_from(HOSTILE), values)

#: What else could stand under a key without being nonsense at first sight; gets further in than nonsense.
PLAUSIBLE: dict[str, list[Any]] = {
    "source": ["managed-identity", "token-file", "service-account", None],
    "clientId": ["00000000-0000-4000-8000-000000000000", None],
    "tenantId": ["00000000-0000-4000-8000-000000000000", None],
    "resource": ["api://other", "https://graph.microsoft.com", "api://AzureADTokenExchange/.default", None],
    "tokenFile": ["/run/nothing", "/etc/passwd", "/dev/zero", "/proc/self/mem", "/run", "/\ud800", None],
    "tokenAudience": ["api://AzureADTokenExchange", "x", None],
    "scope": ["api://other/.default", "https://graph.microsoft.com/.default", None],
    "cloud": ["public", "usgov", "china", None],
    "registries": [
        ["*"],
        ["*-docker.pkg.dev", "*-docker.pkg.dev"],
        ["gcr.io"],
        ["elsewhere.example"],
        ["*.pkg.dev/p/"],
    ],
    "scopes": [["https://www.googleapis.com/auth/cloud-platform"], ["x"], []],
    "universeDomain": ["elsewhere.example", "googleapis.com:8443", "googleapis.com@elsewhere.example", "pkg.dev"],
    "universe_domain": ["elsewhere.example", "googleapis.com:8443", "googleapis.com@elsewhere.example", None],
    "noProxy": ["*", "googleapis.com", "*.googleapis.com,,:", None],
    "caFile": ["/etc/passwd", "/dev/zero", "/", "/nothing", "/\0", 5, True, None],
    "enabled": [False, 0, None],
    "credentialConfig": ["config.json", "./credential-config.json", "/dev/zero", "/", "..", "a\0b", "\ud800", None],
    "requiredAnnotationKeys": [["a"], ["a", "a"], ["azure.workload.identity/client-id"], [""]],
    "optionalAnnotationKeys": [["a"], ["azure.workload.identity/tenant-id"]],
    "cacheType": ["Token", "ServiceAccount", None],
    "require": [False, None],
    "token_lifetime_seconds": [600, 599, 43200, 43201, 3600.0, "3600", None],
    "quota_project_id": ["other-project", "evil\r\nHost: elsewhere.example", None],
    "type": ["text", "json", "external_account", "service_account"],
    "subject_token_field_name": ["access_token", "", "a.b", None],
    "file": ["/a", "", None],
    "headers": [{"Metadata": "True"}, {"Host": "elsewhere.example"}, {"a\r\nb": "c"}, None],
}


def _places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each part of a document, itself first."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(place for key, part in parts for place in _places(part, (*way, key)))]


def _instead(key: Any) -> st.SearchStrategy[Any]:
    """Another value for a key."""
    known = PLAUSIBLE.get(key) if isinstance(key, str) else None
    if not known:
        return hostile
    return st.one_of(st.sampled_from(known), st.sampled_from(known), hostile).map(copy.deepcopy)


@st.composite
def near(draw: st.DrawFn, document: Any) -> Any:
    """A document that differs in a place or two."""
    made = copy.deepcopy(document)
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        places = _places(made)[1:]
        if not places:
            return draw(hostile)
        *way, last = draw(st.sampled_from(places))
        parent = made
        for key in way:
            parent = parent[key]
        change = draw(st.sampled_from(["replace", "replace", "take away", "wrap", "add"]))
        if change == "replace":
            parent[last] = draw(_instead(last))
        elif change == "wrap":
            parent[last] = [parent[last]]
        elif change == "take away":
            del parent[last]
        elif isinstance(parent, dict):
            name = draw(st.one_of(st.sampled_from(["executable", "url", "httpsProxy", *PLAUSIBLE]), texts))
            parent[name] = draw(_instead(name))
        else:
            parent.append(draw(hostile))
    return made


@st.composite
def bytes_of(draw: st.DrawFn, document: Any) -> bytes:
    """A document as JSON, now and then as no JSON parser likes it."""
    escaped = draw(st.booleans())
    content = json.dumps(document, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2]))):
        at, to = sorted((draw(st.integers(0, len(content))), draw(st.integers(0, len(content)))))
        change = draw(st.sampled_from(["cut", "take away", "twice", "put in"]))
        if change == "cut":
            content = content[:at]
        elif change == "take away":
            content = content[:at] + content[to:]
        elif change == "twice":
            content = content[:to] + content[at:]
        else:
            content = content[:at] + draw(st.binary(max_size=8)) + content[at:]
    return content
