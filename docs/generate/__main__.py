"""``python -m docs.generate``: make the generated parts of all pages anew, and say which have changed."""

from __future__ import annotations

from docs.generate.parts import ROOT, pages, renewed

for page in pages():
    old = page.read_text()
    new = renewed(old)
    if new != old:
        page.write_text(new)
        print(page.relative_to(ROOT))  # noqa: T201 - tells a person
