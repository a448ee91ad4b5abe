"""One step of the plan: commands as a shell reads them, how to see that it worked, how to take it back; pure."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from credprovider.setup.checkout import EXECUTABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from credprovider.setup.migrate.resources import Ref

#: Where the commands put copies of what they delete, beside the plan.
BACKUP = "backup"

#: The product's checkout in commands; a shell that does not know where it is goes no further.
CHECKOUT = "${CHECKOUT:?see step 1}"


def checkout_line(place: str) -> str:
    """Says once where the checkout is, unless the environment does.

    Args:
        place: as a word of a shell.
    """
    return f"CHECKOUT=${{CHECKOUT:-{place}}}"


def program() -> str:
    """Our own program in commands."""
    return f'"{CHECKOUT}/{EXECUTABLE}"'


class Phase(Enum):
    """The order of work; the text is a heading."""

    INSTALL = "Install the plugin and see it pull"
    REFERENCES = "Remove the references to the Secrets"
    REFRESHERS = "Stop and remove what refreshes the Secrets"
    SECRETS = "Remove the Secrets"
    RIGHTS = "Remove the rights to write Secrets"
    FINISH = "See that nothing is left"


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        title: what it does, in a few words.
        why: what a person should know before.
        do: shell commands; none where a person must change a source.
        check: shell commands that fail, or show it, if the step did not work.
        undo: shell commands.
        target: the object it changes, if it is about one.
        source: where that object was read.
        at_source: who manages the object, where a patch would not last; the step then says what to change there.
    """

    phase: Phase
    title: str
    why: tuple[str, ...] = ()
    do: tuple[str, ...] = ()
    check: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()
    target: Ref | None = None
    source: str = ""
    at_source: str = ""


@dataclass(frozen=True)
class Kubectl:
    """Writes kubectl commands for one cluster.

    Args:
        flags: that name the cluster, e.g. ``--context aks-prod``; empty for whatever is current.
    """

    flags: tuple[str, ...] = ()

    def line(self, *words: str) -> str:
        """A command with every word quoted."""
        return shlex.join(["kubectl", *self.flags, *words])

    def about(self, verb: str, ref: Ref, *words: str) -> str:
        """A command about one object."""
        return self.line(verb, resource_type(ref), ref.name, *namespace_flag(ref.namespace), *words)

    def patch(self, ref: Ref, *operations: dict[str, Any]) -> str:
        """A JSON patch; its operations happen together or not at all."""
        return self.about("patch", ref, "--type=json", "-p", json.dumps(operations))

    def delete(self, ref: Ref) -> str:
        """A copy of the object, and if that could be made, its deletion; a second run leaves the copy as it is."""
        file = backup_file(ref)
        copy = f"{self.about('get', ref, '-o', 'yaml')} > {file}.new"
        return f"{copy} \\\n  && mv {file}.new {file} \\\n  && {self.about('delete', ref)}"

    def restore(self, ref: Ref) -> str:
        """The undo of `delete`."""
        return self.line("create", "-f", backup_file(ref))

    def is_gone(self, ref: Ref) -> str:
        """Fails if the object is there, or if that cannot be told."""
        return f'gone=$({self.about("get", ref, "--ignore-not-found", "-o", "name")}) && test -z "$gone"'

    def rollout(self, ref: Ref) -> str:
        """Waits until the pods of a workload are as it says."""
        what = f"{resource_type(ref)}/{ref.name}"
        return self.line("rollout", "status", what, *namespace_flag(ref.namespace), "--timeout=10m")

    def shown(self, ref: Ref, path: Sequence[str]) -> str:
        """Prints a field of an object; nothing if it is not there."""
        escaped = "".join(f".{name}" for name in path)
        return self.about("get", ref, "-o", f"jsonpath={{{escaped}}}")


#: Kinds that other APIs have, too.
_GROUPS = {
    "CronJob": "batch",
    "DaemonSet": "apps",
    "Deployment": "apps",
    "Job": "batch",
    "ReplicaSet": "apps",
    "StatefulSet": "apps",
}


def resource_type(ref: Ref) -> str:
    """A kind as kubectl is told it, with its group where another API may have that kind."""
    group = _GROUPS.get(ref.kind)
    return f"{ref.kind.lower()}.{group}" if group else ref.kind.lower()


def namespace_flag(namespace: str) -> tuple[str, ...]:
    """``-n NAMESPACE``; nothing for objects without one."""
    return ("-n", namespace) if namespace else ()


def backup_file(ref: Ref) -> str:
    """Where the copy of an object is kept."""
    name = re.sub(r"[^a-z0-9.-]", "_", f"{ref.kind.lower()}.{ref.namespace or 'cluster'}.{ref.name}".lower())
    return f"{BACKUP}/{name}.yaml"


def pointer(path: Sequence[str]) -> str:
    """A JSON pointer."""
    return "".join(f"/{name.replace('~', '~0').replace('/', '~1')}" for name in path)


@dataclass(frozen=True)
class Plan:
    """All steps in their order, and all that is not a step.

    Attributes:
        about: what was looked at, in words.
        checkout: the line of a shell that says where the product's checkout is.
        kept: what stays, with the reason.
        look: what a person must decide: what, why, what then.
        unseen: what this could not see.
    """

    about: str
    checkout: str
    steps: tuple[Step, ...] = ()
    kept: tuple[tuple[str, str], ...] = ()
    look: tuple[tuple[str, str, str], ...] = ()
    unseen: tuple[str, ...] = field(default=())
