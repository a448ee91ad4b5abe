"""The error catalogue as pages show it."""

from __future__ import annotations

import re

from credprovider import catalogue

_CODE = re.compile(r"`([^`]*)`")


def table(hop: str) -> str:
    """One section for each error of a hop, in the order in which they are tried; ``any`` is what happens anywhere."""
    found = [entry for entry in catalogue.entries() if (entry.hops[0] if entry.hops else "any") == hop]
    if not found:
        raise KeyError(hop)
    return "\n\n".join(_section(entry) for entry in found)


def hops() -> list[str]:
    """The hops that have entries, each entry under the first one it names."""
    return list(dict.fromkeys(entry.hops[0] if entry.hops else "any" for entry in catalogue.entries()))


def placeholders(_: str = "") -> str:
    """Every placeholder and its meaning."""
    rows = [f"| `{catalogue.stand_in(name)}` | {meaning} |" for name, meaning in catalogue.placeholders().items()]
    return "\n".join(["| in a remedy | stands for |", "|---|---|", *rows])


def _section(entry: catalogue.Entry) -> str:
    also = ", ".join(entry.hops[1:])
    notes = [f"Also at: {also}."] if also else []
    notes += ["It may pass by itself; the plugin tries again within its deadline."] if entry.retry else []
    lines = [f"### `{entry.code}`", "", _named(entry.cause), "", f"**Mend:** {_named(entry.remedy)}"]
    return "\n".join(lines + (["", " ".join(notes)] if notes else []))


def _named(template: str) -> str:
    """The template with what stands for its placeholders, as the plugin shows what it does not know."""
    text = _filled(template)
    # Outside of code, what looks like HTML or emphasis to Markdown is text.
    parts = _CODE.split(text)
    return "".join(f"`{part}`" if index % 2 else _plain(part) for index, part in enumerate(parts))


def _filled(template: str) -> str:
    names = catalogue.placeholders()
    pattern = re.compile(r"\{([a-z_]+)(?:\|[a-z_]+)*\}")
    return pattern.sub(lambda found: catalogue.stand_in(found[1]) if found[1] in names else found[0], template)


def _plain(text: str) -> str:
    return re.sub(r"([*<>|\[\]])", r"\\\1", text)


def codes() -> list[str]:
    """All codes."""
    return [entry.code for entry in catalogue.entries()]
