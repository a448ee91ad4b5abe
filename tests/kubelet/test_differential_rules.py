"""Our rules one by one against the kubelet's, on tens of thousands of generated texts: no difference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

import pytest

from credprovider.kubelet.duration import DurationError, format_duration, parse_duration
from credprovider.kubelet.match import lookup, match_image, normalise_auth_key
from credprovider.kubelet.reference import ImageNameError, image_name
from credprovider.kubelet.request import encode_request
from credprovider.kubelet.versions import STRICT_COLONS, parse_version
from credprovider.secret import Secret
from tests.kubelet.comparison import compare
from tests.kubelet.durations import duration
from tests.kubelet.lots import LOTS
from tests.kubelet.real import Cluster, Pull, ServiceAccount, Token
from tests.kubelet.scripted import Scripted, credential, response, token_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.kubelet.build import Harness
    from tests.kubelet.choices import Choices
    from tests.kubelet.lots import Lot
    from tests.kubelet.real import Real

lots = pytest.mark.parametrize("lot", LOTS.values(), ids=LOTS)
Case = TypeVar("Case")
Verdict = TypeVar("Verdict")

_HOSTS = (
    "us-docker.pkg.dev", "europe-west1-docker.pkg.dev", "gcr.io", "docker.io", "localhost", "index.docker.io", "a",
)  # fmt: skip
_PIECES = (
    "*", "?", "[a-z]", "[^a]", "[!a]", "[", "]", "[a", "[a-", "[]a]", "[^]a]", "[-a]", "[a-]", "\\*", "\\", "**",
    ".", ":", ":443", ":80:80", ":*", "/", "//", "/v1/", "/v2/", "/v2", "/*", "/p", "/p/", "/../", "/%70", "%75",
    "%zz", "%", "%25", "@", "u@", "u:p@", "#", "?q", "#%zz", " ", "\t", "\x7f", "\x00", "ä", "\u2011", "\u212a",
    "Ä", "A", "us", "-docker", "pkg", "dev", "[::1]", "[::1", "::1", "[fe80::1%25e]", "[::1]:443", "1.2.3.4",
    "https://", "http://", "HTTPS://", "<", ">", '"', "|", "^", "`", "{", "é"[:1], "~", "!", "$", "&", "'", "(",
    ")", ",", ";", "=", "_", "--", "0", "index", ".docker.io",
)  # fmt: skip
_REFERENCES = (
    ":v1", ":", ":latest", f"@sha256:{'a' * 64}", f"@sha256:{'A' * 64}", f"@sha256:{'a' * 63}", "@sha256:",
    f"@sha512:{'0' * 128}", f"@md5:{'a' * 32}", f"@a+b:{'a' * 32}", "@", ":v" + "1" * 127, ":v" + "1" * 128, ":-a",
    ":a.b-c_d", "/lib", "/a__b", "/a___b", "/a_b", "/a.b", "/a..b", "/a-b", "/a--b", "/-a", "/a-", "/A", ":5000",
    ":5000/", "/" + "a" * 250, "a" * 64, "0" * 64, "localhost/", "library/",
)  # fmt: skip


def _text(choices: Choices, pieces: Sequence[str]) -> str:
    """A likely host with pieces put in at any place."""
    text = choices.pick(_HOSTS) + choices.pick(("/p/r/i", "", "/p", "/"))
    for _ in range(choices.below(5)):
        at = choices.pick((len(text), 0, choices.below(len(text) + 1)))
        text = text[:at] + choices.pick(pieces) + text[at + choices.below(2) * choices.below(4) :]
    return text


def _unlike(ours: Callable[[Case], Verdict]) -> Callable[[Case, Verdict], str]:
    """A difference wherever our verdict is not the kubelet's."""

    def difference(case: Case, verdict: Verdict) -> str:
        return "" if ours(case) == verdict else f"we say {ours(case)!r}, the kubelet {verdict!r}"

    return difference


def _strict_colons(real: Real) -> bool:
    return parse_version(real.harness.minor) >= STRICT_COLONS


@lots
def test_same_matches(real: Real, lot: Lot) -> None:
    strict = _strict_colons(real)

    def make(choices: Choices) -> tuple[str, str]:
        pattern = _text(choices, _PIECES)
        image = _text(choices, _PIECES) if choices.seldom(3) else pattern.replace("*", "x").replace("?", "y")
        return pattern, image

    def theirs(cases: Sequence[tuple[str, str]]) -> list[bool]:
        return [verdict["matches"] for verdict in real.matches(cases)]

    def ours(case: tuple[str, str]) -> bool:
        return match_image(*case, strict_colons=strict)

    compare(lot.choices("match", times=10), make, theirs, _unlike(ours), bool)


