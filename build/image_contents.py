"""Writes the bill of materials of the image into its root: ``image_contents.py ROOT BUNDLE_BILL``.

Read from the root as it is: every file has to be a package's that ``status.d`` describes, the bundle's, or one of the
few that root.sh makes.
"""

from __future__ import annotations

import os
import sys

import sbom
from contents import Owner

NAME = "azure-gar-credential-provider"
STATUS = "var/lib/dpkg/status.d"
DOCUMENTS = f"usr/share/doc/{NAME}"

#: Made by root.sh and assemble.sh. The certificates are a package's, put into one file.
_MADE = {"etc/group", "etc/nsswitch.conf", "etc/passwd"}
_CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


def packages(root: str) -> list[Owner]:
    """Debian's packages in a root, with the files of theirs that are there."""
    found = []
    for name in sorted(os.listdir(os.path.join(root, STATUS))):
        if name.endswith(".md5sums"):
            continue
        with open(os.path.join(root, STATUS, name), encoding="utf-8") as file:
            fields = dict(line.rstrip("\n").partition(": ")[::2] for line in file if not line.startswith(" "))
        with open(os.path.join(root, STATUS, name + ".md5sums"), encoding="utf-8") as file:
            files = {line.rstrip("\n").partition("  ")[2] for line in file}
        if name == "ca-certificates":
            files.add(_CERTIFICATES)
        found.append(Owner("deb", name, fields["Version"], files=files))
    return found


def strangers(root: str, owners: list[Owner]) -> list[str]:
    """Files of a root that belong to nobody."""
    owned = _MADE.union(*(owner.files for owner in owners))
    inside = (f"opt/{NAME}/", STATUS + "/", DOCUMENTS + "/")
    paths = (
        os.path.relpath(os.path.join(place, name), root)
        for place, _, names in os.walk(root)
        for name in names
        if not os.path.islink(os.path.join(place, name))
    )
    return sorted(path for path in paths if path not in owned and not path.startswith(inside))


def main(root: str, bundle_bill: str, version: str) -> int:
    """Write the image's bill, and the bundle's beside it."""
    owners = packages(root)
    unknown = strangers(root, owners)
    if unknown:
        print("nobody is known to own " + ", ".join(unknown), file=sys.stderr)
        return 1
    with open(bundle_bill, encoding="utf-8") as file:
        bundle = file.read()
    folder = os.path.join(root, DOCUMENTS)
    os.makedirs(folder, exist_ok=True)
    for name, text in (("bundle", bundle), ("image", sbom.image_bom(NAME, version, owners, root, bundle))):
        with open(os.path.join(folder, name + ".cdx.json"), "w", encoding="utf-8") as file:
            file.write(text)
    return 0


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from credprovider import __version__

    sys.exit(main(sys.argv[1], sys.argv[2], __version__))
