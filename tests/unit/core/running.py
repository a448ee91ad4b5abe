"""The plugin in a process of its own, with its state in the test's folder and no way to the network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.unit.core.making import CLIENT_ID, GUIDE, settings_files

_ROOT = Path(__file__).parents[3]
STATE = "azure-gar-credential-provider"
REQUEST = json.dumps(
    {
        "kind": "CredentialProviderRequest",
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        "image": "us-docker.pkg.dev/p/r/i",
    }
).encode()

_PROGRAM = """
import sys
sys.path.insert(0, {root!r})
import credprovider.world
credprovider.world.DEFAULT_STATE_DIRECTORY = {state!r}
import credprovider.journal
credprovider.journal.SOCKET = {journal!r}
credprovider.journal.note.__kwdefaults__["path"] = {journal!r}
{preamble}
from credprovider.__main__ import main
sys.exit(main({arguments!r}))
"""

#: Instead of every hop: a token that lives for an hour.
GRANT = """
import time
import credprovider.answer
from credprovider.secret import Secret
from credprovider.token_cache import Grant
credprovider.answer.Dialer.head_start = lambda self: None
credprovider.answer._exchange = lambda *_: Grant(Secret("ya29.planted"), time.clock_gettime(time.CLOCK_BOOTTIME) + 3600)
"""


def command(folder: Path, *arguments: str, preamble: str = "", options: str = "-I") -> list[str]:
    """How to start it. Its folders are `folder`'s; `preamble` is code that runs first."""
    program = _PROGRAM.format(
        root=str(_ROOT),
        state=str(folder / STATE),
        journal=str(folder / "journal"),
        preamble=preamble,
        arguments=list(arguments),
    )
    return [sys.executable, *options.split(), "-c", program]


def environment(folder: Path) -> dict[str, str]:
    """Where state lies for those who are not root; and a proxy that nobody is, so that nothing gets out."""
    return {"XDG_RUNTIME_DIR": str(folder), "HTTPS_PROXY": "http://127.0.0.1:9"}


def ask(
    folder: Path, *arguments: str, stdin: bytes = REQUEST, preamble: str = "", options: str = "-I"
) -> subprocess.CompletedProcess[bytes]:
    """Run it to its end."""
    return subprocess.run(
        command(folder, *(arguments or ("--config", str(folder / "config.json"))), preamble=preamble, options=options),
        input=stdin,
        capture_output=True,
        env=environment(folder),
        check=False,
        timeout=60,
    )


def one_line(done: subprocess.CompletedProcess[bytes]) -> str:
    """The line of a failure, which is all that it may leave."""
    assert done.returncode != 0
    assert done.stdout == b""
    text = done.stderr.decode()
    assert text.endswith("\n"), text
    assert text.count("\n") == 1, text
    assert text.startswith("azure-gar-credential-provider: ")
    return text.removesuffix("\n")


def node(folder: Path) -> None:
    """Settings whose answer needs nothing of the machine."""
    settings_files(folder, {"identity": {"source": "managed-identity", "clientId": CLIENT_ID}}, GUIDE)
    os.chmod(folder, 0o700)
