"""The installer at work on an `AksNode`: its commands, what it left behind, and pulls as the kubelet would ask."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING, Any

from credprovider.kubelet.config import config_hash
from tests.cloud.modes import kubelet_request
from tests.cloud.world import WORLD
from tests.e2e_node.aks import AksNode
from tests.node.trees import HOME, LINK, PROGRAM, SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

#: The installer waits until a kubelet has run for so long before it restarts it (site.py); no part of what it measures.
_STEADY = 10.0


class InstalledNode(AksNode):
    """A node with bundles and settings at /mnt/test."""

    def node_command(self, action: str, *words: str, bundle: str = "current", settings: str | None = None) -> list[str]:
        """The command line of `node ACTION`."""
        given = ["--settings", f"/mnt/test/{settings}"] if settings else []
        return [f"/mnt/test/{bundle}/{PROGRAM}", "node", action, *given, *words]

    def act(self, action: str, *words: str, **given: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return self.run(*self.node_command(action, *words, **given))

    def good(self, action: str, *words: str, **given: str) -> str:
        """The same; it has to end well. Its last line."""
        done = self.act(action, *words, **given)
        assert done.returncode == 0, f"{done.stderr}\n{self.journal('kubelet.service')[-3000:]}"
        return done.stderr.splitlines()[-1]

    def refused(self, action: str, *words: str, **given: str) -> str:
        """The same; it has to be refused. Its one line."""
        done = self.act(action, *words, **given)
        assert done.returncode == 1, done
        (line,) = done.stderr.splitlines()
        return line

    def status(self) -> dict[str, Any]:
        """`node status`."""
        found = json.loads(self.act("status", "--format", "json").stdout)
        assert isinstance(found, dict)
        return found

    def wait_until_steady(self) -> None:
        """Let the kubelet have run for a while, as on any node that did not just boot."""
        began = float(self.show("kubelet.service", "ExecMainStartTimestampMonotonic")) / 1e6
        time.sleep(max(0.0, began + _STEADY - time.clock_gettime(time.CLOCK_MONOTONIC)))

    # What is there

    def has_loaded_its_config(self) -> bool:
        """Does the running kubelet say that it has loaded what its config file says now?"""
        unverified = ssl._create_unverified_context()  # noqa: S323 - the kubelet signed its certificate itself
        with urllib.request.urlopen("https://127.0.0.1:10250/metrics", context=unverified, timeout=10) as answer:
            metrics = answer.read().decode()
        return f'kubelet_credential_provider_config_info{{hash="{config_hash([self.config])}"}} 1' in metrics

    def credential(self, image: str = WORLD.image) -> dict[str, Any]:
        """What the plugin answers a kubelet of this node; fails when it does."""
        command = ["env", "-i", LINK, f"--config={SETTINGS}/config.json"]
        done = self.run(*command, stdin=kubelet_request(image))
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout)["auth"])

    def ours(self) -> list[str]:
        """Every file and folder of ours, wherever the installer may leave one; that under /run excepted."""
        places = [LINK, HOME, SETTINGS, *(f"{folder}/*{PROGRAM}*" for folder in _FOLDERS)]
        found = {str(path) for place in places for path in self.disk.glob(place.lstrip("/"))}
        return sorted(path.removeprefix(str(self.disk)) for path in found)

    def bundles(self) -> list[str]:
        """Versions that lie on the node."""
        home = self.disk / HOME.lstrip("/")
        return sorted(path.name for path in home.iterdir() if path.is_dir() and not path.name.startswith("."))

    def is_armed(self) -> bool:
        """Would the rescue act?"""
        return (self.disk / HOME.lstrip("/") / "armed").exists()

    def age_restarts(self, seconds: float) -> None:
        """As if the restarts that the node remembers were so long ago."""
        state = json.loads(self.read(f"{HOME}/state.json"))
        state["restarts"] = [[at - seconds, key] for at, key in state["restarts"]]
        self.write(f"{HOME}/state.json", json.dumps(state))

    # Disks

    def keep_disk(self, place: Path) -> None:
        """Copy what differs from the system tree; the machine is off."""
        subprocess.run(["cp", "-a", str(self.layer), str(place)], check=True)

    def take_disk(self, place: Path) -> None:
        """Go on with such a copy; the machine has never been on."""
        self.unplug()
        shutil.rmtree(self.layer)
        subprocess.run(["cp", "-a", str(place), str(self.layer)], check=True)
        self.plug()


#: Where an installer, or what it starts, leaves something under a name with ours in it.
_FOLDERS = (
    "/etc/systemd/system",
    "/etc/systemd/system/multi-user.target.wants",
    "/var/lib/kubelet",
    "/var/lib/kubelet/credential-provider",
)
