"""Two ways to ask the plugin the same question: the package in this process, and the built executable."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from credprovider.__main__ import _bug
from credprovider.answer import answer
from credprovider.errors import ProviderError
from credprovider.world import Limits, World, real_world

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOT = Path(__file__).parent.parent.parent
PROGRAM = "azure-gar-credential-provider"
EXECUTABLE = _ROOT / "dist" / PROGRAM / PROGRAM
#: Where the executable keeps tokens: the namespace's private tmpfs.
FROZEN_STATE = Path("/run") / PROGRAM
#: What the kubelet itself gives a plugin at most, in seconds.
KUBELET_LIMIT = 60.0

_LINE = re.compile(rf"{PROGRAM}: (?P<code>[a-z0-9-]+) \[(?P<hop>[a-z-]+)(?: HTTP (?P<status>\d+))?[^\]]*\]: .+ Fix: .+")


@dataclass(frozen=True)
class Outcome:
    """What came of one question.

    Attributes:
        code: exit code.
        stderr: all of it.
        notes: what the journal is told; known of this process only.
    """

    code: int
    stdout: bytes
    stderr: str
    notes: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The one stderr line of a failure; fails when it is not exactly one, or when anything is on stdout."""
        assert self.code != 0, self.stdout
        assert self.stdout == b""
        assert self.stderr.endswith("\n"), self.stderr
        assert self.stderr.count("\n") == 1, self.stderr
        return self.stderr.removesuffix("\n")

    @property
    def _parts(self) -> dict[str, str | None]:
        found = _LINE.fullmatch(self.line)
        assert found is not None, self.line
        return found.groupdict()

    @property
    def error(self) -> str:
        """The stable code in that line, e.g. `sts-audience-mismatch`."""
        return str(self._parts["code"])

    @property
    def hop(self) -> str:
        """Where that line says it happened."""
        return str(self._parts["hop"])

    @property
    def status(self) -> int | None:
        """The HTTP status in that line."""
        status = self._parts["status"]
        return None if status is None else int(status)

    @property
    def response(self) -> dict[str, Any]:
        """The CredentialProviderResponse; fails when the plugin did."""
        assert self.code == 0, self.stderr
        assert self.stderr == ""
        found = json.loads(self.stdout)
        assert isinstance(found, dict)
        return found

    @property
    def password(self) -> str:
        """The token handed to the kubelet; fails unless all keys have the same one."""
        entries = {json.dumps(entry, sort_keys=True) for entry in self.response["auth"].values()}
        assert len(entries) == 1, entries
        return str(json.loads(entries.pop())["password"])

    @property
    def cache_seconds(self) -> int:
        """`cacheDuration` in seconds."""
        found = re.fullmatch(r"(\d+)s", self.response["cacheDuration"])
        assert found is not None, self.response
        return int(found[1])


class Runner(Protocol):
    """One interface for both.

    Attributes:
        name: `in-process` or `frozen`.
        state: where this runner's tokens lie.
        environ: variables of every question, `SSL_CERT_FILE` among them; nothing else is inherited.
    """

    name: str
    state: Path
    environ: dict[str, str]

    def __call__(self, request: bytes, config: Path, **environ: str | None) -> Outcome:
        """Ask; `environ` adds variables or, with None, takes them away."""


def quick(*, total: float = 4.0, connect: float = 0.4, read: float = 0.6, pause: float = 0.01) -> Limits:
    """The product's own limits with everything in a tenth of the time or less, so that a fault test ends soon."""
    return Limits(total=total, connect=connect, read=read, pause=pause)


@dataclass
class InProcess:
    """`credprovider.answer` with a world of our making; errors become what `__main__` makes of them."""

    state: Path
    environ: dict[str, str]
    limits: Limits = field(default_factory=quick)
    world: dict[str, Any] = field(default_factory=dict)
    name: str = "in-process"

    def make_world(self, config: Path, environ: Mapping[str, str]) -> World:
        """The machine with our limits and folder, and with what a test put into `world`."""
        made = real_world(str(config))
        made.environ = environ
        made.state_directory = str(self.state)
        made.limits = self.limits
        made.azure_json = str(self.state / "absent")
        for name, value in self.world.items():
            setattr(made, name, value)
        return made

    def __call__(self, request: bytes, config: Path, **environ: str | None) -> Outcome:
        """Ask."""
        try:
            result = answer(request, self.make_world(config, _merged(self.environ, environ)))
        except ProviderError as error:
            return Outcome(error.exit_code, b"", error.line() + "\n", (error.line(),))
        except Exception as error:  # noqa: BLE001 - as __main__ does, so that a test sees a bug as the kubelet would
            return Outcome(70, b"", _bug(error) + "\n", (_bug(error),))
        return Outcome(0, result.stdout, "", (result.note, *result.warnings))


@dataclass
class Frozen:
    """The built executable, as the kubelet runs it: request on stdin, no environment but what is given."""

    environ: dict[str, str]
    executable: Path = EXECUTABLE
    state: Path = FROZEN_STATE
    name: str = "frozen"

    def start(self, request: bytes | None, config: Path, **environ: str | None) -> subprocess.Popen[bytes]:
        """Start it and hand it the request at once (None: keep stdin open); for tests that need many, or kill one."""
        process = subprocess.Popen(
            [self.executable, f"--config={config}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=_merged(self.environ, environ),
            cwd="/",
            start_new_session=True,
        )
        if request is not None and process.stdin is not None:
            rest = memoryview(request)
            with contextlib.suppress(BrokenPipeError):  # what is too long need not be read to its end
                while rest:
                    rest = rest[os.write(process.stdin.fileno(), rest) :]
            process.stdin.close()
            process.stdin = None
        return process

    def finish(self, process: subprocess.Popen[bytes]) -> Outcome:
        """Wait for the end; fails when the kubelet would have lost patience, or when there was a second process."""
        descriptor = os.pidfd_open(process.pid)
        try:
            # Its output fits into the pipes; read after its end, so that what it left in /proc can be looked at.
            poller = select.poll()
            poller.register(descriptor, select.POLLIN)
            assert poller.poll(KUBELET_LIMIT * 1000), "the kubelet would have killed it"
            children = _faults_of_children(process.pid)
        finally:
            os.close(descriptor)
            process.kill()
            stdout, stderr = process.communicate()
        assert children == 0, "the executable started another process"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 0)
            raise AssertionError("the executable left a process behind")
        return Outcome(process.returncode, stdout, stderr.decode())

    def __call__(self, request: bytes, config: Path, **environ: str | None) -> Outcome:
        """Ask."""
        return self.finish(self.start(request, config, **environ))


def _faults_of_children(pid: int) -> int:
    """Page faults of a zombie's children that it waited for (proc_pid_stat(5), cminflt): none without a child."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[8])


def _merged(base: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in {**base, **changes}.items() if value is not None}


def clear(state: Path) -> None:
    """A runner's folder as before its first run."""
    shutil.rmtree(state, ignore_errors=True)
