"""`python -m tests.cloud serve`: the cloud as a process of its own, for tests, benchmarks and people."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

from tests.cloud.control import Cloud, ControlServer


def main() -> int:
    """Serves until it is told to end."""
    parser = argparse.ArgumentParser(prog="python -m tests.cloud")
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("--state", type=Path, metavar="DIR", help="folder for ca.pem and control.sock")
    parser.add_argument("--until-stdin-ends", action="store_true", help="end together with whoever started this")
    parser.add_argument("--real-registry", action="store_true", help="docker-registry behind Artifact Registry")
    parser.add_argument("--hand", action="store_true", help="for a person: says how to talk to it, opens a shell")
    arguments = parser.parse_args()
    # Whoever runs the process decides when it ends: signals reach all threads' process, one thread waits for them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    with tempfile.TemporaryDirectory(prefix="cloud.") as spare:
        return _serve(arguments, arguments.state or Path(spare))


def _serve(arguments: argparse.Namespace, folder: Path) -> int:
    with Cloud(folder) as cloud:
        if arguments.real_registry:
            cloud.core.run_real_registry()
        control = ControlServer(cloud)
        threading.Thread(target=control.serve, daemon=True).start()
        if arguments.hand:
            from tests.cloud.hand import attend

            return attend(cloud, folder)
        print("ready", flush=True)
        if arguments.until_stdin_ends:
            while os.read(0, 4096):
                pass
        else:
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


if __name__ == "__main__":
    sys.exit(main())
