"""`python -m tests.cloud serve`: the cloud as a process of its own, for tests, benchmarks and people."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from tests.cloud.control import Cloud, ControlServer


def main() -> int:
    """Serves until it is told to end."""
    parser = argparse.ArgumentParser(prog="python -m tests.cloud")
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("--state", type=Path, required=True, metavar="DIR", help="folder for ca.pem and control.sock")
    parser.add_argument(
        "--until-stdin-ends", action="store_true", help="end together with the process that started this one"
    )
    arguments = parser.parse_args()
    with Cloud(arguments.state) as cloud:
        control = ControlServer(cloud)
        threading.Thread(target=control.serve, daemon=True).start()
        print("ready", flush=True)
        if arguments.until_stdin_ends:
            while os.read(0, 4096):
                pass
        else:
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


if __name__ == "__main__":
    sys.exit(main())
