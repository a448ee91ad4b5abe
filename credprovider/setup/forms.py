"""What an answer may look like, by kind: checked before it comes near a script, a manifest or a message; pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from credprovider.kubelet.reference import ImageNameError, image_name
from credprovider.kubelet.versions import parse_version
from credprovider.registries import is_google
from credprovider.settings_model import GUID

if TYPE_CHECKING:
    from collections.abc import Callable

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"

#: Kind -> its form (always the whole text, ASCII alone), and what to tell whose answer does not have it.
#: Sources: Azure's naming rules for resources, Kubernetes' object names, gcloud's help on pools and providers.
FORMS: dict[str, tuple[str, str]] = {
    "cluster": (
        r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?",
        "letters, digits, _ and -, at most 63, beginning and ending with a letter or digit",
    ),
    "resource-group": (
        r"[A-Za-z0-9_()-](?:[A-Za-z0-9_.()-]{0,88}[A-Za-z0-9_()-])?",
        "letters, digits, _ . ( ) and -, at most 90, not ending in a dot",
    ),
    "guid": (GUID.pattern, "a GUID, e.g. 00000000-0000-4000-8000-000000000000"),
    "location": (r"[a-z][a-z0-9]{2,40}", "an Azure location in its short form, e.g. westeurope"),
    "identity": (
        r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
        "letters, digits, _ and -, 3 to 128, beginning with neither _ nor -",
    ),
    "service-account": (
        rf"{_LABEL}/(?=.{{1,253}}$)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?",
        "NAMESPACE/SERVICEACCOUNT, both as Kubernetes names them, e.g. bifrost/bifrost-sa",
    ),
    "resource": (r"(?=.{1,256}$)api://[A-Za-z0-9._/-]+", "the App ID URI of an app registration, e.g. api://gcp-pulls"),
    "audience": (r"(?=.{1,256}$)[A-Za-z0-9:._/-]+", "the text of the claim aud: a GUID or an App ID URI"),
    "project": (
        r"(?:[a-z0-9.-]{1,80}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]",
        "a project id: 6 to 30 lower-case letters, digits and - (not the project's number)",
    ),
    "project-number": (r"[1-9][0-9]{4,19}", "the project's number, which `gcloud projects describe PROJECT` tells"),
    "pool": (r"(?!gcp-)[a-z0-9-]{4,32}", "4 to 32 lower-case letters, digits and -, not beginning with gcp-"),
    "google-account": (
        r"[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z][a-z0-9-]{4,28}[a-z0-9]\.iam\.gserviceaccount\.com",
        "NAME@PROJECT.iam.gserviceaccount.com",
    ),
    # 33 characters, as the name of a namespace ends in it.
    "instance": (r"[a-z0-9](?:[a-z0-9-]{0,31}[a-z0-9])?", "lower-case letters, digits and -, at most 33"),
    "port": (r"[1-9][0-9]{3,4}", "a port from 1024 to 65535"),
    "path": (r"[ -~]{1,1024}", "a path of printable ASCII characters"),
    "base": (
        r"(?:https://|\.{0,2}/|[A-Za-z0-9_])[A-Za-z0-9._/?=:+-]{0,500}",
        "a folder, or https://HOST/PATH//FOLDER?ref=VERSION",
    ),
    "registry": (r"[a-z0-9.*:/_-]{4,255}", "a host glob with optional port and path prefix, e.g. *-docker.pkg.dev"),
}


def check(kind: str, text: str) -> str:
    """The answer as it will be used.

    Args:
        kind: a key of `FORMS`, or ``image``, ``installer-image``, ``version`` or ``free`` (a word of a fixed choice).
        text: what was answered.

    Raises:
        ValueError: the text has not that form; the message says which form it should have and never quotes the text.
    """
    special = _SPECIAL.get(kind)
    if special is not None:
        return special(text)
    form, words = FORMS[kind]
    if not re.fullmatch(form, text, re.ASCII):
        raise ValueError(f"must be {words}")
    if kind == "port" and not 1024 <= int(text) <= 65535:
        raise ValueError(f"must be {words}")
    return text.lower() if kind == "guid" else text


def _image(text: str) -> str:
    """An image in a registry of Google's."""
    name = _name(text)
    if not is_google(name.partition("/")[0].partition(":")[0]):
        raise ValueError("is not in Google's registries (*.pkg.dev, gcr.io): the plugin would never be asked for it")
    return text


def _installer_image(text: str) -> str:
    """The DaemonSet's own image, which must not need the plugin that it brings."""
    host = _name(text).partition("/")[0].partition(":")[0]
    if is_google(host):
        raise ValueError(
            "is in the registry that nodes cannot pull from before this image runs there;"
            " copy it to e.g. your Azure Container Registry"
        )
    if "." not in host or (host == "docker.io" and "docker.io/" not in text):
        raise ValueError("must name its registry, e.g. REGISTRY.azurecr.io/azure-gar-credential-provider:1.0.0")
    name, tag, digest = split_image(text)
    if tag == "latest" and not digest:
        raise ValueError("has the tag latest: nobody could say what a node runs; name a version or a digest")
    if name.partition("/")[0] == name:
        raise ValueError("must have a name after the registry")
    return text


def _name(text: str) -> str:
    if not re.fullmatch(r"[!-~]{1,512}", text):
        raise ValueError("must be an image, e.g. us-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE:TAG")
    try:
        return image_name(text)
    except ImageNameError as error:
        raise ValueError(f"is no image: {error}") from None


def _version(text: str) -> str:
    if not re.fullmatch(r"v?[0-9]{1,3}(?:\.[0-9]{1,3}){1,2}", text, re.ASCII):
        raise ValueError("must be the version of Kubernetes, e.g. 1.34")
    return str(parse_version(text))


def split_image(text: str) -> tuple[str, str, str]:
    """Repository, tag and digest of an image; what is not there is an empty text."""
    name, _, digest = text.partition("@")
    head, _, last = name.rpartition("/")
    base, _, tag = last.partition(":")
    return f"{head}/{base}" if head else base, tag, digest


_SPECIAL: dict[str, Callable[[str], str]] = {
    "image": _image,
    "installer-image": _installer_image,
    "version": _version,
    "free": lambda text: text,
}
