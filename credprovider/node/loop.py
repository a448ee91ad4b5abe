"""`node run`: rounds of install or uninstall for as long as the pod lives.

A round is due after some minutes with jitter, sooner after a refusal, and at once when the config, the link, the
settings or the projected token say something else than they did. A signal to end lets a round finish.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from credprovider.errors import ProviderError
from credprovider.node.bundle import read_bundle, running_bundle
from credprovider.node.exchange_check import can_be_checked, check_exchange
from credprovider.node.install import Goal, install
from credprovider.node.live_probes import LiveProbes
from credprovider.node.loaded import is_loaded
from credprovider.node.patience import FIRST, Patience
from credprovider.node.refusal import Refusal, disk_refusal
from credprovider.node.relay import relay_token
from credprovider.node.service import started_at
from credprovider.node.signature import signature
from credprovider.node.site import find_site
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

#: Runs until nothing is left to change; others may be at work at the same time.
_RUNS = 3

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
        self._patience = Patience()
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
        now = self._signature()
        if now != self._seen:
            self._patience.start_anew()
        if clock.boottime() >= self._due or now != self._seen:
            self._look_at_taint()  # a round may take minutes, or be this pod's last
            self._seen = now
            self._due = self._round() + clock.boottime()
        self._look_at_taint()
        self._situation.alive = clock.boottime()

    def _look_at_taint(self) -> None:
        if self._taint is not None:
            self._taint.look(ready=self._works)

    def _round(self) -> float:
        """Seconds until the next one, if nothing happens in between."""
        now, unheard = self._situation, self._listen()
        is_brought = self._works = False
        try:
            site = self._find()
            self._bring(site)
            is_brought = True
            if self._options.mode == "install":
                self._relay(self._settings(site))
                self._prove(site)
            self._works = True
            if unheard is not None:
                raise unheard
        except (ProviderError, OSError) as error:
            refusal = error if isinstance(error, ProviderError) else disk_refusal(error)
            now.ready, now.code, now.reason = False, refusal.code, refusal.cause
            self._teller.refused(self._options.mode, refusal)
            # What only the clouds or the token keep from working costs the node's disk nothing.
            return FIRST if is_brought else self._patience.refused()
        finally:
            self._retry = False
            self._teller.cluster_trouble()
            now.reconciled = self._host.clock.wall()
        now.ready, now.code, now.reason = True, "", ""
        self._teller.good(self._options.mode)
        self._patience.start_anew()
        return _INTERVAL * (1 + _JITTER * (2 * self._chance() - 1))

    def _find(self) -> Site:
        try:
            found = find_site(self._host, self._options.instance, probes=lambda port: self._probes(port, self._cluster))
        except ProviderError:
            self._situation.loaded = False  # as far as anybody can tell
            raise
        places = found.places
        self._watched = [places.config, places.link, places.config_json]
        return found

    def _bring(self, site: Site) -> None:
        """Run until a run finds nothing to change: then what is there is what was seen before it.

        So neither does our own change pass for another's, nor another's during a run for ours.
        """
        for _ in range(_RUNS):
            self._seen = self._signature()
            try:
                outcome = self._act(site)
            finally:
                with contextlib.suppress(OSError):
                    self._show(site)
            self._teller.changed(self._options.mode, outcome)
            if not outcome.changed and not outcome.restarted:
                return

    def _act(self, site: Site) -> Outcome:
        def spread() -> None:
            process = site.service.state().process
            age = self._host.clock.boottime() - started_at(process) if process is not None else 0.0
            if age > _FRESH and self._wait(_SPREAD * self._chance()):
                raise Refusal("node-ending", "the pod ended before anything was changed", "nothing to do")

        if self._options.mode == "uninstall":
            return uninstall(site, retry_rejected=self._retry, pause=spread)
        return self._install(site, spread)

    def _install(self, site: Site, spread: Callable[[], None]) -> Outcome:
        options, clock = self._options, self._host.clock
        self._renew_token(site)
        bundle = self._bundle()
        combination = f"{bundle.id} {self._settings(site).digest} {site.kubelet.release}"
        if not self._retry:
            self._patience.refuse_known(combination, clock.boottime())
        relays = options.relay_token is not None
        goal = Goal(bundle, options.settings_folder, self._retry, is_automatic=True, relays=relays, pause=spread)
        try:
            return install(site, goal)
        except ProviderError as error:
            self._patience.note(combination, error, clock.boottime())
            raise

    def _show(self, site: Site) -> None:
        now, record = self._situation, site.memory().of(site.places.provider)
        now.version, now.bundle, now.entry = record.version, record.bundle, record.entry
        now.loaded = bool(record.entry) and is_loaded(site, record, record.entry)
        # Counters outlive the pod on the node; where they are gone with the rest, they must not fall.
        now.restarts = max(now.restarts, record.restarts)
        now.rollbacks = max(now.rollbacks, record.rollbacks)
        now.repairs = max(now.repairs, record.repairs)

    def _settings(self, site: Site) -> Settings:
        return self._settings_of(site, self._options.settings_folder)

    def _settings_of(self, site: Site, folder: str | None) -> Settings:
        return wanted_settings(self._host, site.places, site.kubelet.environ, folder).settings

    def _renew_token(self, site: Site) -> None:
        """A node that is refused something new goes on with what it has, for which it needs its token."""
        token = site.memory().of(site.places.provider).token
        with contextlib.suppress(ProviderError, OSError):
            settings = self._settings_of(site, None) if token else None
            if settings is not None and settings.token_file == token:
                self._relay(settings)

    def _relay(self, settings: Settings) -> None:
        """To a node that was accepted: a token is none of the others' business."""
        if self._options.relay_token is not None and settings.source == "token-file":
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
        folder = self._options.settings_folder
        own = [self._options.relay_token, folder and f"{folder}/config.json"]
        return signature(self._host, self._watched, [path for path in own if path])
