"""The plan for machines, as one JSON object; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from credprovider.setup.migrate.step import Plan, Step


def plan_object(plan: Plan) -> dict[str, Any]:
    """Everything in the plan, numbered as on the page."""
    return {
        "lookedAt": plan.about,
        "complete": not plan.look,
        "checkout": plan.checkout,
        "steps": [_step(step, number) for number, step in enumerate(plan.steps, 1)],
        "look": [{"what": what, "why": why, "then": then} for what, why, then in plan.look],
        "kept": [{"what": what, "why": why} for what, why in plan.kept],
        "notSeen": list(plan.unseen),
    }


def _step(step: Step, number: int) -> dict[str, Any]:
    target = step.target
    return {
        "number": number,
        "phase": step.phase.name.lower(),
        "title": step.title,
        "why": list(step.why),
        "target": {"kind": target.kind, "namespace": target.namespace, "name": target.name} if target else None,
        "source": step.source,
        "atSource": step.at_source,
        "do": list(step.do),
        "check": list(step.check),
        "undo": list(step.undo),
    }
