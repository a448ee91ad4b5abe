"""The first steps of the plan: the plugin installed, and seen to pull before anything is taken away; pure."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

from credprovider.errors import PROGRAM
from credprovider.kubelet.reference import ImageNameError, image_name
from credprovider.setup.checkout import CHART, EXECUTABLE
from credprovider.setup.migrate.docker_config import host_of, is_google
from credprovider.setup.migrate.pods import images, pod_spec, service_account
from credprovider.setup.migrate.refreshers import external_account_key
from credprovider.setup.migrate.resources import Ref, is_name
from credprovider.setup.migrate.step import BACKUP, CHECKOUT, Kubectl, Phase, Step, namespace_flag, program

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from credprovider.setup.migrate.cluster import Cluster
    from credprovider.setup.migrate.resources import Resource
    from credprovider.setup.migrate.survey import Survey

_FOLDER = "setup-out"
_DAEMON_SET = Ref("DaemonSet", PROGRAM, PROGRAM)
_KEY = re.compile(r"[A-Za-z0-9._-]+")
_POD = "gar-pull-check"


class Pull(NamedTuple):
    """A pull that has to work without the Secrets."""

    namespace: str
    account: str
    image: str


def install_steps(survey: Survey, cluster: Cluster, kubectl: Kubectl, image: str, checkout: str) -> Iterator[Step]:
    """A folder for copies, the vendor's file, the settings, the plugin, and one real pull for each ServiceAccount.

    Args:
        survey: what is to go.
        cluster: all objects.
        kubectl: for the cluster in question.
        image: the plugin's own, ``REPOSITORY[:TAG][@DIGEST]``; empty where `setup` is to ask for it.
        checkout: the line that says where the checkout is, `checkout_line`.
    """
    yield _preparation(kubectl, checkout)
    files = dict(_vendor_files(survey))
    yield from (_extraction(file, config_map, kubectl) for file, config_map in files.items())
    wanted = pulls(survey, cluster)
    yield _settings(survey, cluster, wanted, files, image)
    yield _installation(kubectl)
    yield from (_pull(pull, name, kubectl) for name, pull in check_pods(wanted))
    if survey.references and not wanted:
        why = "No image of the workloads could be put into a test pod: pull one without the Secrets in another way."
        yield Step(Phase.INSTALL, "See that the plugin pulls", (why,))


def _preparation(kubectl: Kubectl, checkout: str) -> Step:
    has_all = f'test -f "$CHECKOUT/{CHART}/Chart.yaml" && test -x "$CHECKOUT/{EXECUTABLE}"'
    complaint = "printf '%s\\n' \"set CHECKOUT to the product's checkout, with ./dev build run in it, not $CHECKOUT\""
    return Step(
        Phase.INSTALL,
        "Say where the checkout is, and make a folder for copies",
        (
            "All commands belong into one folder: what a step deletes is copied there first.",
            "CHECKOUT is the product's checkout. Give it once in a shell; `steps.sh` has its own line for it.",
        ),
        (
            f"{checkout}\n{has_all} ||\n  {{ {complaint} >&2; false; }}",
            f"umask 077 && mkdir -p {BACKUP}",
            kubectl.line("cluster-info"),
        ),
    )


def _settings(survey: Survey, cluster: Cluster, wanted: Sequence[Pull], files: Collection[str], image: str) -> Step:
    """`setup` with all that the cluster's objects tell; it asks for the rest."""
    known = [("--vendor-file", file) for file in [*files][:1]]
    known += [("--registries", host) for host in _certain_registries(survey, cluster)]
    known += [("--image", pull.image) for pull in wanted[:1]]
    known += [("--installer-image", image)] if image else []
    flags = "".join(f" \\\n  {shlex.join(each)}" for each in known)
    hosts = ", ".join(registries(survey, cluster)) or "those of your images"
    return Step(
        Phase.INSTALL,
        "Write the plugin's settings",
        (
            "It asks for what the cluster's objects do not tell, and executes nothing.",
            f"Then do steps 1 to 3 of {_FOLDER}/README.md, until everything there is written.",
            f"Its list of registries must cover: {hosts}.",
            "The registry's owner may have to trust another subject than before: the folder's README says which.",
        ),
        (f"{program()} setup --out {_FOLDER}{flags}",),
        (f"test -f {_FOLDER}/helm-values.yaml",),
    )


