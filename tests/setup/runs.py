"""Runs of `setup` for every mode, with the answers that suit the loopback cloud."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from credprovider.commands import setup
from tests.cloud.world import WORLD
from tests.setup.clouds import CLUSTER, GROUP, SUBSCRIPTION

if TYPE_CHECKING:
    from pathlib import Path

PROVIDER = "setup-provider"
BASE: dict[str, Any] = {
    "cluster": CLUSTER,
    "resourceGroup": GROUP,
    "subscription": SUBSCRIPTION,
    "tenant": WORLD.tenant_id,
    "kubernetesVersion": "1.34",
    "image": WORLD.image,
    "installerImage": "demo.azurecr.io/azure-gar-credential-provider:1.0.0",
}
#: With these the pool is the user's own.
OWN_GOOGLE: dict[str, Any] = {
    "googleOwner": "own",
    "googleProject": WORLD.project,
    "googleProjectNumber": WORLD.project_number,
    "googlePool": WORLD.pool,
    "googleProvider": PROVIDER,
}
PODS: dict[str, Any] = {"pulledBy": "service-accounts", "serviceAccounts": ["bifrost/bifrost-sa", "other/puller"]}


@dataclass(frozen=True)
class Case:
    """A mode, and the answers that lead to it.

    Attributes:
        owner: vendor or own.
        impersonated: does the vendor's file name a service account?
    """

    mode: str
    owner: str
    impersonated: bool
    extra: dict[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def id(self) -> str:
        middle = [self.note] if self.note else []
        return "-".join([self.mode, *middle, self.owner, "impersonated" if self.impersonated else "direct"])

    @property
    def answers(self) -> dict[str, Any]:
        own = OWN_GOOGLE if self.owner == "own" else {}
        account = {"googleServiceAccount": WORLD.service_account_email} if own and self.impersonated else {}
        return {**BASE, **own, **account, **self.extra}


_LEADS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("managed-identity", {}, ""),
    ("managed-identity", {"mode": "managed-identity", "identity": "own"}, "own"),
    ("token-file", {"trust": "cluster"}, ""),
    ("token-file-entra", {"trust": "entra", "identity": "own"}, ""),
    ("service-account", {**PODS, "trust": "cluster"}, ""),
    ("service-account-entra", {**PODS, "trust": "entra"}, ""),
)
CASES = [
    Case(mode, owner, impersonated, extra, note)
    for mode, extra, note in _LEADS
    for owner in ("vendor", "own")
    for impersonated in (False, True)
]


def call(*argv: str) -> tuple[int, str, str]:
    """`setup`, with nobody on a terminal."""
    stdout, stderr = io.BytesIO(), io.StringIO()
    code = setup.run(list(argv), io.BytesIO(), stdout, stderr)
    return code, stdout.getvalue().decode(), stderr.getvalue()


def flags(answers: dict[str, Any]) -> list[str]:
    """Answers as flags."""
    found = []
    for name, value in answers.items():
        flag = "--" + "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
        for each in value if isinstance(value, list) else [value]:
            found += [f"{flag}={each}"]
    return found


def write(out: Path, answers: dict[str, Any], *more: str) -> str:
    """A run that must succeed; what it told."""
    code, _, told = call("--out", str(out), *flags(answers), *more)
    assert code == 0, told
    return told


def vendor_file(folder: Path, *, impersonated: bool) -> Path:
    """The vendor's file, of odd bytes that must come through."""
    kind = "guide" if impersonated else "direct"
    path = folder / "from-vendor.json"
    path.write_text("\n" + json.dumps(WORLD.vendor_file(kind, PROVIDER), indent="\t") + "  \n\n")
    return path
