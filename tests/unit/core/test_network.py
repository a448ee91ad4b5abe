"""The way out of the node: which proxy, for which hosts, and which CA; settings before environment."""

from __future__ import annotations

from pathlib import Path

import certifi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credprovider import network
from credprovider.errors import ProviderError
from credprovider.network import Proxy, network_of, parse_proxy
from tests.unit.core.making import EXAMPLES, write

STS = "sts.googleapis.com"
CANARY = "CaNaRy"

BAD_PROXIES = {
    "HTTPS": f"https://user:{CANARY}@proxy:3128",
    "SOCKS": "socks5://proxy:1080",
    "scheme alone": "http://",
    "no host": "http://:3128",
    "user and no host": f"http://user:{CANARY}@",
    "word as port": f"http://user:{CANARY}@proxy:port",
    "port too large": "http://proxy:65536",
    "negative port": "http://proxy:-1",
    "half a bracket": f"http://user:{CANARY}@[::1:3128",
    "space": "http://pro xy:3128",
    "newline": f"http://proxy:3128\n{CANARY}",
    "newline in the host": "http://pro\nxy:3128",
    "NUL": "http://proxy\0:3128",
    "not ASCII": "http://pröxy:3128",
    "half a character": "http://pro\ud800xy:3128",
}


@pytest.mark.parametrize("address", BAD_PROXIES.values(), ids=BAD_PROXIES.keys())
def test_proxies_that_cannot_be_used(address: str) -> None:
    with pytest.raises(ProviderError) as caught:
        parse_proxy("network.httpsProxy", address)
    assert (caught.value.code, caught.value.exit_code) == ("settings-proxy", 3)
    assert "network.httpsProxy" in caught.value.cause
    assert CANARY not in caught.value.line()


GOOD_PROXIES = {
    "host and port": ("http://proxy.corp:3128", ("proxy.corp", 3128), None),
    "no scheme": ("proxy.corp:3128", ("proxy.corp", 3128), None),
    "no port": ("http://proxy.corp", ("proxy.corp", 80), None),
    "slash at the end": ("http://proxy.corp:3128/", ("proxy.corp", 3128), None),
    "upper case": ("HTTP://PROXY.corp:3128", ("proxy.corp", 3128), None),
    "IPv4": ("http://10.0.0.1:3128", ("10.0.0.1", 3128), None),
    "IPv6": ("http://[fd00::1]:3128", ("fd00::1", 3128), None),
    "user": ("http://user@proxy:3128", ("proxy", 3128), "user:"),
    "user and password": ("http://user:pass@proxy:3128", ("proxy", 3128), "user:pass"),
    "encoded password": ("http://user:p%40ss%3a@proxy:3128", ("proxy", 3128), "user:p@ss:"),
    "user without scheme": ("user:pass@proxy:3128", ("proxy", 3128), "user:pass"),
}


@pytest.mark.parametrize(("address", "where", "who"), GOOD_PROXIES.values(), ids=GOOD_PROXIES.keys())
def test_proxies(address: str, where: tuple[str, int], who: str | None) -> None:
    proxy = parse_proxy("HTTPS_PROXY", address)
    assert (proxy.address, proxy.authorization) == (where, who)


@EXAMPLES
@given(st.text(max_size=40) | st.text("htp:/@[]%.0159az", max_size=30))
def test_any_text_is_a_proxy_or_an_error_of_settings(text: str) -> None:
    try:
        proxy = parse_proxy("HTTPS_PROXY", text)
    except ProviderError as error:
        refused = error
    else:
        assert proxy.address[0]
        assert 0 < proxy.address[1] < 65536
        return
    assert refused.family == "settings"


def _proxy(configured: dict[str, str | None], environ: dict[str, str], host: str = STS) -> Proxy | None:
    return network_of(configured, environ).proxy_for(host)


@pytest.fixture(autouse=True)
def _bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "NODE_BUNDLES", (str(write(tmp_path / "node.crt", "x")),))


ORDER: dict[str, tuple[dict[str, str | None], dict[str, str], str | None]] = {
    "nothing": ({}, {}, None),
    "HTTPS_PROXY": ({}, {"HTTPS_PROXY": "http://a:1"}, "a"),
    "https_proxy": ({}, {"https_proxy": "http://a:1"}, "a"),
    "upper case first": ({}, {"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:1"}, "b"),
    "empty is none": ({}, {"HTTPS_PROXY": "", "https_proxy": "http://a:1"}, "a"),
    "HTTP_PROXY is for others": ({}, {"HTTP_PROXY": "http://a:1", "http_proxy": "http://a:1"}, None),
    "ALL_PROXY is for others": ({}, {"ALL_PROXY": "http://a:1"}, None),
    "settings first": ({"httpsProxy": "http://s:1"}, {"HTTPS_PROXY": "http://a:1"}, "s"),
    "settings null": ({"httpsProxy": None}, {"HTTPS_PROXY": "http://a:1"}, "a"),
    "settings empty: no proxy": ({"httpsProxy": ""}, {"HTTPS_PROXY": "http://a:1"}, None),
    "exempt by the environment": ({}, {"HTTPS_PROXY": "http://a:1", "NO_PROXY": STS}, None),
    "exempt in lower case": ({}, {"HTTPS_PROXY": "http://a:1", "no_proxy": STS}, None),
    "settings' proxy, environment's exemption": ({"httpsProxy": "http://s:1"}, {"NO_PROXY": STS}, None),
    "settings' exemption": ({"noProxy": STS}, {"HTTPS_PROXY": "http://a:1"}, None),
    "settings exempt nothing": ({"noProxy": ""}, {"HTTPS_PROXY": "http://a:1", "NO_PROXY": "*"}, "a"),
}


