"""Whatever is on stdin or in the settings: a valid answer or one line, and nobody asked who should not be.

FUZZ=20000 in the environment makes hypothesis try that many examples, and other ones each time.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.cloud.world import WORLD
from tests.plugin import mutation
from tests.plugin.runner import Outcome
from tests.plugin.verdict import VERSIONS, judge
from tests.plugin.watched import Site

if TYPE_CHECKING:
    from tests.cloud.control import CloudProcess
    from tests.plugin.runner import Frozen, InProcess
    from tests.plugin.settings import Setting, SettingsFactory

_ROOT = Path(__file__).parent.parent.parent
_EXAMPLES = os.environ.get("FUZZ")


def _examples(count: int) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=int(_EXAMPLES or count),
        derandomize=_EXAMPLES is None,
        database=None,
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
    )


# stdin.


_REQUEST: dict[str, Any] = {
    "kind": "CredentialProviderRequest",
    "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
    "image": "us-docker.pkg.dev/bifrost-project/hub/bifrost",
    "serviceAccountToken": "eyJhbGciOiJub25lIn0.eyJpc3MiOiJpIiwic3ViIjoicyIsImV4cCI6OTk5OTk5OTk5OX0.c2ln",
    "serviceAccountAnnotations": {"azure.workload.identity/client-id": WORLD.client_id},
}
_images = st.one_of(
    st.sampled_from(
        [
            "us-docker.pkg.dev/p/r/i",
            "evil-docker.pkg.dev.example.com/p/r/i",
            "docker.pkg.dev/p/r/i",
            "us-docker.pkg.dev@evil/p/r/i",
            "us-docker.pkg.dev:443/p/r/i",
            "us-docker.pkg.dev./p/r/i",
            "us-docker.pkg.dev%2f/p",
            "[::1]/p",
        ]
    ),
    st.from_regex(r"[a-z*.-]{0,12}-docker\.pkg\.dev(:[0-9]{1,3})?/[a-z/._-]{1,20}", fullmatch=True),
    mutation.texts,
)
_requests = st.one_of(
    mutation.near(_REQUEST),
    st.builds(
        lambda version, image: {**_REQUEST, "apiVersion": version, "image": image}, st.sampled_from(VERSIONS), _images
    ),
    mutation.values,
)
_repeated = st.builds(
    lambda head, piece, times, tail: (head + piece * times)[: (2 << 20) - len(tail)] + tail,
    st.binary(max_size=64),
    st.one_of(
        st.binary(min_size=1, max_size=64), st.sampled_from([b"[", b'{"a":', b'"\\ud800', b" ", b"9", b"-", b"\\"])
    ),
    st.sampled_from([1, 100, 70_000, 1 << 20, 2 << 20]),
    st.binary(max_size=64),
)
_stdin = st.one_of(st.binary(max_size=4096), _repeated, _requests.flatmap(mutation.bytes_of))


@pytest.fixture
def direct(settings: SettingsFactory) -> Setting:
    return settings("managed-identity-direct")


def _judge_answer(raw: bytes, outcome: Outcome) -> None:
    """A credential only for an image of ours, in the version asked for."""
    response = judge(outcome)
    if response is None:
        return
    request = json.loads(raw)
    assert response["apiVersion"] == request["apiVersion"]
    if response["auth"]:
        assert re.fullmatch(r"[a-z0-9-]*-docker\.pkg\.dev/[a-z0-9/._-]+", request["image"]), request["image"]


@_examples(600)
@hypothesis.given(raw=_stdin)
def test_whatever_is_on_stdin_a_valid_answer_or_one_line_comes_out(
    in_process: InProcess, direct: Setting, raw: bytes
) -> None:
    _judge_answer(raw, in_process(raw, direct.config))


@_examples(300)
@hypothesis.given(data=st.data())
def test_whatever_the_pods_token_is_a_valid_answer_or_one_line_comes_out(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudProcess, data: st.DataObject
) -> None:
    setting = _pods(settings, cloud)
    request = json.loads(setting.request)
    token = request["serviceAccountToken"]
    at = data.draw(st.integers(0, len(token)))
    to = data.draw(st.integers(at, len(token)))
    request["serviceAccountToken"] = token[:at] + data.draw(mutation.texts) + token[to:]
    raw = data.draw(mutation.bytes_of(request))
    _judge_answer(raw, in_process(raw, setting.config))


_POD: dict[int, Setting] = {}


def _pods(settings: SettingsFactory, cloud: CloudProcess) -> Setting:
    """Settings of one test, made once for all its examples."""
    known = _POD.get(id(settings))
    if known is None:
        _POD.clear()
        known = _POD[id(settings)] = settings("service-account-direct")
        assert cloud.calls() == []
    return known


@_examples(30)
@hypothesis.given(raw=_stdin)
def test_whatever_is_on_the_executables_stdin_a_valid_answer_or_one_line_comes_out(
    frozen: Frozen, direct: Setting, raw: bytes
) -> None:
    _judge_answer(raw, frozen(raw, direct.config))


@pytest.mark.parametrize(
    ("redirection", "error"),
    [
        ("<&-", "request-unreadable"),
        ("</dev/null", "request-empty"),
        ("</dev/zero", "request-too-large"),
        (">/dev/full", "answer-unwritable"),
        (">&-", "answer-unwritable"),
    ],
)
def test_streams_that_cannot_be_used_are_told_in_one_line(
    frozen: Frozen, direct: Setting, redirection: str, error: str
) -> None:
    command = ["sh", "-c", f'exec "$0" "$@" {redirection}', str(frozen.executable), f"--config={direct.config}"]
    done = subprocess.run(command, input=direct.request, capture_output=True, env=frozen.environ, check=False)
    outcome = Outcome(done.returncode, done.stdout, done.stderr.decode())
    assert (outcome.code, outcome.error) == (2, error)


def test_without_a_stderr_the_exit_code_still_tells(frozen: Frozen, direct: Setting) -> None:
    command = ["sh", "-c", 'exec "$0" "$@" 2>&-', str(frozen.executable), f"--config={direct.config}"]
    done = subprocess.run(command, input=b"{}", capture_output=True, env=frozen.environ, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")


# Settings.


_MODES = ("managed-identity-impersonated", "token-file-entra-impersonated", "service-account-direct")


def _named_vendor_file(site: Site, contents: dict[Path, bytes]) -> list[str]:
    """The file that changed settings name in the vendor file's place, as an error may show it."""
    try:
        name = json.loads(contents.get(site.config, b"{}")).get("credentialConfig")
    except (ValueError, AttributeError):
        return []
    return ["/"] if isinstance(name, str) else []


