"""The cloud in this process or in another one: a Unix socket carries the same orders as JSON, one per connection."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cloud.api import CloudApi
from tests.cloud.core import Core

if TYPE_CHECKING:
    from typing_extensions import Self

_ROOT = Path(__file__).parent.parent.parent
SOCKET = "control.sock"


class Cloud(CloudApi):
    """The cloud on threads of this process; a context manager."""

    def __init__(self, folder: Path | None = None) -> None:
        self.core = Core(folder)
        super().__init__(self.core.folder, self.core.carry_out)

    def close(self) -> None:
        """Stops it."""
        self.core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ControlServer:
    """Takes orders for a `Cloud` on a Unix socket in its folder."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        path = cloud.core.folder / SOCKET
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(64)

    def serve(self) -> None:
        """Until the process ends."""
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream, suppress(OSError):
            try:
                order = json.loads(stream.readline())
                answer = {"result": self._cloud.core.carry_out(order["order"], **order["values"])}
            except Exception as error:  # noqa: BLE001 - whatever went wrong is the caller's to see
                answer = {"error": f"{type(error).__name__}: {error}"}
            stream.write(json.dumps(answer).encode() + b"\n")


class CloudClient(CloudApi):
    """A cloud that runs in another process, reached by the folder it was given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(folder, self._send)

    def _send(self, order: str, **values: Any) -> Any:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(self.folder / SOCKET))
            with connection.makefile("rwb") as stream:
                stream.write(json.dumps({"order": order, "values": values}).encode() + b"\n")
                stream.flush()
                answer = json.loads(stream.readline())
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["result"]


class CloudProcess(CloudClient):
    """Starts `python -m tests.cloud serve` and ends it; it also ends when this process dies. A context manager."""

    def __init__(self, *arguments: str) -> None:
        # A short path: a Unix socket's may have 107 bytes.
        super().__init__(Path(tempfile.mkdtemp(prefix="cloud.")))
        command = [
            sys.executable,
            "-m",
            "tests.cloud",
            "serve",
            "--state",
            str(self.folder),
            "--until-stdin-ends",
            *arguments,
        ]
        environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT, env=environment, text=True
        )
        if self._process.stdout is None or self._process.stdout.readline().strip() != "ready":
            self.close()
            raise RuntimeError("the loopback cloud did not start; what it said stands above")

    def close(self) -> None:
        """Ends the process and removes its folder."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
