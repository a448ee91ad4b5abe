"""Stands in for `az` and `gcloud`: takes only options that the real ones know, keeps its world in a JSON file.

Run as a script under either name. The table of commands in cli_commands.json was read off the real tools.
"""

from __future__ import annotations

import json
import os
import re
import sys
import uuid
from pathlib import Path
from typing import Any, NoReturn

_TABLE = json.loads((Path(__file__).parent / "cli_commands.json").read_text())
NOT_THERE, USAGE = 3, 2


def _end(code: int, text: str) -> NoReturn:
    sys.stderr.write(f"ERROR: {text}\n")
    sys.exit(code)


class Call:
    """One command line: the longest known command, positions, options."""

    def __init__(self, tool: str, argv: list[str]) -> None:
        self._tool, commands = tool, _TABLE[tool]["commands"]
        words = 0
        while words < len(argv) and not argv[words].startswith("-"):
            words += 1
        self.command = next((" ".join(argv[:n]) for n in range(words, 0, -1) if " ".join(argv[:n]) in commands), "")
        if not self.command:
            _end(USAGE, f"no such command: {argv}")
        known = commands[self.command]
        self.positions: list[str] = []
        self.options: dict[str, list[str]] = {}
        name = None
        for word in argv[len(self.command.split()) :]:
            if word.startswith("--"):
                name, equals, value = word.partition("=")
                self._add(known, name, [value] if equals else [])
                name = None if equals else name
            elif name is None or (tool == "gcloud"):
                self.positions.append(word)
            else:
                self.options[name].append(word)
        for required in known["required"]:
            if required not in self.options:
                _end(USAGE, f"{self.command}: {required} is required")
        if tool == "gcloud" and self.options.get("--project", [""])[0].isdigit() and not known.get("projectNumber"):
            _end(1, f"{self.command}: The value of ``--project'' flag was set to Project number.")

    def _add(self, known: dict[str, Any], name: str, values: list[str]) -> None:
        switch = name.replace("--no-", "--", 1) if self._tool == "gcloud" else name
        if switch not in known["options"]:
            _end(USAGE, f"{self.command}: unrecognized arguments: {name}")
        if name in self.options:
            _end(USAGE, f"{self.command}: {name} is given twice")
        self.options[name] = values

    def __getitem__(self, name: str) -> str:
        values = self.options[name]
        if len(values) != 1:
            _end(USAGE, f"{self.command}: {name} takes one value")
        return values[0]


def _query(found: Any, query: str) -> Any:
    """The few forms of JMESPath that the scripts use."""
    if joined := re.fullmatch(r"join\(' ', \[(.*)\]\)", query):
        return " ".join(str(_query(found, part.strip())) for part in joined[1].split(","))
    if query.startswith("[]."):
        return [_query(each, query[3:]) for each in found]
    for part in query.split("."):
        name, _, index = part.partition("[")
        found = found.get(name) if isinstance(found, dict) else None
        if index and found is not None:
            found = found[int(index[:-1])]
    return found


def _tsv(found: Any) -> str:
    """As az writes it: booleans in lower case, nothing for null."""
    if isinstance(found, list):
        return "".join(_tsv(each) for each in found)
    return "\n" if found is None else f"{str(found).lower() if isinstance(found, bool) else found}\n"


