"""What `setup migrate` reads, refuses and survives: manifests, folders, streams, a live cluster, hostile text."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.migrate.runs import CANARY, REMOVAL, PretendedCluster, call, guide, look_at, named, pick, refresher, workload

_GUIDE = look_at(guide()).targets(*REMOVAL)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--bogus"],
        ["x", "--live"],
        ["/nowhere"],
        ["a\0b"],
        ["-", "--namespace", "A B"],
        ["-", "--image", "a b"],
        ["-", "--image", "$(id)"],
        ["-", "--image", "us-docker.pkg.dev/p/r/plugin:1"],
        ["-", "--image", "reg.azurecr.io/plugin:latest"],
        ["-", "--include", "cronjob/bifrost/none"],
        ["-", "--keep", "role/bifrost/none"],
        ["-", "--include", "secret/bifrost/none"],
        ["-", "--format", "yaml"],
    ],
    ids=" ".join,
)
def test_usage_error(argv: list[str]) -> None:
    outcome = call(*argv, stdin=json.dumps(named("Pod", "p")).encode())
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("azure-gar-credential-provider setup migrate: error: ")
    assert outcome.stderr.endswith("; --help tells more\n")
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize("stdin", [b"", b"null", b"[]", b"a: 1", b"kind: Pod\nmetadata: {}\n", b"{}"])
def test_nothing_of_kubernetes_is_a_usage_error(stdin: bytes) -> None:
    assert call("-", stdin=stdin).code == 2


def test_out_must_be_empty(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    assert call("-", "--out", str(tmp_path), stdin=json.dumps(named("Pod", "p")).encode()).code == 2
    assert os.listdir(tmp_path) == ["x"]


def test_out_is_for_its_owner_only(tmp_path: Path) -> None:
    assert call("-", "--out", str(tmp_path / "o"), stdin=json.dumps(guide()[0]).encode()).code == 0
    modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "o").iterdir()}
    assert modes == {"plan.md": 0o600, "plan.json": 0o600, "steps.sh": 0o700}


@pytest.mark.parametrize("form", ["yaml list", "yaml documents", "typed lists", "json", "folder", "files"])
def test_every_form_gives_one_plan(form: str, tmp_path: Path) -> None:
    objects = guide()
    arguments, stdin = ["-"], b""
    if form == "yaml list":
        stdin = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": objects}).encode()
    elif form == "yaml documents":
        stdin = yaml.safe_dump_all(objects).encode()
    elif form == "typed lists":
        lists = []
        for each in objects:
            item = {name: value for name, value in each.items() if name not in {"kind", "apiVersion"}}
            lists.append({"apiVersion": each["apiVersion"], "kind": f"{each['kind']}List", "items": [item]})
        stdin = yaml.safe_dump_all(lists).encode()
    elif form == "json":
        stdin = json.dumps({"kind": "List", "apiVersion": "v1", "items": objects}).encode()
    else:
        (tmp_path / "deep" / ".hidden").mkdir(parents=True)
        for number, each in enumerate(objects):
            folder = tmp_path / "deep" if number % 2 else tmp_path
            (folder / f"{number}.{'json' if number % 3 else 'yml'}").write_text(json.dumps(each))
        (tmp_path / "deep" / ".hidden" / "x.yaml").write_text("{{ not read }}")
        (tmp_path / "values.yaml").write_text("replicas: 2\n")
        (tmp_path / "README.md").write_text("{{")
        arguments = [str(tmp_path)] if form == "folder" else [str(path) for path in tmp_path.rglob("[0-9]*")]
    outcome = call(*arguments, "--format", "json", stdin=stdin)
    assert (outcome.code, outcome.targets(*REMOVAL)) == (0, _GUIDE)


def test_objects_without_a_namespace_are_in_the_one_given() -> None:
    objects = guide()
    for each in objects:
        del each["metadata"]["namespace"]
    outcome = look_at(objects, "--namespace", "bifrost")
    assert outcome.targets(*REMOVAL) == _GUIDE


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"a: 1\na: 2\n", "written twice"),
        (b'{"a": 1, "a": 2}', "written twice"),
        (b"kind: {{ .Values.kind }}\n", "cannot be understood"),
        (b"a: *b\n", "unknown anchor"),
        (b"a: &a [*a]\n", "contains itself"),
        (b"[" * 100_000, "nested too deep"),
        (b"a: " + b"[" * 5000, "nested deeper"),
        (b'{"a":' * 50_000, "nested too deep"),
        (b"\xff\xfe\x00", "cannot be understood"),
        (b"a: \x00\n", "cannot be understood"),
        (b"a: !!python/object/apply:os.system [id]\n--- @\n", "cannot be understood"),
        (
            b"x: &a [" + b"1," * 20 + b"]\n" + b"".join(b"y%d: [%s]\n" % (i, b"*a," * 500) for i in range(100)),
            "come from aliases",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value[:20]),
)
def test_unusable_text_is_told_with_its_place_and_spoils_no_other(text: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(text)
    (tmp_path / "b.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": guide()}))
    outcome = call(str(tmp_path), "--format", "json")
    assert (outcome.code, outcome.targets(*REMOVAL)) == (1, _GUIDE)
    (look,) = outcome.plan["look"]
    assert why in look["why"]
    assert f"{tmp_path / 'a.yaml'}, line " in look["what"]


def test_text_reads_well_on_a_terminal_and_is_no_html_on_a_page(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: [\n")
    text = call(str(tmp_path)).stdout
    assert "&lt;" not in text
    assert "'`<stream end>`'" in text


def test_unreadable_file_in_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "gone.yaml").symlink_to("nowhere")
    (tmp_path / "b.json").write_text(json.dumps(named("Pod", "p")))
    outcome = call(str(tmp_path), "--format", "json")
    assert (outcome.code, outcome.looks()) == (1, [str(tmp_path / "gone.yaml")])


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Deployment", "a; rm -rf /"),
        ("Deployment", "$(id)"),
        ("Deployment", "-n"),
        ("Deployment", "a\nb"),
        ("Deployment", "a/b"),
        ("Deployment", "A"),
        ("Deployment", "a" * 254),
        ("Deployment", "é"),
        ("CronJob", "`id`"),
        ("Secret", "../../x"),
        ("Role", "-x"),
        ("Role", "a/b"),
        ("Role", ".."),
        ("Role", "a\nb"),
        ("Role", "a`b"),
        ("ClusterRole", "a\x1b[2J"),
        ("Weird <kind>", "$(id)"),
    ],
)
def test_object_with_an_impossible_name_is_refused(kind: str, name: str) -> None:
    outcome = look_at([*guide(), named(kind, name)])
    assert (outcome.code, len(outcome.looks())) == (1, 1)
    assert name not in outcome.stdout or name in {"-n", "-x", "A", ".."}


def test_object_in_an_impossible_namespace_is_refused() -> None:
    assert look_at([named("Deployment", "a", "x; id")]).code == 1


def test_hostile_text_in_places_that_are_shown_stays_on_its_line() -> None:
    made = refresher("c", "kubectl create secret docker-registry 'a;b' --docker-server='x\n# y.pkg.dev'")
    deployment = workload("Deployment", "d", "p", containers=[{"name": "c", "image": "x\n## evil"}])
    text = call(
        "-", stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": [made, deployment]}).encode()
    ).stdout
    assert "\n## evil" not in text
    assert "\n# y" not in text


def test_two_objects_of_one_name_are_told() -> None:
    objects = guide()
    other = json.loads(json.dumps(pick(objects, "Deployment")))
    other["spec"]["replicas"] = 9
    outcome = look_at([*objects, other])
    assert (outcome.code, outcome.looks()) == (1, ["Deployment bifrost in bifrost"])


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "ar-pull-secret", "bifrost-sa", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "spec", "template", "containers", "imagePullSecrets", "env", "volumes", "args", "rules"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), _JUNK), min_size=1, max_size=4))
def test_objects_of_any_shape_are_survived(junk: list[tuple[int, Any]]) -> None:
    objects = guide()
    for index, value in junk:
        each = objects[index % len(objects)]
        key = ("spec", "rules", "subjects", "roleRef", "data", "imagePullSecrets", "type")[index % 7]
        each[key] = value
    outcome = look_at(objects)
    assert CANARY not in outcome.stdout


@settings(deadline=None)
@given(_JUNK)
def test_pod_specs_of_any_shape_are_survived(junk: Any) -> None:
    objects = guide()
    pick(objects, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"] = junk
    pick(objects, "Deployment")["spec"]["template"]["spec"] = junk
    look_at(objects)


class TestLive:
    """By way of a kubectl."""

    @pytest.fixture
    def cluster(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PretendedCluster:
        made = PretendedCluster(tmp_path, guide())
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        return made

    def test_plan_names_the_context(self, cluster: PretendedCluster) -> None:
        outcome = call("--live", "--format", "json")
        assert (outcome.code, outcome.targets(*REMOVAL)) == (0, _GUIDE)
        commands = [line for step in outcome.plan["steps"] for line in (*step["do"], *step["check"], *step["undo"])]
        about = [line for line in commands if "kubectl " in line]
        assert about
        assert all("kubectl --context test " in line for line in about)
        assert any("helm --kube-context test upgrade" in line for line in commands)
        assert cluster.carry_out(outcome.plan) == []

    def test_only_reads(self, cluster: PretendedCluster) -> None:
        before = cluster.objects()
        call("--live")
        verbs = {
            next(word for word in json.loads(line) if not word.startswith("-"))
            for line in cluster.calls.read_text().splitlines()
        }
        assert verbs <= {"get", "config"}
        assert cluster.objects() == before
        assert "all" not in cluster.calls.read_text().split('"')

    def test_secrets_are_asked_for_by_type_and_config_maps_by_name(self, cluster: PretendedCluster) -> None:
        call("--live")
        calls = [json.loads(line) for line in cluster.calls.read_text().splitlines()]
        secrets = [words for words in calls if "secrets" in words]
        maps = [words for words in calls if "configmaps" in words]
        assert len(secrets) == 2
        assert all(any(word.startswith("--field-selector=type=") for word in words) for words in secrets)
        assert ["--field-selector=metadata.name=gcp-credential-config" in words for words in maps] == [True]

    def test_kind_that_may_not_be_read_is_told(
        self, cluster: PretendedCluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FORBIDDEN_TYPE", "secrets")
        outcome = call("--live", "--format", "json")
        assert cluster.objects()
        assert (outcome.code, set(outcome.looks())) == (1, {"secrets"})
        assert outcome.targets(*REMOVAL) == _GUIDE

    def test_cluster_that_does_not_answer_is_one_line(
        self, cluster: PretendedCluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FORBIDDEN", "get")
        outcome = call("--live")
        assert (outcome.code, outcome.stdout, outcome.stderr.count("\n")) == (2, "", 1)
        assert cluster.objects()

    def test_no_kubectl_is_one_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        outcome = call("--live")
        assert (outcome.code, outcome.stdout) == (2, "")
        reason = "there is no kubectl on the PATH; install it, or give manifests"
        assert outcome.stderr == f"azure-gar-credential-provider setup migrate: {reason}\n"
