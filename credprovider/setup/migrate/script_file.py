"""The plan as a shell script of separate steps: it does one at a time, when told to, and never all; pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from credprovider.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from credprovider.setup.migrate.step import Plan, Step

_HEAD = """\
#!/usr/bin/env bash
# One step of plan.md at a time. Read plan.md first.
#
#   steps.sh list            all steps
#   steps.sh show N          the commands of step N
#   steps.sh do N            do step N
#   steps.sh check N         fails if step N did not work
#   steps.sh undo N          take step N back
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
"""

_PLACE = "# The product's checkout, with the chart and the executable."

_TAIL = """\
usage() {
    sed -n 's/^#   //p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

list() {
    local number
    for number in "${!titles[@]}"; do
        printf '%3d  %s\\n' "$((number + 1))" "${titles[$number]}"
    done
}

step() {
    local name=step_$1_$2
    if ! declare -F "$name" >/dev/null; then
        printf 'step %s has nothing to %s here; see plan.md\\n' "$1" "$2" >&2
        [ "$2" = check ] && exit 0
        exit 1
    fi
    printf '==> %s, step %s: %s\\n' "$2" "$1" "${titles[$1 - 1]}" >&2
    "$name"
}

show() {
    local deed
    for deed in "do" check undo; do
        declare -f "step_$1_$deed" || true
    done
}

case ${1:-} in
list) list ;;
show | do | check | undo)
    case ${2:-} in
    '' | 0* | *[!0-9]*) usage ;;
    esac
    [ "$2" -le "${#titles[@]}" ] || usage
    if [ "$1" = show ]; then show "$2"; else step "$2" "$1"; fi
    ;;
*) usage ;;
esac
"""


def script_text(plan: Plan) -> str:
    """The script, for bash; its functions stand in the plan's order."""
    lines = [_HEAD, *([_PLACE, plan.checkout, ""] if plan.steps else []), "titles=("]
    lines += [f"    {shlex.quote(one_line(step.title))}" for step in plan.steps]
    lines.append(")\n")
    for number, step in enumerate(plan.steps, 1):
        lines += _functions(step, number)
    return "\n".join(lines) + "\n" + _TAIL


def _functions(step: Step, number: int) -> Iterator[str]:
    for deed, commands in (("do", step.do), ("check", step.check), ("undo", step.undo)):
        if commands:
            # Not indented: a here-document ends at the start of a line. `set -e` would overlook parts of a list.
            guarded = [f"{{\n{command}\n}} || return" for command in commands]
            yield "\n".join([f"step_{number}_{deed}() {{", *guarded, "}\n"])
