"""Every link leads somewhere: inside the project to a file and a heading that exist, outside to hosts we answer for."""

from __future__ import annotations

import urllib.parse

import pytest

from tests.docs.pages import ROOT, Page, pages, read_page

#: Makers of what the pages talk about. A link elsewhere needs a reason, and then a line here.
HOSTS = frozenset(
    {
        "cloud.google.com",
        "console.cloud.google.com",
        "github.com",
        "kubernetes.io",
        "learn.microsoft.com",
        "www.rfc-editor.org",
    }
)


def _links() -> list[tuple[Page, int, str]]:
    return [(page, line, target) for page in pages() for line, target in page.links]


_INTERNAL = [each for each in _links() if "://" not in each[2]]
_EXTERNAL = [each for each in _links() if "://" in each[2]]


def _name(link: tuple[Page, int, str]) -> str:
    page, line, target = link
    return f"{page.path.relative_to(ROOT)}:{line} {target}"


@pytest.mark.parametrize("link", _INTERNAL, ids=_name)
def test_internal_link_leads_to_a_file_and_a_heading(link: tuple[Page, int, str]) -> None:
    page, _, target = link
    path, _, anchor = target.partition("#")
    found = (page.path.parent / path).resolve() if path else page.path
    assert found.exists()
    assert found.is_relative_to(ROOT)
    if anchor:
        assert anchor in read_page(found).anchors


@pytest.mark.parametrize("link", _EXTERNAL, ids=_name)
def test_external_link_leads_to_a_known_host_by_https(link: tuple[Page, int, str]) -> None:
    parts = urllib.parse.urlsplit(link[2])
    assert (parts.scheme, parts.hostname in HOSTS) == ("https", True)


@pytest.mark.parametrize("link", [each for each in _INTERNAL if each[0].path.is_relative_to(ROOT / "docs")], ids=_name)
def test_pages_of_the_built_site_stay_in_it(link: tuple[Page, int, str]) -> None:
    page, _, target = link
    path = target.partition("#")[0]
    assert (page.path.parent / path).resolve().is_relative_to(ROOT / "docs")
