"""How the kubelet runs a plugin; the vectors of sections `exec` and `request_stdin` are marks here."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.kubelet.build import Harness
from tests.kubelet.real import V1, Cluster, Kubelet, Pull, ServiceAccount, Token
from tests.kubelet.scripted import NAME, Scripted, credential, response, token_attributes
from tests.kubelet.vectors import marked, section

IMAGE = "us-docker.pkg.dev/p/r/i"
HOST = {"us-docker.pkg.dev": credential()}
VERSIONS = {"req-01": "v1", "req-04": "v1beta1", "req-05": "v1alpha1"}

#: The kubelet kills after 60 s, and only the process that it has started. Of its arguments the second is the answer.
_SLOW = """\
#!/bin/sh
case $(cat) in
*child-works*) (sleep 62; cat "$2"; : >"$2.told") & exec sleep 90 ;;
*daemon-stays*) cat "$2"; sleep 62 & ;;
esac
"""


@pytest.fixture
def scripted(harness: Harness, tmp_path_factory: pytest.TempPathFactory) -> Scripted:
    return Scripted(tmp_path_factory.mktemp("node"), harness, {}, {})


def _stdin(scripted: Scripted, pull: Pull, annotations: dict[str, str] | None = None) -> str:
    """The bytes that the plugin gets on stdin for a pull."""
    scripted.answers(response(HOST, api_version=scripted.entry.get("apiVersion", V1)))
    cluster = Cluster([ServiceAccount("one", annotations=annotations or {})], [Token("eyJ.a.b", "one")])
    with scripted.kubelet(cluster=cluster) as kubelet:
        assert kubelet.pull(pull).only.password == "secret"
    return str(scripted.runs[-1]["stdin"])


@pytest.mark.vector(*VERSIONS)
@pytest.mark.parametrize(("identity", "version"), VERSIONS.items())
def test_request_in_each_version(scripted: Scripted, identity: str, version: str) -> None:
    scripted.entry["apiVersion"] = V1.replace("/v1", f"/{version}")
    assert _stdin(scripted, Pull(IMAGE)) == section("request_stdin")[identity]["stdin"]


@pytest.mark.vector("req-02")
def test_request_with_token_and_annotations(scripted: Scripted) -> None:
    annotations = {"z.example/k": "v<&>", "a.example/k": "é", "not.asked/for": "x"}
    scripted.entry |= token_attributes(required=["a.example/k"], optional=["z.example/k", "absent.example/k"])
    assert _stdin(scripted, Pull(IMAGE, "one"), annotations) == section("request_stdin")["req-02"]["stdin"]


@pytest.mark.vector("req-03")
def test_request_with_token_alone(scripted: Scripted) -> None:
    scripted.entry |= token_attributes()
    assert _stdin(scripted, Pull(IMAGE, "one")) == section("request_stdin")["req-03"]["stdin"]


def test_every_vector_has_its_test() -> None:
    assert marked(globals()) == {*section("request_stdin"), *section("exec")}


def test_tag_and_digest_are_not_told(scripted: Scripted) -> None:
    assert f'"image":"{IMAGE}"' in _stdin(scripted, Pull(f"{IMAGE}:v1@sha256:{'0' * 64}"))


@pytest.mark.vector("exec-03")
def test_plugin_that_does_not_read_stdin_is_believed(scripted: Scripted) -> None:
    scripted.answers(response(HOST))
    with scripted.kubelet("-deaf") as kubelet:
        assert kubelet.pull(Pull(IMAGE)).only.password == "secret"


@pytest.mark.vector("exec-06")
def test_answer_waits_for_a_child_that_holds_stdout(scripted: Scripted, tmp_path: Path) -> None:
    scripted.answers(response(HOST))
    mark = tmp_path / "the-child-has-ended"
    with scripted.kubelet("-orphan", "1s", "-orphan-mark", str(mark)) as kubelet:
        assert kubelet.pull(Pull(IMAGE)).only.password == "secret"
        assert mark.exists()


@pytest.mark.vector("exec-05", "exec-06")
def test_call_past_one_minute_fails_whatever_comes_of_it(scripted: Scripted) -> None:
    """Of one image the plugin's child does the work (onefile); of the other it is done, and a daemon holds stdout."""
    scripted.answers(response(HOST))
    scripted.plugin.parent.mkdir()
    scripted.plugin.write_text(_SLOW)
    scripted.plugin.chmod(0o755)
    begun = time.monotonic()
    with scripted.kubelet() as kubelet:
        happened = kubelet.pull(Pull(f"{IMAGE}/child-works"), Pull(f"{IMAGE}/daemon-stays"))
    assert (happened.execs, happened.errors) == (2, 2)
    assert [found.credentials for found in happened.found] == [[], []]
    assert happened.log.count("context deadline exceeded") == 2
    assert (
        scripted.folder / "stdout.told"
    ).exists()  # the answer came, and was waited for: who was killed is the parent
    assert 62 <= time.monotonic() - begun < 90


