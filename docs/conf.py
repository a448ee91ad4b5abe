"""Sphinx's settings; `./dev docs` builds with warnings as errors, so a dead link or anchor fails the build."""  # noqa: INP001

from __future__ import annotations

import re
from pathlib import Path

_HERE = Path(__file__).parent
_FOUND = re.search(r'__version__ = "([^"]+)"', (_HERE.parent / "credprovider" / "__init__.py").read_text())

project = "azure-gar-credential-provider"
author = "the authors of azure-gar-credential-provider"
release = version = _FOUND[1] if _FOUND else ""
extensions = ["myst_parser"]
exclude_patterns = ["generate"]
nitpicky = True

myst_heading_anchors = 4
myst_links_external_new_tab = False

html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
html_show_sourcelink = False
# Nothing is loaded from another host.
html_theme_options = {"top_of_page_buttons": []}
