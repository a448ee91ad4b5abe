"""The hops of `doctor`, in their order."""

from __future__ import annotations

from credprovider.doctor.hops import HOPS, TITLES


def table(_: str = "") -> str:
    """Name, what it is about, what it needs."""
    rows = [f"| `{hop.name}` | {TITLES[hop.name]} | {', '.join(f'`{each}`' for each in hop.needs)} |" for hop in HOPS]
    return "\n".join(["| hop | about | needs |", "|---|---|---|", *rows])
