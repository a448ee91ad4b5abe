"""What the core's tests are made of: a clock that a test turns, settings that work until changed, tokens."""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from credprovider.errors import ProviderError
from credprovider.external_account import ExternalAccount, read_external_account
from credprovider.protocol import API_VERSIONS, Request
from credprovider.secret import Secret
from credprovider.settings import Settings, Sources
from credprovider.settings_plan import compile_plan
from credprovider.world import Limits, World

#: For `given`. Machines differ and share their cores: no example is judged by its time. A red run can be repeated.
EXAMPLES = settings(
    deadline=None,
    max_examples=100,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

PROGRAM = "azure-gar-credential-provider"

CLIENT_ID = "22222222-2222-4222-8222-222222222222"
OTHER_ID = "33333333-3333-4333-8333-333333333333"
TENANT_ID = "11111111-1111-4111-8111-111111111111"
EXCHANGE = "api://AzureADTokenExchange"
POOL = "projects/123456789012/locations/global/workloadIdentityPools/acme-azure-pool/providers/acme-azure-provider"
AUDIENCE = f"//iam.googleapis.com/{POOL}"
TOKEN_AUDIENCE = f"https://iam.googleapis.com/{POOL}"
IAM_URL = (
    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
    "bifrost-pull@bifrost-dist.iam.gserviceaccount.com:generateAccessToken"
)

#: The vendor guide's file (step 5), with values where it has placeholders.
GUIDE: dict[str, Any] = {
    "type": "external_account",
    "audience": AUDIENCE,
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "service_account_impersonation_url": IAM_URL,
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {"file": "/var/run/secrets/azure/tokens/azure-identity-token", "format": {"type": "text"}},
}

#: What ``gcloud iam workload-identity-pools create-cred-config --azure`` writes without a service account.
GCLOUD: dict[str, Any] = {
    "type": "external_account",
    "audience": AUDIENCE,
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {
        "url": "http://169.254.169.254/metadata/identity/oauth2/token"
        "?api-version=2018-02-01&resource=api://AzureADTokenExchange",
        "headers": {"Metadata": "True"},
        "format": {"type": "json", "subject_token_field_name": "access_token"},
    },
    "token_info_url": "https://sts.googleapis.com/v1/introspect",
}


#: As gcloud writes it; the resource is not encoded.
IMDS_URL = GCLOUD["credential_source"]["url"]
VENDOR_PATH = "/etc/somewhere/credential-config.json"


def changed(document: dict[str, Any], *path: str, to: Any = None) -> dict[str, Any]:
    """A copy with the value at `path` replaced, made, or (None) taken away."""
    result = copy.deepcopy(document)
    place = result
    for name in path[:-1]:
        place = place.setdefault(name, {})
    if to is None:
        place.pop(path[-1], None)
    else:
        place[path[-1]] = to
    return result


class Clock:
    """Seconds that pass when a test says so, or when the product sleeps."""

    def __init__(self, now: float = 1000.0, wall: float = 1_800_000_000.0) -> None:
        self.now = now
        self.offset = wall - now
        self.slept: list[float] = []

    def boottime(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now + self.offset

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def make_world(folder: Path, clock: Clock | None = None, **changes: Any) -> World:
    """A world of which nothing is the machine's: config.json and state in `folder`, no environment, no azure.json."""
    clock = clock or Clock()
    parts: dict[str, Any] = {
        "state_directory": str(folder / "state"),
        "boottime": clock.boottime,
        "wall": clock.wall,
        "sleep": clock.sleep,
        "chance": lambda: 0.5,
        "limits": Limits(total=4.0),
        "azure_json": str(folder / "azure.json"),
        "boot_id": "this-boot",
        "euid": os.geteuid(),
        "environ": {},
        **changes,
    }
    return World(str(folder / "config.json"), parts.pop("environ"), **parts)


def write(path: Path, content: object, mode: int = 0o600) -> Path:
    """JSON, or text and bytes as they are, whatever the umask."""
    raw = content if isinstance(content, bytes) else (content if isinstance(content, str) else json.dumps(content))
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    path.chmod(mode)
    return path


def settings_files(folder: Path, config: dict[str, Any] | None = None, vendor: dict[str, Any] | None = None) -> None:
    """config.json and credential-config.json; without more: the node's identity, as the vendor's guide goes on."""
    folder.mkdir(parents=True, exist_ok=True)
    identity = {"source": "managed-identity", "clientId": CLIENT_ID}
    write(folder / "config.json", config if config is not None else {"identity": identity})
    write(folder / "credential-config.json", vendor if vendor is not None else GUIDE)


def compiled(world: World) -> dict[str, Any]:
    """The plan of the world's settings."""
    return compile_plan(world, Sources(world))


def plan(folder: Path, config: dict[str, Any], vendor: dict[str, Any] | None = None, **environ: Any) -> dict[str, Any]:
    """What these documents and this environment mean."""
    settings_files(folder, config, vendor)
    return compiled(make_world(folder, environ=environ))


def identity(source: str, **block: Any) -> dict[str, Any]:
    """A config.json of an identity block alone."""
    return {"identity": {"source": source, **block}}


def refusal(world: World) -> ProviderError:
    """The error that the world's settings end in; its line is one line."""
    with pytest.raises(ProviderError) as caught:
        compiled(world)
    assert caught.value.family == "settings"
    assert "\n" not in caught.value.line()
    return caught.value


#: Of a token that lives for an hour from `Clock`'s start.
PAYLOAD: dict[str, Any] = {
    "iss": "https://issuer.example/",
    "sub": "system:serviceaccount:apps:puller",
    "aud": "https://audience",
    "exp": 1_800_003_600,
}


def jwt(
    payload: Any = None, *, header: str = "eyJhbGciOiJSUzI1NiJ9", signature: str = "c2lnbmF0dXJl", **claims: Any
) -> str:
    """A JWT that nobody signed. `payload` stands for the whole payload, `claims` change the usual ones."""
    document = {**PAYLOAD, **claims} if payload is None else payload
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return f"{header}.{base64.urlsafe_b64encode(raw).decode().rstrip('=')}.{signature}"


def read_vendor(document: object, universe: str = "googleapis.com") -> ExternalAccount:
    """A vendor's file of that content."""
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_external_account(VENDOR_PATH, content, universe)


def refused_vendor(document: object, universe: str = "googleapis.com") -> ProviderError:
    """The error that a vendor's file of that content ends in."""
    with pytest.raises(ProviderError) as caught:
        read_vendor(document, universe)
    error = caught.value
    assert (error.family, error.exit_code) == ("settings", 3)
    assert VENDOR_PATH in error.cause
    assert error.line().isprintable()
    return error


def file_settings(folder: Path, field: str | None = None) -> Settings:
    """Settings of source token-file, its file in `folder`."""
    vendor = GUIDE
    if field is not None:
        form = {"type": "json", "subject_token_field_name": field}
        vendor = changed(GUIDE, "credential_source", "format", to=form)
    block = identity("token-file", tokenAudience=TOKEN_AUDIENCE, tokenFile=str(folder / "token"))
    return Settings(plan(folder, block, vendor))


def pod_settings(folder: Path, **block: Any) -> Settings:
    """Settings of source service-account."""
    return Settings(plan(folder, identity("service-account", tokenAudience=TOKEN_AUDIENCE, **block)))


def node_settings(folder: Path) -> Settings:
    """Settings of source managed-identity."""
    return Settings(plan(folder, identity("managed-identity")))


def asked(token: str | None = None, version: str = API_VERSIONS[0], **annotations: str) -> Request:
    """A request as `parse_request` gives it."""
    return Request(version, "us-docker.pkg.dev/p", None if token is None else Secret(token), annotations)


def disown(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a file somebody else's; where the kernel refuses (no root, a namespace of one user), make it look so."""
    with contextlib.suppress(OSError):
        os.chown(path, 12345, -1, follow_symlinks=False)
        return
    inode, real_fstat, real_stat = path.lstat().st_ino, os.fstat, os.stat

    def foreign(found: os.stat_result) -> os.stat_result:
        return os.stat_result([*found[:4], 12345, *found[5:]]) if found.st_ino == inode else found

    monkeypatch.setattr(os, "fstat", lambda descriptor: foreign(real_fstat(descriptor)))
    monkeypatch.setattr(os, "stat", lambda *args, **keywords: foreign(real_stat(*args, **keywords)))
