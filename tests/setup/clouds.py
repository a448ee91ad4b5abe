"""Both clouds as the generated scripts leave them, and their state brought into the loopback cloud."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cloud.world import WORLD

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi

FAKE = Path(__file__).parent / "fake_cli.py"
SUBSCRIPTION = "66666666-6666-4666-8666-666666666666"
GROUP, CLUSTER, NODE_GROUP = "rg-demo", "aks-demo", "MC_rg-demo_aks-demo_westeurope"
#: As azure.json of the node trees names it.
KUBELET_CLIENT = "11111111-2222-3333-4444-555555555555"
KUBELET_OBJECT = "aaaaaaaa-0000-4000-8000-00000000b01e"
AZURE_NAMES = {"public": "AzureCloud", "usgov": "AzureUSGovernment", "china": "AzureChinaCloud"}


class Clouds:
    """`az` and `gcloud` on a PATH of their own, with a world of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "cli"
        self.folder.mkdir()
        for name in ("az", "gcloud"):
            path = self.folder / name
            path.write_text(f"#!{sys.executable}\n{FAKE.read_text()}")
            path.chmod(0o755)
        (self.folder / "cli_commands.json").write_bytes((FAKE.parent / "cli_commands.json").read_bytes())
        self._world = self.folder / "world.json"
        self.write(_fresh())

    def write(self, world: dict[str, Any]) -> None:
        self._world.write_text(json.dumps(world))

    @property
    def world(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._world.read_text())
        return found

    def change(self, **changes: Any) -> None:
        self.write(self.world | changes)

    @property
    def environment(self) -> dict[str, str]:
        """For a shell that is to find both."""
        return {"PATH": f"{self.folder}:{os.environ['PATH']}", "FAKE_CLI_WORLD": str(self._world)}

    def run(self, script: Path) -> subprocess.CompletedProcess[str]:
        """A generated script, as a person would run it from anywhere."""
        return self._bash(str(script))

    def run_line(self, line: str) -> subprocess.CompletedProcess[str]:
        """A line that a script has shown, pasted into a shell."""
        return self._bash("-c", line)

    def _bash(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", *arguments],
            cwd="/",
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def bring_azure(self, cloud: CloudApi) -> None:
        """Identities, federated credentials and what is on the nodes."""
        azure = self.world["azure"]
        kubelet = "/subscriptions/x/kubelet"
        cloud.identity(KUBELET_CLIENT, KUBELET_OBJECT, kubelet)
        on_nodes = {each for names in azure["scaleSets"].values() for ids in names.values() for each in ids}
        assigned, federations = [KUBELET_CLIENT], []
        for identity in azure["identities"].values():
            cloud.identity(identity["clientId"], identity["principalId"], identity["id"])
            if identity["id"] in on_nodes:
                assigned.append(identity["clientId"])
            federations += [
                {
                    "client_id": identity["clientId"],
                    "issuer": each["issuer"],
                    "subject": each["subject"],
                    "audience": each["audiences"][0],
                }
                for each in identity["federations"].values()
            ]
        cloud.assign_identities(*assigned)
        cloud.federated_credentials(*federations)

    def bring_google(self, cloud: CloudApi) -> None:
        """Providers and bindings, instead of all that were there."""
        google = self.world["google"]
        _forget(cloud)
        for name, provider in google["pools"][WORLD.pool].items():
            trust(
                cloud,
                name,
                provider["oidc.issuerUri"],
                provider["oidc.allowedAudiences"].split(","),
                provider['attributeMapping["google.subject"]'],
                provider["attributeCondition"],
            )
        for account, members in google["accounts"].items():
            for member in members:
                cloud.bind(member, account)
        for repository, members in google["repositories"].items():
            for member in members:
                cloud.grant(member, repository)


def trust(cloud: CloudApi, name: str, issuer: str, audiences: list[str], mapping: str, condition: str) -> None:
    """A provider of the pool."""
    cloud.provider(name, issuer=issuer, allowed_audiences=audiences, mapping=mapping, condition=condition)


def _forget(cloud: CloudApi) -> None:
    cloud.unbind()
    cloud.revoke()
    for name in (WORLD.entra_provider, WORLD.cluster_provider, WORLD.app_v1_provider, WORLD.app_v2_provider):
        cloud.provider(name, disabled=True)


def bring_message(cloud: CloudApi, text: str, provider: str, *, impersonated: bool) -> None:
    """What a registry's owner does who has nothing but the message."""
    table: dict[str, list[str]] = {}
    for name, value in re.findall(r"^\| ([a-z ]+) \| `(.+)` \|$", text, re.MULTILINE):
        table.setdefault(name, []).append(value)
    _forget(cloud)
    (mapping,) = (each.removeprefix("google.subject=") for each in table["attribute mapping"])
    (issuer,), (condition,) = table["issuer"], table["attribute condition"]
    trust(cloud, provider, issuer, table.get("allowed audience", []), mapping, condition)
    extract = re.fullmatch(r"assertion\.sub\.extract\('(.*)\{rest\}'\)", mapping)
    for subject in table["subject"]:
        member = WORLD.principal(subject.removeprefix(extract[1]) if extract else subject)
        if impersonated:
            cloud.bind(member)
        else:
            cloud.grant(member)
    if impersonated:
        cloud.grant(f"serviceAccount:{WORLD.service_account_email}")


def _fresh() -> dict[str, Any]:
    cluster = {
        "oidcIssuerProfile": {"enabled": False, "issuerUrl": None},
        "identityProfile": {"kubeletidentity": {"clientId": KUBELET_CLIENT, "objectId": KUBELET_OBJECT}},
        "nodeResourceGroup": NODE_GROUP,
    }
    return {
        "azure": {
            "cloud": "AzureCloud",
            "subscription": SUBSCRIPTION,
            "tenant": WORLD.tenant_id,
            "issuer": WORLD.cluster_issuer,
            "clusters": {f"{GROUP}/{CLUSTER}": cluster},
            "identities": {},
            "scaleSets": {NODE_GROUP: {"aks-nodepool1-vmss": [], "aks-nodepool2-vmss": []}},
        },
        "google": {
            "projects": {WORLD.project: WORLD.project_number},
            "services": [],
            "pools": {},
            "states": {},
            "accounts": {},
            "repositories": {},
        },
        "fail": {},
        "log": [],
    }