def _has_proxy(content: bytes) -> bool:
    return b'"httpsProxy"' in content


@pytest.mark.parametrize("mode", _MODES)
@_examples(250)
@hypothesis.given(data=st.data())
def test_whatever_settings_say_nobody_else_is_asked(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudProcess, mode: str, data: st.DataObject
) -> None:
    site = _site(settings, cloud, mode)
    in_process.world = {"state_directory": None}
    contents = _draw_settings(site, data)
    site.write(contents)
    outcome = in_process(site.setting.request, site.config)
    vendor = _named_vendor_file(site, contents)
    site.judge(outcome, *vendor, proxied=any(map(_has_proxy, contents.values())))


_SITES: dict[int, Site] = {}


def _site(settings: SettingsFactory, cloud: CloudProcess, mode: str) -> Site:
    known = _SITES.get(id(settings))
    if known is None:
        _SITES.clear()
        known = _SITES[id(settings)] = Site(settings, cloud, mode)
    return known


def _draw_settings(site: Site, data: st.DataObject) -> dict[Path, bytes]:
    """Both files or one of them, changed."""
    chosen = data.draw(st.sampled_from([[site.config], [site.vendor], [site.config, site.vendor]]))
    return {path: data.draw(mutation.near(site.good[path]).flatmap(mutation.bytes_of)) for path in chosen}


@_examples(25)
@hypothesis.given(data=st.data())
def test_whatever_the_executables_settings_say_nobody_else_is_asked(
    frozen: Frozen, settings: SettingsFactory, cloud: CloudProcess, data: st.DataObject
) -> None:
    site = _site(settings, cloud, _MODES[0])
    contents = _draw_settings(site, data)
    site.write(contents)
    hypothesis.assume(not any(map(_has_proxy, contents.values())))  # an unreachable one takes the product's full time
    site.judge(frozen(site.setting.request, site.config), *_named_vendor_file(site, contents))


@_examples(100)
@hypothesis.given(
    name=st.sampled_from(
        [
            "AZURE_AUTHORITY_HOST",
            "AZURE_CLIENT_ID",
            "AZURE_FEDERATED_TOKEN_FILE",
            "AZURE_TENANT_ID",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "NO_PROXY",
            "SSL_CERT_FILE",
        ]
    ),
    value=st.one_of(st.sampled_from(mutation.HOSTILE), mutation.texts),
)
def test_whatever_the_environment_says_nobody_else_is_asked(
    in_process: InProcess, settings: SettingsFactory, cloud: CloudProcess, name: str, value: str
) -> None:
    site = _site(settings, cloud, "token-file-entra-impersonated")
    identity = {"source": "token-file", "entra": {}, "tokenFile": site.good[site.config]["identity"]["tokenFile"]}
    if name == "AZURE_FEDERATED_TOKEN_FILE":
        del identity["tokenFile"]
    site.write({site.config: json.dumps({"identity": identity}).encode()})
    in_process.world = {"state_directory": None}
    # As the kernel hands it over: no zero byte, any other byte.
    text = os.fsdecode(value.encode("utf-8", "surrogatepass").replace(b"\0", b""))
    given = {"AZURE_CLIENT_ID": WORLD.client_id, "AZURE_TENANT_ID": WORLD.tenant_id, name: text}
    sources = [name, "/"] if name.startswith("GOOGLE") else [name]
    site.judge(in_process(site.setting.request, site.config, **given), *sources)
