"""From what was found to the whole plan; pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from credprovider.setup.migrate.install import check_pods, install_steps, pulls
from credprovider.setup.migrate.removal import removal_steps
from credprovider.setup.migrate.resources import Ref
from credprovider.setup.migrate.step import BACKUP, Phase, Plan, Step, checkout_line, program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from credprovider.setup.migrate.cluster import Cluster
    from credprovider.setup.migrate.step import Kubectl
    from credprovider.setup.migrate.survey import Look, Survey


def make_plan(
    survey: Survey,
    cluster: Cluster,
    kubectl: Kubectl,
    *,
    image: str,
    about: str,
    checkout: str,
    again: Sequence[str],
    troubles: Sequence[Look] = (),
    unseen: Sequence[str] = (),
) -> Plan:
    """The plan; without steps where nothing is left of the CronJob way.

    Args:
        survey: what goes and what stays.
        cluster: all objects.
        kubectl: for the cluster in question.
        image: the plugin's own; empty where `setup` is to ask for it.
        about: what was looked at, in words.
        checkout: where the product's checkout is, as a word of a shell.
        again: flags of `setup migrate` that look at the cluster again.
        troubles: what could not be read.
        unseen: what this way of looking cannot see.
    """
    steps: list[Step] = []
    removal = list(removal_steps(survey, cluster, kubectl))
    if removal:
        installation = install_steps(survey, cluster, kubectl, image, checkout_line(checkout))
        steps = [*installation, *removal, _finish(survey, cluster, kubectl, again)]
    return Plan(
        about,
        checkout_line(checkout),
        tuple(steps),
        tuple((str(each.ref), each.why) for each in survey.kept),
        tuple((each.what, each.why, each.then) for each in (*troubles, *survey.look)),
        tuple(unseen),
    )


def _finish(survey: Survey, cluster: Cluster, kubectl: Kubectl, again: Sequence[str]) -> Step:
    pods = [Ref("Pod", pull.namespace, name) for name, pull in check_pods(pulls(survey, cluster))]
    return Step(
        Phase.FINISH,
        "Look again",
        (
            f"Keep {BACKUP} until pods have started on a new node without the Secrets; then delete it.",
            "The federated credential of the CronJob's ServiceAccount in Azure may go when nothing else uses it.",
        ),
        (
            *(kubectl.about("delete", pod, "--ignore-not-found") for pod in pods),
            f"{program()} {shlex.join(['setup', 'migrate', *again])}",
        ),
    )
