"""Manifests as helm and kustomize make them of a case's values."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.chart.values_schema import CHART
from tests.unit.core.making import CLIENT_ID, GUIDE, TOKEN_AUDIENCE

if TYPE_CHECKING:
    from tests.chart.build import Tools

NAME = "azure-gar-credential-provider"
KUSTOMIZE = CHART.parent.parent / "kustomize"
IMAGE = "registry.azurecr.io/installer"
ENTRA = {"tenantId": "11111111-1111-4111-8111-111111111111", "clientId": CLIENT_ID}

#: Mode -> config.json. Each is what a user would write for it, and no more.
MODES: dict[str, dict[str, Any]] = {
    "managed-identity": {"identity": {"source": "managed-identity", "clientId": CLIENT_ID}},
    "token-file": {"identity": {"source": "token-file", "tokenAudience": TOKEN_AUDIENCE}},
    "token-file-entra": {"identity": {"source": "token-file", "entra": ENTRA}},
    "service-account": {"identity": {"source": "service-account", "tokenAudience": TOKEN_AUDIENCE}},
    "service-account-entra": {"identity": {"source": "service-account", "entra": ENTRA}},
}

Objects = dict[tuple[str, str], dict[str, Any]]


def values(settings: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Values of a release of these settings and the vendor's file."""
    return {
        "image": {"repository": IMAGE, "tag": "1.2.3"},
        "settings": settings,
        "credentialConfig": json.dumps(GUIDE),
        **more,
    }


def helm(
    tools: Tools, folder: Path, chosen: dict[str, Any], *arguments: str, chart: Path = CHART
) -> subprocess.CompletedProcess[str]:
    """`helm template`, whatever it ends in."""
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(chosen))
    command: list[str | Path] = [
        tools.helm,
        "template",
        "release",
        chart,
        "--namespace",
        "default",
        "--values",
        path,
        *arguments,
    ]
    environ = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environ)


def rendered(tools: Tools, folder: Path, chosen: dict[str, Any], *arguments: str) -> Objects:
    """The chart's objects."""
    done = helm(tools, folder, chosen, *arguments)
    assert done.returncode == 0, done.stderr
    return objects(done.stdout)


def notes(tools: Tools, folder: Path, chosen: dict[str, Any], *arguments: str) -> str:
    """What is shown after an installation: `helm template` leaves it out, so a copy of the chart renders it."""
    chart = folder / "chart"
    shutil.copytree(CHART, chart, dirs_exist_ok=True)
    text = (chart / "templates" / "NOTES.txt").read_text()
    (chart / "templates" / "_notes.tpl").write_text(f'{{{{- define "notes" -}}}}{text}{{{{- end }}}}')
    (chart / "templates" / "notes.yaml").write_text(
        'apiVersion: v1\nkind: Notes\nmetadata: {name: notes}\ndata: {{ include "notes" . | toJson }}\n'
    )
    done = helm(tools, folder, chosen, "--show-only", "templates/notes.yaml", *arguments, chart=chart)
    assert done.returncode == 0, done.stderr
    return str(yaml.safe_load(done.stdout)["data"])


def kustomized(tools: Tools, folder: Path, overlay: dict[str, Any], files: dict[str, str]) -> Objects:
    """The objects of an overlay; the folder of the base is `BASE` in it."""
    done = kustomize(tools, folder, overlay, files)
    assert done.returncode == 0, done.stderr
    return objects(done.stdout)


def kustomize(
    tools: Tools, folder: Path, overlay: dict[str, Any], files: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """`kustomize build` of an overlay, whatever it ends in."""
    here = folder / "overlay"
    here.mkdir()
    for name, text in files.items():
        (here / name).write_text(text)
    base = Path("..").joinpath(*[".."] * (len(folder.parts) - 1), *KUSTOMIZE.parts[1:])
    text = json.dumps(overlay).replace("BASE", str(base))
    (here / "kustomization.yaml").write_text(text)
    command: list[str | Path] = [tools.kustomize, "build", "--load-restrictor=LoadRestrictionsNone", here]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})


def objects(text: str) -> Objects:
    """Kind and name -> object."""
    documents = [document for document in yaml.safe_load_all(text) if document]
    found = {(document["kind"], document["metadata"]["name"]): document for document in documents}
    assert len(found) == len(documents), "two objects of one kind and name"
    return found


def pod(found: Objects, name: str = NAME) -> dict[str, Any]:
    """The pods' spec of the DaemonSet."""
    spec: dict[str, Any] = found["DaemonSet", name]["spec"]["template"]["spec"]
    return spec


def config_map(found: Objects) -> dict[str, Any]:
    """The one ConfigMap."""
    (name,) = [name for kind, name in found if kind == "ConfigMap"]
    return found["ConfigMap", name]
