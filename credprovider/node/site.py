"""Everything one run has at hand: node, kubelet, our places; and the lock that makes runs follow each other."""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from credprovider.node.discover import KUBELET_DOWN, NO_KUBELET, discover
from credprovider.node.memory import Memory
from credprovider.node.places import places_of, provider_name
from credprovider.node.probes import Probes
from credprovider.node.refusal import Refusal, disk_refusal
from credprovider.node.rescue import Rescue
from credprovider.node.service import Service, started_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from credprovider.node.discover import Kubelet
    from credprovider.node.host import Host
    from credprovider.node.places import Places
    from credprovider.node.service import State

#: How long another run is waited for: longer than a change with verification and rollback takes.
_LOCK_SECONDS = 300.0

#: How long a kubelet that is just starting, or starting over and over, is waited for.
_START_SECONDS = 20.0

#: Seconds that it must have run before it is restarted for us: a broken node is left alone.
_STEADY_SECONDS = 10.0


@dataclass(frozen=True)
class Site:
    """A node that can be worked on; made by `find_site`."""

    host: Host
    kubelet: Kubelet
    places: Places
    probes: Probes

    @property
    def service(self) -> Service:
        """The kubelet's unit."""
        return Service(self.host)

    @property
    def rescue(self) -> Rescue:
        """The dead man's switch."""
        return Rescue(self.host, self.places)

    def memory(self) -> Memory:
        """What is remembered, read now."""
        return Memory(self.host, self.places)

    def config(self) -> bytes | None:
        """The kubelet's config file, or our own in a folder of them; None when that is not there."""
        return self.host.read_if_there(self.places.config)

    def state(self) -> State | None:
        """The kubelet's process; None for a tree."""
        return self.service.state() if self.host.is_live else None

    def wait_until_steady(self) -> None:
        """Let a kubelet that has just started show that it stays.

        Raises:
            Refusal: it does not.
        """
        clock = self.host.clock
        until = clock.boottime() + 3 * _STEADY_SECONDS
        while True:
            process = self.service.state().process
            if process is not None and clock.boottime() - started_at(process) >= _STEADY_SECONDS:
                return
            if clock.boottime() > until:
                raise Refusal(
                    KUBELET_DOWN,
                    "the kubelet does not stay up as it is, and a broken node is left alone",
                    "see `systemctl status kubelet` and `journalctl -u kubelet`",
                )
            clock.sleep(1.0)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One run at a time, of all instances. The lock is on the bin dir itself, so a refused run leaves no file.

        Raises:
            Refusal: another run takes too long.
        """
        descriptor = os.open(self.host.root + self.places.bin_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._wait(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _wait(self, descriptor: int) -> None:
        until = self.host.clock.boottime() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self.host.clock.boottime() > until:
                    raise Refusal(
                        "node-busy",
                        "another installer is at work on this node",
                        "wait for it, or look what holds it up",
                    ) from None
                self.host.clock.sleep(1.0)
            else:
                return


def find_site(
    host: Host,
    instance: str | None = None,
    *,
    probes: Callable[[int | None], Probes] = lambda _: Probes(),
    flags: Sequence[str] = (),
) -> Site:
    """Discover.

    Args:
        host: the node.
        instance: name of a second vendor's instance.
        probes: how to ask the kubelet and the API server; made of the kubelet's health port.
        flags: of the kubelet, for a tree that does not tell.

    Raises:
        Refusal: something is not as expected.
    """
    provider_name(instance)
    until = host.clock.boottime() + _START_SECONDS
    while True:
        try:
            kubelet = discover(host, flags)
        except Refusal as refusal:
            # What an earlier run left half done must not wait for a kubelet that stays up.
            if refusal.code not in (KUBELET_DOWN, NO_KUBELET) or host.clock.boottime() > until:
                raise
            host.clock.sleep(0.5)
        except OSError as error:
            raise disk_refusal(error) from None
        else:
            return Site(host, kubelet, places_of(kubelet, instance), probes(kubelet.healthz_port))
