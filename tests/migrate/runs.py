"""Runs `setup migrate`, and its plans against a pretended cluster; objects to run it on."""

from __future__ import annotations

import base64
import copy
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from credprovider.commands import setup
from tests.setup.programs import Programs

HERE = Path(__file__).parent
GUIDE = HERE / "guide"

#: Planted into every Secret; must appear nowhere.
CANARY = "canaryCANARY0123456789"
ENCODED_CANARY = base64.b64encode(CANARY.encode()).decode()


class Outcome(NamedTuple):
    code: int
    stdout: str
    stderr: str

    @property
    def plan(self) -> dict[str, Any]:
        """What ``--format json`` wrote."""
        found: dict[str, Any] = json.loads(self.stdout)
        return found

    def targets(self, *phases: str) -> list[str]:
        """Objects of the plan's steps, in order, by ``Kind/namespace/name``; of these phases."""
        steps = [step for step in self.plan["steps"] if step["target"] and (not phases or step["phase"] in phases)]
        return ["/".join(filter(None, step["target"].values())) for step in steps]

    def looks(self) -> list[str]:
        return [look["what"] for look in self.plan["look"]]

    def kept(self) -> dict[str, str]:
        return {kept["what"]: kept["why"] for kept in self.plan["kept"]}


#: Phases in which something is taken away.
REMOVAL = ("references", "refreshers", "secrets", "rights")


def call(*argv: str, stdin: bytes = b"") -> Outcome:
    """The command as it is typed."""
    stdout, stderr = io.BytesIO(), io.StringIO()
    code = setup.run(["migrate", *argv], io.BytesIO(stdin), stdout, stderr)
    return Outcome(code, stdout.getvalue().decode(), stderr.getvalue())


def look_at(objects: list[dict[str, Any]], *argv: str) -> Outcome:
    """The plan for these objects, as JSON."""
    stdin = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}).encode()
    outcome = call("-", "--format", "json", *argv, stdin=stdin)
    assert outcome.code in {0, 1}, outcome.stderr
    assert CANARY not in outcome.stdout
    assert ENCODED_CANARY[:-4] not in outcome.stdout
    return outcome


def guide() -> list[dict[str, Any]]:
    """The objects of the vendor's guide, with a region and names filled in, as they are in a cluster."""
    objects = [each for file in sorted(GUIDE.iterdir()) for each in yaml.safe_load_all(file.read_text())]
    text = json.dumps(objects)
    for placeholder, value in {
        "REGION-": "us-",
        "BIFROST_PROJECT/": "bifrost-project/",
        "YOUR_HUB_SLUG/": "acme/",
        "YOUR_MANAGED_IDENTITY_CLIENT_ID": "11111111-2222-3333-4444-555555555555",
    }.items():
        text = text.replace(placeholder, value)
    found: list[dict[str, Any]] = json.loads(text)
    return [*found, pull_secret("ar-pull-secret", "bifrost"), opaque("bifrost-config", "bifrost")]


def pick(objects: list[dict[str, Any]], kind: str, name: str = "") -> dict[str, Any]:
    """One of the objects, to be changed in place."""
    (found,) = [each for each in objects if each["kind"] == kind and name in {"", each["metadata"]["name"]}]
    return found


def moved(objects: list[dict[str, Any]], namespace: str) -> list[dict[str, Any]]:
    """The same in another namespace."""
    text = json.dumps(objects)
    text = text.replace('"namespace": "bifrost"', f'"namespace": "{namespace}"').replace(
        "-n bifrost", f"-n {namespace}"
    )
    found: list[dict[str, Any]] = json.loads(text)
    return found


def pull_secret(name: str, namespace: str, *hosts: str, user: str = "") -> dict[str, Any]:
    """A Secret with registry credentials; without a user, of a form that no client takes."""
    entry = {"auth": CANARY, "password": CANARY}
    if user:
        entry |= {"username": user, "auth": base64.b64encode(f"{user}:{CANARY}".encode()).decode()}
    config = {"auths": dict.fromkeys(hosts or ("us-docker.pkg.dev",), entry)}
    data = {".dockerconfigjson": base64.b64encode(json.dumps(config).encode()).decode()}
    return named("Secret", name, namespace, type="kubernetes.io/dockerconfigjson", data=data)


