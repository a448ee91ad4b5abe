"""One node as the installer leaves it: our entry, the executable in the bin dir, settings; and a kubelet to start."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.cloud.modes import MODES_BY_NAME, Setting, set_up
from tests.kubelet.real import Cluster, Kubelet, Pull, ServiceAccount, Token
from tests.plugin.runner import EXECUTABLE, PROGRAM

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi
    from tests.kubelet.build import Harness

_SAMPLES = Path(__file__).parent.parent.parent / "node-config" / "samples"


@dataclass
class Node:
    """A node in one identity mode.

    Attributes:
        mode: name of one of `tests.cloud.modes.MODES`.
        entry: fields of the shipped provider entry to replace.
    """

    folder: Path
    harness: Harness
    cloud: CloudApi
    mode: str
    entry: dict[str, Any] = field(default_factory=dict)

    def prepare(self, **changes: Any) -> Setting:
        """Writes settings (`changes`: top-level keys of config.json), the entry and the link to the executable."""
        setting = set_up(self.folder / "settings", self.cloud, MODES_BY_NAME[self.mode], **changes)
        for_pods = MODES_BY_NAME[self.mode].source == "service-account"
        sample = "service-account.yaml" if for_pods else "managed-identity.yaml"
        document = yaml.safe_load((_SAMPLES / sample).read_text())
        entry = document["providers"][0]
        entry["args"] = [f"--config={setting.config}"]
        if for_pods:
            entry["tokenAttributes"]["serviceAccountTokenAudience"] = self.audience(setting)
        entry |= self.entry
        (self.folder / "config.yaml").write_text(yaml.safe_dump(document))
        self.bin_dir.mkdir()
        (self.bin_dir / PROGRAM).symlink_to(EXECUTABLE)
        return setting

    @property
    def bin_dir(self) -> Path:
        """--image-credential-provider-bin-dir."""
        return self.folder / "bin"

    @staticmethod
    def audience(setting: Setting) -> str:
        """What the settings want the pod's token to be for."""
        return str(json.loads(setting.config.read_text())["identity"]["tokenAudience"])

    def cluster(self, setting: Setting) -> Cluster:
        """The workload's ServiceAccount and a second one, each with a token for the settings' audience."""
        world = self.cloud.world
        names = {world.service_account: world.service_account_uid, "second-sa": "88888888-8888-4888-8888-888888888888"}
        if "service-account" not in self.mode:
            return Cluster()
        audience = self.audience(setting)
        signed = {
            name: self.cloud.kubernetes_token(world.namespace, name, uid=uid, audience=audience)
            for name, uid in names.items()
        }
        accounts = [ServiceAccount(name, world.namespace, uid) for name, uid in names.items()]
        return Cluster(accounts, [Token(token, name, world.namespace) for name, token in signed.items()])

    def kubelet(self, setting: Setting) -> Kubelet:
        """Start one; it has nothing in its environment but the cloud's CA."""
        environ = {"SSL_CERT_FILE": str(self.cloud.ca_file)}
        config = self.folder / "config.yaml"
        kubelet = Kubelet(self.harness, config, self.bin_dir, cluster=self.cluster(setting), environ=environ)
        assert kubelet.error == ""
        return kubelet

    def pull(self, image: str, service_account: str | None = None) -> Pull:
        """A pod of the workload's ServiceAccount, or of another one in its namespace."""
        world = self.cloud.world
        return Pull(image, service_account or world.service_account, world.namespace)