@pytest.mark.parametrize(("configured", "environ", "host"), ORDER.values(), ids=ORDER.keys())
def test_who_says_which_proxy(configured: dict[str, str | None], environ: dict[str, str], host: str | None) -> None:
    proxy = _proxy(configured, environ)
    assert (proxy and proxy.address[0]) == host


EXEMPTIONS = {
    "its name": (STS, True),
    "upper case": (STS.upper(), True),
    "among others": (f"localhost, {STS} ,10.0.0.0/8", True),
    "its domain": ("googleapis.com", True),
    "its domain with a dot": (".googleapis.com", True),
    "its domain with a star": ("*.googleapis.com", True),
    "everything": ("*", True),
    "its port": (f"{STS}:443", True),
    "its domain and port": (".googleapis.com:443", True),
    "nothing": ("", False),
    "commas": (",,", False),
    "a dot": (".", False),
    "another port": (f"{STS}:8443", False),
    "another host": ("iam.googleapis.com", False),
    "part of a label": ("apis.com", False),
    "longer name": ("x.sts.googleapis.com", False),
    "look-alike": ("sts.googleapis.com.evil.example", False),
    "network": ("0.0.0.0/0", False),
    "star inside": ("sts.*.com", False),
}


@pytest.mark.parametrize(("entries", "exempt"), EXEMPTIONS.values(), ids=EXEMPTIONS.keys())
def test_exemptions(entries: str, exempt: bool) -> None:
    proxy = _proxy({"httpsProxy": "http://s:1", "noProxy": entries}, {})
    assert (proxy is None) is exempt


class TestCa:
    def test_settings_first(self, tmp_path: Path) -> None:
        mine, theirs = write(tmp_path / "mine", "x"), write(tmp_path / "theirs", "x")
        assert network_of({"caFile": str(mine)}, {"SSL_CERT_FILE": str(theirs)}).ca_file == str(mine)

    def test_then_the_environment(self, tmp_path: Path) -> None:
        theirs = write(tmp_path / "theirs", "x")
        assert network_of({"caFile": None}, {"SSL_CERT_FILE": str(theirs)}).ca_file == str(theirs)

    @pytest.mark.parametrize("environ", [{}, {"SSL_CERT_FILE": ""}, {"REQUESTS_CA_BUNDLE": "/x"}], ids=str)
    def test_then_the_nodes_own(self, tmp_path: Path, environ: dict[str, str]) -> None:
        assert network_of({}, environ).ca_file == str(tmp_path / "node.crt")

    def test_the_nodes_own_in_their_order(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        second = write(tmp_path / "second", "x")
        monkeypatch.setattr(network, "NODE_BUNDLES", (str(tmp_path / "absent"), str(second)))
        assert network_of({}, {}).ca_file == str(second)

    def test_the_places_are_debians_and_azure_linuxs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        assert network.NODE_BUNDLES == ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")

    def test_last_certifis(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(network, "NODE_BUNDLES", ("/nowhere/a", "/nowhere/b"))
        assert network_of({}, {}).ca_file == certifi.where()

    @pytest.mark.parametrize(
        ("configured", "environ", "name"),
        [
            ({"caFile": "/nowhere/ca.pem"}, {}, "network.caFile"),
            ({}, {"SSL_CERT_FILE": "/nowhere/ca.pem"}, "SSL_CERT_FILE"),
            ({"caFile": "/etc"}, {}, "network.caFile"),
        ],
        ids=["settings", "environment", "folder"],
    )
    def test_one_that_is_not_there_is_an_error_and_not_passed_over(
        self, configured: dict[str, str | None], environ: dict[str, str], name: str
    ) -> None:
        with pytest.raises(ProviderError) as caught:
            network_of(configured, environ)
        assert (caught.value.code, caught.value.exit_code) == ("settings-ca-file", 3)
        assert name in caught.value.cause


def test_networks_are_equal_by_what_they_say(tmp_path: Path) -> None:
    other = str(write(tmp_path / "other", "x"))
    same = {"httpsProxy": "http://u:p@s:1", "noProxy": "a,b"}
    assert network_of(dict(same), {}) == network_of(dict(same), {})
    assert hash(network_of(dict(same), {})) == hash(network_of(dict(same), {}))
    for change in ({"httpsProxy": "http://u:q@s:1"}, {"httpsProxy": ""}, {"noProxy": "a"}, {"caFile": other}):
        assert network_of(dict(same), {}) != network_of({**same, **change}, {})
    assert network_of({}, {}) != "network"
