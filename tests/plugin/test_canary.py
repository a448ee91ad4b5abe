"""Secrets planted at every source and in every answer; every failure driven; none may be seen but where it belongs."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import credprovider.exchange
from credprovider.journal import SOCKET
from tests.cloud.modes import MODES_BY_NAME
from tests.cloud.world import WORLD
from tests.plugin.canaries import Journal, Secrets, canary
from tests.plugin.faults import BY_NAME, EXIT_CODE, HOPS, MATRIX, MODE_OF, Fault
from tests.plugin.runner import quick
from tests.plugin.settings import asking, edit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cloud.api import CloudApi
    from tests.cloud.modes import Setting
    from tests.plugin.runner import Frozen, InProcess, Outcome, Runner
    from tests.plugin.settings import SettingsFactory

# As in test_faults: the ssl module forgets a socket of its own.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")

PASSWORD = canary("opaque")
#: Whatever a developer would switch on to see more, and what others have switched on for themselves.
LOUD = {
    "GOOGLE_SDK_PYTHON_LOGGING_SCOPE": "google",
    "PYTHONVERBOSE": "1",
    "PYTHONDEVMODE": "1",
    "PYTHONDEBUG": "1",
    "PYTHONINSPECT": "1",
    "PYTHONFAULTHANDLER": "1",
    "PYTHONTRACEMALLOC": "5",
    "PYTHONWARNINGS": "always",
    "PYTHONPROFILEIMPORTTIME": "1",
    "GRPC_VERBOSITY": "debug",
    "AZURE_LOG_LEVEL": "debug",
    "LOGLEVEL": "DEBUG",
    "DEBUG": "1",
    "AZURE_CLIENT_SECRET": canary("opaque"),
    "AZURE_CLIENT_ASSERTION": canary("jwt"),
}


@dataclass
class Watch:
    """One test's secrets and everything that is searched for them."""

    secrets: Secrets
    cloud: CloudApi
    ask: Runner
    journal: Journal
    log: list[str]
    home: Path

    def plant(self, setting: Setting) -> Setting:
        """Secrets into what this setting reads: annotations nobody asked for, and a proxy's password."""
        edit(setting.config, network={"httpsProxy": f"http://user:{PASSWORD}@proxy.corp.example:3128"})
        if setting.token is not None:
            self.secrets.plant(setting.token)
        request = json.loads(setting.request)
        return asking(setting, serviceAccountAnnotations={**request.get("serviceAccountAnnotations", {}), "x": _NOTE})

    def run(self, setting: Setting, **environ: str | None) -> Outcome:
        """Ask with everything loud, and with folders of our own to write to."""
        places = {"HOME": str(self.home), "TMPDIR": str(self.home), "XDG_CACHE_HOME": str(self.home)}
        return self.ask(setting.request, setting.config, **{**LOUD, **places, **environ})

    def assert_unseen(self, outcome: Outcome) -> None:
        """Nothing planted or issued anywhere, but for the answer's token in stdout and in the cache."""
        self.secrets.issued(self.cloud)
        token = [outcome.password] if outcome.code == 0 and outcome.stdout.count(b"password") else []
        assert self.secrets.seen_in(outcome.stdout, token) == []
        assert self.secrets.seen_in(outcome.stderr) == []
        if outcome.code:
            assert outcome.line
        for record in [*outcome.notes, *self.journal.read(), *self.log]:
            assert self.secrets.seen_in(record) == []
        assert list(self.home.rglob("*")) == []
        for path in self.ask.state.rglob("*"):
            assert path.stat().st_mode & 0o077 == 0
            allowed = token if path.name.startswith("token-") else []
            content = path.read_bytes() if path.is_file() else b""
            assert self.secrets.seen_in(path.name.encode() + b"\n" + content, allowed) == [], path


_NOTE = canary("dashed")


