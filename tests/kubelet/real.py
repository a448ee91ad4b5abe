"""The kubelet's own code, asked from Python: lists of cases, or one kubelet's life step by step."""

from __future__ import annotations

import base64
import json
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from tests.kubelet.build import Harness
    from tests.kubelet.trees import Tree

#: Image asked for, another of its registry, one of another registry: what tells a response's cache scope.
IMAGES = ("us-docker.pkg.dev/p/r/i", "us-docker.pkg.dev/p/r/other", "europe-docker.pkg.dev/p/r/i")
V1 = "credentialprovider.kubelet.k8s.io/v1"
_ERRORS = "kubelet_credential_provider_plugin_errors_total"
_EXECS = "kubelet_credential_provider_plugin_duration_count"


@dataclass(frozen=True)
class ResponseCase:
    """What a plugin prints for `IMAGES[0]`, and what the provider's entry says."""

    stdout: bytes
    api_version: str = V1
    default_cache_duration: str = "10m"
    images: Sequence[str] = IMAGES


@dataclass(frozen=True)
class Real:
    """The kubelet's code of one minor; each method returns verdicts in the order of the cases.

    A kubelet that would panic is an error of the test: no verdict of ours is right then.
    """

    harness: Harness

    def configs(self, trees: Sequence[Tree]) -> list[dict[str, Any]]:
        """Keys: starts, error, providers (registered, in order), hash."""
        return self._judged("configs", [{**vars(tree), "feature_gates": dict(tree.feature_gates)} for tree in trees])

    def responses(self, cases: Sequence[ResponseCase]) -> list[dict[str, Any]]:
        """Keys: accepted, log, credentials (for the first image), errors (metric), scope, duration, keys."""
        return self._judged("responses", [_response(case, self.harness.plugin) for case in cases])

    def matches(self, cases: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
        """`URLsMatchStr` of pattern and image: matches, error."""
        return self._ask("matches", [{"pattern": pattern, "image": image} for pattern, image in cases])

    def keyrings(self, cases: Sequence[tuple[Sequence[str], str]]) -> list[list[str]]:
        """Which auth keys `BasicDockerKeyring` tries for an image, in its order, as they were written."""
        verdicts = self._ask("keyrings", [{"keys": list(keys), "image": image} for keys, image in cases])
        return [verdict["tried"] for verdict in verdicts]

    def images(self, images: Sequence[str]) -> list[dict[str, Any]]:
        """`ParseImageName`: repository, or error."""
        return self._ask("images", list(images))

    def durations(self, values: Sequence[str]) -> list[dict[str, Any]]:
        """A JSON text as `metav1.Duration`: nanoseconds (None: absent), canonical, error."""
        return self._ask("durations", list(values))

    def _judged(self, mode: str, cases: list[Any]) -> list[dict[str, Any]]:
        """As `_ask`, of modes in which each case has a process of its own, which may die."""
        verdicts = self._ask(mode, cases)
        crashed = [
            (case, verdict["crash"]) for case, verdict in zip(cases, verdicts, strict=True) if "crash" in verdict
        ]
        assert crashed == []
        return verdicts

    def _ask(self, mode: str, cases: list[Any]) -> list[Any]:
        command = [str(self.harness.executable), mode]
        answer = subprocess.run(command, input=json.dumps(cases).encode(), capture_output=True, check=False)
        assert answer.returncode == 0, answer.stderr.decode()
        verdicts = json.loads(answer.stdout)
        assert isinstance(verdicts, list)
        return verdicts


def _response(case: ResponseCase, plugin: Path) -> dict[str, Any]:
    return {
        "stdout": _base64(case.stdout),
        "api_version": case.api_version,
        "default_cache_duration": case.default_cache_duration,
        "images": list(case.images),
        "plugin": str(plugin),
    }


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@dataclass(frozen=True)
class ServiceAccount:
    """A ServiceAccount of the cluster."""

    name: str
    namespace: str = "default"
    uid: str = "sa-uid"
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Token:
    """What a TokenRequest gets: any pod's of a ServiceAccount, or one pod's."""

    token: str
    service_account: str
    namespace: str = "default"
    pod: str = ""


@dataclass(frozen=True)
class Cluster:
    """What the kubelet would hear from the API server."""

    service_accounts: Sequence[ServiceAccount] = ()
    tokens: Sequence[Token] = ()


@dataclass(frozen=True)
class Pull:
    """One container's image, as a pod's manifest names it; without ServiceAccount it is a static pod's."""

    image: str
    service_account: str = ""
    namespace: str = "default"
    pod: str = "pod"


@dataclass(frozen=True)
class Found:
    """What the keyring gave for one image.

    Attributes:
        credentials: (user, password) in the order they would be tried; empty is an anonymous pull.
        sources: for each, the ServiceAccount that KEP-2535 would record, as ``namespace/name/uid``, or None.
    """

    credentials: list[tuple[str, str]]
    sources: list[str | None]

    @property
    def password(self) -> str:
        """The only credential's password."""
        assert len(self.credentials) == 1, self.credentials
        return self.credentials[0][1]


@dataclass(frozen=True)
class Happened:
    """What a step came to.

    Attributes:
        execs: runs of all plugins in this step.
        errors: how much kubelet_credential_provider_plugin_errors_total grew in it.
        log: the kubelet's log at -v=5.
    """

    found: list[Found]
    execs: int
    errors: int
    log: str
    token_requests: list[dict[str, Any]]

    @property
    def only(self) -> Found:
        """Of a single look-up."""
        assert len(self.found) == 1
        return self.found[0]


class Kubelet:
    """A kubelet's credential look-up, from start to end; a context manager.

    Attributes:
        error: why it would not have started, else empty.
        metrics: of the kubelet's registry after the last step: metric name -> label -> value.
        page: the same as the kubelet's /metrics serves them.
    """

    def __init__(
        self,
        harness: Harness,
        config: Path,
        bin_dir: Path,
        *,
        cluster: Cluster | None = None,
        environ: Mapping[str, str] | None = None,
        feature_gates: Mapping[str, bool] | None = None,
    ) -> None:
        command = [str(harness.executable), "session"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        # What systemd gives a unit: no HOME, the root as working directory.
        self._process = subprocess.Popen(command, env=dict(environ or {}), cwd="/", **pipes)
        start = {"config": str(config), "bin_dir": str(bin_dir), "feature_gates": dict(feature_gates or {})}
        answer = self._say({**start, **_cluster(cluster or Cluster())})
        self.error: str = answer.get("error", "")
        self.log: str = answer["log"]
        self.metrics: dict[str, dict[str, float]] = answer["metrics"]
        self.page: str = answer["page"]

    def pull(self, *pulls: Pull, cluster: Cluster | None = None) -> Happened:
        """Looks up the images' credentials, all at once; `cluster` is what the API server says from now on."""
        lookups = [
            {
                "image": pull.image,
                "namespace": pull.namespace,
                "pod": pull.pod,
                "pod_uid": f"uid-of-{pull.pod}",
                "service_account": pull.service_account,
                "show_password": True,
            }
            for pull in pulls
        ]
        before = self.metrics
        answer = self._say({"lookups": lookups, "cluster": cluster and _cluster(cluster)})
        self.metrics, self.page = answer["metrics"], answer["page"]
        return Happened(
            found=[_found(each) for each in answer.get("found", [])],
            execs=_total(self.metrics, _EXECS) - _total(before, _EXECS),
            errors=_total(self.metrics, _ERRORS) - _total(before, _ERRORS),
            log=answer["log"],
            token_requests=answer["token_requests"],
        )

    def _say(self, line: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(line).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert isinstance(answer, dict)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()


def _total(metrics: Mapping[str, Mapping[str, float]], name: str) -> int:
    return int(sum(metrics.get(name, {}).values()))


def _found(answer: dict[str, Any]) -> Found:
    assert "error" not in answer, answer
    credentials = [(each["username"], each.get("password", "")) for each in answer["credentials"]]
    return Found(credentials, [_source(each.get("source")) for each in answer["credentials"]])


def _source(source: dict[str, Any] | None) -> str | None:
    account = None if source is None else source["ServiceAccount"]
    return None if account is None else "/".join(account[key] for key in ("Namespace", "Name", "UID"))


def _cluster(cluster: Cluster) -> dict[str, Any]:
    return {
        "service_accounts": [
            {**vars(each), "annotations": dict(each.annotations)} for each in cluster.service_accounts
        ],
        "tokens": [vars(each) for each in cluster.tokens],
    }