def check_pods(wanted: Sequence[Pull]) -> list[tuple[str, Pull]]:
    """Names of the pods that have to be pulled."""
    return [(f"{_POD}-{number}", pull) for number, pull in enumerate(wanted, 1)]


def registries(survey: Survey, cluster: Cluster) -> list[str]:
    """Hosts of Google's that the workloads pull from, or that the Secrets are for."""
    found = {host for secret in survey.secrets.values() if secret for host in secret.hosts or ()}
    found |= {write.host for refresher in survey.refreshers for write in refresher.writes if write.host}
    found |= {host_of(image) for workload in _workloads(survey, cluster) for image in images(pod_spec(workload))}
    return sorted(host for host in found if is_google(host))


def _certain_registries(survey: Survey, cluster: Cluster) -> list[str]:
    """All of these hosts; none if one of them may be made up, as a script or a template computes it."""
    certain = {host for secret in survey.secrets.values() if secret for host in secret.hosts or ()}
    usable = (image for workload in _workloads(survey, cluster) for image in images(pod_spec(workload)))
    certain |= {host_of(image) for image in usable if _is_pullable(image)}
    wanted = registries(survey, cluster)
    return wanted if certain.issuperset(wanted) else []


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


def _vendor_files(survey: Survey) -> Iterator[tuple[str, Resource]]:
    """Name of the copy, and the ConfigMap that holds the file."""
    usable = (each for each in survey.configurations if _KEY.fullmatch(external_account_key(each)))
    for number, config_map in enumerate(usable, 1):
        yield "credential-config.json" if number == 1 else f"credential-config-{number}.json", config_map


def _extraction(file: str, config_map: Resource, kubectl: Kubectl) -> Step:
    escaped = external_account_key(config_map).replace(".", r"\.")
    why = ["The vendor's file goes into the plugin's settings as it is."]
    if file != "credential-config.json":
        why.append("A second vendor's file needs an instance of its own: `setup --instance NAME`, in another folder.")
    return Step(
        Phase.INSTALL,
        f"Take the vendor's file out of {config_map.ref}",
        tuple(why),
        (f"{kubectl.about('get', config_map.ref, '-o', f'jsonpath={{.data.{escaped}}}')} > {file}",),
        (f"grep external_account {file}",),
        target=config_map.ref,
        source=config_map.source,
    )


def _installation(kubectl: Kubectl) -> Step:
    flags = [f"--kube-{flag.removeprefix('--')}" if flag == "--context" else flag for flag in kubectl.flags]
    # In a release's own namespace the chart could not make the plugin's, with the labels that it needs.
    where = ["--namespace", "default"]
    upgrade, chart = shlex.join(["helm", *flags, "upgrade"]), f'"{CHECKOUT}/{CHART}"'
    rollout = kubectl.line("rollout", "status", f"daemonset/{PROGRAM}", "-n", PROGRAM)
    return Step(
        Phase.INSTALL,
        "Install the plugin on every node",
        (
            "Each node's kubelet restarts once; pods run on. Nothing uses it alone yet: the Secrets come first.",
            "A first installation changes all nodes at once. For one pool first, run the command with this added:",
            r"`--set 'nodeSelector.kubernetes\.azure\.com/agentpool=POOL'`. When its pods are ready, run it as it is.",
            f"The undo leaves the namespace {PROGRAM}.",
        ),
        (f"{upgrade} --install {PROGRAM} {chart} \\\n  {shlex.join(where)} --values {_FOLDER}/helm-values.yaml",),
        (f"{rollout} --timeout=30m",),
        (
            f"{upgrade} {PROGRAM} {chart} \\\n  {shlex.join(where)} --reuse-values --set mode=uninstall",
            f"{rollout} --timeout=0s",
            shlex.join(["helm", *flags, "uninstall", PROGRAM, *where]),
        ),
        target=_DAEMON_SET,
    )


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
