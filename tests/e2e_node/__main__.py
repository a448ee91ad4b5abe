"""Runs the tests of this folder, each file in namespaces of its own, all at once: `python -m tests.e2e_node [ARG...]`.

They wait most of the time, for a kubelet to prove that it stays up. Arguments go to pytest; with ``--one-by-one`` as
the first, the files follow each other, for times that are fit to be quoted. The table of what was measured is put into
build/work/e2e-node.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.e2e_node.record import TABLE_VARIABLE, joined

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent
_TABLE = _ROOT / "build" / "work" / "e2e-node.md"
_NO_TESTS = 5


def _run(file: Path, arguments: list[str], table: Path) -> int:
    """Run one file and print all that it says at once."""
    # Short, as a socket's path has 107 bytes.
    with tempfile.TemporaryDirectory() as scratch:
        environ = {**os.environ, "PYTEST_DEBUG_TEMPROOT": scratch, TABLE_VARIABLE: str(table)}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "e2e_node", str(file), *arguments]
        done = subprocess.run(
            [_ROOT / "tests/e2e/enter", *command],
            env=environ,
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != _NO_TESTS:
        sys.stdout.buffer.write(done.stdout)
        sys.stdout.flush()
    return done.returncode


def main(arguments: list[str]) -> int:
    """Run all; 0 when none failed and some ran."""
    one_by_one = arguments[:1] == ["--one-by-one"]
    files = sorted(_HERE.glob("test_*.py"))
    with tempfile.TemporaryDirectory() as folder:
        tables = [Path(folder, file.stem) for file in files]
        with ThreadPoolExecutor(1 if one_by_one else len(files)) as pool:
            given = [arguments[one_by_one:]] * len(files)
            codes = list(pool.map(_run, files, given, tables))
        table = joined(path.read_text() for path in tables if path.exists())
    if table:
        _TABLE.parent.mkdir(parents=True, exist_ok=True)
        _TABLE.write_text(table)
        print(f"\n{table}", end="", flush=True)
    ran = [code for code in codes if code != _NO_TESTS]
    return max(ran) if ran else _NO_TESTS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
