"""What the installer asks API server and kubelet, over TLS."""

from __future__ import annotations

import contextlib
import datetime as dt
import http.server
import ipaddress
import json
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from credprovider.node import live_probes
from credprovider.node.client import ask_plain, ask_tls
from credprovider.node.clock import Clock
from credprovider.node.cluster import Cluster, cluster_of_pod
from credprovider.node.endpoint import Endpoint
from credprovider.node.live_probes import LiveProbes
from credprovider.node.outcome import event_reason
from credprovider.node.probes import Readiness
from credprovider.node.situation import Situation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TAINT = {"key": "example.com/pulls", "effect": "NoSchedule"}
OTHER = {"key": "other", "effect": "NoExecute", "value": "x"}
HASH = "sha256:" + "ab" * 32


class Api:
    """A small API server: one Node, Events, JSON patches with test; and the same kubelet's metrics."""

    def __init__(self) -> None:
        self.node: dict[str, Any] = {
            "spec": {"taints": [OTHER, TAINT]},
            "status": {
                "addresses": [
                    {"type": "Hostname", "address": "node-1"},
                    {"type": "InternalIP", "address": "127.0.0.1"},
                ],
                "conditions": [
                    {"type": "MemoryPressure", "status": "False"},
                    {"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-11-23T20:00:00Z"},
                ],
            },
        }
        self.events: list[dict[str, Any]] = []
        self.tokens: list[str | None] = []
        self.forbidden = False
        self.meddle = 0
        self.metrics = f'x 1\nkubelet_credential_provider_config_info{{hash="{HASH}"}} 1\n'

    def answer(self, method: str, path: str, token: str | None, body: bytes) -> tuple[int, bytes]:
        self.tokens.append(token)
        if token != "Bearer pod-token":
            return 401, b"{}"
        if path == "/metrics":
            return 200, self.metrics.encode()
        if method == "POST" and path == "/api/v1/namespaces/default/events":
            self.events.append(json.loads(body))
            return 201, b"{}"
        if path != "/api/v1/nodes/node-1":
            return 404, b"{}"
        if method == "PATCH":
            return self._patch(json.loads(body))
        return 200, json.dumps(self.node).encode()

    def _patch(self, patch: list[dict[str, Any]]) -> tuple[int, bytes]:
        if self.forbidden:
            return 403, b"{}"
        if self.meddle:
            self.meddle -= 1
            self.node["spec"]["taints"] = [*self.node["spec"]["taints"], {"key": f"new-{self.meddle}"}]
        test, replace = patch
        assert test["op"] == "test"
        if test["value"] != self.node["spec"]["taints"]:
            return 422, b"{}"
        self.node["spec"]["taints"] = replace["value"]
        return 200, b"{}"


