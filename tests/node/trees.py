"""Node trees laid out as AKS does, from the fixtures, and the bundle and settings that get installed there."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

from credprovider.node.bundle import Bundle, read_bundle
from credprovider.node.install import Goal
from credprovider.node.manifest import MANIFEST, make_manifest

FIXTURES = Path(__file__).parent / "fixtures"
PROGRAM = "azure-gar-credential-provider"
CONFIG = "/var/lib/kubelet/credential-provider-config.yaml"
BIN_DIR = "/var/lib/kubelet/credential-provider"
HOME = f"{BIN_DIR}/.{PROGRAM}.d"
LINK = f"{BIN_DIR}/{PROGRAM}"
SETTINGS = f"/etc/{PROGRAM}"
TREES = sorted(path.name for path in FIXTURES.iterdir() if (path / "var").is_dir())
VARIANTS = sorted((FIXTURES / "credential-provider-config-variants").glob("*.yaml"))

_ANSWER = (
    '{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1",'
    '"cacheKeyType":"Image","cacheDuration":"0s","auth":{}}'
)

#: Stands in for the executable where the installer alone is in question: asks for its library and answers.
_SCRIPT = """\
#!/bin/sh
here=$(readlink -f "$0") && here=${{here%/*}}
[ -e "$here/_internal/library" ] || exit 255
read -r request
printf '%s\\n' '{answer}'
# {mark}
"""


def make_tree(folder: Path, name: str = "ubuntu-2204") -> Path:
    """A copy of a fixture's tree, with the modes that nodes have."""
    tree = folder / "tree"
    shutil.copytree(FIXTURES / name, tree)
    for path in tree.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.name == "acr-credential-provider" else 0o644)
    os.chmod(tree / "etc/kubernetes/azure.json", 0o600)
    return tree


def make_bundle(folder: Path, version: str = "1.0.0", *, mark: str = "", answer: str = _ANSWER) -> Bundle:
    """A small bundle that behaves like the real one; another mark makes another content."""
    place = folder / f"bundle-{version}-{mark or 'plain'}"
    (place / "_internal" / "deep").mkdir(parents=True)
    program = place / PROGRAM
    program.write_text(_SCRIPT.format(answer=answer, mark=mark))
    program.chmod(0o755)
    (place / "_internal" / "library").write_text(f"library of {version} {mark}\n")
    (place / "_internal" / "deep" / "data").write_text("data\n")
    seal(place)
    return read_bundle(str(place), version)


def seal(place: Path) -> None:
    """Write the manifest, as the build does."""
    (place / MANIFEST).write_text(make_manifest(str(place)))


VENDOR: dict[str, Any] = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/projects/12345/locations/global/workloadIdentityPools/pool-1/providers/azure",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {"file": "/var/run/secrets/azure/tokens/azure-identity-token", "format": {"type": "text"}},
}


def make_settings(folder: Path, name: str = "settings", **config: Any) -> str:
    """A folder as a ConfigMap mounts it: files are links into a folder that is swapped, and everybody may write."""
    place = folder / name
    data = place / "..data"
    data.mkdir(parents=True)
    document = {"identity": {"source": "managed-identity"}, **config}
    for file, content in (("config.json", document), ("credential-config.json", VENDOR)):
        (data / file).write_text(json.dumps(content))
        (place / file).symlink_to(f"..data/{file}")
    place.chmod(0o777)
    return str(place)


#: Settings in service-account mode, with everything that an entry can say.
PODS: dict[str, Any] = {
    "identity": {
        "source": "service-account",
        "tokenAudience": "https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "serviceAccount": {
            "require": True,
            "cacheType": "ServiceAccount",
            "requiredAnnotationKeys": ["example.com/a"],
            "optionalAnnotationKeys": ["example.com/b"],
        },
    },
    "registries": ["*-docker.pkg.dev", "us-docker.pkg.dev/vendor-a/"],
}


def make_goal(folder: Path, *, mark: str = "", version: str = "1.0.0", **config: Any) -> Goal:
    """Bundle and settings of their own kind."""
    name = f"settings-{mark or 'plain'}-{version}"
    return Goal(make_bundle(folder, version, mark=mark), make_settings(folder, name, **config))


Picture = dict[str, tuple[str, int, int, int, bytes]]


def picture(tree: Path, *, without: tuple[str, ...] = ()) -> Picture:
    """Everything below a folder: kind, mode, owner, and content or target."""
    found: Picture = {}
    for path in sorted(tree.rglob("*")):
        name = f"/{path.relative_to(tree)}"
        if name.startswith(without) and without:
            continue
        there = path.lstat()
        if path.is_symlink():
            found[name] = ("link", 0, there.st_uid, there.st_gid, os.readlink(path).encode())
        elif path.is_dir():
            found[name] = ("folder", stat.S_IMODE(there.st_mode), there.st_uid, there.st_gid, b"")
        else:
            found[name] = ("file", stat.S_IMODE(there.st_mode), there.st_uid, there.st_gid, path.read_bytes())
    return found
