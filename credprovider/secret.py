"""A token that cannot be printed by accident; any module may hold one, few places may open it.

Those are the requests in `identity`, `exchange`, `kubelet.request` and `doctor.registry_hops`, the `password` in
`protocol`, the file that `token_cache` writes, and `claims`, which reads what a JWT says of itself.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class Secret:
    """A bearer token. `reveal()` is the only way to its text; printing and formatting mask it, pickling is refused."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The token itself. Every call site is a place to look at in a review."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return "Secret(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never serialised")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __len__(self) -> int:
        return len(self._text)
