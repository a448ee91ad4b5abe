"""The calls of our own program in shell blocks, and the flags that it has."""

from __future__ import annotations

import re
from functools import cache

from credprovider.commands import COMMANDS
from docs.generate import helps

PROGRAM = "azure-gar-credential-provider"

#: Our program as pages call it: by name, by path, or as the variable that a page sets to its path; up to a pipe or a
#: closing bracket, as far as flags are.
_CALL = re.compile(rf"(?:^|[\s(|]|/)(?:{PROGRAM}|\"?\$p\"?)\s+(?P<rest>(?:{'|'.join(COMMANDS)})(?=\s|$)[^\n|;&)#]*)")


def calls(script: str) -> list[list[str]]:
    """The words after the program's name, call by call."""
    joined = re.sub(r"\\\n\s*", " ", script)
    return [found["rest"].split() for found in _CALL.finditer(joined)]


def known_flags(words: list[str]) -> set[str]:
    """The flags of the command that the words name."""
    has_action = words[:2] == ["setup", "migrate"] or (words[1:2] and words[1] in helps.actions(words[:1]))
    command = tuple(words[:2] if has_action else words[:1])
    return _flags(command)


@cache
def _flags(command: tuple[str, ...]) -> set[str]:
    return set(re.findall(r"--[a-z-]+", helps.ask(list(command)))) | {command[0]}