class Azure:
    """A subscription with clusters and identities."""

    def __init__(self, world: dict[str, Any], call: Call) -> None:
        self.world, self.call = world, call
        if call.command != "cloud show" and call["--subscription"] != world["subscription"]:
            _end(1, "subscription not found")

    def answer(self) -> Any:
        act = getattr(self, "_" + re.sub(r"[ -]", "_", self.call.command))
        return act()

    def _of(self, kind: str, name: str) -> Any:
        key = f"{self.call['--resource-group']}/{name}"
        if key not in self.world[kind]:
            _end(NOT_THERE, f"(ResourceNotFound) {kind} {key}")
        return self.world[kind][key]

    def _cloud_show(self) -> Any:
        return {"name": self.world["cloud"]}

    def _account_show(self) -> Any:
        return {"tenantId": self.world["tenant"]}

    def _aks_show(self) -> Any:
        return self._of("clusters", self.call["--name"])

    def _aks_update(self) -> Any:
        cluster = self._of("clusters", self.call["--name"])
        assert set(self.call.options) >= {"--enable-oidc-issuer"}
        cluster["oidcIssuerProfile"] = {"enabled": True, "issuerUrl": self.world["issuer"]}
        return cluster

    def _identity_show(self) -> Any:
        return self._of("identities", self.call["--name"])

    def _identity_create(self) -> Any:
        group, name = self.call["--resource-group"], self.call["--name"]
        made = {
            "clientId": str(uuid.uuid4()),
            "principalId": str(uuid.uuid4()),
            "id": f"/subscriptions/{self.world['subscription']}/resourceGroups/{group}"
            f"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}",
            "location": self.call["--location"] if "--location" in self.call.options else "westeurope",
            "federations": {},
        }
        return self.world["identities"].setdefault(f"{group}/{name}", made)

    def _identity_federated_credential_show(self) -> Any:
        federations = self._of("identities", self.call["--identity-name"])["federations"]
        if self.call["--name"] not in federations:
            _end(NOT_THERE, "(NotFound) federated credential")
        return federations[self.call["--name"]]

    def _identity_federated_credential_create(self) -> Any:
        name = self.call["--name"]
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{2,119}", name):
            _end(1, "BadRequest: name of a federated credential")
        made = {
            "issuer": self.call["--issuer"],
            "subject": self.call["--subject"],
            "audiences": self.call.options["--audiences"],
        }
        self._of("identities", self.call["--identity-name"])["federations"][name] = made
        return made

    def _identity_federated_credential_update(self) -> Any:
        self._identity_federated_credential_show()
        return self._identity_federated_credential_create()

    def _vmss_list(self) -> Any:
        return [{"name": name} for name in self.world["scaleSets"].get(self.call["--resource-group"], {})]

    def _vmss_identity_assign(self) -> Any:
        assigned = self.world["scaleSets"][self.call["--resource-group"]][self.call["--name"]]
        assigned += [each for each in self.call.options["--identities"] if each not in assigned]
        return {}


