"""Which images are ours: the kubelet's own verdicts, the look-alikes, and the entries that may not load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credprovider.errors import ProviderError
from credprovider.registries import Registry, check_registry, is_ours, parse_image
from tests.unit.core.making import EXAMPLES, PROGRAM

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "kubelet_vectors.json").read_text())
DEFAULT = [Registry("*-docker.pkg.dev")]
DIGEST = "sha256:" + "a" * 64

INVALID_IMAGES = {
    "short name": ("nginx", "request-image-short"),
    "no host": ("library/nginx", "request-image-short"),
    "host alone": ("us-docker.pkg.dev", "request-image-short"),
    "no path": ("us-docker.pkg.dev/", "request-image-short"),
    "slash first": ("/us-docker.pkg.dev/p", "request-image-short"),
    "scheme": ("https://us-docker.pkg.dev/p/r/i", "request-image-invalid"),
    "tag": ("us-docker.pkg.dev/p/r/i:v1", "request-image-invalid"),
    "digest": (f"us-docker.pkg.dev/p/r/i@{DIGEST}", "request-image-invalid"),
    "tag and digest": (f"us-docker.pkg.dev/p/r/i:v1@{DIGEST}", "request-image-invalid"),
    "user before another host": ("us-docker.pkg.dev@evil.example/p/r/i", "request-image-invalid"),
    "user before our host": ("evil@us-docker.pkg.dev/p/r/i", "request-image-invalid"),
    "at evil": ("us-docker.pkg.dev@evil/p/r/i", "request-image-invalid"),
    "upper-case host": ("US-docker.pkg.dev/p/r/i", "request-image-upper-case"),
    "upper-case domain": ("us-docker.PKG.dev/p/r/i", "request-image-upper-case"),
    "upper-case path": ("us-docker.pkg.dev/P/r/i", "request-image-invalid"),
    "space in path": ("us-docker.pkg.dev/p/r/i i", "request-image-invalid"),
    "newline at the end": ("us-docker.pkg.dev/p/r/i\n", "request-image-invalid"),
    "newline in host": ("us-docker.pkg.dev\n.evil.example/p/r/i", "request-image-invalid"),
    "NUL": ("us-docker.pkg.dev/p/r/i\0", "request-image-invalid"),
    "star in host": ("*-docker.pkg.dev/p/r/i", "request-image-invalid"),
    "underscore in host": ("us_docker.pkg.dev/p/r/i", "request-image-invalid"),
    "not ASCII in host": ("us-döcker.pkg.dev/p/r/i", "request-image-invalid"),
    "full-width dot": ("us-docker.pkg\uff0edev.x/p/r/i", "request-image-invalid"),
    "not ASCII in path": ("us-docker.pkg.dev/p/r/ï", "request-image-invalid"),
    "lone surrogate in path": ("us-docker.pkg.dev/p/r/\ud800", "request-image-invalid"),
    "percent": ("us-docker.pkg.dev/p%2fr/i", "request-image-invalid"),
    "query": ("us-docker.pkg.dev/p/r/i?x", "request-image-invalid"),
    "query in host": ("us-docker.pkg.dev?.evil.example/p", "request-image-invalid"),
    "fragment": ("us-docker.pkg.dev/p/r/i#x", "request-image-invalid"),
    "backslash": ("us-docker.pkg.dev\\p/r/i", "request-image-invalid"),
    "word as port": ("us-docker.pkg.dev:https/p/r/i", "request-image-invalid"),
    "empty port": ("us-docker.pkg.dev:/p/r/i", "request-image-invalid"),
    "two ports": ("us-docker.pkg.dev:443:443/p/r/i", "request-image-invalid"),
    "port of other digits": ("us-docker.pkg.dev:٤٤٣/p/r/i", "request-image-invalid"),
    "port and no host": (":443/p/r/i", "request-image-invalid"),
    "empty label": ("us-docker..pkg.dev/p/r/i", "request-image-invalid"),
    "leading dot": (".pkg.dev/p/r/i", "request-image-invalid"),
    "trailing dot": ("us-docker.pkg.dev./p/r/i", "request-image-invalid"),
    "open bracket": ("[::1/p/r/i", "request-image-invalid"),
    "brackets and more": ("[::1]us-docker.pkg.dev:443/p/r/i", "request-image-invalid"),
    "brackets around a name": ("[us-docker.pkg.dev]:443/p/r/i", "request-image-invalid"),
    "too long": ("us-docker.pkg.dev/" + "a" * 256, "request-image-too-long"),
}


@pytest.mark.parametrize(("name", "code"), INVALID_IMAGES.values(), ids=INVALID_IMAGES.keys())
def test_refuses_names_that_the_kubelet_cannot_send(name: str, code: str) -> None:
    with pytest.raises(ProviderError) as caught:
        parse_image(name)
    error = caught.value
    assert (error.code, error.family) == (code, "request")
    assert "field image" in error.cause
    assert PROGRAM in error.remedy or code == "request-image-upper-case"
    assert error.line().isprintable()


NOT_OURS = {
    "evil domain behind": "evil-docker.pkg.dev.example.com/p/r/i",
    "look-alike host": "us-docker.pkg.dev.evil.example/p/r/i",
    "no location": "docker.pkg.dev/p/r/i",
    "look-alike domain": "us-docker.pkgxdev/p.r/i",
    "other top-level domain": "us-docker.pkg.development/p/r/i",
    "one label more": "sub.us-docker.pkg.dev/p/r/i",
    "another format": "us-python.pkg.dev/p/r/i",
    "Container Registry": "eu.gcr.io/p/i",
    "port": "us-docker.pkg.dev:443/p/r/i",
    "IPv6 literal": "[2001:db8::1]/p/r/i",
    "IPv6 literal with port": "[2001:db8::1]:5000/p/r/i",
    "IPv4": "10.0.0.7/p/r/i",
    "localhost": "localhost/p/r/i",
    "Azure's own registry": "acme.azurecr.io/app",
    "Docker Hub": "docker.io/library/nginx",
}


@pytest.mark.parametrize("name", NOT_OURS.values(), ids=NOT_OURS.keys())
def test_hosts_that_are_not_ours(name: str) -> None:
    assert not is_ours(parse_image(name), DEFAULT)


OURS = {
    "multi-region": ("*-docker.pkg.dev", "us-docker.pkg.dev/p/r/i"),
    "region": ("*-docker.pkg.dev", "europe-west1-docker.pkg.dev/p/r/i"),
    "path of one part": ("*-docker.pkg.dev", "us-docker.pkg.dev/p"),
    "exact": ("us-docker.pkg.dev", "us-docker.pkg.dev/p/r/i"),
    "named port": ("us-docker.pkg.dev:443", "us-docker.pkg.dev:443/p/r/i"),
    "path prefix": ("us-docker.pkg.dev/vendor-a/", "us-docker.pkg.dev/vendor-a/r/i"),
    "path like an API's": ("us-docker.pkg.dev/v2-proj/", "us-docker.pkg.dev/v2-proj/i"),
    "deep path prefix": ("us-docker.pkg.dev/vendor-a/r_1.x/", "us-docker.pkg.dev/vendor-a/r_1.x/i"),
    "longest path": ("us-docker.pkg.dev", "us-docker.pkg.dev/" + "a" * 255),
    "Container Registry": ("gcr.io", "gcr.io/p/i"),
    "regional Container Registry": ("*.gcr.io", "eu.gcr.io/p/i"),
    "several stars": ("*u*-*er.pkg.dev", "us-docker.pkg.dev/p/i"),
}


@pytest.mark.parametrize(("entry", "name"), OURS.values(), ids=OURS.keys())
def test_hosts_that_are_ours(entry: str, name: str) -> None:
    check_registry(entry, "googleapis.com")
    assert is_ours(parse_image(name), [Registry("gcr.io"), Registry(entry)])


@pytest.mark.parametrize(
    "name", ["us-docker.pkg.dev/vendor-ab/r/i", "us-docker.pkg.dev/vendor-a", "us-docker.pkg.dev/vendor-b/vendor-a/i"]
)
def test_a_path_prefix_keeps_vendors_apart(name: str) -> None:
    assert not is_ours(parse_image(name), [Registry("us-docker.pkg.dev/vendor-a/")])


def _loads(entry: str) -> bool:
    try:
        check_registry(entry, "googleapis.com")
    except ValueError:
        return False
    return True


def _sendable(name: str) -> bool:
    try:
        parse_image(name)
    except ProviderError:
        return False
    return True


#: Match vectors that do not concern us: the entry is refused at load, or the kubelet never sends such an image.
ELSEWHERE = {
    vector["id"] for vector in VECTORS["match"] if not _loads(vector["pattern"]) or not _sendable(vector["image"])
}


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS["match"] if v["id"] not in ELSEWHERE], ids=lambda vector: vector["id"]
)
def test_agrees_with_the_kubelet(vector: dict[str, Any]) -> None:
    assert Registry(vector["pattern"]).covers(parse_image(vector["image"])) == vector["matches"]


def test_enough_vectors_concern_us() -> None:
    assert len(VECTORS["match"]) - len(ELSEWHERE) >= 15


REFUSED_ENTRIES = {
    "empty": ("", "host glob"),
    "outside": ("registry.example.com", "outside"),
    "Azure": ("*.azurecr.io", "outside"),
    "Docker Hub": ("docker.io", "outside"),
    "IPv4": ("10.0.0.*", "outside"),
    "everything": ("*", "outside"),
    "everything of three labels": ("*.*.*", "outside"),
    "globbed top-level domain": ("*-docker.pkg.*", "outside"),
    "globbed domain": ("us-docker.*.dev", "outside"),
    "glob over the domain's dot": ("*pkg.dev", "outside"),
    "glob of the whole domain": ("*gcr.io", "outside"),
    "bare pkg.dev": ("pkg.dev", "outside"),
    "look-alike": ("us-docker.pkg.dev.example.com", "outside"),
    "look-alike of gcr.io": ("evilgcr.io", "outside"),
    "trailing dot": ("us-docker.pkg.dev.", "host glob"),
    "leading dot": (".pkg.dev", "host glob"),
    "empty label": ("us-docker..pkg.dev", "host glob"),
    "upper case": ("US-docker.pkg.dev", "lower-case"),
    "scheme": ("https://us-docker.pkg.dev", "scheme"),
    "user": ("user@us-docker.pkg.dev", "host glob"),
    "question mark": ("us-docker?.pkg.dev", "host glob"),
    "brackets": ("[a-z]*-docker.pkg.dev", "host glob"),
    "backslash": ("us\\-docker.pkg.dev", "host glob"),
    "query": ("us-docker.pkg.dev?x=1", "host glob"),
    "fragment": ("us-docker.pkg.dev#x", "host glob"),
    "space": ("us-docker .pkg.dev", "host glob"),
    "newline": ("us-docker.pkg.dev\n", "host glob"),
    "not ASCII": ("us-döcker.pkg.dev", "host glob"),
    "port of the universe": ("*:5000", "outside"),
    "word as port": ("us-docker.pkg.dev:https", "port"),
    "empty port": ("us-docker.pkg.dev:", "port"),
    "port 0": ("us-docker.pkg.dev:0", "port"),
    "port 65536": ("us-docker.pkg.dev:65536", "port"),
    "port of thousands of digits": ("us-docker.pkg.dev:" + "9" * 5000, "port"),
    "port of other digits": ("us-docker.pkg.dev:٤٤٣", "port"),
    "port with leading zero": ("us-docker.pkg.dev:0443", "port"),
    "lone slash": ("us-docker.pkg.dev/", "lone slash"),
    "star as path": ("us-docker.pkg.dev/*", "star"),
    "star in path": ("*-docker.pkg.dev/my-proj/*", "star"),
    "path without its slash": ("us-docker.pkg.dev/my-proj", "end in /"),
    "upper-case path": ("us-docker.pkg.dev/MY-PROJ/", "path prefix"),
    "percent in path": ("us-docker.pkg.dev/my%2Dproj/", "path prefix"),
    "double slash": ("us-docker.pkg.dev/a//", "path prefix"),
    "tag": ("us-docker.pkg.dev/p/r/i:v1", "path prefix"),
    "path that the kubelet takes for an API": ("us-docker.pkg.dev/v2/", "drops"),
    "path behind such a one": ("us-docker.pkg.dev/v1/my-proj/", "drops"),
}


@pytest.mark.parametrize(("entry", "reason"), REFUSED_ENTRIES.values(), ids=REFUSED_ENTRIES.keys())
def test_refuses_entries(entry: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_registry(entry, "googleapis.com")


@pytest.mark.parametrize("entry", ["*.docker.example-cloud.de", "docker.s3nsapis.fr"])
def test_another_universe_has_hosts_of_its_own(entry: str) -> None:
    with pytest.raises(ValueError, match="outside"):
        check_registry(entry, "googleapis.com")
    check_registry(entry, entry.partition(".docker.")[2] or "s3nsapis.fr")


@pytest.mark.parametrize("entry", ["us-docker.googleapis.com", "*.googleapis.com", "us-docker.x-googleapis.com"])
def test_the_default_universe_is_no_registry(entry: str) -> None:
    with pytest.raises(ValueError, match="outside"):
        check_registry(entry, "googleapis.com")


@EXAMPLES
@given(
    st.text(max_size=80)
    | st.text("abcdefghijklmnop-.:/*@[]0 ", max_size=60).map(lambda text: "us-docker.pkg.dev" + text)
)
def test_what_loads_covers_only_google(text: str) -> None:
    if not _loads(text):
        return
    host = text.partition("/")[0].partition(":")[0]
    assert host == "gcr.io" or host.endswith((".pkg.dev", ".gcr.io"))
    foreign = parse_image("evil.example.com/p/r/i")
    assert not Registry(text).covers(foreign)


LABEL = st.text("ab-", max_size=5)


def _shell_glob(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return _shell_glob(pattern[1:], text) or (bool(text) and _shell_glob(pattern, text[1:]))
    return bool(text) and pattern[0] == text[0] and _shell_glob(pattern[1:], text[1:])


@EXAMPLES
@given(st.text("ab-*", min_size=1, max_size=7), LABEL.filter(bool))
def test_stars_within_a_label(pattern: str, label: str) -> None:
    assert Registry(f"{pattern}.pkg.dev").covers(parse_image(f"{label}.pkg.dev/p")) == _shell_glob(pattern, label)
