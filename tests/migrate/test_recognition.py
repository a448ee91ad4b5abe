"""Refreshers are known by what their scripts do, whatever they are called, and nothing else is taken for one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.migrate.runs import REMOVAL, look_at, named, opaque, pull_secret, refresher, workload

_TOKEN = "TOKEN=$(gcloud auth print-access-token)\n"
_CREATE = "kubectl create secret docker-registry pull --docker-server=eu-docker.pkg.dev --docker-password=$TOKEN"
_SUSPENDED_AND_DELETED = ["CronJob/bifrost/c"] * 2


def _refreshers(*objects: dict[str, Any], argv: tuple[str, ...] = ()) -> tuple[list[str], list[str], list[str]]:
    """Targets of the plan among refreshers, among Secrets, and what is to be looked at."""
    outcome = look_at(list(objects), *argv)
    assert outcome.code == int(bool(outcome.looks()))
    return outcome.targets("refreshers"), outcome.targets("secrets"), outcome.looks()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(f"{_TOKEN}{_CREATE}", id="one line"),
        pytest.param(_CREATE.replace(" --", " \\\n  --"), id="continued lines"),
        pytest.param(f"{_CREATE} --dry-run=client -o yaml | kubectl apply -f -", id="dry run and apply"),
        pytest.param(f"kubectl get ns && {_CREATE} || exit 1; kubectl get pods", id="one of several commands"),
        pytest.param(f"if ! kubectl get secret pull; then {_CREATE}; fi", id="in a condition"),
        pytest.param(f"NAME=pull\nHOST='eu-docker.pkg.dev'\n{_CREATE.replace(' pull ', ' $NAME ')}", id="by variables"),
        pytest.param(_CREATE.replace(" pull ", ' "${NAME:-pull}" '), id="by a default"),
        pytest.param(_CREATE.replace("=eu-docker", "=${REGION}-docker"), id="computed region"),
        pytest.param(_CREATE.replace("--docker-server=", "--docker-server "), id="flag with a space"),
        pytest.param(_CREATE.replace("eu-docker.pkg.dev", "https://eu.gcr.io/v2/"), id="Container Registry"),
        pytest.param(_CREATE.replace("kubectl", "kubectl -n bifrost"), id="namespace first"),
        pytest.param(_CREATE.replace("kubectl", "/usr/local/bin/kubectl -nbifrost"), id="path, short namespace"),
        pytest.param(_CREATE.replace("kubectl", "oc"), id="oc"),
        pytest.param(
            f"{_TOKEN}kubectl create secret generic pull --type=kubernetes.io/dockerconfigjson"
            " --from-file=.dockerconfigjson=/tmp/c",
            id="generic",
        ),
        pytest.param(f'{_TOKEN}kubectl patch secret pull -p "$(render)"', id="patch"),
        pytest.param(f'{_TOKEN}kubectl patch secret/pull --type merge -p "$(render)"', id="patch by type/name"),
    ],
)
def test_cronjob_is_a_refresher(script: str) -> None:
    assert _refreshers(refresher("c", script)) == (_SUSPENDED_AND_DELETED, ["Secret/bifrost/pull"], [])


def test_words_of_a_command_without_a_shell_are_read() -> None:
    made = refresher("c", "", command=["kubectl"], args=_CREATE.split()[1:])
    assert _refreshers(made)[1] == ["Secret/bifrost/pull"]


def test_names_from_the_environment_are_read() -> None:
    script = _CREATE.replace(" pull ", " $(NAME) ").replace("eu-docker.pkg.dev", "$HOST")
    env = [{"name": "NAME", "value": "pull"}, {"name": "HOST", "value": "eu-docker.pkg.dev"}]
    assert _refreshers(refresher("c", script, env=env))[1] == ["Secret/bifrost/pull"]


def test_script_in_a_mounted_config_map_is_read() -> None:
    made = refresher("c", "sh /scripts/refresh.sh")
    made["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"] = [
        {"name": "s", "configMap": {"name": "scripts"}}
    ]
    scripts = named("ConfigMap", "scripts", data={"refresh.sh": f"{_TOKEN}{_CREATE}\n"})
    assert _refreshers(made, scripts)[1] == ["Secret/bifrost/pull"]


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("kubectl get secret pull", id="reads"),
        pytest.param("pg_dump | gsutil cp - gs://bucket", id="something else"),
        pytest.param(f'{_TOKEN}curl -H "Authorization: Bearer $TOKEN" https://x', id="a token for something else"),
        pytest.param("kubectl create secret generic db --from-literal=a=b", id="another kind of Secret"),
        pytest.param("echo kubectl; cat secret docker-registry", id="words only"),
        pytest.param("", id="nothing"),
    ],
)
def test_cronjob_is_none(script: str) -> None:
    secret = pull_secret("unrelated", "bifrost")
    assert _refreshers(refresher("c", script), secret) == ([], [], [])


@pytest.mark.parametrize("server", ["123.dkr.ecr.eu-west-1.amazonaws.com", "x.azurecr.io", "gcr.io.example.com"])
def test_refresher_of_another_registry_is_kept_and_told(server: str) -> None:
    outcome = look_at([refresher("c", _CREATE.replace("eu-docker.pkg.dev", server))])
    assert (outcome.code, outcome.plan["steps"]) == (0, [])
    assert server in outcome.kept()["CronJob c in bifrost"]


@pytest.mark.parametrize(
    ("script", "doubt"),
    [
        pytest.param(_CREATE.replace(" pull ", " $1 "), "name of the Secret", id="computed name"),
        pytest.param(f"{_CREATE}\nkubectl rollout restart deployment x", "kubectl rollout restart", id="does more"),
        pytest.param(
            f"{_CREATE}\nkubectl create secret docker-registry b --docker-server=quay.io",
            "quay.io",
            id="two registries",
        ),
        pytest.param(f"{_TOKEN}curl -X PUT $API/secrets/pull -d @c.json", "no command in it", id="by the API itself"),
    ],
)
def test_doubtful_refresher_is_shown_and_not_removed(script: str, doubt: str) -> None:
    objects = [refresher("c", script), pull_secret("pull", "bifrost")]
    outcome = look_at(objects)
    assert (outcome.code, outcome.plan["steps"], outcome.looks()) == (1, [], ["CronJob c in bifrost"])
    assert doubt in outcome.plan["look"][0]["why"]
    included = look_at(objects, "--include", "cronjob/bifrost/c")
    assert included.targets("refreshers") == _SUSPENDED_AND_DELETED


def test_refresher_with_a_stranger_beside_it_is_doubtful() -> None:
    made = refresher("c", _CREATE)
    pod = made["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    pod["containers"].append({"name": "reports", "image": "reports:1"})
    assert _refreshers(made)[2] == ["CronJob c in bifrost"]


def test_deployment_that_refreshes_in_a_loop_is_doubtful() -> None:
    made = workload("Deployment", "loop")
    made["spec"]["template"]["spec"]["containers"][0]["args"] = ["sh", "-c", f"while true; do {_CREATE}; sleep 9; done"]
    assert _refreshers(made)[2] == ["Deployment loop in bifrost"]
    outcome = look_at([made], "--include", "deployment/bifrost/loop")
    assert outcome.targets("refreshers", "secrets") == ["Deployment/bifrost/loop", "Secret/bifrost/pull"]


def test_job_made_by_hand_goes_and_one_made_by_the_cronjob_goes_with_it() -> None:
    cronjob = refresher("c", _CREATE)
    template = cronjob["spec"]["jobTemplate"]
    by_hand = named("Job", "first", spec=template["spec"])
    made = named("Job", "c-1", spec=template["spec"])
    made["metadata"]["ownerReferences"] = [{"kind": "CronJob", "name": "c"}]
    assert sorted(_refreshers(cronjob, by_hand, made)[0]) == [*_SUSPENDED_AND_DELETED, "Job/bifrost/first"]


def test_suspended_cronjob_is_deleted_only() -> None:
    cronjob = refresher("c", _CREATE)
    cronjob["spec"]["suspend"] = True
    assert _refreshers(cronjob)[0] == ["CronJob/bifrost/c"]


def test_namespaces_from_a_loop_are_those_where_the_secret_is_in_use() -> None:
    script = f"for ns in a b; do {_CREATE} -n $ns; done"
    objects = [
        refresher("c", script),
        pull_secret("pull", "a"),
        workload("Deployment", "app", "pull", namespace="b"),
        pull_secret("other", "a"),
        opaque("pull", "z"),
    ]
    outcome = look_at(objects)
    assert outcome.targets("references", "secrets") == ["Deployment/b/app", "Secret/a/pull", "Secret/b/pull"]


def test_secret_of_a_name_but_not_of_the_type_is_no_target() -> None:
    outcome = look_at([refresher("c", _CREATE), opaque("pull", "bifrost")])
    assert "Secret/bifrost/pull" not in outcome.targets(*REMOVAL)
    assert outcome.code == 1