class Google:
    """Projects with pools, providers, accounts and repositories."""

    def __init__(self, world: dict[str, Any], call: Call) -> None:
        self.world, self.call = world, call

    def answer(self) -> Any:
        act = getattr(self, "_" + re.sub(r"[ -]", "_", self.call.command))
        return act()

    def _projects_describe(self) -> Any:
        return self.world["projects"][self.call.positions[0]]

    def _services_enable(self) -> Any:
        self.world["services"] = sorted({*self.world["services"], *self.call.positions})
        return ""

    def _iam_workload_identity_pools_list(self) -> Any:
        assert self.call["--location"] == "global"
        return self._listed({name: name for name in self.world["pools"]})

    def _listed(self, keys: dict[str, str]) -> str:
        """State and `disabled` of each, as `value()` writes them: a false value is not in the answer at all."""
        assert self.call["--format"] == "value(state,disabled)"
        form = self.call["--filter"].removeprefix("name~/")
        states = [self._state(key) for name, key in keys.items() if re.search(f"/{form}", f"/{name}")]
        seen = [each for each in states if "--show-deleted" in self.call.options or each["state"] != "DELETED"]
        return "\n".join(f"{each['state']}\t{each.get('disabled', '')}" for each in seen)

    def _state(self, key: str) -> dict[str, Any]:
        """Of a pool, or of a provider by ``POOL/PROVIDER``; one that nobody has touched is active."""
        return {"state": "ACTIVE", **self.world["states"].get(key, {})}

    def _must_be_active(self, key: str) -> None:
        if self._state(key)["state"] == "DELETED":
            _end(1, f"FAILED_PRECONDITION: {key} is deleted")

    def _iam_workload_identity_pools_create(self) -> Any:
        if self.call.positions[0] in self.world["pools"]:
            _end(1, "ALREADY_EXISTS")
        self.world["pools"][self.call.positions[0]] = {}
        return ""

    def _iam_workload_identity_pools_update(self) -> Any:
        return self._enable(self.call.positions[0])

    def _iam_workload_identity_pools_undelete(self) -> Any:
        return self._undelete(self.call.positions[0])

    def _iam_workload_identity_pools_providers_update_oidc(self) -> Any:
        return self._enable(f"{self.call['--workload-identity-pool']}/{self.call.positions[0]}")

    def _iam_workload_identity_pools_providers_undelete(self) -> Any:
        return self._undelete(f"{self.call['--workload-identity-pool']}/{self.call.positions[0]}")

    def _enable(self, key: str) -> str:
        self._must_be_active(key)
        assert "--no-disabled" in self.call.options
        self.world["states"][key] = {**self._state(key), "disabled": ""}
        return ""

    def _undelete(self, key: str) -> str:
        if self._state(key)["state"] != "DELETED":
            _end(1, f"FAILED_PRECONDITION: {key} is not deleted")
        self.world["states"][key]["state"] = "ACTIVE"
        return ""

    def _pool(self) -> dict[str, Any]:
        found: dict[str, Any] = self.world["pools"][self.call["--workload-identity-pool"]]
        return found

    def _iam_workload_identity_pools_providers_list(self) -> Any:
        pool = self.call["--workload-identity-pool"]
        return self._listed({name: f"{pool}/{name}" for name in self._pool()})

    def _iam_workload_identity_pools_providers_create_oidc(self) -> Any:
        key, _, mapping = self.call["--attribute-mapping"].partition("=")
        assert key == "google.subject"
        self._must_be_active(self.call["--workload-identity-pool"])
        if self.call.positions[0] in self._pool():
            _end(1, "ALREADY_EXISTS")
        self._pool()[self.call.positions[0]] = {
            "oidc.issuerUri": self.call["--issuer-uri"],
            "oidc.allowedAudiences": self.call["--allowed-audiences"],
            'attributeMapping["google.subject"]': mapping,
            "attributeCondition": self.call["--attribute-condition"],
        }
        return ""

    def _iam_workload_identity_pools_providers_describe(self) -> Any:
        form = re.fullmatch(r"value\((.*)\)", self.call["--format"])
        assert form is not None
        return self._pool()[self.call.positions[0]][form[1]]

    def _iam_service_accounts_list(self) -> Any:
        wanted = self.call["--filter"].removeprefix("email=")
        return wanted if wanted in self.world["accounts"] else ""

    def _iam_service_accounts_create(self) -> Any:
        email = f"{self.call.positions[0]}@{self.call['--project']}.iam.gserviceaccount.com"
        self.world["accounts"].setdefault(email, [])
        return ""

    def _iam_service_accounts_add_iam_policy_binding(self) -> Any:
        assert self.call["--role"] == "roles/iam.workloadIdentityUser"
        self._bind(self.world["accounts"][self.call.positions[0]])

    def _artifacts_repositories_add_iam_policy_binding(self) -> Any:
        assert self.call["--role"] == "roles/artifactregistry.reader"
        place = f"projects/{self.call['--project']}/locations/{self.call['--location']}"
        name = f"{place}/repositories/{self.call.positions[0]}"
        self._bind(self.world["repositories"].setdefault(name, []))

    def _bind(self, members: list[str]) -> None:
        if self.call["--member"] not in members:
            members.append(self.call["--member"])


def main(tool: str, argv: list[str]) -> int:
    """One command."""
    path = Path(os.environ["FAKE_CLI_WORLD"])
    world = json.loads(path.read_text())
    call = Call(tool, argv)
    world["log"].append([tool, *argv])
    failing = world["fail"].get(call.command)
    if failing is not None:
        path.write_text(json.dumps(world))
        _end(failing, "as ordered")
    found = Azure(world["azure"], call).answer() if tool == "az" else Google(world["google"], call).answer()
    path.write_text(json.dumps(world))
    if tool == "gcloud":
        sys.stdout.write(f"{found or ''}\n")
    elif call.options.get("--output") != ["none"]:
        found = _query(found, call["--query"]) if "--query" in call.options else found
        sys.stdout.write(_tsv(found) if call.options.get("--output") == ["tsv"] else json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[0]).name, sys.argv[1:]))
