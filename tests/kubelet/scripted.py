"""A credential provider that does what a test says, registered with a kubelet as a real one is."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.kubelet.real import V1, Cluster, Kubelet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.kubelet.build import Harness

NAME = "scripted"
AUDIENCE = "//iam.googleapis.com/pool"


def response(
    auth: Mapping[str, Any] | None, cache_duration: str | None = "5m", scope: str = "Registry", api_version: str = V1
) -> bytes:
    """A good response; `cache_duration` None leaves the field out."""
    document: dict[str, Any] = {"kind": "CredentialProviderResponse", "apiVersion": api_version, "cacheKeyType": scope}
    if cache_duration is not None:
        document["cacheDuration"] = cache_duration
    return json.dumps({**document, "auth": auth}).encode()


def credential(password: str = "secret") -> dict[str, str]:
    """One entry of `auth`."""
    return {"username": "oauth2accesstoken", "password": password}


@dataclass
class Scripted:
    """One node's files: the config, the bin dir with the plugin, what it shall print, and what it wrote down.

    Attributes:
        entry: fields of the provider's entry to add or replace.
        environ: of the kubelet.
        name: of the provider.
    """

    folder: Path
    harness: Harness
    entry: dict[str, Any]
    environ: dict[str, str]
    name: str = NAME

    def answers(self, stdout: bytes) -> None:
        """From the next run on it prints this."""
        (self.folder / "stdout").write_bytes(stdout)

    def install(self, *args: str) -> Path:
        """Puts plugin and config in place; gives the latter."""
        self.plugin.parent.mkdir(exist_ok=True)
        if not self.plugin.exists():
            shutil.copy(self.harness.plugin, self.plugin)
        stdout = self.folder / "stdout"
        stdout.touch()
        provider = {
            "name": self.name,
            "apiVersion": V1,
            "matchImages": ["*-docker.pkg.dev", "*-docker.pkg.dev:443"],
            "defaultCacheDuration": "0s",
            "args": ["-stdout", str(stdout), "-record", str(self.folder / "runs"), *args],
            **self.entry,
        }
        config = self.folder / "config.json"
        kind = {"apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig"}
        config.write_text(json.dumps({**kind, "providers": [provider]}))
        return config

    def kubelet(self, *args: str, cluster: Cluster | None = None) -> Kubelet:
        """Start a kubelet whose only plugin is the scripted one, with further arguments for it."""
        config = self.install(*args)
        kubelet = Kubelet(self.harness, config, self.plugin.parent, cluster=cluster, environ=self.environ)
        assert kubelet.error == ""
        return kubelet

    @property
    def plugin(self) -> Path:
        """The executable in the bin dir."""
        return self.folder / "bin" / self.name

    @property
    def runs(self) -> list[dict[str, Any]]:
        """What each run saw: args, env, cwd, stdin."""
        path = self.folder / "runs"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def token_attributes(
    cache_type: str = "ServiceAccount",
    *,
    require: bool = True,
    required: Sequence[str] = (),
    optional: Sequence[str] = (),
) -> dict[str, Any]:
    """The entry's field that turns service-account mode on."""
    return {
        "tokenAttributes": {
            "serviceAccountTokenAudience": AUDIENCE,
            "cacheType": cache_type,
            "requireServiceAccount": require,
            "requiredServiceAccountAnnotationKeys": list(required),
            "optionalServiceAccountAnnotationKeys": list(optional),
        }
    }
