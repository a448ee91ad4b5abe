"""What the last stage of build/Dockerfile says an image is: environment, labels, entry point; and the steps before it.

Reads as much of the language as that file uses, and refuses the rest, so that the file stays the only definition.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import NamedTuple


class Stage(NamedTuple):
    """One stage: the image it begins with, its programs in order, what its image is told to be."""

    base: str
    runs: list[str]
    copies: list[list[str]]
    labels: dict[str, str]
    environment: dict[str, str]
    entrypoint: list[str]


def stages(text: str, arguments: dict[str, str]) -> list[Stage]:
    """Every stage, with variables replaced by the arguments or by their defaults.

    Raises:
        ValueError: an instruction that is not understood here.
    """
    values: dict[str, str] = {}
    found: list[Stage] = []
    for word, rest in _instructions(text):
        value = _filled(rest, values)
        if word == "ARG":
            name, _, default = value.partition("=")
            values[name] = arguments.get(name, default)
        elif word == "FROM":
            found.append(Stage(value.split()[0], [], [], {}, {}, []))
        elif word == "RUN":
            found[-1].runs.append(value)
        elif word == "COPY":
            found[-1].copies.append(value.split())
        elif word in {"LABEL", "ENV"}:
            into = found[-1].labels if word == "LABEL" else found[-1].environment
            into.update(pair.partition("=")[::2] for pair in shlex.split(value))
        elif word == "ENTRYPOINT":
            found[-1].entrypoint.extend(json.loads(value))
        else:
            raise ValueError(f"{word} is not understood here")
    return found


def _instructions(text: str) -> list[tuple[str, str]]:
    kept = "\n".join(line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    pairs = (line.partition(" ") for line in re.sub(r"\\\n\s*", "", kept).splitlines())
    return [(word, rest.strip()) for word, _, rest in pairs]


def _filled(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], text)
