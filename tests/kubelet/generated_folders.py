"""Generated folders: configurations of several files, and bin dirs in which something is not as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.kubelet import config_words as words
from tests.kubelet.generated_configs import config_text
from tests.kubelet.trees import ConfigCase, Entry, executables

if TYPE_CHECKING:
    from tests.kubelet.choices import Choices

_FOLDER = Entry(folder=True)
#: What may lie in a configuration folder beside configurations.
_BESIDE = {
    "sub": _FOLDER,
    "sub.yaml": _FOLDER,
    "to-folder": Entry(link="."),
    "to-folder.yaml": Entry(link="."),
    "to-nothing.yaml": Entry(link="nothing"),
    "to-nothing": Entry(link="nothing"),
    "to-itself.json": Entry(link="to-itself.json"),
    "to-null.yml": Entry(link="/dev/null"),
    "empty.yaml": Entry(b""),
    "notes.txt": Entry(b"nothing to read here"),
}
#: What may lie in a bin dir where an executable should.
_INSTEAD = (
    None,
    *(Entry(mode=mode) for mode in (0o644, 0o000, 0o111, 0o100, 0o010, 0o001, 0o4644, 0o2755)),
    _FOLDER,
    Entry(folder=True, mode=0o600),
    *(
        Entry(link=link)
        for link in ("nothing", "/bin/sh", "/etc/passwd", ".", "/dev/null", "neighbour", "/proc/self/exe")
    ),
    Entry(b""),
    Entry(b"\x7fELF of no machine"),
    Entry(b"no script\n"),
)


def generated_folder(choices: Choices) -> ConfigCase:
    """A case: a configuration folder, and all executables that it may name."""
    if choices.seldom(30):
        return ConfigCase(choices.pick((None, {})), {}, {words.GATE: True})
    names = choices.shuffled(words.PLUGINS)
    files: dict[str, Entry] = {}
    for _ in range(1 + choices.below(3)):
        if choices.seldom(12):
            names.insert(0, choices.pick(words.PLUGINS))  # another file may have it
        files[choices.pick(words.FILES)] = Entry(config_text(choices, names, sound=not choices.seldom(8)), 0o644)
    for _ in range(max(0, choices.below(5) - 2)):
        name = choices.pick(list(_BESIDE))
        files[name] = _BESIDE[name]
    if choices.seldom(8):
        files["linked.yaml"] = Entry(link=next(iter(files)))
    return ConfigCase(files, executables(*words.PLUGINS), {words.GATE: True})


def generated_bin_dir(choices: Choices) -> ConfigCase:
    """A case: a sound configuration, and a bin dir that may not be."""
    names = choices.shuffled(words.PLUGINS)
    if choices.seldom(4):
        names.insert(0, choices.pick((*words.LONG_NAMES, *words.OTHER_NAMES)))
    offered = names[:3]
    content = config_text(choices, names, sound=True)
    if choices.seldom(15):
        return ConfigCase(content, choices.pick((None, None, b"", b"#!/bin/sh\n")), {words.GATE: True})
    bin_dir = {"neighbour": Entry()}
    for name in offered:
        entry = choices.pick(_INSTEAD) if choices.seldom(4) else Entry()
        if entry is not None and _is_possible(name):
            bin_dir[name] = entry
    return ConfigCase(content, bin_dir, {words.GATE: True})


def _is_possible(name: str) -> bool:
    """Can a file in the bin dir have this name?"""
    return name not in {"", ".", ".."} and not {"/", "\0"} & set(name) and len(name.encode()) < 256