def _keys_and_image(choices: Choices) -> tuple[list[str], str]:
    host = choices.pick(_HOSTS)
    globs = (f"*{host[1:]}", f"{host[:-1]}[!a]", f"[{host[0]}]{host[1:]}", f"{host[:1]}*{host[1:]}")
    likely = (host, f"https://{host}/v1/", f"{host}/p", f"http://{host}/v2/p", f"{host}/", f"{host}/p/r", *globs)
    keys: set[str] = set()
    for _ in range(choices.below(6)):
        key = choices.pick(likely) + (choices.pick(_PIECES) if choices.seldom(4) else "")
        keys.add(_text(choices, _PIECES) if choices.seldom(4) else key)
    return sorted(keys), _text(choices, _PIECES) if choices.seldom(8) else f"{host}/p/r/i"


@lots
def test_same_order_of_auth_keys(real: Real, lot: Lot) -> None:
    strict = _strict_colons(real)

    def filed(keys: list[str]) -> list[bytes]:
        # Keys filed under the same name are tried in any order.
        return [normalise_auth_key(key, strict_colons=strict) for key in keys]

    def difference(case: tuple[list[str], str], verdict: list[str]) -> str:
        ours = lookup(*case, strict_colons=strict)
        same = sorted(ours) == sorted(verdict) and filed(ours) == filed(verdict)
        return "" if same else f"we say {ours!r}, the kubelet {verdict!r}"

    made = lot.choices("keyring", times=10)
    compare(made, _keys_and_image, real.keyrings, difference, lambda verdict: len(verdict) > 1)


def _image(choices: Choices) -> str:
    if choices.seldom(2):
        return _text(choices, (*_REFERENCES, *_PIECES))
    return choices.pick(_HOSTS) + choices.pick(("/p/r/i", "", "/p")) + choices.pick(_REFERENCES)


@lots
def test_same_repository_of_an_image(real: Real, lot: Lot) -> None:
    def ours(image: str) -> str | None:
        try:
            return image_name(image)
        except ImageNameError:
            return None

    def theirs(images: Sequence[str]) -> list[str | None]:
        return [verdict.get("repository") for verdict in real.images(images)]

    compare(lot.choices("image", times=10), _image, theirs, _unlike(ours), bool)


@lots
def test_same_duration(real: Real, lot: Lot) -> None:
    def make(choices: Choices) -> str:
        text = duration(choices)
        return text if text.startswith('"') else '"0s"'

    def ours(text: str) -> tuple[int, str] | None:
        try:
            nanoseconds = parse_duration(json.loads(text))
        except DurationError:
            return None
        return nanoseconds, format_duration(nanoseconds)

    def theirs(texts: Sequence[str]) -> list[tuple[int, str] | None]:
        verdicts = real.durations(texts)
        return [None if "error" in each else (each["nanoseconds"], each["canonical"]) for each in verdicts]

    compare(lot.choices("duration", times=10), make, theirs, _unlike(ours), bool)


@lots
def test_same_bytes_of_a_request(harness: Harness, tmp_path_factory: pytest.TempPathFactory, lot: Lot) -> None:
    words = ("v", "", "é", "<&>", '"', "\\", "\n", "\x00", "\x1f", "\x7f", "\u2028", "💥", "/", "\ufffd", "\ufeff", "'")
    keys = ("example.com/b", "example.com/a", "plain", "UPPER/Case")
    scripted = Scripted(tmp_path_factory.mktemp("node"), harness, token_attributes(optional=keys), {})
    scripted.answers(response({"us-docker.pkg.dev": credential()}, "0s"))
    expected = []
    with scripted.kubelet() as kubelet:
        for choices in lot.choices("request", times=0.1):
            annotations = {key: "".join(choices.pick(words) for _ in range(choices.below(6))) for key in keys}
            token = "eyJ." + choices.pick(words[:4])
            cluster = Cluster([ServiceAccount("one", annotations=annotations)], [Token(token, "one")])
            kubelet.pull(Pull("us-docker.pkg.dev/p/r/i:v1", "one"), cluster=cluster)
            expected.append(encode_request("us-docker.pkg.dev/p/r/i", token=Secret(token), annotations=annotations))
    assert [run["stdin"].encode() for run in scripted.runs] == expected
