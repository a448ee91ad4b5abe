"""The vendor's guide, followed to the letter and then left: all goes that it made for pulls, and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from credprovider.setup.checkout import find_checkout
from tests.cloud.world import WORLD
from tests.migrate.runs import CANARY, GUIDE, PretendedCluster, as_made, call, guide, look_at, moved, pick
from tests.setup.runs import BASE, flags

SHELLCHECK = str(Path(sys.executable).parent / "shellcheck")

_GONE = {
    "CronJob/bifrost/refresh-ar-secret",
    "Secret/bifrost/ar-pull-secret",
    "RoleBinding/bifrost/secret-manager-binding",
    "Role/bifrost/secret-manager",
}


def test_manifests_as_printed_give_a_complete_plan() -> None:
    outcome = call(str(GUIDE), "--format", "json")
    assert (outcome.code, outcome.looks()) == (0, [])
    assert outcome.targets("references", "refreshers", "secrets", "rights") == [
        "Deployment/bifrost/bifrost",
        "CronJob/bifrost/refresh-ar-secret",
        "CronJob/bifrost/refresh-ar-secret",
        "Secret/bifrost/ar-pull-secret",
        "RoleBinding/bifrost/secret-manager-binding",
        "Role/bifrost/secret-manager",
    ]


def test_plan_carried_out_removes_everything_it_should_and_nothing_else(tmp_path: Path) -> None:
    before = guide()
    cluster = PretendedCluster(tmp_path, as_made(before))
    names, original = cluster.names(), cluster.objects()
    plan = look_at(before).plan
    assert cluster.carry_out(plan) == []
    assert cluster.names() == names - _GONE
    left = {(each["kind"], each["metadata"]["name"]): each for each in cluster.objects()}
    for each in original:
        key = (each["kind"], each["metadata"]["name"])
        if each["kind"] == "Deployment":
            del each["spec"]["template"]["spec"]["imagePullSecrets"]
        assert key not in left or left[key] == each


def test_after_the_plan_nothing_is_left(tmp_path: Path) -> None:
    cluster = PretendedCluster(tmp_path, guide())
    cluster.carry_out(look_at(guide()).plan)
    again = look_at(cluster.objects())
    assert (again.code, again.plan["steps"]) == (0, [])


def test_undos_from_the_last_bring_everything_back(tmp_path: Path) -> None:
    cluster = PretendedCluster(tmp_path, guide())
    before = cluster.objects()
    plan = look_at(guide()).plan
    assert cluster.carry_out(plan) == []
    assert cluster.carry_out(plan, "undo") == []
    assert cluster.objects() == before


def test_each_step_can_be_taken_back_at_once(tmp_path: Path) -> None:
    cluster = PretendedCluster(tmp_path, guide())
    plan = look_at(guide()).plan
    for step in plan["steps"]:
        before = cluster.objects(), cluster.programs.releases
        assert cluster.carry_out({"steps": [step]}, "do") == []
        if step["undo"]:
            assert (cluster.objects(), cluster.programs.releases) != before
            assert cluster.carry_out({"steps": [step]}, "undo") == []
            assert (cluster.objects(), cluster.programs.releases) == before
            assert cluster.carry_out({"steps": [step]}, "do") == []


def test_a_step_done_twice_keeps_its_copy(tmp_path: Path) -> None:
    cluster = PretendedCluster(tmp_path, guide())
    before = cluster.objects()
    plan = look_at(guide()).plan
    cluster.carry_out(plan)
    assert cluster.carry_out(plan, "do")  # what is gone cannot be deleted, and says so
    assert cluster.carry_out(plan, "undo") == []
    assert cluster.objects() == before


def test_secret_stays_while_something_refers_to_it(tmp_path: Path) -> None:
    cluster = PretendedCluster(tmp_path, guide())
    plan = look_at(guide()).plan
    steps = [step for step in plan["steps"] if step["phase"] != "references"]
    failed = cluster.carry_out({"steps": steps})
    assert len(failed) == 2
    assert "Deployment/bifrost:[ar-pull-secret]" in failed[0]
    assert "Secret/bifrost/ar-pull-secret" in cluster.names()


def test_patch_is_refused_when_the_object_has_changed(tmp_path: Path) -> None:
    changed = guide()
    pick(changed, "Deployment")["spec"]["template"]["spec"]["imagePullSecrets"].append({"name": "new"})
    cluster = PretendedCluster(tmp_path, changed)
    before = cluster.objects()
    steps = [step for step in look_at(guide()).plan["steps"] if step["phase"] == "references"]
    assert "testing value failed" in cluster.carry_out({"steps": steps}, "do")[0]
    assert cluster.objects() == before


def test_script_does_one_step_at_a_time(tmp_path: Path) -> None:
    cluster = PretendedCluster(tmp_path, guide())
    manifests = tmp_path / "given.json"
    manifests.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": guide()}))
    outcome = call(str(manifests), "--out", str(tmp_path / "out"))
    assert outcome.code == 0
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    before = cluster.objects()
    assert [
        cluster.run(f"out/steps.sh {words}").returncode for words in ("", "do", "do 0", "do 99", "do x", "run 1")
    ] == [2] * 6
    assert [step["phase"] for step in plan["steps"] if not step["do"]] == []
    for number in range(1, len(plan["steps"]) + 1):
        done = cluster.run(f"out/steps.sh do {number} && out/steps.sh check {number}")
        assert done.returncode == 0, done.stderr
    assert cluster.names() == {name for name in map(_name, before) if name not in _GONE}
    for step in plan["steps"][::-1]:
        if step["undo"]:
            assert cluster.run(f"out/steps.sh undo {step['number']}").returncode == 0
    assert cluster.objects() == before


def _name(each: dict[str, dict[str, str]]) -> str:
    return f"{each['kind']}/{each['metadata']['namespace']}/{each['metadata']['name']}"


def test_installation_is_the_one_of_every_other_page(tmp_path: Path) -> None:
    cluster = PretendedCluster(tmp_path, guide())
    assert call(str(GUIDE), "--out", str(tmp_path / "out")).code == 0
    for number in (1, 2, 3, 4):
        done = cluster.run(f"cd / && {tmp_path}/out/steps.sh do {number} && {tmp_path}/out/steps.sh check {number}")
        assert done.returncode == 0, done.stderr
    assert cluster.programs.releases == {"default/azure-gar-credential-provider": {}}
    assert (tmp_path / "out/setup-out/helm-values.yaml").is_file()
    assert cluster.run("out/steps.sh undo 4").returncode == 0
    assert cluster.programs.releases == {}


def test_settings_step_knows_what_the_cluster_tells(tmp_path: Path) -> None:
    objects = guide()
    pick(objects, "ConfigMap")["data"]["credential-config.json"] = json.dumps(WORLD.vendor_file("guide"))
    cluster = PretendedCluster(tmp_path, as_made(objects))
    cluster.programs.real_program(*flags({name: value for name, value in BASE.items() if name not in _TOLD}))
    plan = look_at(objects, "--image", "reg.azurecr.io/p/plugin:1.2").plan
    assert cluster.carry_out({"steps": plan["steps"][:3]}) == []
    values = yaml.safe_load((tmp_path / "setup-out/values.yaml").read_text())
    assert {name: values[name] for name in _TOLD} == {
        "image": "us-docker.pkg.dev/bifrost-project/acme/bifrost:latest",
        "installerImage": "reg.azurecr.io/p/plugin:1.2",
        "registries": ["us-docker.pkg.dev"],
        "vendorFile": "credential-config.json",
    }
    assert json.loads((tmp_path / "setup-out/credential-config.json").read_text()) == WORLD.vendor_file("guide")


_TOLD = ("image", "installerImage", "registries", "vendorFile")


@pytest.mark.parametrize("where", ["$REGION-docker.pkg.dev", "REGION-docker.pkg.dev"])
def test_registry_that_a_script_makes_up_is_not_told_to_setup(where: str) -> None:
    objects = guide()
    job = pick(objects, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    job["args"][0] = job["args"][0].replace("us-docker.pkg.dev", where)
    assert "--registries" not in json.dumps(look_at(objects).plan["steps"])


def test_last_step_looks_at_the_cluster_and_not_at_the_manifests_again(tmp_path: Path) -> None:
    cluster = PretendedCluster(tmp_path, guide())
    objects = tmp_path / "all.json"
    objects.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": guide()}))
    keep = "Role/bifrost/secret-manager"
    assert call(str(objects), "--keep", keep, "--out", str(tmp_path / "out")).code == 0
    plan = json.loads((tmp_path / "out/plan.json").read_text())
    assert cluster.carry_out({"steps": plan["steps"][:-1]}) == []
    assert cluster.run(f"out/steps.sh do {len(plan['steps'])}").returncode == 0
    assert cluster.programs.calls[-1] == f"setup migrate --live --keep={keep}"
    cluster.programs.real_program()
    done = cluster.run(f"out/steps.sh do {len(plan['steps'])}")
    assert done.returncode == 0, done.stderr
    assert "Nothing is left of the CronJob way" in done.stdout


def test_place_of_the_checkout_is_given_once_and_checked(tmp_path: Path) -> None:
    cluster = PretendedCluster(tmp_path, guide())
    del cluster.environment["CHECKOUT"]
    assert call(str(GUIDE), "--out", str(tmp_path / "out")).code == 0
    script = tmp_path / "out/steps.sh"
    text, line = script.read_text(), f"CHECKOUT=${{CHECKOUT:-{find_checkout()}}}\n"
    assert f"\n{line}" in text.partition("step_1_do")[0]
    script.write_text(text.replace(line, f"CHECKOUT='{cluster.programs.checkout}'\n", 1))
    for number in (1, 2, 3, 4):
        assert cluster.run(f"out/steps.sh do {number}").returncode == 0
    script.write_text(text.replace(line, "CHECKOUT=/tmp\n", 1))
    refused = cluster.run("out/steps.sh do 1")
    assert refused.returncode == 1
    assert "set CHECKOUT to the product's checkout, with ./dev build run in it, not /tmp\n" in refused.stderr


def test_without_the_first_step_a_shell_goes_no_further(tmp_path: Path) -> None:
    cluster = PretendedCluster(tmp_path, guide())
    del cluster.environment["CHECKOUT"]
    later = [command for step in look_at(guide()).plan["steps"][1:] for command in step["do"] if "CHECKOUT" in command]
    assert len(later) == 3
    assert all("see step 1" in cluster.run(command).stderr for command in later)


def test_a_person_pastes_the_whole_plan_into_one_shell(tmp_path: Path) -> None:
    cluster = PretendedCluster(tmp_path, guide())
    before = cluster.names()
    given = tmp_path / "given.json"
    given.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": guide()}))
    page = call(str(given)).stdout
    blocks = re.findall(r"^(Do|Check):\n\n```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    done = cluster.run("set -e\n" + "".join(block for _, block in blocks))
    assert done.returncode == 0, done.stderr
    assert cluster.names() == before - _GONE


def test_a_failed_check_fails_in_the_script(tmp_path: Path) -> None:
    cluster = PretendedCluster(tmp_path, guide())
    assert call(str(GUIDE), "--out", str(tmp_path / "out")).code == 0
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    for step in plan["steps"]:
        if step["phase"] in {"references", "refreshers", "secrets", "rights"}:
            assert cluster.run(f"out/steps.sh check {step['number']}").returncode == 1, step["check"]


def test_script_pleases_shellcheck(tmp_path: Path) -> None:
    call(str(GUIDE), "--out", str(tmp_path / "out"), "--image", "registry.example/plugin:1.2.3@sha256:" + "0" * 64)
    done = subprocess.run([SHELLCHECK, str(tmp_path / "out" / "steps.sh")], capture_output=True, text=True, check=False)
    assert done.stdout == ""


@pytest.mark.parametrize("order", ["reversed", "by kind", "twice"])
def test_order_of_the_objects_does_not_matter(order: str, tmp_path: Path) -> None:
    objects = guide()
    if order == "twice":
        objects += guide()
    else:
        objects.sort(key=lambda each: each["kind"], reverse=order == "reversed")
    cluster = PretendedCluster(tmp_path, guide())
    plan = look_at(objects).plan
    assert plan["complete"]
    assert cluster.carry_out(plan) == []
    assert look_at(cluster.objects()).plan["steps"] == []


def test_two_namespaces_are_two_of_each(tmp_path: Path) -> None:
    objects = [*guide(), *moved(guide(), "staging")]
    cluster = PretendedCluster(tmp_path, as_made(objects))
    names = cluster.names()
    assert cluster.carry_out(look_at(objects).plan) == []
    assert cluster.names() == names - _GONE - {name.replace("/bifrost/", "/staging/") for name in _GONE}


def test_no_secret_is_shown_anywhere(tmp_path: Path) -> None:
    manifests = tmp_path / "given.json"
    manifests.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": guide()}))
    call(str(manifests), "--out", str(tmp_path / "out"))
    texts = [call(str(manifests)).stdout, *(file.read_text() for file in (tmp_path / "out").iterdir())]
    assert all(CANARY not in text for text in texts)


def test_vendor_file_comes_out_as_it_went_in(tmp_path: Path) -> None:
    cluster = PretendedCluster(tmp_path, guide())
    (step,) = [each for each in look_at(guide()).plan["steps"] if "vendor's file out" in each["title"]]
    for command in (*step["do"], *step["check"]):
        assert cluster.run(command).returncode == 0
    given = pick(guide(), "ConfigMap")["data"]["credential-config.json"]
    assert json.loads((tmp_path / "credential-config.json").read_text()) == json.loads(given)
