"""containerd of the test's own, with a pause image made here; it pulls from wherever the namespace's names lead."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.e2e.images import PLATFORM, archive, runnable
from tests.e2e.processes import Processes, until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.e2e.build import Programs

SOCKET = "/run/e2e/containerd.sock"
_PAUSE = "localhost/pause:e2e"


class Runtime:
    """A container runtime with nothing pulled yet."""

    def __init__(self, folder: Path, programs: Programs, environ: Mapping[str, str]) -> None:
        folder.mkdir()
        self._folder = folder
        self._programs = programs
        path = f"{programs.containerd}:/usr/sbin:/usr/bin:/sbin:/bin"  # the shim lies beside containerd
        self._processes = Processes(folder, {"PATH": path, **environ})

    def start(self) -> None:
        """Until it answers and knows the pause image."""
        config = self._folder / "config.toml"
        config.write_text(_config(self._folder))
        self._processes.start("containerd", self._programs.containerd / "containerd", {"config": config})
        until(lambda: self._ctr("version"), "containerd answers", self._processes.tails)
        image = self._folder / "pause.tar"
        image.write_bytes(archive(runnable(self._programs.guest / "guest", "pause"), _PAUSE))
        assert self._ctr("--namespace", "k8s.io", "images", "import", "--no-unpack", str(image)), self.tails()

    def _ctr(self, *arguments: str) -> bool:
        command = [str(self._programs.containerd / "ctr"), "--address", SOCKET, *arguments]
        with self._processes.log("ctr").open("ab") as log:
            return subprocess.run(command, stdout=log, stderr=log, check=False).returncode == 0

    def tails(self) -> str:
        """The ends of its logs."""
        return self._processes.tails()

    def close(self) -> None:
        """Ends it; containers end with the namespace of processes."""
        self._processes.close()


def _config(folder: Path) -> str:
    runc = shutil.which("runc", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if runc is None:
        raise FileNotFoundError("runc is not installed (apt-get install runc)")
    # The native snapshotter copies: it needs no overlay, which is missing where this machine is a container itself.
    return f"""
version = 3
root = "{folder}/root"
state = "/run/e2e/containerd"

[grpc]
  address = "{SOCKET}"
[ttrpc]
  address = "{SOCKET}.ttrpc"

[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.nri.v1.nri"]
  disable = true
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = "linux/{PLATFORM}"
  snapshotter = "native"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "native"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{_PAUSE}"

[plugins."io.containerd.cri.v1.runtime"]
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "{runc}"
      SystemdCgroup = false
"""
