"""The first steps of the plan: the plugin installed, and seen to pull before anything is taken away; pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from credprovider.errors import PROGRAM
from credprovider.kubelet.reference import ImageNameError, image_name
from credprovider.setup.migrate.docker_config import host_of, is_google
from credprovider.setup.migrate.pods import images, pod_spec, service_account
from credprovider.setup.migrate.refreshers import external_account_key
from credprovider.setup.migrate.resources import Ref, is_name
from credprovider.setup.migrate.step import BACKUP, Kubectl, Phase, Step, namespace_flag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from credprovider.setup.migrate.cluster import Cluster
    from credprovider.setup.migrate.resources import Resource
    from credprovider.setup.migrate.survey import Survey

_CHART = f"node-config/helm/{PROGRAM}"
_FOLDER = "setup-out"
_DAEMON_SET = Ref("DaemonSet", PROGRAM, PROGRAM)
_KEY = re.compile(r"[A-Za-z0-9._-]+")
_POD = "gar-pull-check"


class Pull(NamedTuple):
    """A pull that has to work without the Secrets."""

    namespace: str
    account: str
    image: str


def install_steps(survey: Survey, cluster: Cluster, kubectl: Kubectl, image: str) -> Iterator[Step]:
    """A folder for copies, the vendor's file, the settings, the plugin, and one real pull for each ServiceAccount.

    Args:
        survey: what is to go.
        cluster: all objects.
        kubectl: for the cluster in question.
        image: the plugin's own, ``REPOSITORY[:TAG][@DIGEST]``; empty where the chart's values have it.
    """
    yield Step(
        Phase.INSTALL,
        "Make a folder for copies",
        ("All commands belong into this one folder. What a step deletes is copied there first.",),
        (f"umask 077 && mkdir -p {BACKUP}", kubectl.line("cluster-info")),
    )
    yield from _vendor_files(survey, kubectl)
    hosts = ", ".join(registries(survey, cluster)) or "those of your images"
    yield Step(
        Phase.INSTALL,
        "Write the plugin's settings",
        (
            f"Its list of registries must cover: {hosts}.",
            "The registry's owner may have to trust another subject than before: the folder's README says which.",
        ),
        (f"{PROGRAM} setup --out {_FOLDER}",),
    )
    yield _installation(kubectl, image)
    wanted = pulls(survey, cluster)
    yield from (_pull(pull, f"{_POD}-{number}", kubectl) for number, pull in enumerate(wanted, 1))
    if survey.references and not wanted:
        why = "No image of the workloads could be put into a test pod: pull one without the Secrets in another way."
        yield Step(Phase.INSTALL, "See that the plugin pulls", (why,))


def registries(survey: Survey, cluster: Cluster) -> list[str]:
    """Hosts of Google's that the workloads pull from, or that the Secrets are for."""
    found = {host for secret in survey.secrets.values() if secret for host in secret.hosts or ()}
    found |= {write.host for refresher in survey.refreshers for write in refresher.writes if write.host}
    found |= {host_of(image) for workload in _workloads(survey, cluster) for image in images(pod_spec(workload))}
    return sorted(host for host in found if is_google(host))


def pulls(survey: Survey, cluster: Cluster) -> list[Pull]:
    """One image for each ServiceAccount of the workloads that lose a Secret."""
    found: dict[tuple[str, str], Pull] = {}
    for workload in _workloads(survey, cluster):
        spec = pod_spec(workload)
        namespace, account = workload.ref.namespace, service_account(spec)
        usable = (image for image in images(spec) if _is_pullable(image))
        if is_name(Ref("ServiceAccount", namespace, account)) and (image := next(usable, "")):
            found.setdefault((namespace, account), Pull(namespace, account, image))
    return list(found.values())


def _workloads(survey: Survey, cluster: Cluster) -> list[Resource]:
    """Those that name a Secret which goes, themselves or by their ServiceAccount."""
    listed = [each.resource for each in survey.references]
    accounts = [each.ref for each in listed if each.ref.kind == "ServiceAccount"]
    users = [user for account in accounts for user in cluster.users_of(account.namespace, account.name)]
    gone = {each.resource.ref for each in survey.refreshers}
    both = (*(each for each in listed if each.ref.kind != "ServiceAccount"), *users)
    return [each for each in {each.ref: each for each in both}.values() if each.ref not in gone]


