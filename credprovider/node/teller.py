"""Tells how rounds end: in the pod's log, as Events on the Node, and for `node status`; the same once an hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credprovider.errors import PROGRAM, one_line
from credprovider.node.outcome import event_reason, keep_outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from credprovider.errors import ProviderError
    from credprovider.node.cluster import Cluster
    from credprovider.node.host import Host
    from credprovider.node.install import Outcome

_AGAIN = 3600.0
_REFUSAL, _OUTAGE, _WARNING, _CLUSTER = "refusal", "outage", "warning", "cluster"
_PAST = {"install": "installed", "uninstall": "removed"}


class Teller:
    """One pod's voice.

    Args:
        host: the node, for `node status`.
        instance: whose outcomes these are.
        cluster: where Events go, or None.
        write: takes lines.
    """

    def __init__(self, host: Host, instance: str | None, cluster: Cluster | None, write: Callable[[str], None]) -> None:
        self._host = host
        self._instance = instance
        self._cluster = cluster
        self._write = write
        self._told: dict[str, tuple[str, float]] = {}

    def say(self, text: str) -> None:
        """One line for the log."""
        self._write(f"{PROGRAM}: {one_line(text)}\n")

    def refused(self, action: str, error: ProviderError) -> None:
        """A round changed nothing, or was undone."""
        line = error.line()
        keep_outcome(self._host, self._instance, action, code=error.code, line=line)
        if self._is_news(_REFUSAL, error.code):
            self._write(line + "\n")
            self._event(event_reason(error.code), _told_why(error), warning=True)

    def outage(self, error: ProviderError) -> None:
        """Pulls worked, and do not any more."""
        if self._is_news(_OUTAGE, error.code):
            self._write(error.line() + "\n")
            self._event("ExchangeFailed", _told_why(error), warning=True)

    def no_outage(self) -> None:
        """Pulls work."""
        if self._told.pop(_OUTAGE, None) is not None:
            self.say("the exchange works again")

    def cluster_trouble(self) -> None:
        """What the API server was asked in vain; without its answers there are no Events, and no look at the Node."""
        trouble = self._cluster.trouble() if self._cluster is not None else ""
        if trouble and self._is_news(_CLUSTER, _CLUSTER):
            self.say(f"warning: the API server cannot be asked ({trouble}); what needs it is left out")

    def changed(self, action: str, outcome: Outcome) -> None:
        """A round has changed the node; whether it is as it should be is another question."""
        for warning in outcome.warnings:
            if self._is_news(_WARNING, warning):
                self.say(f"warning: {warning}")
        if not outcome.changed and not outcome.restarted:
            return
        kind = "DriftRepaired" if outcome.repaired else _PAST[action].capitalize()
        details = [
            outcome.provider,
            outcome.version,
            f"changed {', '.join(outcome.changed)}" if outcome.changed else "",
        ]
        text = " ".join(detail for detail in details if detail) + ("; kubelet restarted" if outcome.restarted else "")
        self.say(f"{_PAST[action]}: {text}")
        self._event(kind, text, warning=False)

    def good(self, action: str) -> None:
        """The node is as it should be; news if it was not."""
        if action == "install":
            keep_outcome(self._host, self._instance, action)
        if self._told.pop(_REFUSAL, None) is not None:
            self.say("all is well again")
            self._event("Recovered", "all is well again", warning=False)

    def _is_news(self, kind: str, code: str) -> bool:
        now = self._host.clock.boottime()
        before, at = self._told.get(kind, ("", 0.0))
        if code == before and now - at < _AGAIN:
            return False
        self._told[kind] = (code, now)
        return True

    def _event(self, reason: str, message: str, *, warning: bool) -> None:
        if self._cluster is not None:
            self._cluster.tell(reason, one_line(message), warning=warning)


def _told_why(error: ProviderError) -> str:
    return f"{error.cause.removesuffix('.')}. Fix: {error.remedy}"
