"""Starts programs and measures them, in a process as small as Python allows.

A child's peak memory (`ru_maxrss`) counts from the moment of its fork, when it still is its parent: a large parent
would be measured instead of a small child, and what this process weighs is the floor of every figure. Run as
``python -I -S launch.py``: one order per line on stdin, a JSON list of {"argv", "environ", "stdin", "stdout"}, all
started at once; one line of [seconds, KiB, status, user and system seconds] each on stdout.
"""

import json
import os
import sys
import time


def start(argv: list[str], environ: dict[str, str], stdin: str, stdout: str) -> int:
    """Start one program with files for its stdin and stdout; its process id."""
    files = [
        (os.POSIX_SPAWN_OPEN, 0, stdin, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    ]
    return os.posix_spawn(argv[0], argv, environ, file_actions=files)


def carry_out(programs: list[dict[str, object]]) -> list[tuple[float, int, int, float]]:
    """Start all, wait for all; times count from the start of the first."""
    begin = time.perf_counter()
    pids = [start(**program) for program in programs]  # type: ignore[arg-type]  # from JSON
    found = {}
    for _ in pids:
        pid, status, usage = os.wait4(-1, 0)
        seconds = time.perf_counter() - begin
        code = os.waitstatus_to_exitcode(status)
        found[pid] = (seconds, usage.ru_maxrss, code, usage.ru_utime + usage.ru_stime)
    return [found[pid] for pid in pids]


def main() -> None:
    """Orders in, measurements out, until stdin ends."""
    os.chdir("/")
    for line in sys.stdin:
        print(json.dumps(carry_out(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
