"""What a running installer serves, on which addresses, and what it does when it cannot."""

from __future__ import annotations

import contextlib
import http.client
import socket
from typing import TYPE_CHECKING

import pytest

from credprovider.node.clock import Clock
from credprovider.node.endpoint import Endpoint, parse_address
from credprovider.node.situation import Situation
from tests.node.pods import Pod
from tests.node.trees import PROGRAM, make_bundle, make_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from credprovider.node.refusal import Refusal
    from tests.node.fake_node import FakeNode


def get(port: int, path: str, method: str = "GET", host: str = "127.0.0.1") -> tuple[int, str]:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_the_pages_tell_the_situation() -> None:
    situation = Situation("install", "provider", alive=Clock().boottime())
    endpoint = Endpoint(("127.0.0.1", 0), situation, Clock())
    assert endpoint.listen() is None
    try:
        assert get(endpoint.port, "/readyz") == (503, "starting: the first round is not finished\n")
        situation.ready = True
        assert get(endpoint.port, "/readyz") == (200, "ok\n")
        assert get(endpoint.port, "/healthz") == (200, "ok\n")
        status, text = get(endpoint.port, "/metrics?x=y")
        assert status == 200
        assert 'azure_gar_credential_provider_ready{provider="provider",mode="install"} 1\n' in text
        assert get(endpoint.port, "/../etc/passwd")[0] == 404
        assert get(endpoint.port, "/metrics", "POST")[0] == 501
    finally:
        endpoint.close()


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_a_port_in_use_is_told_and_had_when_it_is_free(taken: int) -> None:
    endpoint = Endpoint(("127.0.0.1", taken), Situation("install", "x"), Clock())
    refusal = endpoint.listen()
    assert refusal is not None
    assert refusal.code == "node-metrics-address"
    assert f"cannot listen on 127.0.0.1:{taken}: Address already in use" in refusal.line()
    assert "\n" not in refusal.line()
    endpoint.close()


def test_a_pod_whose_port_is_in_use_does_its_work_tells_it_and_goes_on(tmp_path: Path, node: FakeNode) -> None:
    other = socket.create_server(("127.0.0.1", 0))

    def listen() -> Refusal | None:
        return endpoint.listen()

    pod = Pod(
        node,
        make_bundle(tmp_path),
        settings_folder=make_settings(tmp_path),
        startup_taint="example.com/pulls",
        listen=listen,
    )
    endpoint = Endpoint(other.getsockname(), pod.situation, node.host().clock)
    with contextlib.closing(endpoint):
        pod.tick()
        assert PROGRAM.encode() in node.loaded
        assert pod.situation.code == "node-metrics-address"
        assert [reason for reason, _, _ in pod.cluster.events] == ["Installed", "NodeMetricsAddress"]
        assert pod.cluster.removals, "pulls work, so pods may come"
        pod.tick(60)
        assert sum("node-metrics-address" in line for line in pod.log) == 1
        other.close()
        pod.tick(10)
        assert pod.situation.ready
        assert get(endpoint.port, "/readyz") == (200, "ok\n")


@pytest.mark.parametrize(
    ("address", "asked"),
    [("127.0.0.1", ["127.0.0.1"]), ("::1", ["::1"]), ("::", ["::1", "127.0.0.1"]), ("", ["::1", "127.0.0.1"])],
)
def test_it_listens_on_addresses_of_both_families(address: str, asked: list[str]) -> None:
    endpoint = Endpoint((address, 0), Situation("install", "x", ready=True), Clock())
    assert endpoint.listen() is None
    with contextlib.closing(endpoint):
        for host in asked:
            assert get(endpoint.port, "/readyz", host=host) == (200, "ok\n")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        (":9", ("", 9)),
        ("localhost:9", ("localhost", 9)),
        ("[::1]:9", ("::1", 9)),
        ("fd00::a:9465", ("fd00::a", 9465)),
        (":::9", ("::", 9)),
    ],
)
def test_addresses_are_taken_apart(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "9911", "host", "host:", "host:x", "host:99999", "host:\u0663", "[::1]"])
def test_an_address_without_a_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        parse_address(text)


@pytest.mark.parametrize("text", ["a:b:9", "[10.0.0.4]:9", "[::1:9", "::1]:9", "[]:9", "[[::1]]:9"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HOST"):
        parse_address(text)
