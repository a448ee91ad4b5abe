"""Objects of a running cluster, read by the user's own kubectl, which also knows how to sign in; changes nothing."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from credprovider.kubelet.tree import DocumentError
from credprovider.setup.migrate.documents import read_documents
from credprovider.setup.migrate.pods import config_maps, pod_spec
from credprovider.setup.migrate.resources import RefusedNameError, read_resources
from credprovider.setup.migrate.survey import Look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from credprovider.setup.migrate.resources import Resource

#: Asked for one by one, so that a right that is missing hides one kind only.
_KINDS = (
    "cronjobs.batch",
    "deployments.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "jobs.batch",
    "replicasets.apps",
    "replicationcontrollers",
    "pods",
    "serviceaccounts",
    "roles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
)
_CLUSTER_KINDS = ("clusterroles.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io")
_SECRETS = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg")


class NoKubectlError(Exception):
    """There is no kubectl on the PATH."""


class LiveCluster:
    """A cluster behind kubectl.

    Args:
        flags: that name the cluster, e.g. ``--context NAME``.
        namespace: the only one to look at; empty for all.

    Attributes:
        resources: what was read.
        troubles: kinds that could not be read.

    Raises:
        NoKubectlError: no kubectl.
    """

    def __init__(self, flags: Sequence[str], namespace: str = "") -> None:
        kubectl = shutil.which("kubectl")
        if kubectl is None:
            raise NoKubectlError
        self._command = [kubectl, *flags]
        self._where = ["-n", namespace] if namespace else ["--all-namespaces"]
        self.resources: list[Resource] = []
        self.troubles: list[Look] = []

    def context(self) -> str:
        """The name of the current context; empty where there is none."""
        return self._run("config", "current-context").decode("utf-8", "replace").strip()

    def read(self) -> None:
        """Everything that may have to do with pull secrets."""
        for kind in _KINDS:
            self._get(kind, *self._where)
        for kind in _CLUSTER_KINDS:
            self._get(kind)
        for secret_type in _SECRETS:
            self._get("secrets", *self._where, f"--field-selector=type={secret_type}")
        mounted = {
            (each.ref.namespace, name)
            for each in self.resources
            if each.ref.kind in {"CronJob", "Job"} and not each.owners
            for name in config_maps(pod_spec(each))
        }
        for namespace, name in sorted(mounted):
            self._get("configmaps", "-n", namespace, f"--field-selector=metadata.name={name}")

    def _get(self, kind: str, *words: str) -> None:
        answer = self._run("get", kind, *words, "-o", "json", "--request-timeout=60s")
        if not answer:
            why = "kubectl could not read them; its own message is above"
            then = "see that you may `get` them, or take their absence into account, and run this again"
            self.troubles.append(Look(kind, why, then))
            return
        try:
            for document in read_documents(answer):
                self.resources += read_resources(document, "cluster", "default")
        except (DocumentError, RefusedNameError) as error:
            self.troubles.append(Look(kind, f"kubectl's answer could not be used: {error}", "look at them by hand"))

    def _run(self, *words: str) -> bytes:
        # Its stderr is the terminal's: signing in may need to talk to a person.
        done = subprocess.run([*self._command, *words], stdout=subprocess.PIPE, check=False)  # noqa: S603
        return done.stdout if done.returncode == 0 else b""
