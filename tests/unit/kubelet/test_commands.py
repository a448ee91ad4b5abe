"""request, check-response and lint as a person's shell meets them: streams, exit codes, no secret shown."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, NamedTuple

import pytest

from credprovider.commands import check_response, lint, request
from credprovider.kubelet.request import V1, encode_request
from credprovider.secret import Secret
from tests.unit.kubelet.configs import document, provider
from tests.unit.kubelet.test_response import written

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

_CANARY = "canaryCANARY0123456789"


class Outcome(NamedTuple):
    code: int
    stdout: bytes
    stderr: str


def call(command: ModuleType, *argv: str, stdin: bytes = b"") -> Outcome:
    stdout, stderr = io.BytesIO(), io.StringIO()
    code = command.run(list(argv), io.BytesIO(stdin), stdout, stderr)
    return Outcome(code, stdout.getvalue(), stderr.getvalue())


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        pytest.param(request, [], id="request: no image"),
        pytest.param(request, ["us.dev/P"], id="request: upper-case path"),
        pytest.param(request, ["i", "--api-version", "v2"], id="request: unknown version"),
        pytest.param(request, ["i", "--api-version", "kubelet.config.k8s.io/v1"], id="request: another group"),
        pytest.param(request, ["i", "--service-account-annotation", "a"], id="request: annotation without a value"),
        pytest.param(request, ["i", "--service-account-annotation", "=b"], id="request: annotation without a key"),
        pytest.param(request, ["i", "--service-account-token", "/nowhere"], id="request: no token file"),
        pytest.param(request, ["i", "--service-account-token", "a\0b"], id="request: impossible token file"),
        pytest.param(
            request, ["i", "--api-version", "v1beta1", "--service-account-annotation", "a=b"], id="request: v1 only"
        ),
        pytest.param(request, ["i", "--bogus"], id="request: unknown option"),
        pytest.param(check_response, ["x"], id="check-response: an argument"),
        pytest.param(check_response, ["--api-version", ""], id="check-response: empty version"),
        pytest.param(check_response, ["--image", "A"], id="check-response: bad image"),
        pytest.param(lint, [], id="lint: no path"),
        pytest.param(lint, ["x", "--kubelet-version", "1.28"], id="lint: too old"),
        pytest.param(lint, ["x", "--kubelet-version", "new"], id="lint: no version"),
        pytest.param(lint, ["x", "--format", "xml"], id="lint: unknown format"),
    ],
)
def test_usage_error(command: ModuleType, argv: list[str]) -> None:
    outcome = call(command, *argv, stdin=written())
    assert outcome.code == 2
    assert outcome.stdout == b""
    assert outcome.stderr.startswith("azure-gar-credential-provider ")
    assert ": error: " in outcome.stderr
    assert outcome.stderr.endswith("; --help tells more\n")
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [request, check_response, lint])
def test_help_goes_to_stdout(command: ModuleType) -> None:
    outcome = call(command, "--help")
    assert outcome.code == 0
    assert outcome.stdout.startswith(b"usage: ")
    assert outcome.stderr == ""


def test_request_is_what_the_kubelet_sends() -> None:
    outcome = call(request, "nginx:1.27")
    assert outcome == (0, encode_request("docker.io/library/nginx"), "")


@pytest.mark.parametrize("version", ["v1beta1", "credentialprovider.kubelet.k8s.io/v1beta1"])
def test_request_in_another_version(version: str) -> None:
    expected = encode_request("docker.io/library/i", api_version="credentialprovider.kubelet.k8s.io/v1beta1")
    assert call(request, "i", "--api-version", version).stdout == expected


def test_request_with_token_and_annotations(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(_CANARY + "\n")
    arguments = ["--service-account-token", str(tmp_path / "token")]
    arguments += ["--service-account-annotation", "b=c=d", "--service-account-annotation", "a="]
    expected = encode_request("us.dev/p", token=Secret(_CANARY), annotations={"a": "", "b": "c=d"})
    assert call(request, "us.dev/p:v1", *arguments) == (0, expected, "")


def test_request_takes_the_token_from_stdin() -> None:
    outcome = call(request, "us.dev/p", "--service-account-token", "-", stdin=_CANARY.encode())
    assert outcome.stdout == encode_request("us.dev/p", token=Secret(_CANARY))


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_request_refuses_what_is_no_token(content: bytes) -> None:
    assert call(request, "i", "--service-account-token", "-", stdin=content).code == 2


def test_check_response_accepts() -> None:
    outcome = call(check_response, "--image", "us-docker.pkg.dev/p/r/i:v1", stdin=written())
    assert outcome.code == 0
    assert outcome.stdout.decode().splitlines() == [
        "accepted: the kubelet uses this response",
        "  kept: 55m0s, for this registry (cacheKeyType Registry)",
        "  auth key us-docker.pkg.dev: user oauth2accesstoken, password of 27 characters",
        "  us-docker.pkg.dev/p/r/i: tried in this order: us-docker.pkg.dev",
    ]


def test_check_response_tells_that_an_image_gets_nothing() -> None:
    outcome = call(check_response, "--image", "eu-docker.pkg.dev/p/r/i", stdin=written())
    assert outcome.code == 1
    assert b"no key covers it: an anonymous pull" in outcome.stdout


def test_check_response_refuses() -> None:
    outcome = call(check_response, stdin=written(cacheKeyType="registry"))
    assert outcome.code == 1
    assert outcome.stdout.decode().splitlines() == [
        "refused: the kubelet has no credentials from this response, and pulls anonymously",
        "  because: cacheKeyType must be one of Image, Registry, Global, in this case of letters",
        "  kubelet's log: credential provider plugin did not return a valid cacheKeyType: registry",
        "  not counted in kubelet_credential_provider_plugin_errors_total; the plugin's stderr is not logged",
    ]


def test_check_response_compares_with_the_version_asked_for() -> None:
    assert call(check_response, "--api-version", "v1alpha1", stdin=written()).code == 1
    alpha = written(apiVersion=V1.replace("v1", "v1alpha1"))
    assert call(check_response, "--api-version", "v1alpha1", stdin=alpha).code == 0


def test_check_response_warns_and_accepts() -> None:
    outcome = call(check_response, stdin=written(cacheDuration=None, auth={}))
    assert outcome.code == 0
    assert outcome.stdout.count(b"warning: ") == 2


@pytest.mark.parametrize(
    "stdin",
    [
        pytest.param(written(auth={"a.dev": {"username": _CANARY, "password": _CANARY}}), id="accepted"),
        pytest.param(written(auth={_CANARY + ".x": {"username": "u", "password": _CANARY}}), id="as a key"),
        pytest.param(written(cacheDuration=_CANARY), id="as a duration"),
        pytest.param(written(**{_CANARY: _CANARY}), id="as a field"),
        pytest.param(written(cacheKeyType=_CANARY), id="as cacheKeyType"),
        pytest.param(written(apiVersion=_CANARY), id="as apiVersion"),
        pytest.param(_CANARY.encode(), id="bare"),
    ],
)
def test_check_response_shows_no_secret(stdin: bytes) -> None:
    outcome = call(check_response, "--image", "a.dev/i", stdin=stdin)
    assert "canary" not in (outcome.stdout.decode() + outcome.stderr).lower()


def test_request_and_check_response_meet_in_a_pipe() -> None:
    asked = json.loads(call(request, "us-docker.pkg.dev/p/r/i@sha256:" + "0" * 64).stdout)
    answer = written(apiVersion=asked["apiVersion"])
    assert call(check_response, "--image", asked["image"], stdin=answer).code == 0


def test_lint_of_a_sound_file(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(document())
    outcome = call(lint, str(path))
    assert outcome.code == 0
    assert outcome.stdout.decode().splitlines() == [
        "kubelet 1.37 would start: 0 errors, 0 warnings, 1 provider",
        "executables were not judged; --bin-dir DIR does",
    ]


def test_lint_warns_and_passes(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(document(provider(matchImages=["*"])))
    outcome = call(lint, str(path))
    assert outcome.code == 0
    assert b"warning: pattern '*' matches hosts of one label only" in outcome.stdout


def test_lint_of_a_broken_file_as_json(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(document(provider(name="a b")))
    outcome = call(lint, "--format", "json", "--bin-dir", str(tmp_path), "--kubelet-version", "v1.34.4", str(path))
    assert outcome.code == 1
    report = json.loads(outcome.stdout)
    assert (report["kubeletVersion"], report["kubeletStarts"], report["executablesJudged"]) == ("1.34", False, True)
    assert [finding["rule"] for finding in report["findings"]] == ["name-space", "executable-missing"]


def test_lint_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(document())
    assert call(lint, str(tmp_path)).code == 0
    assert call(lint, "--kubelet-version", "1.33", str(tmp_path)).code == 1


@pytest.mark.parametrize("more", [[], ["--format", "json"]], ids=["text", "json"])
@pytest.mark.parametrize(
    ("path", "reason"),
    [("gone", "No such file or directory"), ("file/below", "Not a directory"), ("a\0b", "no possible name of a file")],
)
def test_lint_of_what_cannot_be_read_judges_nothing(tmp_path: Path, path: str, reason: str, more: list[str]) -> None:
    (tmp_path / "file").write_text(document())
    outcome = call(lint, *more, str(tmp_path / path))
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert f"cannot be read: {reason}" in outcome.stderr


def test_lint_of_an_empty_path_is_not_one_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.yaml").write_text(document())
    monkeypatch.chdir(tmp_path)
    outcome = call(lint, "")
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert "'' cannot be read: its path is empty" in outcome.stderr


def test_lint_of_a_directory_with_a_file_that_cannot_be_read_is_a_verdict(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("nowhere")
    outcome = call(lint, "--kubelet-version", "1.34", str(tmp_path))
    assert outcome.code == 1
    assert b"[unreadable]" in outcome.stdout


@pytest.mark.parametrize("stdin", [b"", b"\n"], ids=["empty", "a line end"])
def test_check_response_of_nothing_points_to_the_plugin_that_failed(stdin: bytes) -> None:
    outcome = call(check_response, stdin=stdin)
    assert outcome.code == 1
    assert b"there is no response" in outcome.stdout
    assert b"not logged" not in outcome.stdout
