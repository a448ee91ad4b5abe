"""The bundle that runs is the bundle that gets installed: read, compared with its manifest, copied, compared again."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from credprovider import __version__
from credprovider.errors import PROGRAM
from credprovider.node.manifest import MANIFEST, digest_of, read_manifest
from credprovider.node.refusal import Refusal

if TYPE_CHECKING:
    from credprovider.node.host import Host
    from credprovider.node.places import Places

#: Versions that stay on a node: the one in use, and the one before, of which processes may still be running.
KEPT = 2

_ID = re.compile(r"[0-9][0-9A-Za-z.+-]*-[0-9a-f]{12}")
_ROOM = 16 << 20
_PIECE = 4 << 20


@dataclass(frozen=True)
class Bundle:
    """A whole bundle in a folder of this process.

    Attributes:
        folder: where it lies.
        version: of the program.
        manifest: the text of its list of files.
        files: digest by path.
    """

    folder: str
    version: str
    manifest: str
    files: dict[str, str]

    @property
    def id(self) -> str:
        """Version and content: the name of its folder on a node."""
        return f"{self.version}-{hashlib.sha256(self.manifest.encode()).hexdigest()[:12]}"

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(os.path.getsize(os.path.join(self.folder, path)) for path in self.files)


def running_bundle() -> str:
    """The folder of the program that runs this.

    Raises:
        Refusal: it runs from a checkout.
    """
    if not getattr(sys, "frozen", False):
        raise Refusal(
            "bundle-not-built",
            "this is a checkout, and only a built bundle can be installed",
            "run `./dev build` first",
        )
    return os.path.dirname(os.path.realpath(sys.executable))


def read_bundle(folder: str, version: str = __version__) -> Bundle:
    """Read a bundle and compare every file with the manifest that the build wrote.

    Raises:
        Refusal: ``bundle-damaged``, naming the first file that is missing, altered or not listed.
    """
    try:
        with open(os.path.join(folder, MANIFEST), encoding="utf-8") as file:
            text = file.read()
        files = read_manifest(text)
    except OSError:
        raise _damaged(f"has no {MANIFEST}") from None
    except ValueError as error:
        raise _damaged(f"has a {MANIFEST} that is none: {error}") from None
    if PROGRAM not in files:
        raise _damaged(f"has no executable {PROGRAM}")
    fault = _fault(folder, files)
    if fault is not None:
        raise _damaged(fault)
    return Bundle(folder, version, text, files)


def _damaged(fault: str) -> Refusal:
    return Refusal("bundle-damaged", f"the bundle {fault}", "use the image or the archive as it was released")


def _fault(folder: str, files: dict[str, str]) -> str | None:
    """The first difference between a folder and its list; the same rule for what is to be installed and for what is."""
    strays = _strays(folder, files)
    if strays:
        return f"holds {strays[0]}, which its list does not name"
    for path in sorted(files):
        place = os.path.join(folder, path)
        if not os.path.lexists(place):
            return f"lacks {path}"
        if digest_of(place) != files[path]:
            return f"has an altered {path}"
    if not os.stat(os.path.join(folder, PROGRAM)).st_mode & 0o100:
        return f"has a {PROGRAM} that may not be executed"
    return None


def _strays(folder: str, files: dict[str, str]) -> list[str]:
    """What a folder holds besides its files: others, links and devices, and whatever is in the way of one of them."""
    known, found = {*files, MANIFEST}, []
    for place, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            local = os.path.join(place, name)
            path = os.path.relpath(local, folder)
            mode = os.lstat(local).st_mode
            fits = path not in known if stat.S_ISDIR(mode) else stat.S_ISREG(mode) and path in known
            if not fits:
                found.append(path)
    return sorted(found)


def check_mount(host: Host, places: Places) -> None:
    """Can anything in the bin dir run? If not, that is the reason, and not what the kubelet makes of it.

    Raises:
        Refusal: mounted noexec.
    """
    if host.file_system(places.bin_dir).f_flag & os.ST_NOEXEC:
        raise Refusal("node-noexec", f"{places.bin_dir} is mounted noexec", "look at the node's mounts")


def check_room(host: Host, places: Places, bundle: Bundle) -> None:
    """Will the bin dir take the bundle?

    Raises:
        Refusal: mounted read-only, or not enough room.
    """
    found = host.file_system(places.bin_dir)
    if found.f_flag & os.ST_RDONLY:
        raise Refusal("node-read-only", f"{places.bin_dir} is mounted read-only", "look at the node's mounts")
    room = found.f_bavail * found.f_frsize
    if room < bundle.size + _ROOM:
        raise Refusal(
            "node-no-space",
            f"{places.bin_dir} has {room >> 20} MiB left, {(bundle.size + _ROOM) >> 20} are needed",
            "free some space on the node's disk",
        )


def folder_of(places: Places, bundle_id: str) -> str:
    """Where a bundle lies on the node."""
    return f"{places.home}/{bundle_id}"


def target_of(bundle_id: str) -> str:
    """What a link in the bin dir says."""
    return f".{PROGRAM}.d/{bundle_id}/{PROGRAM}"


def linked(host: Host, places: Places) -> str | None:
    """The bundle that our link names, be it there or not."""
    target = host.link_target(places.link)
    parts = (target or "").split("/")
    return parts[1] if len(parts) == 3 and parts[0] == f".{PROGRAM}.d" and parts[2] == PROGRAM else None


def is_whole(host: Host, places: Places, bundle: Bundle) -> bool:
    """Does the node hold every file of the bundle, unaltered and with the right mode, and nothing else?"""
    folder = folder_of(places, bundle.id)
    if not host.is_folder(folder) or _strays(host.root + host.follow(folder), bundle.files):
        return False
    return not any(_differs(host, folder, bundle, path) for path in _all(bundle))


def _all(bundle: Bundle) -> list[str]:
    return [*bundle.files, MANIFEST]


def _differs(host: Host, folder: str, bundle: Bundle, path: str) -> bool:
    found = host.lstat(f"{folder}/{path}")
    if found is None or not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) != _mode(bundle, path):
        return True
    wanted = bundle.files.get(path) or hashlib.sha256(bundle.manifest.encode()).hexdigest()
    return digest_of(host.local(f"{folder}/{path}")) != wanted


def _mode(bundle: Bundle, path: str) -> int:
    return 0o755 if os.stat(os.path.join(bundle.folder, path)).st_mode & 0o100 else 0o644


def copy(host: Host, places: Places, bundle: Bundle) -> None:
    """Bring the bundle to the node, file by file; a file that is right already stays, one that is not is replaced.

    What does not belong there goes. Into a folder that is linked already no file is ever missing in between. A new one
    gets its final name when it is whole.

    Raises:
        Refusal: what arrived is not what was sent.
        OSError: as the disk says.
    """
    folder = folder_of(places, bundle.id)
    final = host.is_folder(folder)
    place = folder if final else f"{places.home}/.{bundle.id}.new"
    if not final:
        host.remove_tree(place)
    label = _label(host, places)
    for path in _strays(host.root + host.follow(place), bundle.files):
        host.remove_tree(f"{place}/{path}")
    for path in _all(bundle):
        if _differs(host, place, bundle, path):
            _copy_file(host, place, bundle, path, label)
    damaged = [path for path in _all(bundle) if _differs(host, place, bundle, path)]
    if damaged:
        raise Refusal("bundle-damaged", f"{damaged[0]} did not arrive whole on the node", "look at the node's disk")
    if not final:
        host.rename(place, folder)


def _copy_file(host: Host, place: str, bundle: Bundle, path: str, label: bytes | None) -> None:
    with open(os.path.join(bundle.folder, path), "rb") as file:
        content = file.read()
    destination = f"{place}/{path}"
    host.make_folder(os.path.dirname(destination))
    torn = f"{os.path.dirname(destination)}/.torn"
    host.create(torn, content, mode=_mode(bundle, path), label=label)
    host.rename(torn, destination)


def _label(host: Host, places: Places) -> bytes | None:
    """``bin_t`` where SELinux is on: the reference policy lets the kubelet execute nothing of /var/lib/kubelet."""
    if not host.has_selinux():
        return None
    found = (host.label(places.bin_dir) or b"system_u:object_r:bin_t:s0\0").rstrip(b"\0").split(b":", 3)
    found[2] = b"bin_t"
    return b":".join(found) + b"\0"


def installed(host: Host, places: Places) -> list[str]:
    """Ids of the bundles that lie on the node, oldest first."""
    found = [name for name in host.names(places.home) if _ID.fullmatch(name)]
    return sorted(found, key=lambda name: _time(host, f"{places.home}/{name}"))


def _time(host: Host, path: str) -> int:
    found = host.lstat(path)
    return found.st_mtime_ns if found else 0


def in_use(host: Host, places: Places) -> set[str]:
    """Ids that a link in the bin dir names, of any instance."""
    links = (host.link_target(f"{places.bin_dir}/{name}") or "" for name in host.names(places.bin_dir))
    return {link.split("/")[1] for link in links if link.startswith(f".{PROGRAM}.d/")}


def prune(host: Host, places: Places, *, keep: int = KEPT) -> None:
    """Take old bundles away until so many are left; those in use stay, and torn copies go."""
    for name in host.names(places.home):
        if name.startswith(".") and name.endswith(".new"):
            host.remove_tree(f"{places.home}/{name}")
    used = in_use(host, places)
    idle = [name for name in installed(host, places) if name not in used]
    for name in idle[: max(0, len(idle) + len(used) - keep)]:
        _retire(host, places, name)


def _retire(host: Host, places: Places, bundle_id: str) -> None:
    """Under its final name a folder is always whole, so it loses that first."""
    dying = f"{places.home}/.{bundle_id}.new"
    host.remove_tree(dying)
    host.rename(folder_of(places, bundle_id), dying)
    host.remove_tree(dying)


def remove(host: Host, places: Places, bundle_id: str) -> None:
    """Take a bundle away unless a link names it."""
    host.remove_tree(f"{places.home}/.{bundle_id}.new")
    if host.is_folder(folder_of(places, bundle_id)) and bundle_id not in in_use(host, places):
        _retire(host, places, bundle_id)
