"""Bills of materials (CycloneDX 1.6, JSON) of the bundle and of the image, made from what was built.

The same content gives the same bytes: the serial number comes from the digests, the time from SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import uuid
from typing import TYPE_CHECKING, Any

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contents import Owner

#: SPDX expressions of works whose owners state none that machines could read.
LICENCES = {
    "base-files": "GPL-2.0-or-later",
    "ca-certificates": "GPL-2.0-or-later AND MPL-2.0",
    "google-auth": "Apache-2.0",
    "libc6": "LGPL-2.1-or-later AND GPL-2.0-or-later",
    "libexpat1": "MIT",
    "libgcc-s1": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libmpdec3": "BSD-2-Clause",
    "libpcre2-8-0": "BSD-3-Clause WITH PCRE2-exception",
    "libssl3": "Apache-2.0",
    "libssl3t64": "Apache-2.0",
    "libzstd1": "BSD-3-Clause",
    "openssl": "Apache-2.0",
    "pyinstaller": "GPL-2.0-or-later WITH Bootloader-exception",
    "util-linux": "GPL-2.0-or-later",
    "zlib": "Zlib",
    "zlib1g": "Zlib",
}
_PYTHON = re.compile(r"(lib)?python(3.*)?")
_NAMESPACE = uuid.UUID("8a3c5f0e-1b53-5d0c-9c57-6f1c2a7b9e44")


def bundle_bom(owners: list[Owner], folder: str) -> str:
    """The bill of a bundle, as JSON text.

    Args:
        owners: from `contents.owners`, ours first.
        folder: the bundle, for the digests of its files.
    """
    product, *others = owners
    return _written(
        _component(product, folder, ComponentType.APPLICATION), (_component(owner, folder) for owner in others)
    )


def image_bom(name: str, version: str, owners: list[Owner], folder: str, bundle: str) -> str:
    """The bill of the image: Debian's packages in its root, and the bundle's bill inside it.

    Args:
        name: of the product.
        version: of the product.
        owners: the packages, with their files.
        folder: the image's root.
        bundle: the bundle's own bill, as JSON text.
    """
    image = Component(name=name, version=version, type=ComponentType.CONTAINER, bom_ref="image")
    # Its own components keep their references, so that both bills speak of the same things.
    inside: Any = Bom.from_json(json.loads(bundle))  # type: ignore[attr-defined] # made by a decorator
    return _written(
        image, [*(_component(owner, folder) for owner in owners), inside.metadata.component, *inside.components]
    )


def _component(owner: Owner, folder: str, kind: ComponentType = ComponentType.LIBRARY) -> Component:
    purl = _purl(owner)
    return Component(
        name=owner.name,
        version=owner.version,
        type=kind,
        bom_ref=purl.to_string() if purl else f"{owner.kind}:{owner.name}@{owner.version}",
        purl=purl,
        licenses=[_licence(owner)] if owner.kind != "ours" else [],
        components=[*_files(owner, folder), *_inside(owner)],
        properties=[Property(name="origin", value=owner.kind)]
        + [Property(name="module", value=module) for module in sorted(owner.modules)],
    )


def _files(owner: Owner, folder: str) -> Iterable[Component]:
    for path in sorted(owner.files):
        with open(os.path.join(folder, path), "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest)]
        yield Component(name=path, type=ComponentType.FILE, bom_ref=f"file:{owner.name}:{path}", hashes=hashes)


def _inside(owner: Owner) -> Iterable[Component]:
    """What a wheel says was linked into its library: names, versions, licences."""
    for path in owner.sboms:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        for part in document.get("components", ()):
            expressions = [entry["expression"] for entry in part.get("licenses", ()) if "expression" in entry]
            yield Component(
                name=part["name"],
                version=part.get("version"),
                type=ComponentType.LIBRARY,
                bom_ref=f"{owner.name}:{part['name']}@{part.get('version')}",
                purl=PackageURL("cargo", None, part["name"], part.get("version")),
                licenses=[LicenseExpression(expression) for expression in expressions[:1]],
            )


def _purl(owner: Owner) -> PackageURL | None:
    if owner.kind == "pypi":
        return PackageURL("pypi", None, owner.name.lower().replace("_", "-"), owner.version)
    if owner.kind == "deb":
        return PackageURL("deb", "debian", owner.name, owner.version)
    if owner.kind == "compiled":
        return PackageURL("deb", "debian", owner.name, owner.version, {"arch": "source"})
    return PackageURL("generic", None, owner.name, owner.version) if owner.kind != "ours" else None


def _licence(owner: Owner) -> LicenseExpression | DisjunctiveLicense:
    if _PYTHON.match(owner.name) and owner.kind != "pypi":
        return LicenseExpression("Python-2.0.1")
    known = LICENCES.get(owner.name) or (owner.licence if re.fullmatch(r"[A-Za-z0-9.-]+", owner.licence) else "")
    return LicenseExpression(known) if known else DisjunctiveLicense(name=owner.licence or "see its copyright file")


def _written(product: Component, components: Iterable[Component]) -> str:
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "315532800"))
    bom = Bom(components=components)
    bom.metadata.component = product
    bom.metadata.timestamp = dt.datetime.fromtimestamp(epoch, dt.timezone.utc)
    bom.serial_number = uuid.UUID(int=0)
    for component in bom.components:
        bom.register_dependency(product, [component])
    content = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)
    bom.serial_number = uuid.uuid5(_NAMESPACE, content)
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1) + "\n"
