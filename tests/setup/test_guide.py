"""The README of a written folder, followed block by block with stand-ins for all programs, from where it says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from credprovider.commands import setup
from tests.setup.clouds import Clouds
from tests.setup.hcl import faults
from tests.setup.programs import Programs
from tests.setup.runs import BASE, CASES, PODS, Case, call, write
from tests.setup.test_files import complete

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Where a node's commands are, by the folder that stands for it in a test.
_ON_NODES = {"/opt/": "opt/", "/var/lib/kubelet/": "kubelet/"}
_NAME = "azure-gar-credential-provider"
_OF_NODES = (
    f"opt/{_NAME}/{_NAME}",
    f"kubelet/credential-provider/{_NAME}",
    f"kubelet/credential-provider/{_NAME}.acme",
)
_KUBECTL = """\
for word; do
    case $last in
    -f) test -f "$word" || exit 1 ;;
    -k) grep -q resources: "$word/kustomization.yaml" && test -f "$word/base/kustomization.yaml" || exit 1 ;;
    esac
    last=$word
done
"""
_SKOPEO = (
    'place=${2#oci:} && test "$1" = copy && test -d "${place%:*}" && case $3 in docker://*:*) ;; *) exit 1 ;; esac'
)
_TERRAFORM = 'test "$1" = -chdir=terraform && test -f terraform/azure.tf && echo {}'
_NODE = 'case "$1 $2 $3" in "node install --settings") test -f "$4/config.json" ;; doctor*) ;; *) exit 1 ;; esac'


class Person:
    """Somebody who pastes one block after the other."""

    def __init__(self, folder: Path, out: Path) -> None:
        self._folder, self.out, self._node = folder, out, folder / "a copy on a node"
        self.programs = Programs(folder)
        self.programs.add("kubectl", _KUBECTL)
        self.programs.add("terraform", _TERRAFORM)
        self.programs.add("sudo", 'exec "$@"')
        self.programs.add("skopeo", _SKOPEO)
        (self.programs.checkout / "dev").write_text('#!/bin/sh\nmkdir -p "dist/$1/oci"\n')
        (self.programs.checkout / "dev").chmod(0o755)
        clouds = Clouds(folder)
        path = f"{self.programs.path}:{clouds.environment['PATH']}"
        self._environment = {**self.programs.environment, **clouds.environment, "PATH": path, "HOME": str(folder)}
        for program in _OF_NODES:
            (folder / program).parent.mkdir(parents=True, exist_ok=True)
            (folder / program).write_text(f"#!/bin/sh\n{_NODE}\n")
            (folder / program).chmod(0o755)

    def blocks(self) -> list[str]:
        """All of them, in order."""
        return re.findall(r"^```sh\n(.*?)^```$", (self.out / "README.md").read_text(), re.MULTILINE | re.DOTALL)

    def paste(self) -> Iterator[tuple[str, subprocess.CompletedProcess[str]]]:
        """Each block with how it ended; those for the shell see what the first one has set."""
        first, *others = self.blocks()
        for block in (first, *others):
            is_for_node = block.startswith(tuple(_ON_NODES))
            if is_for_node:
                shutil.copytree(self.out, self._node, dirs_exist_ok=True)
            script = self._on_node(block) if is_for_node else block if block == first else first + block
            done = subprocess.run(
                ["bash", "-euc", script],
                cwd=self._node if is_for_node else self.out,
                env=self._environment,
                capture_output=True,
                text=True,
                check=False,
            )
            yield block, done

    def _on_node(self, block: str) -> str:
        """The same with this test's folders in place of a node's."""
        for place, stand_in in _ON_NODES.items():
            block = block.replace(place, f"{self._folder}/{stand_in}")
        return block


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The product's, with a stand-in for its executable."""
    found = tmp_path / "the checkout"
    monkeypatch.setattr(setup, "find_checkout", lambda: found)
    return found


def _failed(person: Person) -> list[str]:
    return [f"{block}{done.stderr}" for block, done in person.paste() if done.returncode]


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_block_runs_from_where_it_says(case: Case, tmp_path: Path) -> None:
    person = Person(tmp_path, complete(tmp_path, case))
    assert _failed(person) == []
    assert person.programs.releases == {"default/azure-gar-credential-provider": {}}
    assert set(person.programs.calls) == {"--version", "setup --again .", "setup migrate --live --out migration"}


@pytest.mark.usefixtures("checkout")
def test_every_block_of_a_second_instance_runs_too(tmp_path: Path) -> None:
    case = Case("token-file", "vendor", impersonated=True, extra={"trust": "cluster", "instance": "acme"})
    person = Person(tmp_path, complete(tmp_path, case))
    assert _failed(person) == []
    assert person.programs.releases == {"default/azure-gar-credential-provider-acme": {}}
    assert any(block.startswith("/var/lib/kubelet") and " --instance acme " in block for block in person.blocks())


