"""`setup migrate` on a real API server, by real kubectl: live, carried out, taken back, and compared each time."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.world import WORLD
from tests.e2e.build import built_control_plane
from tests.e2e.control_plane import ControlPlane
from tests.e2e.kubectl import built_kubectl
from tests.e2e.shell import Shell
from tests.kubelet.golang import NotBuiltError
from tests.migrate.runs import CANARY, Outcome, call, guide, moved, named, pick, pull_secret, workload
from tests.setup.programs import Programs

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.cluster

_KINDS = (
    "cronjobs.batch,deployments.apps,statefulsets.apps,daemonsets.apps,replicasets.apps,replicationcontrollers,secrets"
    ",serviceaccounts,configmaps,services,roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io"
)


class Cluster(Shell):
    """An API server with objects, as its administrator has it."""

    def fill(self, objects: list[dict[str, Any]]) -> None:
        """As `kubectl create` does, namespaces first."""
        namespaces = sorted({each["metadata"]["namespace"] for each in objects if "namespace" in each["metadata"]})
        for each in (*(named("Namespace", name, "") for name in namespaces), *objects):
            self.good("kubectl create -f -", json.dumps(each))

    def objects(self) -> list[dict[str, Any]]:
        """All that the tests deal with, without what the server counts."""
        found = []
        for each in json.loads(self.good(f"kubectl get {_KINDS} -A -o json"))["items"]:
            meta = each["metadata"]
            kept = {name: meta[name] for name in ("name", "namespace", "labels", "annotations") if name in meta}
            kept.get("annotations", {}).pop("deprecated.daemonset.template.generation", None)
            each.pop("status", None)
            found.append({**each, "metadata": kept})
        return found

    def names(self) -> set[str]:
        """Which there are."""
        return {f"{each['kind']}/{each['metadata']['namespace']}/{each['metadata']['name']}" for each in self.objects()}

    def look(self, *argv: str) -> Outcome:
        """The product, live."""
        before = dict(os.environ)
        os.environ.update(self.environment)
        try:
            return call("--live", "--format", "json", *argv)
        finally:
            os.environ.clear()
            os.environ.update(before)

    def carry_out(self, plan: dict[str, Any], *deeds: str) -> list[str]:
        """Steps and checks in order, or undos from the last. No controller rolls pods here, and none is installed."""
        failed = []
        for step in plan["steps"] if deeds != ("undo",) else plan["steps"][::-1]:
            if step["phase"] in {"install", "finish"} and step["number"] > 1:
                continue
            for command in [command for deed in deeds for command in step[deed] if " rollout " not in command]:
                done = self.run(command)
                if done.returncode:
                    failed.append(f"{step['title']}: {command}\n{done.stdout}{done.stderr}")
        return failed


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    try:
        programs, kubectl = built_control_plane(), built_kubectl()
    except NotBuiltError as error:
        pytest.fail(f"{error}: run `./dev e2e-cluster` (needs network)", pytrace=False)
    folder = tmp_path_factory.mktemp("migrate")
    control_plane = ControlPlane(folder / "control-plane", programs, WORLD.cluster_issuer)
    try:
        control_plane.start()
        made = Cluster(folder, [kubectl / "kubectl"], control_plane)
        aside = folder / "aside"
        aside.mkdir()
        made.environment["CHECKOUT"] = str(Programs(aside).checkout)
        yield made
    finally:
        control_plane.close()


def _many() -> list[dict[str, Any]]:
    """The guide's objects in two namespaces, and other people's beside them."""
    objects = [*guide(), *moved(guide(), "staging")]
    pick(objects[: len(objects) // 2], "ServiceAccount")["imagePullSecrets"] = [
        {"name": "quay"},
        {"name": "ar-pull-secret"},
    ]
    return [
        *objects,
        pull_secret("quay", "bifrost", "quay.io"),
        workload("StatefulSet", "both", "quay", "ar-pull-secret", "hub"),
        workload("DaemonSet", "agent", "ar-pull-secret"),
        workload("ReplicaSet", "lone", "ar-pull-secret"),
        workload("CronJob", "report", "ar-pull-secret", restartPolicy="Never"),
        workload("Deployment", "other", "quay"),
        named("Role", "odd: name", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]),
    ]


def test_plan_of_a_live_cluster_removes_what_it_should_and_its_undos_bring_it_back(cluster: Cluster) -> None:
    cluster.fill(_many())
    before, names = cluster.objects(), cluster.names()
    outcome = cluster.look()
    assert outcome.code == 0, outcome.stdout
    assert CANARY not in outcome.stdout

    assert cluster.carry_out(outcome.plan, "do", "check") == []
    gone = {"CronJob/N/refresh-ar-secret", "Secret/N/ar-pull-secret"}
    gone |= {"RoleBinding/N/secret-manager-binding", "Role/N/secret-manager"}
    gone = {each.replace("/N/", f"/{name}/") for each in gone for name in ("bifrost", "staging")}
    assert names - cluster.names() == gone
    assert cluster.names() <= names
    text = json.dumps(cluster.objects())
    assert "ar-pull-secret" not in text
    assert text.count('{"name": "quay"}') == 3
    again = cluster.look()
    assert (again.code, again.plan["steps"]) == (0, [])

    assert cluster.carry_out(outcome.plan, "undo") == []
    assert cluster.objects() == before


def test_changed_objects_are_not_patched(cluster: Cluster) -> None:
    cluster.fill(guide())
    plan = cluster.look().plan
    path = "/spec/template/spec/imagePullSecrets/-"
    patch = json.dumps([{"op": "add", "path": path, "value": {"name": "new"}}])
    assert cluster.run(f"kubectl patch deployment bifrost -n bifrost --type=json -p '{patch}'").returncode == 0
    before = cluster.objects()
    references = {"steps": [step for step in plan["steps"] if step["phase"] == "references"]}
    assert len(cluster.carry_out(references, "do")) == 1
    secrets = {"steps": [step for step in plan["steps"] if step["phase"] == "secrets"]}
    (refused,) = cluster.carry_out(secrets, "do")
    assert "Deployment/bifrost:[ar-pull-secret][new]" in refused
    assert cluster.objects() == before


def test_undo_does_not_overwrite_what_came_later(cluster: Cluster) -> None:
    cluster.fill(guide())
    references = {"steps": [step for step in cluster.look().plan["steps"] if step["phase"] == "references"]}
    assert cluster.carry_out(references, "do", "check") == []
    patch = json.dumps([{"op": "add", "path": "/spec/template/spec/imagePullSecrets", "value": [{"name": "new"}]}])
    assert cluster.run(f"kubectl patch deployment bifrost -n bifrost --type=json -p '{patch}'").returncode == 0
    before = cluster.objects()
    assert len(cluster.carry_out(references, "undo")) == 1
    assert cluster.objects() == before


def test_test_pod_is_taken_by_the_server(cluster: Cluster) -> None:
    cluster.fill([*guide(), named("ServiceAccount", "default")])
    pulls = [step for step in cluster.look().plan["steps"] if " pulls for ServiceAccount" in step["title"]]
    assert [step["target"]["namespace"] for step in pulls] == ["bifrost"]
    done = cluster.run(pulls[0]["do"][0])
    assert done.returncode == 0, done.stderr
    pod = json.loads(cluster.run("kubectl get pod gar-pull-check-1 -n bifrost -o json").stdout)
    assert pod["spec"]["imagePullSecrets"] == [{"name": "no-such-secret"}]
    assert cluster.run(pulls[0]["undo"][0]).returncode == 0


def test_plan_names_the_context_that_was_looked_at(cluster: Cluster) -> None:
    cluster.fill(guide())
    outcome = cluster.look("--kubeconfig", str(cluster.kubeconfig), "--context", "test", "--namespace", "bifrost")
    (patch,) = [line for step in outcome.plan["steps"] for line in step["do"] if "patch deployment" in line]
    assert patch.startswith(f"kubectl --kubeconfig {cluster.kubeconfig} --context test patch deployment.apps bifrost")
    assert cluster.look("--context", "another").code == 2
