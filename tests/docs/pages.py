"""The Markdown pages of the project, taken apart: code blocks, links, headings."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>[\w{}-]*) *$")
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)|<(?P<bare>https?://[^>\s]+)>")
_HEADING = re.compile(r"^#{1,6} +(?P<text>.*?) *#*$")
_CODE_SPAN = re.compile(r"(`+)(?:(?!`).|`(?!\1))*?\1")


@dataclass(frozen=True)
class Block:
    """A fenced code block; `line` is that of its first line of text, from 1."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        """Where it is."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass
class Page:
    """One page."""

    path: Path
    blocks: list[Block] = field(default_factory=list)
    links: list[tuple[int, str]] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)


def _slug(heading: str) -> str:
    """The anchor that code hosts and MyST make of a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")


@cache
def read_page(path: Path) -> Page:
    """Take a page apart."""
    page = Page(path)
    lines = path.read_text().split("\n")
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        fence = _FENCE.match(line)
        if fence:
            first, indent = number, len(fence["indent"])
            while lines[number].strip() != fence["fence"]:
                number += 1
            text = "\n".join(each[indent:] for each in lines[first:number]) + "\n"
            page.blocks.append(Block(path, first + 1, fence["language"], text))
            number += 1
            continue
        heading = _HEADING.match(line)
        if heading:
            page.anchors.add(_slug(heading["text"]))
        page.links += [(number, found["target"] or found["bare"]) for found in _LINK.finditer(_CODE_SPAN.sub("", line))]
    return page


@cache
def pages() -> list[Page]:
    """All Markdown files that belong to the project; what `setup` fills in first is judged by its own tests."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    ).stdout.split()
    # A release archive has no git.
    found = [ROOT / name for name in listed] or [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    return [read_page(path) for path in sorted(found) if path.exists() and "templates" not in path.parts]


def blocks(*languages: str) -> list[Block]:
    """Every block in one of the languages."""
    return [block for page in pages() for block in page.blocks if block.language in languages]
