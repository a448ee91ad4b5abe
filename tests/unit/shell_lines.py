"""Takes a line of shell apart into its simple commands, and holds them against what the real tools know.

The table of commands is that of tests/setup, whose scripts are held against it when they run.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

_TABLE: dict[str, Any] = json.loads((Path(__file__).parent.parent / "setup" / "cli_commands.json").read_text())
#: ``$(...)``, whose text may hold one more pair of parentheses.
_SUBSTITUTION = re.compile(r"\$\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_SEPARATORS, _REDIRECTIONS = {"|", ";", "&&", "||"}, {"<", ">", ">>", ">&"}
#: What the full resource name of a pool or a provider says already (gcloud topic resource arguments).
_IN_THE_NAME = {"--location", "--workload-identity-pool"}


def simple_commands(line: str) -> list[list[str]]:
    """The words of each command of a line, those of substitutions before the one that they are a word of."""
    found = []
    for inner in _SUBSTITUTION.findall(line):
        found += simple_commands(inner)
    lexer = shlex.shlex(_SUBSTITUTION.sub("SUBSTITUTED", line), posix=True, punctuation_chars="|;&<>")
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    tokens = iter(lexer)
    for token in tokens:
        if token in _REDIRECTIONS:
            next(tokens)
        elif token in _SEPARATORS:
            found, words = [*found, words], []
        else:
            words.append(token)
    return [*found, words]


def is_known(tool: str) -> bool:
    """Is there a table of this tool's commands?"""
    return tool in _TABLE


def complaints(words: list[str]) -> list[str]:
    """What the real tool would not take; the first word names the tool."""
    tool, table = words[0], _TABLE[words[0]]
    name = next(
        (" ".join(words[1:n]) for n in range(len(words), 1, -1) if " ".join(words[1:n]) in table["commands"]), ""
    )
    if not name:
        return [f"no such command: {words}"]
    entry = table["commands"][name]
    positions, options = _read(tool, words[1 + len(name.split()) :])
    named = {table.get("short", {}).get(option, option) for option in options}
    wanted = set(entry["required"]) - (
        _IN_THE_NAME if positions[:1] and positions[0].startswith("projects/") else set()
    )
    found = [f"{name}: unrecognized arguments: {option}" for option in sorted(named - _options(tool, entry))]
    found += [f"{name}: {option} is required" for option in sorted(wanted - named)]
    if tool == "gcloud" and options.get("--project", "").isdigit() and not entry.get("projectNumber"):
        found.append(f"{name}: The value of --project flag was set to Project number.")
    return found


def _options(tool: str, entry: dict[str, Any]) -> set[str]:
    known = set(entry["options"])
    return known | ({f"--no-{option[2:]}" for option in known} if tool == "gcloud" else set())


def _read(tool: str, words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Positions, and options with what follows them: all up to the next one for az, one word for kubectl."""
    positions: list[str] = []
    options: dict[str, str] = {}
    open_option = ""
    for word in words:
        if word == "--":
            break
        if word.startswith("-") and word != "-":
            option, equals, value = word.partition("=")
            if option in options:
                raise AssertionError(f"{option} is given twice: {words}")
            options[option] = value
            open_option = "" if equals or tool == "gcloud" else option
        elif open_option:
            options[open_option] += word
            open_option = open_option if tool == "az" else ""
        else:
            positions.append(word)
    return positions, options
