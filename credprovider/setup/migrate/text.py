"""The plan for people: a page of copy-paste steps with their checks and undos; pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from credprovider.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from credprovider.setup.migrate.step import Plan, Step


_INTRODUCTION = """\
Run the steps in this order, in this page's folder or a new one of yours, each with its check. Stop when a check fails:
the undos of the steps done so far, last first, bring everything back. A patch applies only while the object is as it
was looked at; if one is refused, make this plan anew. A POSIX shell runs the commands.""".splitlines()


def plan_text(plan: Plan) -> str:
    """The page, in Markdown; ends in a newline."""
    return "\n".join(_lines(plan)) + "\n"


def summary(plan: Plan) -> str:
    """One line: how much there is to do."""
    if plan.look and not plan.steps:
        return f"nothing can be removed yet; {len(plan.look)} to be looked at first"
    if not plan.steps:
        return "nothing is left of the CronJob way in what was looked at"
    look = f"; {len(plan.look)} more to be looked at first" if plan.look else ""
    return f"{len(plan.steps)} steps{look}"


def _lines(plan: Plan) -> Iterator[str]:
    yield "# From the CronJob and its Secret to the credential provider"
    yield ""
    outcome = summary(plan)
    yield _shown(f"Looked at: {plan.about}. Nothing was changed. {outcome[:1].upper()}{outcome[1:]}.")
    if plan.steps:
        yield ""
        yield from _INTRODUCTION
    if plan.look:
        yield from _section("Look at these first")
        for what, why, then in plan.look:
            yield _shown(f"- **{what}**: {why}. Then: {then}.")
    phase = None
    for number, step in enumerate(plan.steps, 1):
        if step.phase is not phase:
            phase = step.phase
            yield from _section(phase.value)
        else:
            yield ""
        yield from _step(step, number)
    if plan.kept:
        yield from _section("What stays")
        yield from (_shown(f"- {what}: {why}.") for what, why in plan.kept)
    if plan.unseen:
        yield from _section("What could not be seen")
        yield from (_shown(f"- {each}.") for each in plan.unseen)


def _section(title: str) -> tuple[str, ...]:
    return ("", f"## {title}", "")


def _step(step: Step, number: int) -> Iterator[str]:
    yield _shown(f"### {number}. {step.title}")
    for sentence in step.why:
        yield ""
        yield _shown(sentence)
    if step.at_source:
        yield ""
        yield _shown(f"By hand, at its source. It was read from: {step.source}.")
    for title, commands in (("Do:", step.do), ("Check:", step.check), ("Undo:", step.undo)):
        if commands:
            yield from _block(title, commands)


def _block(title: str, commands: Sequence[str]) -> Iterator[str]:
    yield from ("", title, "", "```sh")
    yield from commands
    yield "```"


def _shown(line: str) -> str:
    """One line that cannot break out of the page, nor be taken for HTML, and that reads well on a terminal, too."""
    return re.sub("<[^<>]*>?", r"`\g<0>`", one_line(line).replace("`", "'"))
