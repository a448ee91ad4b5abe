"""`node run`: rounds of install or uninstall for as long as the pod lives.

A round is due after some minutes with jitter, sooner after a refusal, and at once when the config, the link, the
settings or the projected token are no longer what they were. A signal to end lets a round finish.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from credprovider.errors import ProviderError
from credprovider.node.bundle import read_bundle, running_bundle
from credprovider.node.exchange_check import can_be_checked, check_exchange
from credprovider.node.install import Goal, install
from credprovider.node.live_probes import LiveProbes
from credprovider.node.refusal import Refusal
from credprovider.node.relay import relay_token
from credprovider.node.service import started_at
from credprovider.node.site import find_site
from credprovider.node.steps import disk_refusal
from credprovider.node.taint import StartupTaint
from credprovider.node.uninstall import uninstall
from credprovider.node.wanted import wanted_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from credprovider.node.bundle import Bundle
    from credprovider.node.cluster import Cluster
    from credprovider.node.host import Host
    from credprovider.node.install import Outcome
    from credprovider.node.probes import Probes
    from credprovider.node.site import Site
    from credprovider.node.situation import Situation
    from credprovider.node.teller import Teller
    from credprovider.settings import Settings

#: Seconds between two looks at what may have drifted.
TICK = 10.0
_INTERVAL, _JITTER = 300.0, 0.2
_AFTER_REFUSAL = 60.0

#: A fleet's kubelets must not all restart within the same second; a fresh node has nobody to disturb.
_SPREAD = 60.0
_FRESH = 600.0


@dataclass(frozen=True)
class Options:
    """What `node run` was asked for.

    Attributes:
        mode: ``install`` or ``uninstall``.
        instance: of a second vendor.
        settings_folder: the ConfigMap's, or None for the node's own.
        relay_token: path of the projected token, or None.
        startup_taint: key of a taint to take off the Node when pulls work, or None.
        taint_patience: seconds after which it goes in any case.
        retry_rejected: in the first round, try again what was rolled back.
    """

    mode: str = "install"
    instance: str | None = None
    settings_folder: str | None = None
    relay_token: str | None = None
    startup_taint: str | None = None
    taint_patience: float = 600.0
    retry_rejected: bool = False


class Loop:
    """One pod's work.

    Args:
        host: the node.
        options: what to do.
        situation: kept up to date for metrics and probes.
        teller: takes refusals and successes for log, Events and `node status`.
        cluster: where taints are and Readiness is, or None.
        wait: sleeps, and tells whether it is time to end.
        chance: a random fraction.
        bundle: reads what to install.
        probes: made of the kubelet's health port and the cluster.
        listen: begins to serve metrics and probes, if that is not done already; tells why it cannot.
    """

    def __init__(
        self,
        host: Host,
        options: Options,
        situation: Situation,
        teller: Teller,
        *,
        cluster: Cluster | None,
        wait: Callable[[float], bool],
        chance: Callable[[], float],
        bundle: Callable[[], Bundle] = lambda: read_bundle(running_bundle()),
        probes: Callable[[int | None, Cluster | None], Probes] = LiveProbes,
        listen: Callable[[], ProviderError | None] = lambda: None,
    ) -> None:
        self._host = host
        self._options = options
        self._situation = situation
        self._teller = teller
        self._cluster = cluster
        self._wait = wait
        self._chance = chance
        self._bundle = bundle
        self._probes = probes
        self._listen = listen
        self._works = False
        self._due = 0.0
        self._watched: list[str] = []
        self._seen: list[object] = []
        self._proven = ""
        self._retry = options.retry_rejected
        self._taint: StartupTaint | None = None
        if options.startup_taint and cluster is not None and options.mode == "install":
            key, patience = options.startup_taint, options.taint_patience
            self._taint = StartupTaint(key, cluster, host.clock, patience=patience, say=teller.say)

    def run(self) -> None:
        """Look again and again until `wait` says that it is time to end."""
        while True:
            self.tick()
            if self._wait(TICK):
                return

    def tick(self) -> None:
        """One look; a round if one is due."""
        clock = self._host.clock
        self._situation.alive = clock.boottime()
        before = self._signature()
        if clock.boottime() >= self._due or before != self._seen:
            self._look_at_taint()  # a round may take minutes, or be this pod's last
            good = self._round()
            pause = _INTERVAL * (1 + _JITTER * (2 * self._chance() - 1)) if good else _AFTER_REFUSAL
            self._due = clock.boottime() + pause
            # Not as it is now: what others did during the round would pass for ours. Our own costs one more look.
            self._seen = before
        self._look_at_taint()
        self._situation.alive = clock.boottime()

    def _look_at_taint(self) -> None:
        if self._taint is not None:
            self._taint.look(ready=self._works)

    def _round(self) -> bool:
        """True when the node is as it should be, and that is proven."""
        now, self._works = self._situation, False
        unheard = self._listen()
        try:
            site = self._find()
            self._teller.changed(self._options.mode, self._act(site))
            if self._options.mode == "install":
                self._prove(site)
            self._works = True
            if unheard is not None:
                raise unheard
        except ProviderError as error:
            return self._refused(error)
        except OSError as error:
            return self._refused(disk_refusal(error))
        finally:
            self._retry = False
            self._teller.cluster_trouble()
            now.reconciled = self._host.clock.wall()
        now.ready, now.code, now.reason = True, "", ""
        self._teller.good(self._options.mode)
        return True

    def _refused(self, error: ProviderError) -> bool:
        now = self._situation
        now.ready, now.code, now.reason = False, error.code, error.cause
        self._teller.refused(self._options.mode, error)
        return False

    def _find(self) -> Site:
        found = find_site(self._host, self._options.instance, probes=lambda port: self._probes(port, self._cluster))
        places = found.places
        self._watched = [places.config, places.link, places.config_json]
        return found

    def _act(self, site: Site) -> Outcome:
        def spread() -> None:
            process = site.service.state().process
            age = self._host.clock.boottime() - started_at(process) if process is not None else 0.0
            if age > _FRESH and self._wait(_SPREAD * self._chance()):
                raise Refusal("node-ending", "the pod ended before anything was changed", "nothing to do")

        try:
            if self._options.mode == "uninstall":
                return uninstall(site, retry_rejected=self._retry, pause=spread)
            return self._install(site, spread)
        finally:
            self._show(site)

    def _install(self, site: Site, spread: Callable[[], None]) -> Outcome:
        """A token that cannot be relayed keeps the node from being ready, and nothing from being installed."""
        held: ProviderError | None = None
        try:
            self._relay(site)
        except ProviderError as error:
            held = error
        folder = self._options.settings_folder
        outcome = install(
            site, Goal(self._bundle(), folder, retry_rejected=self._retry, is_automatic=True, pause=spread)
        )
        if held is not None:
            raise held
        return outcome

    def _show(self, site: Site) -> None:
        now, record = self._situation, site.memory().of(site.places.provider)
        now.version, now.bundle, now.entry = record.version, record.bundle, record.entry
        now.loaded = bool(record.entry) and record.loaded[-1:] == [record.entry]
        # Counters outlive the pod on the node; where they are gone with the rest, they must not fall.
        now.restarts = max(now.restarts, record.restarts)
        now.rollbacks = max(now.rollbacks, record.rollbacks)
        now.repairs = max(now.repairs, record.repairs)

    def _settings(self, site: Site) -> Settings:
        folder = self._options.settings_folder
        return wanted_settings(self._host, site.places, site.kubelet.environ, folder).settings

    def _relay(self, site: Site) -> None:
        if self._options.relay_token is None:
            return
        settings = self._settings(site)
        if settings.source == "token-file":
            self._situation.token_expires = relay_token(self._host, self._options.relay_token, settings)

    def _prove(self, site: Site) -> None:
        """Ready needs one exchange with this bundle and these settings; a later outage does not take that back."""
        settings, now = self._settings(site), self._situation
        if not can_be_checked(settings):
            return
        combination = f"{now.bundle} {settings.digest}"
        try:
            check_exchange(site, settings)
        except ProviderError as error:
            now.exchange_code = error.code
            if self._proven != combination:
                raise
            self._teller.outage(error)
        else:
            now.exchanged, now.exchange_code = self._host.clock.wall(), ""
            self._teller.no_outage()
            self._proven = combination

    def _signature(self) -> list[object]:
        """Changes when a round should not wait."""
        own = [
            self._options.relay_token,
            self._options.settings_folder and f"{self._options.settings_folder}/config.json",
        ]
        return [*(_face(self._host.lstat(path)) for path in self._watched), *(_face(_stat(path)) for path in own)]


def _stat(path: str | None) -> os.stat_result | None:
    """Through a ConfigMap's links, which swap the file behind them."""
    try:
        return os.stat(path) if path else None
    except OSError:
        return None


def _face(found: os.stat_result | None) -> object:
    return (found.st_ino, found.st_mtime_ns, found.st_size) if found is not None else None
