"""The executable's entry: the kubelet's question, or a person's command? Loads no more than the one that is asked."""

from __future__ import annotations

import _thread
import gc
import os
import sys

from credprovider.errors import PROGRAM, ProviderError, one_line
from credprovider.protocol import REQUEST_LIMIT, bad_request
from credprovider.world import DEFAULT_CONFIG, real_world

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_HINT = (
    f"{PROGRAM} is run by the kubelet: it reads a CredentialProviderRequest on stdin.\n"
    f"Try `{PROGRAM} request IMAGE | {PROGRAM} --config FILE`, or `{PROGRAM} --help`.\n"
)


def main(argv: list[str] | None = None) -> int:
    """Run; the plugin's way does not return, it ends the process."""
    # The bundle brings its own OpenSSL; the node's openssl.cnf may name modules (FIPS) of another build. Here and not
    # where sockets are opened: libraries that settings need load OpenSSL before.
    os.environ["OPENSSL_CONF"] = "/dev/null"
    arguments = sys.argv[1:] if argv is None else argv
    config = _plugin_config(arguments)
    if config is not None:
        _plugin(config)
    from credprovider.commands import run  # noqa: PLC0415 - argparse and its kin are for people

    return run(arguments)


def _plugin_config(arguments: list[str]) -> str | None:
    """The plugin's ``--config`` (`DEFAULT_CONFIG` without one); None when this is a person's command."""
    if not arguments:
        return DEFAULT_CONFIG
    if len(arguments) == 2 and arguments[0] == "--config":
        return arguments[1]
    if len(arguments) == 1 and arguments[0].startswith("--config="):
        return arguments[0].removeprefix("--config=")
    return None


def _plugin(config: str) -> NoReturn:
    """The plugin. One outcome is written, by whoever has one first: the answer or the watchdog."""
    from credprovider.deadline import guard  # noqa: PLC0415

    gc.disable()  # a process of a quarter of a second has nothing to collect; a tenth of a cold start went into looking
    outcome = _thread.allocate_lock()
    guard(lambda: _time_out(outcome))
    _forbid_core_dumps()
    if os.isatty(0):
        _finish(outcome, b"", _HINT, 2)
    stdout, stderr, code, note, warnings = _answer(config)
    _note(note, warnings, failed=code != 0)
    _finish(outcome, stdout, stderr, code)


def _answer(config: str) -> tuple[bytes, str, int, str, list[str]]:
    """stdout, stderr, exit code, journal line, journal warnings."""
    try:
        from credprovider.answer import answer  # noqa: PLC0415

        result = answer(_read_stdin(), real_world(config))
    except ProviderError as error:
        line = error.line()
        return b"", line + "\n", error.exit_code, line, []
    except BaseException as error:  # noqa: BLE001 - a panic in Rust is no Exception; one line, as a traceback may hold tokens
        line = _bug(error)
        return b"", line + "\n", 70, line, []
    return result.stdout, "", 0, result.note, result.warnings


def _bug(error: BaseException) -> str:
    """Where it happened, by module and line; what the exception says may hold a token."""
    place, step = "", error.__traceback__
    while step is not None:
        name = step.tb_frame.f_globals.get("__name__", "?")
        if name.startswith("credprovider") or not place:
            place = f"{name}:{step.tb_lineno}"
        step = step.tb_next
    return one_line(
        f"{PROGRAM}: bug [{type(error).__name__} at {place}]: this is our fault."
        f" Fix: report this line with `{PROGRAM} --version`"
    )


def _read_stdin() -> bytes:
    """All of stdin, up to one byte more than a request may have."""
    content = b""
    while len(content) <= REQUEST_LIMIT:
        try:
            piece = os.read(0, REQUEST_LIMIT + 1 - len(content))
        except OSError as error:
            raise bad_request("request-unreadable", f"stdin cannot be read: {os.strerror(error.errno or 0)}") from None
        if not piece:
            break
        content += piece
    return content


def _forbid_core_dumps() -> None:
    """A core file would hold tokens."""
    import resource  # noqa: PLC0415

    try:
        # 1 and not 0: a limit of 0 does not stop a core that goes through a pipe (man 5 core, core_pattern).
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    except (OSError, ValueError):
        return


def _note(note: str, warnings: list[str], *, failed: bool) -> None:
    from credprovider.journal import note as send  # noqa: PLC0415

    try:
        send(note, failed=failed)
        for warning in warnings:
            send(warning, failed=True)
    except Exception:  # noqa: BLE001 - whatever is the matter with a journal, the answer is there and must get out
        return


def _time_out(outcome: _thread.LockType) -> None:
    error = ProviderError(
        "deadline-exceeded",
        "deadline",
        "cache",
        "no answer within the time that the kubelet allows; a name look-up, a mount or a firewall is holding it",
        "from the node: curl -m5 https://sts.googleapis.com/ https://iamcredentials.googleapis.com/ https://login.microsoftonline.com/",
    )
    _finish(outcome, b"", error.line() + "\n", error.exit_code)


def _finish(outcome: _thread.LockType, stdout: bytes, stderr: str, code: int) -> NoReturn:
    """Write once and end at once, waiting for no thread; the second to come here waits for the end."""
    outcome.acquire()
    try:
        _write(1, stdout)
    except OSError as error:
        cause = f"stdout does not take the answer: {os.strerror(error.errno or 0)}"
        failure = bad_request("answer-unwritable", cause, "give it a pipe or a file with room, as the kubelet does")
        stderr, code = failure.line() + "\n", failure.exit_code
    try:
        _write(2, stderr.encode("utf-8", "replace"))
    except OSError:
        os._exit(code or 70)
    os._exit(code)


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    sys.exit(main())
