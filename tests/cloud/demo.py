"""What `./dev demo` runs inside the namespace: the executable answers in every identity mode, and its answers pull."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cloud.control import CloudProcess
from tests.cloud.modes import MODES_BY_NAME, Mode, Setting, set_up
from tests.cloud.pull import Puller, PullError

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi

#: Identity mode -> what it is, for people.
SHOWN = {
    "managed-identity-direct": "the node's managed identity, no Google service account",
    "managed-identity-impersonated": "the node's managed identity, as the vendor's service account",
    "token-file-direct": "a ServiceAccount token relayed to the node, straight to Google",
    "token-file-entra-impersonated": "a relayed ServiceAccount token through Entra ID, as the vendor's guide means it",
    "service-account-direct": "the pod's own token from the kubelet, straight to Google",
    "service-account-entra-impersonated": "the pod's own token through Entra ID, as the vendor's service account",
}
_HOPS = {"imds": "IMDS", "entra": "Entra ID", "sts": "Google STS", "iam": "IAM Credentials"}


class DemoError(Exception):
    """A step that did not come out as it should."""


def main(arguments: list[str]) -> int:
    """Runs all modes with the executable given; 1 if one failed."""
    if len(arguments) != 1:
        print("usage: python -m tests.cloud.demo EXECUTABLE", file=sys.stderr)
        return 2
    executable = Path(arguments[0]).resolve()
    failed = []
    with CloudProcess() as cloud, tempfile.TemporaryDirectory(prefix="demo.") as folder:
        print("The loopback cloud stands: IMDS, Entra ID, Google STS, IAM Credentials and Artifact Registry,")
        print(f"under their real names, with real TLS, no way out. The image: {cloud.world.image}\n")
        for number, (name, meaning) in enumerate(SHOWN.items(), 1):
            print(f"{number}/{len(SHOWN)}  {name}: {meaning}")
            mode = MODES_BY_NAME[name]
            try:
                _show(executable, cloud, mode, set_up(Path(folder) / name, cloud, mode))
            except (DemoError, PullError, OSError) as error:
                print(f"      FAILED     {error}")
                failed.append(name)
            print(flush=True)
    if failed:
        print(f"{len(failed)} of {len(SHOWN)} identity modes failed: {', '.join(failed)}")
        return 1
    print(f"All {len(SHOWN)} identity modes answered, and each answer pulled the image: no Secret, no key, no account.")
    return 0


def _show(executable: Path, cloud: CloudApi, mode: Mode, setting: Setting) -> None:
    cloud.reset()
    answer, seconds = _ask(executable, cloud, setting)
    username, password = _credential(answer, cloud.world.image)
    asked = [call["hop"] for call in cloud.calls()]
    life = answer["cacheDuration"]
    _line("answer", f"{username} / {masked(password)}, cacheDuration {life}, in {seconds * 1000:.0f} ms")
    _line("went by", " → ".join(_HOPS.get(hop, hop) for hop in asked))
    if asked != mode.hops:
        raise DemoError(f"expected {mode.hops}")
    again, seconds = _ask(executable, cloud, setting)
    if _credential(again, cloud.world.image)[1] != password or len(cloud.calls()) != len(asked):
        raise DemoError("the second answer did not come from the cache")
    _line("again", f"the same from the node's cache, nothing asked of anyone, in {seconds * 1000:.0f} ms")
    for blob in Puller(cloud.ca_file).pull(cloud.world.image, username, password):
        _line("pulled", f"{blob.kind:8} {blob.digest[:19]}… {len(blob.content):4} bytes, digest verified")


def _line(what: str, text: str) -> None:
    print(f"      {what:9}  {text}", flush=True)


def masked(token: str) -> str:
    """Enough of a token to see what it is: five characters and the length."""
    return f"{token[:5]}… ({len(token)} characters)"


def _ask(executable: Path, cloud: CloudApi, setting: Setting) -> tuple[dict[str, Any], float]:
    """One exec as the kubelet makes it: request on stdin, response on stdout; response and seconds."""
    command = [str(executable), "--config", str(setting.config)]
    environment = {"SSL_CERT_FILE": str(cloud.ca_file)}
    start = time.monotonic()
    done = subprocess.run(command, input=setting.request, capture_output=True, env=environment, timeout=60, check=False)
    seconds = time.monotonic() - start
    if done.returncode != 0:
        raise DemoError(f"exit {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return json.loads(done.stdout), seconds


def _credential(answer: dict[str, Any], image: str) -> tuple[str, str]:
    """User name and password of the entry whose key matches the image's host; its keys have no port or path."""
    host = image.partition("/")[0]
    for key, entry in (answer.get("auth") or {}).items():
        if fnmatchcase(host, key):
            return entry["username"], entry["password"]
    raise DemoError("the response has no credential for the image")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
