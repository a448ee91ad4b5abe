"""Clusters that differ from the guide: what still goes, what stays as others need it, what only a person can tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.migrate.runs import (
    REMOVAL,
    PretendedCluster,
    as_made,
    guide,
    look_at,
    moved,
    named,
    opaque,
    pick,
    pull_secret,
    refresher,
    workload,
)

_GUIDE = look_at(guide()).targets(*REMOVAL)
_CRONJOB, _SECRET = "CronJob/bifrost/refresh-ar-secret", "Secret/bifrost/ar-pull-secret"


def _plan(*more: dict[str, Any], argv: tuple[str, ...] = ()) -> Any:
    return look_at([*guide(), *more], *argv)


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "CronJob"])
def test_reference_in_any_workload_goes_and_comes_back(kind: str, tmp_path: Path) -> None:
    objects = [*guide(), workload(kind, "w", "ar-pull-secret", restartPolicy="Never")]
    cluster = PretendedCluster(tmp_path, as_made(objects))
    before = cluster.objects()
    plan = {"steps": [step for step in look_at(objects).plan["steps"] if step["phase"] == "references"]}
    assert len(plan["steps"]) == 2
    rollouts = [line for step in plan["steps"] for line in step["check"] if " rollout status " in line]
    assert len(rollouts) == (2 if kind in {"StatefulSet", "DaemonSet"} else 1)
    assert cluster.carry_out(plan) == []
    assert "imagePullSecrets" not in str(cluster.objects())
    assert cluster.carry_out(plan, "undo") == []
    assert cluster.objects() == before


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (["a", "ar-pull-secret", "b"], ["a", "b"]),
        (["ar-pull-secret", "a"], ["a"]),
        (["a", "ar-pull-secret", "ar-pull-secret"], ["a"]),
        (["it's", "ar-pull-secret", "$(id)"], ["it's", "$(id)"]),
    ],
)
def test_only_ours_goes_from_a_list(given: list[str], left: list[str], tmp_path: Path) -> None:
    objects = [*guide(), workload("Deployment", "w", *given)]
    cluster = PretendedCluster(tmp_path, as_made(objects))
    before = cluster.objects()
    plan = look_at(objects).plan
    assert cluster.carry_out(plan) == []
    spec = pick(cluster.objects(), "Deployment", "w")["spec"]["template"]["spec"]
    assert [entry["name"] for entry in spec["imagePullSecrets"]] == left
    assert cluster.carry_out(plan, "undo") == []
    assert cluster.objects() == before


def test_service_account_gives_up_its_reference_before_workloads_are_rolled(tmp_path: Path) -> None:
    objects = guide()
    pick(objects, "ServiceAccount")["imagePullSecrets"] = [{"name": "ar-pull-secret"}]
    cluster = PretendedCluster(tmp_path, as_made(objects))
    before = cluster.objects()
    outcome = look_at(objects)
    assert outcome.targets("references") == ["ServiceAccount/bifrost/bifrost-sa", "Deployment/bifrost/bifrost"]
    assert cluster.carry_out(outcome.plan) == []
    assert "imagePullSecrets" not in str(cluster.objects())
    assert cluster.carry_out(outcome.plan, "undo") == []
    assert cluster.objects() == before


def test_same_secret_name_elsewhere_is_not_ours() -> None:
    outcome = _plan(workload("Deployment", "w", "ar-pull-secret", namespace="x"), pull_secret("ar-pull-secret", "x"))
    assert outcome.targets(*REMOVAL) == _GUIDE
    assert "another vendor's" in outcome.kept()["Secret ar-pull-secret in x"]


_ELSEWHERE = (
    workload("StatefulSet", "db", "ar-pull-secret", namespace="x"),
    pull_secret("ar-pull-secret", "x", user="oauth2accesstoken"),
)


def test_access_token_that_nobody_renews_is_told_with_the_flag_to_use() -> None:
    outcome = _plan(*_ELSEWHERE)
    assert (outcome.code, outcome.targets(*REMOVAL)) == (1, _GUIDE)
    (look,) = outcome.plan["look"]
    assert look["what"] == "Secret ar-pull-secret in x"
    assert "no refresher that was found writes it; it is referred to by StatefulSet db in x" in look["why"]
    assert "--include secret/x/ar-pull-secret" in look["then"]
    assert "--keep secret/x/ar-pull-secret" in look["then"]


def test_access_token_that_nobody_renews_goes_when_told_so_and_comes_back(tmp_path: Path) -> None:
    objects = [*guide(), *_ELSEWHERE]
    cluster = PretendedCluster(tmp_path, as_made(objects))
    before = cluster.objects()
    outcome = look_at(objects, "--include", "secret/x/ar-pull-secret")
    assert outcome.code == 0
    assert {"StatefulSet/x/db", "Secret/x/ar-pull-secret"} <= set(outcome.targets("references", "secrets"))
    assert cluster.carry_out(outcome.plan) == []
    assert "Secret/x/ar-pull-secret" not in cluster.names()
    assert "imagePullSecrets" not in str(cluster.objects())
    assert cluster.carry_out(outcome.plan, "undo") == []
    assert cluster.objects() == before


def test_access_token_that_nobody_renews_stays_when_told_so() -> None:
    outcome = _plan(*_ELSEWHERE, argv=("--keep", "secret/x/ar-pull-secret"))
    assert (outcome.code, outcome.targets(*REMOVAL)) == (0, _GUIDE)
    assert outcome.kept()["Secret ar-pull-secret in x"] == "as asked for by --keep"


def test_access_token_of_a_cronjob_that_is_gone_is_told() -> None:
    objects = [pull_secret("s", "x", user="oauth2accesstoken"), workload("Deployment", "w", "s", namespace="x")]
    outcome = look_at(objects)
    assert (outcome.code, outcome.looks(), outcome.plan["steps"]) == (1, ["Secret s in x"], [])
    told = look_at(objects, "--include", "secret/x/s")
    assert (told.code, told.targets(*REMOVAL)) == (0, ["Deployment/x/w", "Secret/x/s"])


@pytest.mark.parametrize(
    ("secret", "more"),
    [
        (pull_secret("s", "x", user="_json_key"), ()),
        (pull_secret("s", "x", "quay.io", user="oauth2accesstoken"), ()),
        (pull_secret("s", "x", "us-docker.pkg.dev", "quay.io", user="oauth2accesstoken"), ()),
        (
            pull_secret("s", "bifrost", user="oauth2accesstoken"),
            (refresher("r", "kubectl create secret docker-registry s --docker-server=us-docker.pkg.dev && kubectl x"),),
        ),
    ],
    ids=["key", "foreign registry", "foreign registry too", "refresher in doubt"],
)
def test_other_credentials_are_no_token_that_nobody_renews(secret: dict[str, Any], more: tuple[Any, ...]) -> None:
    assert "Secret s in" not in str(_plan(secret, *more).looks())


def test_included_access_token_that_has_another_use_stays() -> None:
    user = workload("Deployment", "w", namespace="x", volumes=[{"name": "d", "secret": {"secretName": "s"}}])
    outcome = look_at([pull_secret("s", "x", user="oauth2accesstoken"), user], "--include", "secret/x/s")
    assert (outcome.code, outcome.plan["steps"]) == (1, [])
    assert "for more than the kubelet's pulls" in outcome.plan["look"][0]["why"]


@pytest.mark.parametrize("path", ["Secret/x/ar-pull-secret", "secrets/x/ar-pull-secret", "SECRET/x/ar-pull-secret"])
def test_kind_of_an_object_may_be_written_as_people_do(path: str) -> None:
    assert _plan(*_ELSEWHERE, argv=("--include", path)).code == 0
    assert _plan(*_ELSEWHERE, argv=("--keep", path)).code == 0


@pytest.mark.parametrize("kind", ["CronJob", "cronjobs", "cronjob.batch", "CronJobs.batch"])
def test_documented_spelling_of_a_kept_object_is_taken(kind: str) -> None:
    assert _plan(argv=("--keep", f"{kind}/bifrost/refresh-ar-secret")).targets(*REMOVAL) == []


def test_other_peoples_objects_are_not_touched() -> None:
    others = [
        workload("Deployment", "w", "quay"),
        pull_secret("quay", "bifrost", "quay.io"),
        opaque("db", "bifrost"),
        refresher("backup", "pg_dump | gsutil cp - gs://b"),
        refresher("ecr", "kubectl create secret docker-registry e --docker-server=1.dkr.ecr.x.amazonaws.com", "ecr"),
        named("RoleBinding", "app", roleRef={"kind": "Role", "name": "app"}, subjects=[{"kind": "User", "name": "u"}]),
        named("Service", "s", spec={"selector": {"name": "ar-pull-secret"}}),
    ]
    outcome = _plan(*others)
    assert (outcome.code, outcome.targets(*REMOVAL)) == (0, _GUIDE)


@pytest.mark.parametrize(
    ("change", "who"),
    [
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm (label app.kubernetes.io/managed-by)"),
        ({"annotations": {"meta.helm.sh/release-name": "web"}}, "the Helm release web"),
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:b/b"}},
            "the Argo CD application shop",
        ),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "infra"}}, "the Flux Kustomization infra"),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "web"}}, "the Flux HelmRelease web"),
        ({"labels": {"app.kubernetes.io/managed-by": "<b>`x`"}}, "?b??x? (label app.kubernetes.io/managed-by)"),
    ],
)
@pytest.mark.parametrize("kind", ["Deployment", "CronJob", "Secret", "Role", "RoleBinding"])
def test_managed_object_is_changed_at_its_source(kind: str, change: dict[str, Any], who: str) -> None:
    objects = guide()
    found = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] != "bifrost-config"]
    found[0]["metadata"].update(change)
    steps = [step for step in look_at(objects).plan["steps"] if step["target"] and step["target"]["kind"] == kind]
    assert [(step["atSource"], step["do"], step["undo"]) for step in steps] == [(who, [], [])]
    assert steps[0]["check"]


@pytest.mark.parametrize("value", ["", "kubectl", "kustomize"])
def test_label_of_peoples_own_tools_is_no_manager(value: str) -> None:
    objects = guide()
    pick(objects, "Deployment")["metadata"]["labels"] = {"app.kubernetes.io/managed-by": value}
    assert all(not step["atSource"] for step in look_at(objects).plan["steps"])


def test_secret_shared_with_another_registry_stays_with_all_that_keeps_it() -> None:
    objects = [each for each in guide() if each["metadata"]["name"] != "ar-pull-secret"]
    outcome = look_at([*objects, pull_secret("ar-pull-secret", "bifrost", "us-docker.pkg.dev", "quay.io")])
    assert (outcome.code, outcome.plan["steps"]) == (1, [])
    assert outcome.looks() == ["Secret ar-pull-secret in bifrost"]
    assert "quay.io" in outcome.kept()["Secret ar-pull-secret in bifrost"]
    assert "stays" in outcome.kept()["CronJob refresh-ar-secret in bifrost"]


@pytest.mark.parametrize(
    "other",
    [
        workload("Deployment", "w", volumes=[{"name": "d", "secret": {"secretName": "ar-pull-secret"}}]),
        workload(
            "Deployment",
            "w",
            volumes=[{"name": "d", "projected": {"sources": [{"secret": {"name": "ar-pull-secret"}}]}}],
        ),
        workload(
            "Job",
            "w",
            containers=[
                {"name": "c", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "ar-pull-secret"}}}]}
            ],
        ),
        workload("Pod", "w", containers=[{"name": "c", "envFrom": [{"secretRef": {"name": "ar-pull-secret"}}]}]),
        workload("Deployment", "w", containers=[{"name": "c", "args": ["--pull-secret=ar-pull-secret"]}]),
        {**named("ExternalSecret", "e", spec={"target": {"name": "ar-pull-secret"}}), "apiVersion": "e.io/v1"},
        {**named("Rollout", "r", spec={"x": [{"name": "ar-pull-secret"}]}), "apiVersion": "argoproj.io/v1"},
    ],
    ids=["volume", "projected volume", "variable", "variables", "argument", "external secret", "rollout"],
)
def test_secret_with_other_uses_stays(other: dict[str, Any]) -> None:
    outcome = _plan(other)
    assert (outcome.code, outcome.plan["steps"]) == (1, [])
    assert "for more than the kubelet's pulls" in outcome.kept()["Secret ar-pull-secret in bifrost"]


def test_like_named_secret_is_no_use_of_ours() -> None:
    outcome = _plan(
        workload("Deployment", "w", containers=[{"name": "c", "args": ["--s=ar-pull-secret-2", "my-ar-pull-secret"]}])
    )
    assert (outcome.code, outcome.targets(*REMOVAL)) == (0, _GUIDE)


def test_what_made_a_workload_is_changed_and_not_what_it_made() -> None:
    owned = workload("ReplicaSet", "bifrost-1", "ar-pull-secret")
    owned["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": "bifrost"}]
    pod = workload("Pod", "bifrost-1-x", "ar-pull-secret")
    pod["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "bifrost-1"}]
    outcome = _plan(owned, pod)
    assert (outcome.code, outcome.targets(*REMOVAL)) == (0, _GUIDE)


def test_workload_of_an_unknown_owner_is_told() -> None:
    owned = workload("StatefulSet", "db-1", "ar-pull-secret")
    owned["metadata"]["ownerReferences"] = [{"kind": "Postgres", "name": "db-1"}]
    assert _plan(owned).looks() == ["StatefulSet db-1 in bifrost"]


@pytest.mark.parametrize("kind", ["Pod", "Job"])
def test_what_cannot_be_changed_is_told_and_does_not_hinder(kind: str) -> None:
    outcome = _plan(workload(kind, "lone", "ar-pull-secret"))
    (step,) = [step for step in outcome.plan["steps"] if step["target"] and step["target"]["name"] == "lone"]
    assert (outcome.code, step["do"], step["undo"]) == (0, [], [])


def test_what_has_ended_is_left_alone() -> None:
    job = {**workload("Job", "done", "ar-pull-secret"), "status": {"completionTime": "2026-01-01T00:00:00Z"}}
    pod = {**workload("Pod", "ended", "ar-pull-secret"), "status": {"phase": "Succeeded"}}
    outcome = _plan(job, pod)
    assert outcome.targets(*REMOVAL) == _GUIDE
    assert "it has ended" in outcome.kept()["Job done in bifrost"]


def _role(**rule: Any) -> dict[str, Any]:
    return named(
        "Role", "secret-manager", rules=[{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]} | rule]
    )


@pytest.mark.parametrize(
    "role",
    [
        _role(resources=["secrets", "pods"]),
        _role(apiGroups=["", "apps"]),
        _role(verbs=["create", "watch"]),
        _role(verbs=["*"]),
        _role(resources=["*"]),
        _role(verbs=["get", "list"]),
        {**_role(), "rules": [*_role()["rules"], {"nonResourceURLs": ["/x"], "verbs": ["get"]}]},
        {**_role(), "rules": "nonsense"},
    ],
)
def test_rights_to_more_than_writing_secrets_stay(role: dict[str, Any]) -> None:
    objects = [*(each for each in guide() if each["kind"] != "Role"), role]
    outcome = look_at(objects)
    assert outcome.targets("rights") == []
    assert "RoleBinding secret-manager-binding in bifrost" in outcome.kept()
    assert outcome.targets("secrets") == [_SECRET]


def test_binding_of_others_stays() -> None:
    objects = guide()
    pick(objects, "RoleBinding")["subjects"].append({"kind": "Group", "name": "ops"})
    outcome = look_at(objects)
    assert outcome.targets("rights") == []
    assert "others" in outcome.kept()["RoleBinding secret-manager-binding in bifrost"]


def test_role_that_another_binding_gives_stays() -> None:
    other = named(
        "RoleBinding",
        "other",
        subjects=[{"kind": "User", "name": "u"}],
        roleRef={"kind": "Role", "name": "secret-manager"},
    )
    outcome = _plan(other)
    assert outcome.targets("rights") == ["RoleBinding/bifrost/secret-manager-binding"]
    assert "RoleBinding other" in outcome.kept()["Role secret-manager in bifrost"]


def test_rights_that_a_staying_refresher_needs_stay() -> None:
    other = refresher("ecr", "kubectl create secret docker-registry e --docker-server=1.dkr.ecr.x.amazonaws.com")
    outcome = _plan(other)
    assert outcome.targets("rights") == []
    assert outcome.targets("secrets") == [_SECRET]


def test_role_that_was_not_given_is_looked_at_first() -> None:
    outcome = look_at([each for each in guide() if each["kind"] != "Role"])
    assert (outcome.code, outcome.targets("rights")) == (1, [])
    assert outcome.looks() == ["RoleBinding secret-manager-binding in bifrost"]
    included = look_at(
        [each for each in guide() if each["kind"] != "Role"], "--include", "rolebinding/bifrost/secret-manager-binding"
    )
    assert (included.code, included.targets("rights")) == (0, ["RoleBinding/bifrost/secret-manager-binding"])


def test_role_that_names_other_secrets_is_looked_at_first() -> None:
    objects = guide()
    pick(objects, "Role")["rules"][0]["resourceNames"] = ["ar-pull-secret", "db"]
    assert look_at(objects).looks() == ["RoleBinding secret-manager-binding in bifrost"]
    pick(objects, "Role")["rules"][0]["resourceNames"] = ["ar-pull-secret"]
    assert look_at(objects).targets(*REMOVAL) == _GUIDE


def test_rights_across_namespaces_go_with_their_refresher(tmp_path: Path) -> None:
    objects = [each for each in guide() if each["kind"] not in {"Role", "RoleBinding"}]
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create", "delete"]}
    objects += [
        named("ClusterRole", "system:it's mine", "", rules=[rule]),
        named(
            "ClusterRoleBinding",
            "system:it's mine",
            "",
            subjects=[{"kind": "ServiceAccount", "name": "bifrost-sa", "namespace": "bifrost"}],
            roleRef={"kind": "ClusterRole", "name": "system:it's mine"},
        ),
    ]
    outcome = look_at(objects)
    assert outcome.targets("rights") == ["ClusterRoleBinding/system:it's mine", "ClusterRole/system:it's mine"]
    cluster = PretendedCluster(tmp_path, as_made(objects))
    before = cluster.objects()
    assert cluster.carry_out(outcome.plan) == []
    assert "mine" not in str(cluster.names())
    assert cluster.carry_out(outcome.plan, "undo") == []
    assert cluster.objects() == before


def test_built_in_roles_stay() -> None:
    objects = guide()
    pick(objects, "RoleBinding")["roleRef"] = {"kind": "ClusterRole", "name": "edit"}
    assert look_at(objects).targets("rights") == []


@pytest.mark.parametrize(
    ("path", "stays"),
    [
        ("cronjob/bifrost/refresh-ar-secret", _GUIDE),
        ("secret/bifrost/ar-pull-secret", _GUIDE),
        ("deployment/bifrost/bifrost", _GUIDE),
        ("rolebinding/bifrost/secret-manager-binding", _GUIDE[-2:]),
        ("role/bifrost/secret-manager", _GUIDE[-1:]),
    ],
)
def test_object_that_is_kept_keeps_all_that_it_needs(path: str, stays: list[str]) -> None:
    outcome = _plan(argv=("--keep", path))
    assert outcome.code == 0
    assert outcome.targets(*REMOVAL) == [target for target in _GUIDE if target not in stays]


def test_identity_of_the_application_stays() -> None:
    kept = _plan().kept()["ServiceAccount bifrost-sa in bifrost"]
    assert "Deployment bifrost" in kept
    assert "azure.workload.identity" in kept
    assert "federated credential" in kept


def test_one_namespace_may_be_doubtful_while_the_other_goes() -> None:
    staging = moved(guide(), "staging")
    job = pick(staging, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    job["args"][0] += "kubectl rollout restart deployment/bifrost\n"
    outcome = _plan(*staging)
    assert (outcome.code, outcome.targets(*REMOVAL)) == (1, _GUIDE)
    assert outcome.looks() == ["CronJob refresh-ar-secret in staging"]


def test_test_pods_pull_one_image_for_each_service_account() -> None:
    more = [
        workload("Deployment", "a", "ar-pull-secret", serviceAccountName="x"),
        workload("Deployment", "b", "ar-pull-secret", serviceAccountName="x"),
        workload("Deployment", "c", "ar-pull-secret", containers=[{"name": "c", "image": "quay.io/x"}]),
    ]
    steps = [step for step in _plan(*more).plan["steps"] if "pulls for ServiceAccount" in step["title"]]
    assert len(steps) == 2
    assert all('"name": "no-such-secret"' in step["do"][0] for step in steps)


def test_image_of_the_plugin_is_told_to_setup() -> None:
    image = "reg.example:5000/p/plugin:1.2@sha256:" + "1" * 64
    text = look_at(guide(), "--image", image).stdout
    assert f"--installer-image {image}" in text
    assert "--installer-image" not in look_at(guide()).stdout
