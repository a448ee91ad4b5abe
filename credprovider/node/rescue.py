"""The dead man's switch: armed before the kubelet's config is renamed, it puts everything back without our help.

A shell script on the node does it, started by a transient timer, or by a unit at the next boot, before the kubelet.
It needs neither the pod, nor Python, nor the bundle. Whoever renames the file ``armed`` first decides: the script to
``fired``, the installer to ``verified``. It acts only while the config is, to the byte, the one that we put there.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from credprovider.errors import PROGRAM
from credprovider.node.discover import UNIT
from credprovider.node.places import backup
from credprovider.node.refusal import Refusal

if TYPE_CHECKING:
    from credprovider.node.change import Change, Target
    from credprovider.node.host import Host
    from credprovider.node.places import Places

#: Seconds from arming to firing.
SECONDS = 90

_TIMER = f"{PROGRAM}-rescue"
_BOOT_UNIT = f"{PROGRAM}-rescue-at-boot.service"
_UNITS = "/etc/systemd/system"
_BOOT_PATH = f"{_UNITS}/{_BOOT_UNIT}"
#: Not kubelet.service.wants: that would start it with every restart of the kubelet, our own included.
_WANTED_BY = f"{_UNITS}/multi-user.target.wants"

ARMED, FIRED, VERIFIED = "armed", "fired", "verified"
BOOT, UNTOUCHED = "boot", "untouched"

_UNIT_TEXT = """\
# Written by {program} before it changed {config}, and removed after the kubelet proved well.
# Puts the old config back if the node restarts in between.
[Unit]
Description=Undo an unverified change of the kubelet's credential provider config
DefaultDependencies=no
After=local-fs.target bind-mount.service
Before={unit}
RequiresMountsFor={home}
ConditionPathExists={script}

[Service]
Type=oneshot
ExecStart=/bin/sh {script} boot

[Install]
WantedBy=multi-user.target
"""

_SCRIPT = """\
#!/bin/sh
# Written by {program} before it changed {config}. Puts everything back as it was.
# Run by a timer after {seconds} s, or with the argument "boot" when the node starts.
set -u
cd {home} || exit 1
if [ "${{1:-}}" = boot ]; then
    [ "$(cat /proc/sys/kernel/random/boot_id)" != {boot} ] || exit 0
    [ -e {fired} ] || mv {armed} {fired} 2>/dev/null || exit 0
    echo {at_boot} >evidence || :
else
    mv {armed} {fired} 2>/dev/null || exit 0
    systemctl show {unit} --property=MainPID --property=NRestarts --property=SubState >evidence || :
fi
is() {{ case "$(sha256sum <"$1" 2>/dev/null)" in "$2 "*) return 0 ;; esac; return 1; }}
{body}
sync
"""


class Rescue:
    """Arms, claims and disarms on one node."""

    def __init__(self, host: Host, places: Places) -> None:
        self._host = host
        self._home = places.home

    def arm(self, change: Change) -> None:
        """From here on the change undoes itself.

        Raises:
            Refusal: no timer can be had; then nothing may be changed.
        """
        self._host.put(self._script, script(change, self._home).encode(), mode=0o700)
        self._host.put(self._path(ARMED), b"", mode=0o600)
        self._host.make_folder(_WANTED_BY)
        self._host.put(_BOOT_PATH, _unit(change, self._home, self._script).encode())
        self._host.symlink(f"../{_BOOT_UNIT}", f"{_WANTED_BY}/{_BOOT_UNIT}")
        self._host.sync_folder(_WANTED_BY)
        self.set_timer()

    def set_timer(self, seconds: float = SECONDS) -> None:
        """Start counting, anew if it counts already.

        Raises:
            Refusal: systemd does not take it.
        """
        self._stop_timer()
        command = ["systemd-run", f"--on-active={seconds:.0f}", "--timer-property=AccuracySec=1s", f"--unit={_TIMER}"]
        code, _, error = self._host.run([*command, "--collect", "/bin/sh", self._script])
        if code != 0:
            raise Refusal(
                "node-no-rescue",
                f"no rollback timer can be set, and without one nothing is changed: {error.strip()[:200]}",
                "look at the node's systemd",
            )

    def claim(self) -> bool:
        """The change is verified; False when the script was faster."""
        try:
            self._host.rename(self._path(ARMED), self._path(VERIFIED))
        except FileNotFoundError:
            return self.stage() == VERIFIED
        return True

    def stage(self) -> str | None:
        """`ARMED`, `FIRED`, `VERIFIED`, or None when there is no rescue."""
        return next((name for name in (FIRED, VERIFIED, ARMED) if self._host.lstat(self._path(name)) is not None), None)

    def evidence(self) -> dict[str, str]:
        """What the script saw of the kubelet before it acted.

        `BOOT` is in it when the node restarted, `UNTOUCHED` when the config was not as we had written it.
        """
        text = (self._host.read_if_there(self._path("evidence")) or b"").decode("ascii", "replace")
        return dict(line.partition("=")[::2] for line in text.splitlines())

    def disarm(self) -> None:
        """Take timer, unit and script away; what decided last."""
        leftovers = [f"{_WANTED_BY}/{_BOOT_UNIT}", _BOOT_PATH, self._script]
        marks = [self._path(name) for name in (ARMED, "evidence", FIRED, VERIFIED)]
        if any(self._host.lstat(path) is not None for path in [*leftovers, *marks]):
            self._stop_timer()
        for path in [*leftovers, *marks]:
            self._host.remove(path)

    def _stop_timer(self) -> None:
        if self._host.is_live:
            self._host.run(["systemctl", "stop", f"{_TIMER}.timer"])
            self._host.run(["systemctl", "reset-failed", f"{_TIMER}.timer", f"{_TIMER}.service"])

    @property
    def _script(self) -> str:
        return self._path("rescue.sh")

    def _path(self, name: str) -> str:
        return f"{self._home}/{name}"


def script(change: Change, home: str) -> str:
    """The script for a change: the config, the kubelet, then link and settings, each only if it is still ours.

    Raises:
        AssertionError: a change without a config needs no rescue.
    """
    config = change.config_target
    if config is None:
        raise AssertionError(change.action)
    lines = [f"{_is_ours(config)} || {{ echo {UNTOUCHED} >>evidence || :; exit 0; }}"]
    lines.append(f"{_put_back(config)} || exit 1")
    lines.append(f'[ "${{1:-}}" = boot ] || systemctl restart --no-block {UNIT}')
    others = [target for target in reversed(change.targets) if target is not config and target.before != target.after]
    lines += [f"{_is_ours(target)} && {_put_back(target)}" for target in others]
    return _SCRIPT.format(
        program=PROGRAM,
        config=config.path,
        seconds=SECONDS,
        home=shlex.quote(home),
        boot=shlex.quote(change.boot),
        armed=ARMED,
        fired=FIRED,
        at_boot=BOOT,
        unit=UNIT,
        body="\n".join(lines),
    )


def _is_ours(target: Target) -> str:
    path = shlex.quote(target.path)
    kind, _, value = (target.after or "").partition(":")
    if kind == "link":
        return f'[ "$(readlink {path})" = {shlex.quote(value)} ]'
    return f"is {path} {value}" if kind else f"[ ! -e {path} ]"


def _put_back(target: Target) -> str:
    path = shlex.quote(target.path)
    return f"rm -f {path}" if target.before is None else f"mv -f {shlex.quote(backup(target.path))} {path}"


def _unit(change: Change, home: str, script_path: str) -> str:
    return _UNIT_TEXT.format(program=PROGRAM, config=change.config, unit=UNIT, home=home, script=script_path)
