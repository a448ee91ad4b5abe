"""Every command that the catalogue prints can be run as it stands: shell, tools, their options, our own ones."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

from credprovider.catalogue import Entry, Evidence, diagnose, entries, placeholders
from credprovider.doctor.remedy import commands_of
from credprovider.errors import PROGRAM
from tests.docs.commands import known_flags
from tests.unit.shell_lines import complaints, is_known, simple_commands
from tests.unit.test_catalogue import FACTS, WAYS

#: Tools of a node or of anybody's shell, whose options are not looked at here.
_OTHERS = {
    *("ausearch", "chronyc", "curl", "echo", "getent", "grep", "ip", "iptables", "journalctl", "jq", "ps", "systemctl"),
    "timedatectl",
}
_INSTALLED = f"/var/lib/kubelet/credential-provider/{PROGRAM}"
#: A value for each placeholder.
_ALL = {name: name.replace("_", "-") for name in placeholders()} | FACTS | {"program": _INSTALLED}


def _commands(entry: Entry, facts: dict[str, str]) -> list[str]:
    way: dict[str, Any] = WAYS[entry.code]
    return commands_of(diagnose(Evidence(**{**way, "facts": {**facts, **way.get("facts", {})}})).remedy)


@pytest.mark.parametrize("facts", [{}, _ALL], ids=["nothing known", "all known"])
@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.code)
def test_command_is_one_that_the_tools_take(entry: Entry, facts: dict[str, str]) -> None:
    for line in _commands(entry, facts):
        subprocess.run(["bash", "-n"], input=line, text=True, check=True)
        for words in simple_commands(line):
            if is_known(words[0]):
                assert complaints(words) == [], line
            elif os.path.basename(words[0]) == PROGRAM:
                _check_our_own(words[1:])
            else:
                assert words[0] in _OTHERS, line


def _check_our_own(words: list[str]) -> None:
    flags = {word for word in words if word.startswith("-")}
    is_plugin = not words or words[0] == "--config"
    assert flags <= ({"--config"} if is_plugin else known_flags(words))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("gcloud projects describe 123 --format='value(projectId)'", None),
        ("gcloud services enable sts.googleapis.com --project=123", None),
        (
            "gcloud logging read 'a=1' --project=123",
            "logging read: The value of --project flag was set to Project number.",
        ),
        ("gcloud logging read 'a=1' --project=\"$(gcloud projects describe 123)\"", None),
        (
            "gcloud iam workload-identity-pools undelete pool",
            "iam workload-identity-pools undelete: --location is required",
        ),
        ("gcloud iam workload-identity-pools undelete projects/1/locations/global/workloadIdentityPools/pool", None),
        (
            "gcloud iam workload-identity-pools providers update-oidc projects/1/x --no-disabled --enable",
            "iam workload-identity-pools providers update-oidc: unrecognized arguments: --enable",
        ),
        ("az identity show -g a -n b --query principalId -o tsv", None),
        ("az ad sp show --query id", "ad sp show: --id is required"),
        ("az identity shew -g a", "no such command: ['az', 'identity', 'shew', '-g', 'a']"),
        ("kubectl exec -n a pod/b -- doctor --bogus", None),
        ("kubectl get pods -n a --field-selectors spec.nodeName=b", "get: unrecognized arguments: --field-selectors"),
        ("echo a | kubectl apply -f - >b", None),
    ],
)
def test_what_the_tools_would_not_take_is_told(line: str, complaint: str | None) -> None:
    found = [each for words in simple_commands(line) if is_known(words[0]) for each in complaints(words)]
    assert found == ([complaint] if complaint else [])


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.code)
def test_our_own_program_is_named_by_its_path_where_that_is_known(entry: Entry) -> None:
    for facts, name in (({}, PROGRAM), ({"program": _INSTALLED}, _INSTALLED)):
        for line in _commands(entry, facts):
            for words in simple_commands(line):
                assert words[0] == name or os.path.basename(words[0]) != PROGRAM
