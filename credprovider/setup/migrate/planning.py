"""From what was found to the whole plan; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credprovider.errors import PROGRAM
from credprovider.setup.migrate.install import install_steps
from credprovider.setup.migrate.removal import removal_steps
from credprovider.setup.migrate.step import BACKUP, Phase, Plan, Step

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
    image: str = "",
    about: str = "",
    again: str = f"{PROGRAM} setup migrate",
    troubles: Sequence[Look] = (),
    unseen: Sequence[str] = (),
) -> Plan:
    """The plan; without steps where nothing is left of the CronJob way.

    Args:
        survey: what goes and what stays.
        cluster: all objects.
        kubectl: for the cluster in question.
        image: the plugin's own; empty where the chart's values have it.
        about: what was looked at, in words.
        again: the command that looks again.
        troubles: what could not be read.
        unseen: what this way of looking cannot see.
    """
    steps: list[Step] = []
    removal = list(removal_steps(survey, cluster, kubectl))
    if removal:
        steps = [*install_steps(survey, cluster, kubectl, image), *removal, _finish(again)]
    return Plan(
        about,
        tuple(steps),
        tuple((str(each.ref), each.why) for each in survey.kept),
        tuple((each.what, each.why, each.then) for each in (*troubles, *survey.look)),
        tuple(unseen),
    )


def _finish(again: str) -> Step:
    return Step(
        Phase.FINISH,
        "Look again",
        (
            f"Keep {BACKUP} until pods have started on a new node without the Secrets; then delete it.",
            "The federated credential of the CronJob's ServiceAccount in Azure may go when nothing else uses it.",
        ),
        (again,),
    )
