"""The Artifact Registry repository of an image, which reading is granted on; pure."""

from __future__ import annotations

from dataclasses import dataclass

from credprovider.kubelet.reference import image_name
from credprovider.setup.inputs import Fault

#: Registry host without a location of its own -> location of its repository (Artifact Registry, gcr.io domains).
_GCR_LOCATIONS = {"gcr.io": "us", "us.gcr.io": "us", "eu.gcr.io": "europe", "asia.gcr.io": "asia"}


@dataclass(frozen=True)
class Repository:
    """An Artifact Registry repository."""

    project: str
    location: str
    name: str


def repository_of(image: str) -> Repository | None:
    """The repository of an image, by the rules of Artifact Registry's host names."""
    host, _, path = image_name(image).partition("/")
    parts = path.split("/")
    # A project of a domain is written example.com/project in an image and example.com:project elsewhere.
    project = f"{parts.pop(0)}:{parts[0]}" if "." in parts[0] and len(parts) > 1 else parts[0]
    if host in _GCR_LOCATIONS:
        return Repository(project, _GCR_LOCATIONS[host], host)
    location, found, _ = host.partition("-docker.pkg.dev")
    return Repository(project, location, parts[1]) if found and len(parts) > 2 and "." not in location else None


def check_repository(repository: Repository | None) -> list[Fault]:
    """Why nothing can be granted on an image's repository."""
    if repository is None:
        return [Fault("image", "must be LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE to be granted")]
    if repository.project.isdigit():
        return [Fault("image", "names its project by number; gcloud takes the id only")]
    return []