@pytest.mark.usefixtures("checkout")
def test_a_block_that_needs_what_is_not_there_fails(tmp_path: Path) -> None:
    person = Person(tmp_path, complete(tmp_path, CASES[0]))
    for name in ("helm-values.yaml", "kustomization.yaml", "workload.yaml", "config.json", "terraform/azure.tf"):
        (person.out / name).unlink()
    (person.out / "azure.sh").write_text("exit 1")
    assert len(_failed(person)) == 7


@pytest.mark.usefixtures("checkout")
def test_a_checkout_that_is_elsewhere_is_told_by_the_first_block(tmp_path: Path) -> None:
    person = Person(tmp_path, complete(tmp_path, CASES[0]))
    shutil.rmtree(person.programs.checkout)
    (_, done), *_ = person.paste()
    assert done.returncode != 0


def test_first_installation_is_of_one_pool(tmp_path: Path) -> None:
    first, then = (
        block for block in Person(tmp_path, complete(tmp_path, CASES[0])).blocks() if "helm upgrade" in block
    )
    assert "agentpool=POOL" in first
    assert "agentpool" not in then


def test_a_service_account_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    out = complete(tmp_path, Case("service-account", "vendor", impersonated=True, extra={**PODS, "trust": "cluster"}))
    assert "kind: ServiceAccount" not in (out / "workload.yaml").read_text()
    text = (out / "README.md").read_text()
    get, create = (
        "kubectl -n bifrost get serviceaccount bifrost-sa",
        "kubectl -n bifrost create serviceaccount bifrost-sa",
    )
    assert f"{get} ||\n  {create}\n" in text


def test_checkout_is_written_as_it_is_seen_from_the_folder(checkout: Path, tmp_path: Path) -> None:
    checkout.mkdir()
    for out, word in ((checkout / "pulls", ".."), (tmp_path / "a/pulls", "'../../the checkout'")):
        write(out, BASE)
        assert f"\nCHECKOUT={word}\n" in (out / "README.md").read_text()


def test_no_block_calls_the_program_by_a_name_that_is_not_on_the_path(tmp_path: Path) -> None:
    for number, case in enumerate(CASES):
        out = tmp_path / str(number)
        write(out, case.answers)
        for file in (path for path in out.rglob("*") if path.is_file()):
            text = file.read_text()
            assert not re.search(
                r"(?<![/\w.-])azure-gar-credential-provider (?:setup -|doctor|node|lint|request)", text
            )


# --- Entra ID's audience is not published for every cloud -------------------------------------------------------------

_HIDDEN: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("managed-identity", {"cloud": "usgov"}, "first-token"),
    ("managed-identity-own", {"cloud": "usgov", "mode": "managed-identity", "identity": "own"}, "first-token"),
    ("token-file-entra", {"cloud": "china", "identity": "own"}, "entra"),
    ("service-account-entra", {"cloud": "china", "trust": "entra", **PODS}, "entra"),
)


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize("owner", ["vendor", "own"])
@pytest.mark.parametrize(("extra", "hop"), [each[1:] for each in _HIDDEN], ids=[each[0] for each in _HIDDEN])
def test_audience_that_nobody_knows_yet_keeps_back_what_it_is_in_alone(
    extra: dict[str, Any], hop: str, owner: str, tmp_path: Path
) -> None:
    case = Case("", owner, impersonated=False, extra=extra)
    out = complete(tmp_path, case)
    absent = {"google.sh", "terraform/google.tf"} if owner == "own" else {"message-to-registry-owner.md"}
    there = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert not absent & there
    wanted = {"config.json", "credential-config.json", "helm-values.yaml", "kustomization.yaml"}
    assert wanted <= there
    text = (out / "README.md").read_text()
    assert {name for name in absent if f"| `{name}` |" in text} == absent
    assert "setup --again . --entra-audience AUDIENCE" in text
    assert f"`doctor` shows `aud` at the hop `{hop}`" in " ".join(text.split())
    assert faults(out / "terraform") == []
    # It is enough to be told then, and everything is there.
    told = call("--again", str(out), "--entra-audience", "11111111-0000-4000-8000-000000000000")
    assert told[0] == 0
    assert "Not yet" not in told[2]
    assert all((out / name).exists() for name in absent)
    assert "AUDIENCE" not in (out / "README.md").read_text()


def test_audience_that_nobody_knows_yet_is_told_with_what_to_do(tmp_path: Path) -> None:
    case = Case("", "vendor", impersonated=True, extra={"cloud": "usgov"})
    complete(tmp_path, case)
    _, _, told = call("--again", str(tmp_path / "out"))
    assert "Not yet: message-to-registry-owner.md\n" in told
    assert "have a node show what step 3 asks for" in told


def test_without_the_vendors_file_it_is_asked_for_before_the_audience_can_be_seen(tmp_path: Path) -> None:
    write(tmp_path / "out", {**BASE, "cloud": "usgov"})
    text = (tmp_path / "out/README.md").read_text().partition("## 3.")[2]
    assert text.index("--vendor-file FILE") < text.index("--entra-audience AUDIENCE") < text.index("Send `message")
