"""The namespace, the proxy, and the cloud as a process: what the tests of the product stand on."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cloud import fixtures
from tests.cloud.condition import holds, mapped
from tests.cloud.core import MARK
from tests.cloud.modes import MODES_BY_NAME, set_up
from tests.cloud.places import PLACES, PROXY_HOST, PROXY_PORT

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi

_ROOT = Path(__file__).parent.parent.parent
_ENTER = str(_ROOT / "tests" / "cloud" / "enter")


def test_every_host_has_an_address_of_its_own(cloud: CloudApi) -> None:
    assert cloud.looked_up() == []
    found = {place.host: socket.gethostbyname(place.host) for place in PLACES}
    assert found == {place.host: place.address for place in PLACES}
    assert len(set(found.values())) == len(PLACES)


def test_an_unknown_name_fails_and_is_noted(cloud: CloudApi) -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("www.example.com", 443)
    assert "www.example.com" in cloud.looked_up()


def test_nothing_leads_out() -> None:
    with pytest.raises(OSError, match="unreachable"):
        socket.create_connection(("192.0.2.1", 443), timeout=1)


def test_entering_twice_is_entering_once() -> None:
    script = f"readlink /proc/self/ns/net; {_ENTER} readlink /proc/self/ns/net"
    first, second = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert first == second


def test_each_entry_is_a_world_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MARK)
    listing = [_ENTER, "sh", "-c", "ls -A /run; stat -c %a /run; cat /etc/hosts"]
    lines = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == "755" or (lines[0], lines[1]) == ("systemd", "755")  # a resolv.conf that points into /run
    assert "127.1.0.20 sts.googleapis.com" in lines


def test_outside_of_the_namespace_the_fixture_fails_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MARK)
    with pytest.raises(pytest.fail.Exception, match=r"\./dev test"):
        next(fixtures.start())


def test_entering_nothing_is_a_usage_error() -> None:
    done = subprocess.run([_ENTER], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def _connect(cloud: CloudApi, target: str, header: str = "") -> str:
    """The first line of the proxy's answer, and of the target's through it when it agrees."""
    with socket.create_connection((PROXY_HOST, PROXY_PORT)) as connection:
        connection.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{header}\r\n".encode())
        line = connection.recv(4096).decode().splitlines()[0]
        if " 200 " not in line:
            return line
        host = target.partition(":")[0]
        context = ssl.create_default_context(cafile=str(cloud.ca_file))
        with context.wrap_socket(connection, server_hostname=host) as secured:
            secured.sendall(f"GET /v2/ HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            return secured.recv(4096).decode().splitlines()[0]


def test_the_proxy_tunnels_and_records(cloud: CloudApi) -> None:
    assert _connect(cloud, "us-docker.pkg.dev:443") == "HTTP/1.1 401 Unauthorized"
    assert cloud.proxied() == ["us-docker.pkg.dev:443"]


def test_the_proxy_refuses_without_its_credentials(cloud: CloudApi) -> None:
    cloud.configure(proxy_credentials="user:pass")
    assert "407" in _connect(cloud, "us-docker.pkg.dev:443")
    assert "401" in _connect(cloud, "us-docker.pkg.dev:443", "Proxy-Authorization: Basic dXNlcjpwYXNz\r\n")


def test_the_proxy_answers_for_hosts_that_are_not_there(cloud: CloudApi) -> None:
    assert "502" in _connect(cloud, "nosuch.example:443")
    cloud.fault("proxy", "status", status=503)
    assert "503" in _connect(cloud, "us-docker.pkg.dev:443")


def test_a_plain_request_through_the_proxy_is_refused_and_seen(cloud: CloudApi) -> None:
    with socket.create_connection((PROXY_HOST, PROXY_PORT)) as connection:
        connection.sendall(b"GET http://169.254.169.254/ HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 403 ")
    assert [call["target"] for call in cloud.calls("proxy")] == ["http://169.254.169.254/"]


def test_settings_of_a_mode_are_for_their_owner_only(cloud: CloudApi, tmp_path: Path) -> None:
    setting = set_up(tmp_path, cloud, MODES_BY_NAME["token-file-entra-impersonated"], cache={"enabled": False})
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert '"cache"' in setting.config.read_text()
    assert setting.token == (tmp_path / "azure-identity-token").read_text()


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [
        ("", True),
        ("assertion.sub == 'a' && assertion.tid == 't'", True),
        ("assertion.sub == 'b'", False),
        ("assertion.sub.startsWith('a') && assertion.tid in ['s', 't']", True),
        ("assertion.none == 'a'", False),
        ("(assertion.sub == 'b' && assertion.tid == 't') || assertion.sub=='a'", True),
        ("(assertion.sub == 'b') || assertion.sub=='c'", False),
    ],
)
def test_attribute_conditions(condition: str, verdict: bool) -> None:
    assert holds(condition, {"sub": "a", "tid": "t"}) is verdict


def test_a_mapping_can_take_a_part_of_the_subject() -> None:
    claims = {"sub": "system:serviceaccount:ns:name"}
    assert mapped("assertion.sub.extract('system:serviceaccount:{rest}')", claims) == "ns:name"


@pytest.mark.debian_parts
def test_a_real_client_pulls_from_a_real_registry_behind_the_gate(tmp_path: Path) -> None:
    """In a namespace of its own, as the session's cloud has the ports of this one."""
    script = f"""
import subprocess, sys
from tests.cloud.control import CloudProcess
from tests.cloud.talk import Talk
from tests.cloud.world import READ_ONLY, WORLD
with CloudProcess("--real-registry") as cloud:
    credential = "oauth2accesstoken:" + Talk(cloud).federated_token(READ_ONLY)
    command = ["skopeo", "--insecure-policy", "copy", "--src-creds", credential]
    command += ["docker://" + WORLD.image, "dir:{tmp_path}/out"]
    sys.exit(subprocess.run(command, env={{"SSL_CERT_FILE": str(cloud.ca_file), "PATH": "/usr/bin:/bin"}}).returncode)
"""
    command = ["env", "-u", MARK, _ENTER, sys.executable, "-c", script]
    subprocess.run(command, cwd=_ROOT, check=True)
    assert (tmp_path / "out" / "manifest.json").exists()
