"""What a running installer knows of itself: written by the loop, shown by metrics and probes of the pod."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Situation:
    """Plain values, each replaced at once, as another thread reads them. Times are seconds since 1970, 0 for never.

    Attributes:
        mode: ``install`` or ``uninstall``.
        provider: name of the instance.
        ready: is the node as it should be, and verified?
        code, reason: why not; empty when it is.
        version, bundle, entry: installed.
        loaded: has the running kubelet loaded that entry?
        restarts, rollbacks, repairs: as the node remembers them.
        reconciled: end of the last round, good or refused.
        exchanged: the last time the plugin answered with a credential.
        exchange_code: why it did not, the last time it was asked; empty when it did.
        token_expires: the relayed token.
        alive: the loop's last sign of life, on the clock `Clock.boottime`.
    """

    mode: str
    provider: str
    ready: bool = False
    code: str = "starting"
    reason: str = "the first round is not finished"
    version: str = ""
    bundle: str = ""
    entry: str = ""
    loaded: bool = False
    restarts: int = 0
    rollbacks: int = 0
    repairs: int = 0
    reconciled: float = 0.0
    exchanged: float = 0.0
    exchange_code: str = ""
    token_expires: float = 0.0
    alive: float = 0.0