@pytest.fixture
def watch(ask: Runner, cloud: CloudApi, tmp_path: Path) -> Iterator[Watch]:
    """All outlets watched; the cloud's errors and Google tokens carry secrets."""
    marks = [canary("opaque"), canary("google"), canary("jwt")]
    planted = [PASSWORD, _NOTE, LOUD["AZURE_CLIENT_SECRET"], LOUD["AZURE_CLIENT_ASSERTION"]]
    found = Secrets(*marks, *planted)
    cloud.canary(*marks)
    home = tmp_path / "home"
    home.mkdir()
    journal = Journal(Path(SOCKET))
    log: list[str] = []
    with _everything_logged(log):
        yield Watch(found, cloud, ask, journal, log, home)
    journal.close()


class _everything_logged:  # noqa: N801 - a context manager reads as a verb
    """Every logger of this process at its lowest level, with records as their handlers would write them."""

    def __init__(self, log: list[str]) -> None:
        self._handler = logging.Handler(logging.NOTSET)
        self._handler.emit = lambda record: log.append(f"{record.getMessage()} {record.__dict__}")  # type: ignore[method-assign]
        self._before: list[tuple[logging.Logger, int]] = []

    def __enter__(self) -> None:
        for name in ("", "google", "google.auth", "google.oauth2", "google.auth.transport", "urllib3", "asyncio"):
            logger = logging.getLogger(name)
            self._before.append((logger, logger.level))
            logger.setLevel(1)
            logger.addHandler(self._handler)

    def __exit__(self, *_: object) -> None:
        for logger, level in self._before:
            logger.setLevel(level)
            logger.removeHandler(self._handler)


def _id(value: object) -> str:
    return value.name if isinstance(value, Fault) else str(value)


# --- the search itself -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["jwt", "google", "opaque", "dashed"])
def test_search_finds_a_secret_in_every_form(kind: str) -> None:
    secret = canary(kind)
    found = Secrets(secret)
    encoded = base64.b64encode(secret.encode()).decode()
    for text in (
        secret,
        f"x{secret}x",
        secret[:13],
        secret[-13:],
        secret[5:20],
        f"Basic {encoded}",
        repr(secret.encode()),
    ):
        assert found.seen_in(text) == [secret[:24]], text
    assert found.seen_in(secret, [secret]) == []
    assert found.seen_in(f"{secret} {secret[:14]}", [secret]) == [secret[:24]]
    assert found.seen_in("azure-gar-credential-provider: network-reset [sts]: ya29. eyJ") == []


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES_BY_NAME)
def test_answer_shows_its_token_and_nothing_else(watch: Watch, settings: SettingsFactory, mode: str) -> None:
    setting = watch.plant(settings(mode))
    cold = watch.run(setting)
    assert cold.code == 0
    watch.assert_unseen(cold)
    warm = watch.run(setting)
    assert warm.password == cold.password
    watch.assert_unseen(warm)


@pytest.mark.parametrize("ask", ["in-process"], indirect=True)
def test_answer_kept_although_refreshing_failed_shows_nothing_else(
    in_process: InProcess, watch: Watch, settings: SettingsFactory
) -> None:
    setting = watch.plant(settings("managed-identity-impersonated"))
    assert watch.run(setting).code == 0
    watch.cloud.fault("iam", "status", status=403)
    in_process.world["boottime"] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME) + 3000
    kept = watch.run(setting)
    assert kept.cache_seconds == 0
    watch.assert_unseen(kept)


@pytest.mark.parametrize("ask", ["frozen"], indirect=True)
def test_executable_leaves_one_line_in_the_journal(watch: Watch, settings: SettingsFactory, frozen: Frozen) -> None:
    setting = watch.plant(settings("managed-identity-impersonated"))
    for how in ("exchange", "hit"):
        assert frozen(setting.request, setting.config).code == 0
        (record,) = watch.journal.read()
        fields = dict(line.split("=", 1) for line in record.splitlines())
        assert fields["SYSLOG_IDENTIFIER"] == "azure-gar-credential-provider"
        assert f"us-docker.pkg.dev: managed-identity {how}, token lives 3" in fields["MESSAGE"]
        assert fields["PRIORITY"] == "6"


# --- failures ---------------------------------------------------------------------------------------------------------

#: The faults that only let time pass are all the same to the reader of a line; one hop is enough for them.
_DRIVEN = [(hop, fault) for hop, fault in MATRIX if not fault.waits or hop == "sts"]


