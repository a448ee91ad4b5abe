"""What a bundle must be before it may reach a node; each check gives one verdict with its number or its culprit."""

from __future__ import annotations

import fnmatch
import json
import os
import subprocess
import tempfile
from typing import NamedTuple

import elf

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

#: Ubuntu 22.04's C library: the oldest that most AKS node images have. The image's bundle is held to 2.31, for FIPS
#: and confidential nodes with Ubuntu 20.04 (`--oldest-glibc`).
GLIBC_FLOOR = (2, 35)
MIB = 1 << 20
SIZE_LIMIT, SIZE_GOAL = 45 * MIB, 25 * MIB

#: Modules of the standard library in C that are files of their own in every Python.
_EXTENSIONS = "_contextvars _decimal _hashlib _json _opcode _ssl _typing _zoneinfo resource"
#: Those that Debian and Ubuntu build into the interpreter, and others do not.
_ELSEWHERE_EXTENSIONS = (
    "_bisect _blake2 _csv _datetime _heapq _md5 _pickle _posixsubprocess _random _sha1 _sha2 _sha256 _sha3 _sha512"
    " _socket _statistics _struct array binascii fcntl grp math select unicodedata zlib"
)

#: Every file of the bundle matches one of these; a new one has to be wanted, here, by somebody.
WANTED = (
    "{name}",
    "SHA256SUMS",  # of all others; `node install` compares with it
    "THIRD-PARTY-NOTICES",  # licences of what is redistributed here
    "_internal/base_library.zip",
    "_internal/certifi/cacert.pem",
    "_internal/credprovider/bundle.json",
    "_internal/credprovider/catalogue.json",
    "_internal/credprovider/schemas/config.schema.json",
    "_internal/credprovider/schemas/doctor.schema.json",
    "_internal/credprovider/setup/*",  # what `setup` asks and writes
    "_internal/libcrypto.so.3",
    "_internal/libexpat.so.1",  # libpython's own dependency
    "_internal/libgcc_s.so.1",  # pydantic-core's: Rust unwinds its stack with it
    "_internal/libmpdec.so.3",  # _decimal's, on Ubuntu 22.04
    "_internal/libpython3.*.so.1.0",
    "_internal/libssl.so.3",
    "_internal/libz.so.1",
    "_internal/libzstd.so.1",  # libcrypto's, on Debian 13
    "_internal/pydantic_core/_pydantic_core.*.so",
    *(f"_internal/python3.*/lib-dynload/{module}.*.so" for module in f"{_EXTENSIONS} {_ELSEWHERE_EXTENSIONS}".split()),
)


class Verdict(NamedTuple):
    """One check's outcome, in one line."""

    name: str
    good: bool
    text: str


def files_of(folder: str) -> list[str]:
    """Paths of all files and links, relative to the folder."""
    return sorted(
        os.path.relpath(os.path.join(place, name), folder) for place, _, names in os.walk(folder) for name in names
    )


def judge(folder: str, name: str, glibc: tuple[int, ...] = GLIBC_FLOOR) -> list[Verdict]:
    """Every check on one bundle, for nodes whose C library is at least this new."""
    files = files_of(folder)
    return [
        check_size(folder, files),
        check_glibc(folder, files, glibc),
        check_files(files, name),
        check_libraries(folder),
        check_run(folder, name),
    ]


def check_size(folder: str, files: list[str]) -> Verdict:
    """All bytes together."""
    size = sum(os.lstat(os.path.join(folder, file)).st_size for file in files)
    text = f"{size / MIB:.1f} MiB in {len(files)} files (limit {SIZE_LIMIT // MIB}, goal {SIZE_GOAL // MIB})"
    return Verdict("size", size <= SIZE_LIMIT, text)


def check_glibc(folder: str, files: list[str], oldest: tuple[int, ...] = GLIBC_FLOOR) -> Verdict:
    """The newest GLIBC symbol that any file asks for, and which file that is."""
    needs = {
        file: elf.glibc_needed(os.path.join(folder, file)) for file in files if elf.is_elf(os.path.join(folder, file))
    }
    file = max(needs, key=needs.__getitem__)
    text = f"needs GLIBC_{_dotted(needs[file])} for {file} (at most {_dotted(oldest)})"
    return Verdict("glibc", needs[file] <= oldest, text)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def check_files(files: list[str], name: str) -> Verdict:
    """No file that nobody asked for."""
    patterns = [pattern.format(name=name) for pattern in WANTED]
    strangers = [file for file in files if not any(fnmatch.fnmatchcase(file, pattern) for pattern in patterns)]
    if strangers:
        return Verdict("files", False, "not wanted (build/checks.py has the list): " + ", ".join(strangers))
    return Verdict("files", True, f"all {len(files)} wanted")


def check_libraries(folder: str) -> Verdict:
    """No library that the runtime lock file does not pin: the developer's environment must not leak in."""
    with open(os.path.join(ROOT, "requirements", "runtime.txt"), encoding="utf-8") as lock:
        pinned = dict(line.split()[0].split("==") for line in lock if "==" in line)
    with open(os.path.join(folder, "_internal", "credprovider", "bundle.json"), encoding="utf-8") as record:
        bundled = json.load(record)["libraries"]
    strangers = [f"{name} {version}" for name, version in bundled.items() if pinned.get(_normal(name)) != version]
    if strangers:
        return Verdict("libraries", False, "not in requirements/runtime.txt: " + ", ".join(strangers))
    return Verdict("libraries", True, ", ".join(f"{name} {version}" for name, version in bundled.items()))


def _normal(name: str) -> str:
    """A distribution's name as lock files write it (PEP 503)."""
    return name.lower().replace("_", "-").replace(".", "-")


def check_run(folder: str, name: str) -> Verdict:
    """A first run as the kubelet would do it: through a link, from /, with no environment at all."""
    before = files_of(folder)
    with tempfile.TemporaryDirectory() as place:
        link = os.path.join(place, name)
        os.symlink(os.path.join(folder, name), link)
        version = _run([link, "--version", "--format", "json"])
        refusal = _run([link, "--config", "/nonexistent.json"])
    if version.returncode != 0 or "version" not in _object(version.stdout):
        return Verdict("run", False, f"--version gave exit {version.returncode}, stderr {version.stderr[-300:]!r}")
    if refusal.returncode != 2 or refusal.stdout or refusal.stderr.count(b"\n") != 1:
        return Verdict(
            "run", False, f"an empty request gave exit {refusal.returncode}, stderr {refusal.stderr[-300:]!r}"
        )
    if files_of(folder) != before:
        return Verdict("run", False, "running it left files behind: " + ", ".join({*files_of(folder)} - {*before}))
    return Verdict("run", True, "through a link, from /, with an empty environment")


def _run(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command, env={}, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )


def _object(text: bytes) -> dict[str, object]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
