"""Every fault that can be ordered strikes where it should, as often as it should, and leaves the rest alone."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.places import HOPS, PLACES
from tests.cloud.talk import Talk

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi

_URL = "https://login.microsoftonline.com/common/oauth2/v2.0/token"


@pytest.mark.parametrize(
    ("kind", "options", "shown"),
    [
        ("refused", {}, "Connection refused"),
        ("dns", {}, "Name or service not known"),
        ("dns", {"how": "dead"}, "Temporary failure in name resolution"),
        ("reset", {}, "reset by peer|EOF occurred"),
        ("reset", {"at": "tls"}, "reset by peer|EOF occurred"),
        ("reset", {"at": "request"}, "closed connection without response|reset by peer"),
        ("expired", {}, "certificate has expired"),
        ("wrong-name", {}, "Hostname mismatch"),
        ("untrusted", {}, "unable to get local issuer certificate"),
    ],
)
def test_no_answer(cloud: CloudApi, kind: str, options: dict[str, Any], shown: str) -> None:
    cloud.fault("entra", kind, **options)
    with pytest.raises(OSError, match=shown):
        Talk(cloud).request(_URL)
    cloud.clear("entra")
    assert Talk(cloud).request(_URL).status == 400


@pytest.mark.parametrize("at", ["connect", "tls", "request", "body"])
def test_silence(cloud: CloudApi, at: str) -> None:
    cloud.fault("entra", "hang", at=at)
    context = ssl.create_default_context(cafile=str(cloud.ca_file))
    connection = http.client.HTTPSConnection("login.microsoftonline.com", timeout=0.3, context=context)
    with pytest.raises(TimeoutError):
        _ask(connection)
    connection.close()
    assert len(cloud.calls("entra")) == (0 if at in ("connect", "tls") else 1)
    assert len(cloud.connections("entra")) == 1


def _ask(connection: http.client.HTTPSConnection) -> bytes:
    connection.request("GET", "/common/oauth2/v2.0/token")
    return connection.getresponse().read()


@pytest.mark.parametrize(
    ("kind", "options", "status", "start", "size"),
    [
        ("status", {"status": 503}, 503, b'{\n  "error"', None),
        ("html", {}, 200, b"<html>", None),
        ("empty", {}, 200, b"", 0),
        ("cut-json", {}, 404, b'{\n  "error"', None),
        ("oversize", {"size": 100_000}, 404, b'{\n  "error"', 100_000),
        ("literal", {"status": 299, "body": "né", "headers": {"X-A": "b"}}, 299, "né".encode(), 3),
        ("literal", {"sample": "sts_503_empty_body"}, 503, b"", 0),
        ("redirect", {"status": 308}, 308, b"", 0),
    ],
)
def test_wrong_answers(
    cloud: CloudApi, kind: str, options: dict[str, Any], status: int, start: bytes, size: int | None
) -> None:
    cloud.fault("sts", kind, **options)
    reply = Talk(cloud).request("https://sts.googleapis.com/nothing", b"{}")
    assert (reply.status, reply.body.startswith(start)) == (status, True)
    assert size in (None, len(reply.body))


@pytest.mark.parametrize(("kind", "options"), [("truncated", {}), ("reset", {"at": "body"})])
def test_short_answers(cloud: CloudApi, kind: str, options: dict[str, Any]) -> None:
    cloud.fault("issuer", kind, **options)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        Talk(cloud).request(f"{cloud.world.cluster_issuer}.well-known/openid-configuration")


def test_an_endless_answer_goes_on_until_the_client_leaves(cloud: CloudApi) -> None:
    cloud.fault("imds", "oversize")
    with socket.create_connection(("169.254.169.254", 80)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n")
        received = 0
        while received < 5_000_000:
            received += len(connection.recv(65536))


def test_a_drip_gives_single_bytes(cloud: CloudApi) -> None:
    cloud.fault("imds", "drip", seconds=0.02)
    with socket.create_connection(("169.254.169.254", 80)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n")
        assert [len(connection.recv(65536)) for _ in range(5)] == [1] * 5


def test_a_redirect_leads_to_a_host_that_records_who_follows(cloud: CloudApi) -> None:
    cloud.fault("sts", "redirect")
    location = Talk(cloud).request("https://sts.googleapis.com/v1/token", b"x=y").headers["Location"]
    assert cloud.calls("elsewhere") == []
    Talk(cloud).request(location, b"x=y")
    assert [call["body"] for call in cloud.calls("elsewhere")] == ["x=y"]


def test_faults_queue_and_are_used_up(cloud: CloudApi) -> None:
    cloud.fault("imds", "status", times=2, status=429, retry_after=7)
    cloud.fault("imds", "status", times=1, status=410)
    talk = Talk(cloud)
    replies = [talk.imds() for _ in range(4)]
    assert [reply.status for reply in replies] == [429, 429, 410, 200]
    assert replies[0].headers["Retry-After"] == "7"
    assert [call["fault"] for call in cloud.calls("imds")] == ["status", "status", "status", None]


def test_a_fault_can_be_for_one_host_or_path_only(cloud: CloudApi) -> None:
    talk = Talk(cloud)
    cloud.fault("login.microsoftonline.us", "refused")
    assert talk.entra().status == 200
    cloud.fault("registry", "status", status=500, path="/v2/token")
    assert talk.request("https://us-docker.pkg.dev/v2/").status == 401
    assert talk.request("https://us-docker.pkg.dev/v2/token").status == 500


@pytest.mark.parametrize(
    ("hop", "kind", "times", "options"),
    [
        ("nosuch", "refused", None, {}),
        ("sts", "nosuch", None, {}),
        ("sts", "drip", None, {"bytes": 1}),
        ("sts", "refused", 1, {}),
        ("sts", "status", None, {}),
        ("imds", "dns", None, {}),
    ],
    ids=["hop", "kind", "option", "uncountable", "no status", "no name"],
)
def test_impossible_orders_are_refused(
    cloud: CloudApi, hop: str, kind: str, times: int | None, options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"no hop|no fault|takes|lasts until|needs the option|no name"):
        cloud.fault(hop, kind, times, **options)


@pytest.mark.parametrize("hop", [hop for hop in HOPS if hop not in ("proxy", "elsewhere")])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 500, 503])
def test_every_hop_has_a_body_of_its_own_for_every_status(cloud: CloudApi, hop: str, status: int) -> None:
    place = next(place for place in PLACES if place.hop == hop)
    cloud.canary("CANARY-IN-ERRORS")
    cloud.fault(hop, "status", status=status)
    scheme = "http" if place.ports == (80,) else "https"
    reply = Talk(cloud).request(f"{scheme}://{place.host}/")
    assert reply.status == status
    assert reply.body == b"" or b"CANARY-IN-ERRORS" in reply.body


def test_canaries_are_in_google_tokens_and_all_tokens_are_remembered(cloud: CloudApi) -> None:
    cloud.canary("CANARY-IN-TOKENS")
    talk = Talk(cloud)
    federated = talk.federated_token()
    access = talk.iam(federated).json["accessToken"]
    assert "CANARY-IN-TOKENS" in federated
    assert "CANARY-IN-TOKENS" in access
    assert cloud.issued() == [*cloud.issued("imds"), federated, access]


def test_a_skewed_hop_dates_its_answers_by_its_own_clock(cloud: CloudApi) -> None:
    cloud.skew("iam", -7200)
    talk = Talk(cloud)
    reply = talk.iam(talk.federated_token())
    ago = time.time() - parsedate_to_datetime(reply.headers["Date"]).timestamp()
    assert 7190 < ago < 7300
    assert reply.json["expireTime"] < time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def test_round_trips_are_counted_from_connection_to_answer(cloud: CloudApi) -> None:
    cloud.set_rtt(0.05)
    start = time.monotonic()
    Talk(cloud).request("https://sts.googleapis.com/v1/token")
    # Three at least: TCP, TLS, request. No upper bound: the machine may be busy.
    assert time.monotonic() - start >= 0.15


@pytest.mark.parametrize(
    "sent", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"GET / HTTP/1.1\r\n: x\r\n\r\n"]
)
def test_what_is_no_request_is_refused(cloud: CloudApi, sent: bytes) -> None:
    with socket.create_connection(("169.254.169.254", 80)) as connection:
        connection.sendall(sent)
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert cloud.calls() == []


def test_waiting_for_calls_ends_when_they_are_there_or_never_come(cloud: CloudApi) -> None:
    Talk(cloud).imds()
    assert [call["status"] for call in cloud.wait_for_calls("imds")] == [200]
    with pytest.raises(TimeoutError, match="1 of 2"):
        cloud.wait_for_calls("imds", 2, seconds=0.05)


def test_another_name_in_the_host_header_is_not_served(cloud: CloudApi) -> None:
    assert Talk(cloud).request("https://sts.googleapis.com/v1/token", b"", {"Host": "iam.example"}).status == 421


def test_reset_forgets_everything(cloud: CloudApi) -> None:
    talk = Talk(cloud)
    token = talk.federated_token()
    cloud.fault("sts", "refused")
    cloud.fault("iam", "dns")
    cloud.provider(disabled=True)
    cloud.reset()
    assert cloud.calls() == []
    assert cloud.issued() == []
    assert talk.iam(token).status == 401
    assert talk.sts(talk.identity_token()).status == 200