def opaque(name: str, namespace: str) -> dict[str, Any]:
    """A Secret of another kind."""
    return named("Secret", name, namespace, type="Opaque", data={"config.json": ENCODED_CANARY})


_VERSIONS = {
    "CronJob": "batch/v1",
    "Job": "batch/v1",
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "ReplicaSet": "apps/v1",
    "Role": "rbac.authorization.k8s.io/v1",
    "RoleBinding": "rbac.authorization.k8s.io/v1",
    "ClusterRole": "rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding": "rbac.authorization.k8s.io/v1",
}


def named(kind: str, name: str, namespace: str = "bifrost", **body: Any) -> dict[str, Any]:
    """An object."""
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": _VERSIONS.get(kind, "v1"), "kind": kind, "metadata": meta, **body}


def workload(kind: str, name: str, *secrets: str, namespace: str = "bifrost", **spec: Any) -> dict[str, Any]:
    """A workload of any kind with pull secrets."""
    pod = {
        "containers": [{"name": "c", "image": "us-docker.pkg.dev/bifrost-project/acme/other:1"}],
        **({"imagePullSecrets": [{"name": each} for each in secrets]} if secrets else {}),
        **spec,
    }
    if kind == "Pod":
        return named(kind, name, namespace, spec=pod)
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    whole: dict[str, Any] = {"template": template}
    if kind == "CronJob":
        whole = {"schedule": "@daily", "jobTemplate": {"spec": whole}}
    elif kind != "Job":
        whole["selector"] = {"matchLabels": {"app": name}}
    return named(kind, name, namespace, spec=whole)


def refresher(name: str, script: str, namespace: str = "bifrost", **container: Any) -> dict[str, Any]:
    """A CronJob with a script."""
    made = workload("CronJob", name, namespace=namespace, restartPolicy="OnFailure", serviceAccountName="bifrost-sa")
    made["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"] = [
        {"name": "c", "image": "tools:1", "command": ["/bin/sh", "-c", script], **container}
    ]
    return made


class PretendedCluster:
    """Objects behind a stand-in for kubectl, and a folder with a plan for them."""

    def __init__(self, folder: Path, objects: list[dict[str, Any]]) -> None:
        self._folder = folder
        self.programs = Programs(folder)
        self._store = folder / "store.json"
        self.calls = folder / "calls"
        self.calls.touch()
        for each in objects:
            if each["kind"] == "CronJob":
                each["spec"].setdefault("suspend", False)  # as the API server does
        self._store.write_text(json.dumps(objects))
        self.programs.add("kubectl", f'exec {sys.executable} -I -S {HERE / "pretended_kubectl.py"} "$@"')
        self.environment = {
            **self.programs.environment,
            "CHECKOUT": str(self.programs.checkout),
            "STORE": str(self._store),
            "CALLS": str(self.calls),
        }

    def objects(self) -> list[dict[str, Any]]:
        """What is in the cluster, in one order."""
        found: list[dict[str, Any]] = json.loads(self._store.read_text())
        return sorted(
            found, key=lambda each: (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"])
        )

    def names(self) -> set[str]:
        """Which objects are in the cluster."""
        metas = [(each["kind"], each["metadata"]) for each in self.objects()]
        return {"/".join(filter(None, (kind, meta.get("namespace"), meta["name"]))) for kind, meta in metas}

    def run(self, command: str, *, shell: str = "sh") -> subprocess.CompletedProcess[str]:
        """One command of a plan, pasted into a shell."""
        return subprocess.run(
            [shell, "-c", command], cwd=self._folder, env=self.environment, text=True, capture_output=True, check=False
        )

    def carry_out(self, plan: dict[str, Any], *deeds: str) -> list[str]:
        """Do all steps and their checks, or undo them from the last. Returns what failed."""
        failed = []
        steps = plan["steps"] if "undo" not in deeds else plan["steps"][::-1]
        for step in steps:
            for deed in deeds or ("do", "check"):
                for command in step[deed]:
                    done = self.run(command)
                    if done.returncode:
                        failed.append(f"{step['number']} {deed}: {command}\n{done.stderr}")
        return failed


def as_made(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A copy that may be changed."""
    return copy.deepcopy(objects)
