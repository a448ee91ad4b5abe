"""What an ELF file asks of the C library, read from the file itself; and the one thing that may be loosened in it.

64-bit little-endian files only, which both platforms of the bundle (x86-64, AArch64) use. Field layouts: elf(5) and the
Linux Standard Base, "Symbol Versioning".
"""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

_SHT_DYNSYM, _SHT_VERNEED, _SHT_VERSYM = 11, 0x6FFFFFFE, 0x6FFFFFFF
_STB_WEAK = 2
_VER_NDX_GLOBAL = 1
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL_SIZE = 24
_VERNEED = struct.Struct("<HHIII")
_VERNAUX = struct.Struct("<IHHII")


class Section(NamedTuple):
    """A section header: where its bytes are, and which other section holds its strings."""

    kind: int
    offset: int
    size: int
    link: int
    info: int


class Need(NamedTuple):
    """A version of a library that is needed: its name (``GLIBC_2.34``), its number in .gnu.version, where it stands."""

    version: str
    number: int
    offset: int
    previous: int
    owner: int


class Elf:
    """A file's bytes, opened up as far as symbol versions go."""

    def __init__(self, content: bytes) -> None:
        self.content = bytearray(content)
        table, size, count = *struct.unpack_from("<Q", content, 0x28), *struct.unpack_from("<HH", content, 0x3A)
        self._sections = []
        for at in range(table, table + size * count, size):
            _, kind, _, _, offset, length, link, info, _, _ = _SECTION.unpack_from(content, at)
            self._sections.append(Section(kind, offset, length, link, info))

    def _section(self, kind: int) -> Section | None:
        return next((section for section in self._sections if section.kind == kind), None)

    def _text(self, strings: int, offset: int) -> str:
        start = self._sections[strings].offset + offset
        return self.content[start : self.content.index(b"\0", start)].decode()

    def needs(self) -> list[Need]:
        """Every version of every library that is asked for."""
        section = self._section(_SHT_VERNEED)
        found: list[Need] = []
        at = section.offset if section else 0
        for _ in range(section.info if section else 0):
            _, _, _, aux, step = _VERNEED.unpack_from(self.content, at)
            place, previous = at + aux, 0
            while True:
                _, _, index, name, onward = _VERNAUX.unpack_from(self.content, place)
                found.append(
                    Need(self._text(section.link if section else 0, name), index & 0x7FFF, place, previous, at)
                )
                if not onward:
                    break
                place, previous = place + onward, place
            at += step
        return found

    def symbols(self) -> dict[str, int]:
        """Dynamic symbols by name, with their position in the table."""
        section = self._section(_SHT_DYNSYM)
        if section is None:
            return {}
        names = {}
        for position in range(section.size // _SYMBOL_SIZE):
            (name,) = struct.unpack_from("<I", self.content, section.offset + position * _SYMBOL_SIZE)
            names[self._text(section.link, name)] = position
        return names

    def weaken(self, symbol: str) -> None:
        """Make one imported symbol weak and free of a version, and drop the version if nothing else asks for it.

        With it the file loads on a C library that lacks the symbol (its address is then 0), and uses it where it is.
        """
        dynsym, versym = self._section(_SHT_DYNSYM), self._section(_SHT_VERSYM)
        position = self.symbols()[symbol]
        if dynsym is None or versym is None:
            raise ValueError("has no versioned symbols")
        info = dynsym.offset + position * _SYMBOL_SIZE + 4
        self.content[info] = _STB_WEAK << 4 | self.content[info] & 0xF
        versions = list(struct.unpack_from(f"<{versym.size // 2}H", self.content, versym.offset))
        dropped, versions[position] = versions[position] & 0x7FFF, _VER_NDX_GLOBAL
        struct.pack_into(f"<{len(versions)}H", self.content, versym.offset, *versions)
        if dropped not in {version & 0x7FFF for version in versions}:
            self._unlink(next(need for need in self.needs() if need.number == dropped))

    def _unlink(self, need: Need) -> None:
        """Take a version out of the chain of what is asked of one library."""
        _, _, _, _, onward = _VERNAUX.unpack_from(self.content, need.offset)
        version, count, file, aux, step = _VERNEED.unpack_from(self.content, need.owner)
        if not need.previous:
            if not onward:
                raise ValueError("would leave a library that nothing is asked of")
            aux += onward
        else:
            (reach,) = struct.unpack_from("<I", self.content, need.previous + 12)
            struct.pack_into("<I", self.content, need.previous + 12, reach + onward if onward else 0)
        _VERNEED.pack_into(self.content, need.owner, version, count - 1, file, aux, step)


def is_elf(path: str) -> bool:
    """Does the file begin as ELF files do?"""
    with open(path, "rb") as file:
        return file.read(6) == b"\x7fELF\x02\x01"


def glibc_needed(path: str) -> tuple[int, ...]:
    """The highest GLIBC version an ELF file asks for, e.g. ``(2, 34)``; ``(0,)`` if none."""
    with open(path, "rb") as file:
        needs = Elf(file.read()).needs()
    versions = [need.version.removeprefix("GLIBC_") for need in needs if need.version.startswith("GLIBC_2")]
    return max((tuple(map(int, version.split("."))) for version in versions), default=(0,))


def weaken(path: str, symbol: str) -> bool:
    """`Elf.weaken` on a file, in place; False when the file does not know the symbol."""
    with open(path, "rb") as file:
        elf = Elf(file.read())
    if symbol not in elf.symbols():
        return False
    elf.weaken(symbol)
    temporary = path + ".new"
    with open(temporary, "wb") as file:
        file.write(elf.content)
    os.chmod(temporary, os.stat(path).st_mode & 0o777)
    os.replace(temporary, path)
    return True