@pytest.mark.parametrize(("hop", "fault"), _DRIVEN, ids=_id)
@pytest.mark.parametrize("ask", ["in-process"], indirect=True)
def test_failure_shows_no_secret(
    watch: Watch, in_process: InProcess, settings: SettingsFactory, hop: str, fault: Fault
) -> None:
    in_process.limits = quick(connect=0.3, read=0.3) if fault.waits else quick(total=30, connect=10, read=10)
    in_process.world["sleep"] = lambda _: None
    _drive(watch, settings, hop, fault)


_FROZEN = ["400", "403", "html", "redirect-307", "cut-json", "padded", "expired-certificate"]


@pytest.mark.parametrize(
    ("hop", "fault"), [(hop, BY_NAME[name]) for name in _FROZEN for hop in BY_NAME[name].errors], ids=_id
)
@pytest.mark.parametrize("ask", ["frozen"], indirect=True)
def test_executable_that_fails_shows_no_secret(watch: Watch, settings: SettingsFactory, hop: str, fault: Fault) -> None:
    _drive(watch, settings, hop, fault)


def _drive(watch: Watch, settings: SettingsFactory, hop: str, fault: Fault) -> None:
    watch.cloud.fault(hop, fault.kind, **fault.options)
    setting = settings(MODE_OF[hop])
    if fault.kind not in ("refused", "dns"):  # behind the proxy the way there is the proxy's affair
        setting = watch.plant(setting)
    outcome = watch.run(setting)
    assert outcome.hop == hop
    watch.assert_unseen(outcome)
    watch.assert_unseen(watch.run(setting))  # the same from the failure memory, where there is one


def _bodies(mark: str) -> list[str]:
    """Error bodies in all shapes with a secret in each place that is looked at."""
    nested = {"error": {"code": 403, "message": f"denied {mark}", "status": mark, "details": [{"reason": mark}]}}
    flat = {
        "error": mark,
        "error_description": f"AADSTS{mark} Trace ID: {mark} The audience in ID Token [{mark}] does not match",
        "error_codes": [mark],
        "trace_id": mark,
        "correlation_id": mark,
        "error_uri": f"https://{mark}",
    }
    issuer = f"The issuer in ID Token https://x/{mark} does not match the expected one in config: https://y/{mark}"
    used = f"API has not been used in project {mark} before or it is disabled"
    return [
        mark,
        json.dumps(mark),
        json.dumps([nested]),
        json.dumps(nested),
        json.dumps(flat),
        json.dumps({"error": "invalid_grant", "error_description": issuer}),
        json.dumps({"error": {"message": used, "status": "PERMISSION_DENIED"}}),
        json.dumps({"errors": [{"code": mark, "message": mark}]}),
        f"<html>{mark}</html>",
        f'{{"error": "{mark}',
    ]


@pytest.mark.parametrize("kind", ["jwt", "google", "opaque"])
@pytest.mark.parametrize("status", [200, 400, 403])
@pytest.mark.parametrize("hop", HOPS)
@pytest.mark.parametrize("ask", ["in-process"], indirect=True)
def test_refusal_that_quotes_a_token_is_not_quoted(
    watch: Watch, in_process: InProcess, settings: SettingsFactory, hop: str, status: int, kind: str
) -> None:
    mark = canary(kind)
    watch.secrets.plant(mark)
    in_process.world["sleep"] = lambda _: None
    setting = settings(MODE_OF[hop], cache={"enabled": False})
    headers = dict.fromkeys(
        ("Content-Type", "Location", "Retry-After", "WWW-Authenticate", "Server", "X-Echo", "x-ms-request-id"), mark
    )
    for body in _bodies(mark):
        watch.cloud.clear()
        watch.cloud.fault(hop, "literal", status=status, headers=headers, body=body)
        outcome = watch.run(setting)
        assert (outcome.code, outcome.hop) == (EXIT_CODE[hop], hop)
        watch.assert_unseen(outcome)