@contextlib.contextmanager
def serving(
    api: Api, identity: trustme.CA | Callable[[ssl.SSLContext], None], name: str = "127.0.0.1", port: int = 0
) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def respond(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            status, content = api.answer(self.command, self.path, self.headers.get("Authorization"), body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = respond  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if isinstance(identity, trustme.CA):
        identity.issue_cert(name).configure_cert(context)
    else:
        identity(context)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def identity(tmp_path: Path, authority: trustme.CA) -> Path:
    (tmp_path / "token").write_text("pod-token\n")
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    return tmp_path


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def cluster(api: Api, authority: trustme.CA, identity: Path) -> Iterator[Cluster]:
    with serving(api, authority) as port:
        yield Cluster("127.0.0.1", port, "node-1", str(identity))


def test_the_token_is_never_sent_to_a_server_of_another_name_or_ca(
    api: Api, identity: Path, authority: trustme.CA
) -> None:
    with serving(api, trustme.CA()) as port:
        assert Cluster("127.0.0.1", port, "node-1", str(identity)).own_node() is None
    with serving(api, authority, name="other.example") as port:
        assert Cluster("127.0.0.1", port, "node-1", str(identity)).own_node() is None
    assert api.tokens == []


def test_why_the_api_server_cannot_be_asked_is_known(api: Api, identity: Path, authority: trustme.CA) -> None:
    question = "GET /api/v1/nodes/node-1: "
    with serving(api, trustme.CA()) as port:
        cluster = Cluster("127.0.0.1", port, "node-1", str(identity))
        cluster.own_node()
        assert cluster.trouble() == f"{question}its certificate was refused: unable to get local issuer certificate"
    cluster.own_node()
    assert cluster.trouble() == f"{question}Connection refused"
    with serving(api, authority, port=port):
        cluster.own_node()
        assert cluster.trouble() == ""
    (identity / "ca.crt").write_text("x")
    cluster.own_node()
    assert cluster.trouble() == f"{question}{identity}/ca.crt holds no CA certificate that can be read"
    (identity / "token").unlink()
    cluster.own_node()
    assert cluster.trouble() == f"{question}this pod has no ServiceAccount token"


def plain_authority(folder: Path) -> tuple[bytes, Path]:
    """A CA's certificate, and one that it issued with its key in a file; neither has a key identifier."""
    now = dt.datetime.now(dt.timezone.utc)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("cluster", "127.0.0.1")]
    made = []
    for index, extension in enumerate(
        (
            x509.BasicConstraints(ca=True, path_length=None),
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
        )
    ):
        builder = x509.CertificateBuilder(names[0], names[index], keys[index].public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        made.append(builder.add_extension(extension, critical=index == 0).sign(keys[0], hashes.SHA256()))
    key = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = folder / "chain.pem"
    chain.write_bytes(key + made[1].public_bytes(serialization.Encoding.PEM))
    return made[0].public_bytes(serialization.Encoding.PEM), chain


def test_a_ca_without_key_identifiers_is_a_ca(api: Api, identity: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ssl.create_default_context

    def as_python_3_13_makes_it(*given: Any, **named: Any) -> ssl.SSLContext:
        context = made(*given, **named)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", as_python_3_13_makes_it)
    authority, chain = plain_authority(identity)
    (identity / "ca.crt").write_bytes(authority)
    with serving(api, lambda context: context.load_cert_chain(chain)) as port:
        cluster = Cluster("127.0.0.1", port, "node-1", str(identity))
        assert cluster.own_node() == api.node, cluster.trouble()


def test_keys_of_sessions_are_never_written_down(
    cluster: Cluster, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert cluster.own_node() == api.node
    assert not (tmp_path / "keys").exists()


def test_nobody_there_is_an_answer(identity: Path) -> None:
    cluster = Cluster("127.0.0.1", 9, "node-1", str(identity))
    assert cluster.own_node() is None
    assert not cluster.tell("Reason", "text", warning=True)
    assert cluster.remove_taint("x") == "failed"
    assert ask_plain(9, "/healthz").status == 0
    assert ask_tls("127.0.0.1", 9, "/", ca_file="/nonexistent", token="x").status == 0


def test_without_a_token_nobody_is_asked(cluster: Cluster, api: Api, identity: Path) -> None:
    (identity / "token").unlink()
    assert cluster.own_node() is None
    assert api.tokens == []


@pytest.mark.parametrize("missing", ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "NODE_NAME"])
def test_outside_of_a_pod_there_is_no_cluster(identity: Path, missing: str) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443", "NODE_NAME": "node-1"}
    assert cluster_of_pod(environ, str(identity)) == Cluster("10.0.0.1", 443, "node-1", str(identity))
    assert cluster_of_pod({**environ, missing: ""}, str(identity)) is None
    assert cluster_of_pod(environ, str(identity / "nowhere")) is None


def test_an_event_is_about_the_node_and_not_too_long(cluster: Cluster, api: Api) -> None:
    assert cluster.tell(event_reason("node-rolled-back"), "x" * 5000, warning=True)
    (event,) = api.events
    assert event["reason"] == "NodeRolledBack"
    assert event["type"] == "Warning"
    assert event["involvedObject"] == {"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": "node-1"}
    assert event["metadata"]["namespace"] == "default"
    assert len(event["message"]) == 1024


def test_only_our_taint_goes(cluster: Cluster, api: Api) -> None:
    assert cluster.remove_taint(TAINT["key"]) == "removed"
    assert api.node["spec"]["taints"] == [OTHER]
    assert cluster.remove_taint(TAINT["key"]) == "absent"


def test_a_taint_list_that_changes_meanwhile_is_read_again(cluster: Cluster, api: Api) -> None:
    api.meddle = 2
    assert cluster.remove_taint(TAINT["key"]) == "removed"
    assert [taint["key"] for taint in api.node["spec"]["taints"]] == ["other", "new-1", "new-0"]


def test_a_taint_that_changes_all_the_time_is_given_up_for_now(cluster: Cluster, api: Api) -> None:
    api.meddle = 50
    assert cluster.remove_taint(TAINT["key"]) == "failed"


def test_a_denial_is_told_as_one(cluster: Cluster, api: Api, identity: Path) -> None:
    api.forbidden = True
    assert cluster.remove_taint(TAINT["key"]) == "forbidden"
    assert cluster.trouble() == "PATCH /api/v1/nodes/node-1: HTTP 403"
    (identity / "token").write_text("stale")
    assert cluster.remove_taint(TAINT["key"]) == "forbidden"
    assert cluster.trouble() == "GET /api/v1/nodes/node-1: HTTP 401"


@pytest.mark.parametrize(
    ("made", "born"),
    [("2026-11-23T20:00:00Z", 1795464000.0), (None, None), ("yesterday", None)],
)
def test_a_nodes_birth_is_read(cluster: Cluster, api: Api, made: str | None, born: float | None) -> None:
    api.node["metadata"] = {"creationTimestamp": made}
    assert cluster.born() == born
    del api.node["metadata"]
    assert cluster.born() is None


def test_the_nodes_own_condition_is_read(cluster: Cluster, api: Api) -> None:
    assert LiveProbes(None, cluster).readiness() == Readiness(ready=True, heartbeat=1795464000.0)
    api.node["status"]["conditions"] = []
    assert LiveProbes(None, cluster).readiness() is None
    assert LiveProbes(None, None).readiness() is None


def test_what_the_kubelet_has_loaded_is_read_from_its_metrics(
    cluster: Cluster, api: Api, authority: trustme.CA
) -> None:
    with serving(api, authority, port=10250):
        assert LiveProbes(None, cluster).loaded_hash() == HASH
        api.metrics = "kubelet_credential_provider_config_info 1\n"
        assert LiveProbes(None, cluster).loaded_hash() is None
    assert LiveProbes(None, cluster).loaded_hash() is None
    assert LiveProbes(None, None).loaded_hash() is None


def test_a_kubelet_with_a_certificate_of_its_own_is_not_asked(cluster: Cluster, api: Api) -> None:
    with serving(api, trustme.CA(), port=10250):
        assert LiveProbes(None, cluster).loaded_hash() is None


def test_health_is_asked_only_where_loopback_is_the_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    situation = Situation("install", "x")
    endpoint = Endpoint(("127.0.0.1", 0), situation, Clock())
    assert endpoint.listen() is None
    try:
        monkeypatch.setattr(live_probes, "_is_in_host_network", lambda: False)
        assert LiveProbes(endpoint.port, None).healthz() is None
        monkeypatch.setattr(live_probes, "_is_in_host_network", lambda: True)
        assert LiveProbes(endpoint.port, None).healthz() is False  # it is alive since long ago, so it hangs
        situation.alive = Clock().boottime()
        assert LiveProbes(endpoint.port, None).healthz() is True
        assert LiveProbes(None, None).healthz() is None
    finally:
        endpoint.close()
    assert LiveProbes(endpoint.port, None).healthz() is False


def test_metrics_are_well_formed() -> None:
    from credprovider.node.metrics import metrics_text

    situation = Situation("install", 'odd"\\\n', code="x-y", version="1", bundle="b", exchanged=1.5, token_expires=2e9)
    for line in metrics_text(situation).splitlines():
        assert line.startswith(("# HELP ", "# TYPE ")) or line.rpartition(" ")[2].replace(".", "").isdigit()
    assert 'provider="odd\\"\\\\\\n"' in metrics_text(situation)
