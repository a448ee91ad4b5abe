"""The product's checkout, which has the chart, the Kustomize base and the executable that a person's commands need."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from credprovider.errors import PROGRAM

#: Below the checkout: chart, Kustomize base, and the executable that `./dev build` makes.
CHART = f"node-config/helm/{PROGRAM}"
BASE = "node-config/kustomize"
EXECUTABLE = f"dist/{PROGRAM}/{PROGRAM}"

#: Where `git clone` in a home directory puts it, as a shell reads it.
_USUAL = f"~/{PROGRAM}"


def find_checkout() -> Path | None:
    """The checkout that this program runs in, built or as source; None where it was copied elsewhere."""
    here = Path(__file__).resolve()
    return next((folder for folder in here.parents if (folder / CHART / "Chart.yaml").is_file()), None)


def checkout_word(checkout: Path | None, seen_from: Path | None = None) -> str:
    """The place of a checkout as a word of a shell.

    Args:
        checkout: the folder; None for the usual place.
        seen_from: a folder to which the word is relative, so that both can be moved together; None for no such.
    """
    if checkout is None:
        return _USUAL
    return shlex.quote(str(checkout) if seen_from is None else os.path.relpath(checkout, seen_from.resolve()))