@pytest.mark.parametrize("ask", ["in-process"], indirect=True)
def test_bug_shows_where_and_not_what(watch: Watch, settings: SettingsFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(subject: Any, *_: Any) -> None:
        raise RuntimeError(f"cannot use {subject}")

    monkeypatch.setattr(credprovider.exchange, "_token", broken)
    setting = watch.plant(settings("managed-identity-direct"))
    outcome = watch.run(setting)
    assert outcome.code == 70
    assert "bug [RuntimeError at credprovider.exchange:" in outcome.stderr
    watch.secrets.issued(watch.cloud)
    assert watch.secrets.seen_in(outcome.stderr) == []


# --- what never gets as far as a call ---------------------------------------------------------------------------------

_MARK = canary("jwt")
BAD_REQUESTS: dict[str, bytes] = {
    "not-json": _MARK.encode(),
    "cut": f'{{"serviceAccountToken":"{_MARK}'.encode(),
    "two-values": f'{{}} "{_MARK}"'.encode(),
    "duplicate": f'{{"kind":"{_MARK}","kind":"{_MARK}"}}'.encode(),
    "kind": json.dumps({"kind": _MARK}).encode(),
    "version": json.dumps({"kind": "CredentialProviderRequest", "apiVersion": _MARK}).encode(),
}
BAD_FIELDS: dict[str, dict[str, Any]] = {
    "token-in-the-image": {"image": f"us-docker.pkg.dev@{_MARK}/x"},
    "token-as-tag": {"image": f"us-docker.pkg.dev/p/r/i:{_MARK}"},
    "token-as-host": {"image": f"{_MARK}/p/r/i"},
    "token-in-a-list": {"serviceAccountToken": [_MARK]},
    "token-opaque": {"serviceAccountToken": canary("google")},
    "token-garbled": {"serviceAccountToken": _MARK},
    "token-with-newline": {"serviceAccountToken": _MARK + "\n"},
    "token-too-long": {"serviceAccountToken": _MARK * 200},
    "annotation-of-a-wrong-type": {"serviceAccountAnnotations": {"a": [_MARK]}},
}


@pytest.mark.parametrize("name", [*BAD_REQUESTS, *BAD_FIELDS])
def test_bad_request_is_not_quoted(watch: Watch, settings: SettingsFactory, name: str) -> None:
    fields = BAD_FIELDS.get(name, {})
    watch.secrets.plant(_MARK, str(fields.get("serviceAccountToken", "")) or _MARK)
    setting = watch.plant(asking(settings("service-account-direct"), **fields))
    raw = BAD_REQUESTS.get(name, setting.request)
    outcome = watch.ask(raw, setting.config, **LOUD)
    assert outcome.code == 2
    watch.assert_unseen(outcome)


BAD_CONFIGS: dict[str, dict[str, Any]] = {
    "unknown-key": {"token": _MARK},
    "client-id": {"identity": {"clientId": _MARK}},
    "source": {"identity": {"source": _MARK}},
    "registries": {"registries": [_MARK]},
    "scopes": {"scopes": [_MARK, 1]},
    "universe": {"universeDomain": _MARK},
    "proxy-by-https": {"network": {"httpsProxy": f"https://user:{_MARK}@proxy.example:3128"}},
    "proxy-with-bad-port": {"network": {"httpsProxy": f"http://user:{_MARK}@proxy.example:port"}},
    "proxy-a-list": {"network": {"httpsProxy": [f"http://user:{_MARK}@proxy.example"]}},
    "cache": {"cache": {"enabled": _MARK}},
}
BAD_VENDORS: dict[str, dict[str, Any]] = {
    "client-secret": {"client_secret": _MARK},
    "private-key": {"type": "service_account", "private_key": _MARK},
    "authorized-user": {"type": "authorized_user", "refresh_token": _MARK},
    "vendor-unknown-key": {"access_token": _MARK},
    "audience": {"audience": f"https://{_MARK}"},
    "token-url": {"token_url": f"https://user:{_MARK}@sts.googleapis.com/v1/token"},
    "headers": {"credential_source": {"url": "http://x", "headers": {"Authorization": f"Bearer {_MARK}"}}},
    "source-url": {"credential_source": {"url": f"https://x/?code={_MARK}"}},
    "executable": {"credential_source": {"executable": {"command": f"/bin/echo {_MARK}"}}},
}


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        *(("in-process", name) for name in [*BAD_CONFIGS, *BAD_VENDORS]),
        *(("frozen", name) for name in ["unknown-key", "client-id", "proxy-by-https", "client-secret"]),
    ],
    indirect=["ask"],
)
def test_bad_settings_are_not_quoted(watch: Watch, settings: SettingsFactory, name: str) -> None:
    watch.secrets.plant(_MARK)
    setting = settings("managed-identity-direct", vendor=BAD_VENDORS.get(name, {}))
    edit(setting.config, **BAD_CONFIGS.get(name, {}))
    outcome = watch.run(setting)
    assert (outcome.code, outcome.hop) == (3, "settings")
    watch.assert_unseen(outcome)


