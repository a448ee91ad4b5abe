"""Which Kubernetes versions are built and run: the pinned ones, or those that $KUBERNETES_VERSIONS names instead.

A version that is not pinned, as in ``KUBERNETES_VERSIONS="1.33.13 1.36.3"``, gets a module file when it is first built:
the staging modules of that release, and what Go chooses to go with them. It lies in the cache, and pins nothing.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kubelet import golang

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MODULE = "k8s.io/kubernetes"


def module_files(folder: Path, pinned: Sequence[str]) -> dict[str, str]:
    """The wanted versions, e.g. ``1.37.2``, each with its module file; that of one not pinned may not exist yet.

    Args:
        folder: of the module; its name is that of the files in the cache.
        pinned: module files in it, newest first.
    """
    known = {golang.Recipe("", folder, {}, name).version_of(MODULE): name for name in pinned}
    wanted = os.environ.get("KUBERNETES_VERSIONS", "").split() or list(known)
    return {version: known.get(version, str(_resolved(folder, version))) for version in wanted}


def build(version: str, recipe: golang.Recipe) -> Path:
    """As `golang.build`, after making the version's module file where it is not pinned."""
    path = recipe.folder / recipe.module_file
    if not path.exists():
        _resolve(version, recipe, path)
    return golang.build(recipe)


def _resolved(folder: Path, version: str) -> Path:
    return golang.cache() / "modules" / f"{folder.name}-{version}.mod"


def _resolve(version: str, recipe: golang.Recipe, path: Path) -> None:
    """Writes the module file; the .sum beside it holds what the checksum database vouches for."""
    told = json.loads(golang.ask(recipe.folder, "mod", "download", "-json", f"{MODULE}@v{version}"))
    theirs = Path(told["GoMod"]).read_text()
    modules = re.findall(r"^\t(k8s\.io/\S+) v0\.0\.0$", theirs, re.MULTILINE)
    staging = dict.fromkeys(modules, version.replace("1.", "v0.", 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"unfinished-{path.name}")
    for old in (unfinished, unfinished.with_suffix(".sum")):
        old.unlink(missing_ok=True)
    godebug = re.findall(r"^godebug default=\S+$", theirs, re.MULTILINE)
    unfinished.write_text(_text({MODULE: f"v{version}", **staging}, godebug))
    packages = recipe.programs.values()
    golang.ask(recipe.folder, "list", "-mod=mod", f"-modfile={unfinished}", "-deps", *packages)
    unfinished.with_suffix(".sum").rename(path.with_suffix(".sum"))
    unfinished.rename(path)


def _text(modules: Mapping[str, str], godebug: Sequence[str]) -> str:
    required = [f"\t{name} {version}" for name, version in modules.items()]
    return "\n".join(["module resolved", "", "go 1.26.0", "", *godebug, "", "require (", *required, ")", ""])