def _is_pullable(image: str) -> bool:
    try:
        return is_google(image_name(image).partition("/")[0])
    except ImageNameError:
        return False


def _vendor_files(survey: Survey, kubectl: Kubectl) -> Iterator[Step]:
    for number, config_map in enumerate(survey.configurations, 1):
        key = external_account_key(config_map)
        if not _KEY.fullmatch(key):
            continue
        file = "credential-config.json" if number == 1 else f"credential-config-{number}.json"
        escaped = key.replace(".", r"\.")
        why = ["The vendor's file goes into the plugin's settings as it is."]
        if number > 1:
            why.append("A second vendor's file needs an instance of its own: see `node install --instance`.")
        yield Step(
            Phase.INSTALL,
            f"Take the vendor's file out of {config_map.ref}",
            tuple(why),
            (f"{kubectl.about('get', config_map.ref, '-o', f'jsonpath={{.data.{escaped}}}')} > {file}",),
            (f"grep external_account {file}",),
            target=config_map.ref,
            source=config_map.source,
        )


def _installation(kubectl: Kubectl, image: str) -> Step:
    where = [f"--kube-{flag.removeprefix('--')}" if flag == "--context" else flag for flag in kubectl.flags]
    release = Kubectl(tuple(where)).line("upgrade", "--install", PROGRAM, _CHART, "-n", PROGRAM)
    release = release.replace("kubectl", "helm", 1) + f" --create-namespace \\\n  -f {_FOLDER}/helm-values.yaml"
    settings = "".join(f" --set-string {setting}" for setting in _image_settings(image))
    remove = release.replace(" --install", "", 1).replace(" --create-namespace", "", 1) + settings
    rollout = kubectl.line("rollout", "status", f"daemonset/{PROGRAM}", "-n", PROGRAM, "--timeout=30m")
    helm = " ".join(["helm", *where])
    return Step(
        Phase.INSTALL,
        "Install the plugin on every node",
        ("Each node's kubelet restarts once; pods run on. Nothing uses the plugin alone yet: the Secrets come first.",),
        (release + settings,),
        (rollout,),
        (f"{remove} --set mode=uninstall", rollout, f"{helm} uninstall {PROGRAM} -n {PROGRAM}"),
        target=_DAEMON_SET,
    )


def _image_settings(image: str) -> Iterator[str]:
    if not image:
        return
    name, _, digest = image.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = name, ""
    yield f"image.repository={repository}"
    if tag:
        yield f"image.tag={tag}"
    if digest:
        yield f"image.digest={digest}"


def _pull(pull: Pull, name: str, kubectl: Kubectl) -> Step:
    ref = Ref("Pod", pull.namespace, name)
    where = namespace_flag(pull.namespace)
    # A pull secret that does not exist keeps the ServiceAccount's own from being filled in: the plugin is on its own.
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": pull.namespace},
        "spec": {
            "serviceAccountName": pull.account,
            "imagePullSecrets": [{"name": "no-such-secret"}],
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "check",
                    "image": pull.image,
                    "imagePullPolicy": "Always",
                    "command": ["/no-such-command"],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "16Mi"},
                        "limits": {"cpu": "10m", "memory": "16Mi"},
                    },
                }
            ],
        },
    }
    image_id = kubectl.shown(ref, ("status", "containerStatuses[0]", "imageID"))
    return Step(
        Phase.INSTALL,
        f"See that {PROGRAM} pulls for ServiceAccount {pull.account} in {pull.namespace}",
        (
            f"A pod of {pull.image} without any of the Secrets. It never starts, on purpose: it has to be pulled.",
            "Do not go on before this succeeds.",
        ),
        (f"{kubectl.line('create', '-f', '-')} <<'POD'\n{json.dumps(pod, indent=1)}\nPOD",),
        (
            f"for _ in $(seq 60); do {image_id} | grep . && break; sleep 2; done",
            kubectl.line("get", "events", *where, f"--field-selector=involvedObject.name={name}"),
            f"{image_id} | grep .",
        ),
        (kubectl.about("delete", ref, "--ignore-not-found"),),
        ref,
    )
