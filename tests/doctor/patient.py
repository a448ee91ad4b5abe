"""One examination in this process: settings that work until a test breaks them, a machine of our making, a result."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from credprovider.commands import doctor
from credprovider.node.commands import Commands, Ran
from credprovider.node.host import Host
from credprovider.node.probes import Probes
from credprovider.world import Limits, real_world
from tests.plugin.runner import InProcess, quick

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pytest

    from tests.cloud.api import CloudApi
    from tests.cloud.modes import Setting
    from tests.node.fake_node import FakeNode

#: Names that no program can find out by itself.
NAMES = (
    *("--resource-group", "rg-demo", "--cluster", "aks-demo"),
    *("--identity-name", "bifrost-pull-identity", "--credential-name", "bifrost-federated-credential"),
)
#: As AKS writes it; see `tests.node.fixtures`.
AZURE_JSON = {
    "subscriptionId": "00000000-1111-2222-3333-444444444444",
    "resourceGroup": "MC_rg-demo_aks-demo_westeurope",
    "primaryScaleSetName": "aks-nodepool1-12345678-vmss",
}


class NoSystemd(Commands):
    """A machine on which no kubelet can be asked for."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",  # noqa: ARG002
        environ: Mapping[str, str] | None = None,  # noqa: ARG002
        timeout: float = 30.0,  # noqa: ARG002
    ) -> Ran:
        return Ran(127, b"", f"{argv[0]} not found".encode())


class PluginHere(Commands):
    """The plugin in this process, in place of a second program."""

    def __init__(self, runner: InProcess) -> None:
        super().__init__()
        self.runner = runner
        self.asked: list[tuple[list[str], bytes, dict[str, str]]] = []
        self.answer: Ran | None = None

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        environ: Mapping[str, str] | None = None,
        timeout: float = 30.0,  # noqa: ARG002
    ) -> Ran:
        self.asked.append((list(argv), stdin, dict(environ or {})))
        if self.answer is not None:
            return self.answer
        from pathlib import Path

        outcome = self.runner(stdin, Path(argv[-1].removeprefix("--config=")))
        return Ran(outcome.code, outcome.stdout, outcome.stderr.encode())


@dataclass(frozen=True)
class Examined:
    """What came of it."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document; fails for a run without ``--format json``."""
        found = json.loads(self.stdout)
        assert isinstance(found, dict)
        return found

    def hop(self, name: str) -> dict[str, Any]:
        """One hop of it."""
        return next(each for each in self.document["hops"] if each["hop"] == name)

    @property
    def statuses(self) -> dict[str, str]:
        """Status by hop."""
        return {each["hop"]: each["status"] for each in self.document["hops"]}

    @property
    def failing(self) -> dict[str, Any]:
        """The first failing hop."""
        first = self.document["firstFailure"]
        assert first is not None, self.statuses
        return self.hop(first)

    @property
    def commands(self) -> str:
        """All commands of its remedy, one a line."""
        return "\n".join(self.failing["error"]["remedy"]["commands"])

    def assert_green(self) -> None:
        """Nothing failed, nothing was left unreached."""
        found = self.document
        told = {each["hop"]: each["error"] or each["summary"] for each in found["hops"] if each["status"] != "ok"}
        assert (self.code, found["ok"], found["complete"], found["exitCode"]) == (0, True, True, 0), told


@dataclass
class Patient:
    """Runs `doctor` as the command does, on a machine that is not this one.

    Attributes:
        host: the machine; none with a kubelet by default.
        limits: short, so that a fault test ends soon.
        environ: of the shell.
        world: attributes of `World` to replace.
    """

    cloud: CloudApi
    monkeypatch: pytest.MonkeyPatch
    folder: Path
    host: Host = field(init=False)
    plugin: PluginHere = field(init=False)
    probes: Callable[[int | None], Probes] = lambda _: Probes()
    limits: Limits = field(default_factory=quick)
    environ: dict[str, str] = field(default_factory=dict)
    world: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.environ = {"SSL_CERT_FILE": str(self.cloud.ca_file), **self.environ}
        machine = self.folder / "machine"
        (machine / "etc/kubernetes").mkdir(parents=True)
        (machine / "etc/kubernetes/azure.json").write_text(json.dumps(AZURE_JSON))
        self.host = Host(str(machine), commands=NoSystemd())
        self.plugin = PluginHere(InProcess(self.folder / "state", self.environ))
        self.monkeypatch.setattr(doctor, "machine", self._machine)

    def on(self, node: FakeNode) -> None:
        """Examine a node from now on."""
        from tests.node.fake_host import FakeProbes

        self.host = node.host()
        self.probes = lambda _: FakeProbes(node)

    def _machine(self, _loaded_hash: str | None = None) -> doctor.Machine:
        world = real_world("config.json")
        world.environ = self.environ
        world.limits = self.limits
        world.azure_json = str(self.folder / "absent")
        for name, value in self.world.items():
            setattr(world, name, value)
        return doctor.Machine(world, self.host, self.probes, (["plugin"], self.environ), self.plugin)

    def run(self, *arguments: str, stdin: bytes = b"", stdout: io.BytesIO | None = None) -> Examined:
        """The command with these arguments."""
        out, err = stdout or io.BytesIO(), io.StringIO()
        code = doctor.run(list(arguments), io.BytesIO(stdin), out, err)
        return Examined(code, out.getvalue(), err.getvalue())

    def examine(self, setting: Setting, *more: str, image: str | None = None, names: bool = True) -> Examined:
        """Settings and the cloud's image, as JSON; the pod's token is given where the mode needs one."""
        arguments = [image or self.cloud.world.image, "--config", str(setting.config), "--format", "json"]
        if names:
            arguments += NAMES
        if b"serviceAccountToken" in setting.request:
            token = self.folder / "pods-token"
            token.write_text(f"{setting.token}\n")
            arguments += ["--service-account-token", str(token)]
        return self.run(*arguments, *more)
