"""Whatever is on stdin or in the settings: a valid answer or one line, in time, and nobody asked who should not be.

FUZZ=20000 in the environment makes hypothesis try that many examples, and other ones each time.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.cloud.world import CLOUDS, READ_ONLY, WORLD
from tests.plugin import mutation
from tests.plugin.runner import EXECUTABLE, KUBELET_LIMIT, PROGRAM, Outcome
from tests.plugin.verdict import VERSIONS, judge

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


_NAME = r"[a-z0-9-]+"
_ALLOWED = re.compile(
    rf"169\.254\.169\.254|(sts|iamcredentials)(\.{_NAME}\.rep|-{_NAME}\.p)?\.googleapis\.com|"
    + "|".join(re.escape(cloud.authority) for cloud in CLOUDS.values())
)
_MODES = ("managed-identity-impersonated", "token-file-entra-impersonated", "service-account-direct")


#: Defaults as config.json may spell them out, so that there is something to change.
_SPELT_OUT: dict[str, Any] = {
    "credentialConfig": "credential-config.json",
    "scopes": [READ_ONLY],
    "universeDomain": "googleapis.com",
    "network": {"noProxy": None, "caFile": None},
    "cache": {"enabled": True},
}


class _Site:
    """One test's settings folder, its good documents, and the cloud's log up to now."""

    def __init__(self, settings: SettingsFactory, cloud: CloudProcess, mode: str) -> None:
        self.setting = settings(mode)
        self.config = self.setting.config
        self.vendor = self.config.with_name("credential-config.json")
        self.good = {path: json.loads(path.read_text()) for path in (self.config, self.vendor)}
        self.good[self.config] |= _SPELT_OUT
        self.good[self.vendor] |= {"universe_domain": "googleapis.com", "quota_project_id": WORLD.project}
        self._cloud = cloud
        self._seen = 0, 0

    def write(self, contents: dict[Path, bytes]) -> None:
        for path, document in self.good.items():
            path.write_bytes(contents.get(path, json.dumps(document).encode()))

    def judge(self, outcome: Outcome, *sources: str, proxied: bool = False) -> None:
        """No bug; an error of settings names its file, or one of `sources`; nobody was asked who is not allowed."""
        judge(outcome)
        if outcome.code == 3 and outcome.error != "settings-ca-file":
            named = [str(self.config), str(self.vendor), *sources]
            assert any(name in outcome.line for name in named), outcome.line
            hypothesis.event(outcome.error)
        else:
            hypothesis.event(f"exit {outcome.code}")
        connections, names = self._cloud.connections(), self._cloud.looked_up()
        asked = {each["host"] for each in connections[self._seen[0] :]} | set(names[self._seen[1] :])
        self._seen = len(connections), len(names)
        assert proxied or not [host for host in asked if not _ALLOWED.fullmatch(host)], asked


def _named_vendor_file(site: _Site, contents: dict[Path, bytes]) -> list[str]:
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


_SITES: dict[int, _Site] = {}


def _site(settings: SettingsFactory, cloud: CloudProcess, mode: str) -> _Site:
    known = _SITES.get(id(settings))
    if known is None:
        _SITES.clear()
        known = _SITES[id(settings)] = _Site(settings, cloud, mode)
    return known


def _draw_settings(site: _Site, data: st.DataObject) -> dict[Path, bytes]:
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


# Time.


@pytest.fixture(scope="module", autouse=True)
def endless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[bytes], float] | None]:
    """An executable whose stdin never ends, started before everything else here: it takes its time."""
    if not os.access(EXECUTABLE, os.X_OK):
        yield None  # the others here can do without
        return
    config = tmp_path_factory.mktemp("endless") / "config.json"
    process = subprocess.Popen(
        [EXECUTABLE, f"--config={config}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={},
        cwd="/",
    )
    yield process, time.monotonic()
    process.kill()
    process.communicate()


def _guarded(setting: Setting, cloud: CloudProcess, how: str, *, watchdog: float = 600, alarm: float = 600) -> Outcome:
    """The package's entry in a process of its own, its guards set to other seconds."""
    command = [sys.executable, "-m", "tests.plugin.guarded", str(watchdog), str(alarm), how, str(setting.config)]
    environ = {"PYTHONPATH": str(_ROOT), "SSL_CERT_FILE": str(cloud.ca_file)}
    done = subprocess.run(
        command,
        input=setting.request,
        capture_output=True,
        cwd=_ROOT,
        env=environ,
        timeout=KUBELET_LIMIT,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr.decode())


def test_a_name_server_that_never_answers_is_given_up_by_the_deadline(
    in_process: InProcess, cloud: CloudProcess, direct: Setting
) -> None:
    cloud.fault("sts", "dns", how="hang")
    outcome = in_process(direct.request, direct.config)
    assert (outcome.code, outcome.hop) == (5, "sts")


def test_a_name_server_that_never_answers_does_not_hold_the_watchdog(cloud: CloudProcess, direct: Setting) -> None:
    cloud.fault("sts", "dns", how="hang")
    outcome = _guarded(direct, cloud, "real", watchdog=1.5)
    assert (outcome.code, outcome.error) == (7, "deadline-exceeded")


def test_c_code_that_holds_the_interpreter_is_ended_by_the_kernels_timer(cloud: CloudProcess, direct: Setting) -> None:
    outcome = _guarded(direct, cloud, "never", watchdog=0.5, alarm=1.0)
    assert (outcome.code, outcome.stdout, outcome.stderr) == (-signal.SIGALRM, b"", "")


@pytest.mark.parametrize("late", [0.28, 0.295, 0.3, 0.301, 0.305, 0.32])
def test_answer_and_watchdog_never_both_speak(cloud: CloudProcess, direct: Setting, late: float) -> None:
    outcome = _guarded(direct, cloud, f"late={late}", watchdog=0.3)
    if outcome.code == 0:
        assert (outcome.stdout, outcome.stderr) == (b'{"auth":{}}\n', "")
    else:
        assert (outcome.code, outcome.error) == (7, "deadline-exceeded")


def test_a_stdin_that_never_ends_is_given_up_before_the_kubelet_would(
    endless: tuple[subprocess.Popen[bytes], float] | None,
) -> None:
    assert endless is not None, f"{EXECUTABLE} is not built"
    process, started = endless
    code = process.wait(KUBELET_LIMIT - (time.monotonic() - started))
    assert process.stdout is not None
    assert process.stderr is not None
    outcome = Outcome(code, process.stdout.read(), process.stderr.read().decode())
    assert (outcome.code, outcome.error) == (7, "deadline-exceeded")
    assert outcome.line.startswith(PROGRAM)
