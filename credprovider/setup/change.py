"""Which stored answers outlive a change: what was taken by default, or is contradicted, is taken anew; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credprovider.setup.inputs import INPUTS, read_given, settle, take_from_mode
from credprovider.setup.modes import MODES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from credprovider.setup.inputs import Answers

#: What azure.sh looks up is of these.
_LOOKED_UP = ("subscription", "tenant", "cluster", "resourceGroup", "identity", "identityName", "identityResourceGroup")
_FROM_MODE = ("pulledBy", "trust", "identity")


def still_meant(stored: Answers, changes: Answers) -> Answers:
    """The stored answers that go on beside new ones.

    Args:
        stored: of an earlier run, with the defaults that it took.
        changes: what is answered now; it wins.
    """
    if not changes:
        return stored
    kept = {name: value for name, value in stored.items() if not _was_default(name, stored)}
    replaced = _FROM_MODE if "mode" in changes else ("mode",) if changes.keys() & set(_FROM_MODE) else ()
    kept = {name: value for name, value in kept.items() if name not in replaced}
    return _without_contradictions(kept, changes)


def _was_default(name: str, stored: Answers) -> bool:
    """Would the answer be the same, had nobody given it?"""
    return any(entry.name == name and entry.default_for(stored) == stored[name] for entry in INPUTS)


def _without_contradictions(kept: Answers, changes: Answers) -> Answers:
    """Those that have a meaning with the changes, in the table's order, as each depends on the ones before."""
    both = {**kept, **changes}
    mode = MODES.get(both.get("mode", ""))
    if mode is not None:
        both = {**mode.implies, **both}
    settled: Answers = {}
    for entry in INPUTS:
        if not entry.applies(settled):
            continue
        options = entry.options(settled)
        value = both.get(entry.name)
        if value is None or (options and value not in options):
            value = entry.default_for(settled)
        if value is not None:
            settled[entry.name] = value
    return {name: value for name, value in kept.items() if settled.get(name) == value}


def looks_up_another(stored: Mapping[str, object], answers: Answers) -> bool:
    """Are the ids that azure.sh wrote for the stored answers those of another identity or cluster?"""
    earlier, _ = read_given(stored)
    take_from_mode(earlier)
    before, now = settle(earlier)[0], settle(answers)[0]
    return any(before.get(name) != now.get(name) for name in _LOOKED_UP)
