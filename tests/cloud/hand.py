"""The cloud for a person (`./dev cloud`): settings for every identity mode, how to talk to it, a shell where it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.cloud.modes import MODES, set_up
from tests.cloud.places import PLACES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cloud.control import Cloud

_PROGRAM = "azure-gar-credential-provider"
_TEXT = """\
The loopback cloud stands, in a network of its own:

{places}

Settings that work, with the kubelet's request beside them, one folder per identity mode:

{modes}

Try, with PLUGIN=dist/{program}/{program}:

    export SSL_CERT_FILE={folder}/ca.pem CURL_CA_BUNDLE={folder}/ca.pem
    $PLUGIN --config {folder}/{mode}/config.json < {folder}/{mode}/request.json
    curl -sS https://us-docker.pkg.dev/v2/ -D -
    curl -sS -H Metadata:true 'http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource={resource}&client_id={client}'

Order faults and see what was asked, from Python in the repository's folder:

    from pathlib import Path
    from tests.cloud.control import CloudClient
    cloud = CloudClient(Path("{folder}"))
    cloud.fault("sts", "status", times=2, status=503)     # help(CloudClient.fault) names all kinds
    [(call["hop"], call["status"]) for call in cloud.calls()]
"""


def attend(cloud: Cloud, folder: Path) -> int:
    """Prints all that, then gives a shell (on a terminal) or waits for a signal."""
    for mode in MODES:
        setting = set_up(folder / mode.name, cloud, mode, lifetime=24 * 3600)
        (setting.config.parent / "request.json").write_bytes(setting.request)
    default = MODES[0].name
    print(
        _TEXT.format(
            places="\n".join(f"    {place.hop:9} {place.address:16} {place.host}" for place in PLACES),
            modes="\n".join(f"    {folder}/{mode.name}/" for mode in MODES),
            program=_PROGRAM,
            folder=folder,
            mode=default,
            resource=cloud.world.exchange_resource,
            client=cloud.world.client_id,
        )
    )
    if sys.stdin.isatty():
        print("This shell is inside; leaving it ends the cloud.\n", flush=True)
        return _shell(cloud)
    print(f"From another terminal, as the same user: {enter_command(os.getpid())}")
    print("Ctrl-C ends it.", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


def enter_command(pid: int) -> str:
    """The command that enters the namespaces of a process from outside."""
    if os.stat("/proc/self/ns/user").st_ino == _INITIAL_USER_NAMESPACE:
        return f"nsenter -t {pid} -n -m"
    return f"nsenter -t {pid} -U -n -m --preserve-credentials"


#: Inode of the host's own user namespace (include/linux/proc_ns.h, PROC_USER_INIT_INO).
_INITIAL_USER_NAMESPACE = 0xEFFFFFFD


def _shell(cloud: Cloud) -> int:
    """An interactive shell that ignores our blocked signals."""
    authority = str(cloud.ca_file)
    environment = {**os.environ, "SSL_CERT_FILE": authority, "CURL_CA_BUNDLE": authority, "PS1": "cloud$ "}
    shell = os.environ.get("SHELL", "/bin/sh")

    def unblock() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})

    subprocess.run([shell], env=environment, check=False, preexec_fn=unblock)
    return 0