@pytest.mark.vector("exec-07")
def test_executable_of_another_machine_is_noticed_at_the_first_pull(scripted: Scripted) -> None:
    scripted.plugin.parent.mkdir()
    scripted.plugin.write_bytes(b"\x7fELF of no machine")
    scripted.plugin.chmod(0o755)
    with scripted.kubelet() as kubelet:
        happened = kubelet.pull(Pull(IMAGE))
    assert (happened.execs, happened.errors) == (1, 1)
    assert "exec format error" in happened.log


@pytest.mark.vector("exec-10")
def test_link_to_an_executable_elsewhere_is_followed(scripted: Scripted) -> None:
    scripted.answers(response(HOST))
    scripted.plugin.parent.mkdir()
    scripted.plugin.symlink_to(scripted.harness.plugin)
    with scripted.kubelet() as kubelet:
        assert kubelet.pull(Pull(IMAGE)).only.password == "secret"
    assert scripted.runs[0]["args"][0] == str(scripted.plugin)


@pytest.mark.vector("exec-11")
def test_variables_of_the_config_win_over_those_of_the_kubelet(scripted: Scripted) -> None:
    scripted.environ |= {"SAME": "kubelet's", "KEPT": "yes"}
    scripted.entry["env"] = [{"name": "SAME", "value": "config's"}]
    scripted.answers(response(HOST))
    with scripted.kubelet() as kubelet:
        kubelet.pull(Pull(IMAGE))
    seen = dict(line.split("=", 1) for line in scripted.runs[0]["env"])
    assert (seen["SAME"], seen["KEPT"]) == ("config's", "yes")
    assert scripted.runs[0]["cwd"] == "/"


@pytest.mark.vector("exec-12")
def test_replaced_executable_is_run_from_the_next_pull_on(scripted: Scripted) -> None:
    scripted.answers(response(HOST, "0s"))
    with scripted.kubelet() as kubelet:
        kubelet.pull(Pull(IMAGE))
        replacement = scripted.folder / "new"
        replacement.write_text("#!/bin/sh\necho replaced >&2\nexit 3\n")
        replacement.chmod(0o755)
        os.replace(replacement, scripted.plugin)
        happened = kubelet.pull(Pull(IMAGE))
    assert "exit status 3: replaced" in happened.log


@pytest.mark.parametrize(
    ("mode", "complaint"),
    [(None, "did not exist"), (0o644, "error inspecting binary executable"), (0o755, "")],
    ids=["missing", "not executable", "executable"],
)
def test_kubelet_starts_only_with_an_executable_in_place(scripted: Scripted, mode: int | None, complaint: str) -> None:
    config = scripted.install()
    if mode is None:
        scripted.plugin.unlink()
    else:
        scripted.plugin.chmod(mode)
    with Kubelet(scripted.harness, config, scripted.plugin.parent) as kubelet:
        assert complaint in kubelet.error
        assert (kubelet.error == "") is (mode == 0o755)
        assert (f'"{NAME}"' in kubelet.log) is (mode == 0o755)