def test_settings_that_are_no_json_are_not_quoted(watch: Watch, settings: SettingsFactory) -> None:
    watch.secrets.plant(_MARK)
    setting = settings()
    setting.config.write_text(f'{{"network": {{"httpsProxy": "http://user:{_MARK}@p"}} ]')
    outcome = watch.run(setting)
    assert (outcome.code, outcome.hop) == (3, "settings")
    watch.assert_unseen(outcome)


@pytest.mark.parametrize(
    "content", [f"{_MARK} {_MARK}", f"{_MARK}\n{_MARK}", f'{{"token":"{_MARK}"}}', "Canary\xff" * 9]
)
def test_bad_token_file_is_not_quoted(watch: Watch, settings: SettingsFactory, content: str) -> None:
    watch.secrets.plant(_MARK)
    setting = watch.plant(settings("token-file-direct"))
    (setting.config.parent / "azure-identity-token").write_text(content)
    outcome = watch.run(setting)
    assert (outcome.code, outcome.hop) == (4, "token-file")
    watch.assert_unseen(outcome)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_bad_proxy_variable_is_not_quoted(watch: Watch, settings: SettingsFactory, variable: str) -> None:
    watch.secrets.plant(_MARK)
    setting = settings()
    outcome = watch.run(setting, **{variable: f"socks5://user:{_MARK}@proxy.example"})
    assert (outcome.code, outcome.error) == (3, "settings-proxy")
    watch.assert_unseen(outcome)


# --- the process itself -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", ["frozen"], indirect=True)
def test_process_hides_its_tokens_from_its_neighbours(watch: Watch, frozen: Frozen, settings: SettingsFactory) -> None:
    """What `ps`, /proc and a core file would show while it waits for Google, every token in its hands."""
    watch.cloud.fault("iam", "hang")
    setting = watch.plant(settings("service-account-entra-impersonated"))
    process = frozen.start(setting.request, setting.config)
    try:
        _wait_for(lambda: watch.cloud.calls("iam"))
        watch.secrets.issued(watch.cloud)
        folder = Path(f"/proc/{process.pid}")
        for name in ("cmdline", "environ", "comm", "maps"):
            assert watch.secrets.seen_in((folder / name).read_bytes()) == []
        files = {os.readlink(link) for link in (folder / "fd").iterdir()}
        assert [file for file in files if file.startswith("/") and not file.startswith(("/run/", "/dev/"))] == []
        # 1 and not 0: that stops a core through a pipe, too.
        assert re.search(r"^Max core file size +1 +1 ", (folder / "limits").read_text(), re.MULTILINE)
    finally:
        process.kill()
        process.communicate()
    assert watch.secrets.seen_below(frozen.state, [PASSWORD]) == {}


def _wait_for(condition: Any) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_key_log_of_the_environment_is_not_written(watch: Watch, settings: SettingsFactory, tmp_path: Path) -> None:
    setting = settings("managed-identity-impersonated")
    assert watch.run(setting, SSLKEYLOGFILE=str(tmp_path / "keys")).code == 0
    assert not (tmp_path / "keys").exists()


def test_annotations_of_the_pod_go_nowhere(watch: Watch, settings: SettingsFactory) -> None:
    setting = watch.plant(settings("service-account-entra-impersonated"))
    outcome = watch.run(setting)
    assert outcome.code == 0
    sent = json.dumps(watch.cloud.calls())
    assert _NOTE not in sent
    assert WORLD.client_id in sent
