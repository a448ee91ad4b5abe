"""A stand-in for helm, as far as our commands use it: charts and files must be there; releases are in $RELEASES."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

_VALUED = {"--namespace", "--values", "--set", "--kube-context", "--kubeconfig"}
_SWITCHES = {"--install", "--reuse-values"}


def main(argv: list[str]) -> int:
    """One command; fails as helm does, by exit code and a line on stderr."""
    words, flags = _split(argv)
    store = Path(os.environ["RELEASES"])
    releases: dict[str, dict[str, str]] = json.loads(store.read_text()) if store.exists() else {}
    release = f"{flags.get('--namespace', 'of the context')}/{words[1]}"
    if words[0] == "upgrade":
        _upgrade(releases, release, words[2], flags)
    elif words[0] == "uninstall":
        if releases.pop(release, None) is None:
            _fail(f"uninstall: release: not found: {release}")
    else:
        _fail(f"unknown command {words[0]}")
    store.write_text(json.dumps(releases))
    return 0


def _upgrade(releases: dict[str, dict[str, str]], release: str, chart: str, flags: dict[str, str]) -> None:
    if not Path(chart, "Chart.yaml").is_file():
        _fail(f"path {chart} not found")
    if "--values" in flags and not Path(flags["--values"]).is_file():
        _fail(f"open {flags['--values']}: no such file or directory")
    if release not in releases and "--install" not in flags:
        _fail(f"{release} has no deployed releases")
    if "--reuse-values" not in flags:
        releases[release] = {}
    name, _, value = flags.get("--set", "").partition("=")
    releases[release] |= {name: value} if name else {}


def _split(argv: list[str]) -> tuple[list[str], dict[str, str]]:
    words: list[str] = []
    flags: dict[str, str] = {}
    pending = iter(argv)
    for word in pending:
        if word in _VALUED:
            flags[word] = next(pending)
        elif word in _SWITCHES:
            flags[word] = ""
        elif word.startswith("-"):
            _fail(f"unknown flag: {word}")
        else:
            words.append(word)
    return words, flags


def _fail(message: str) -> NoReturn:
    sys.stderr.write(f"Error: {message}\n")
    sys.exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
