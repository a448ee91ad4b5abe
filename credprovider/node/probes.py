"""What can be learnt of a running kubelet from outside; a question without an answer does not count."""

from __future__ import annotations

from typing import NamedTuple


class Readiness(NamedTuple):
    """The node's Ready condition.

    Attributes:
        ready: its status is True.
        heartbeat: when the kubelet last reported it, seconds since 1970.
    """

    ready: bool
    heartbeat: float


class Probes:
    """Answers nothing; `cluster.LiveProbes` asks the kubelet and the API server."""

    def healthz(self) -> bool | None:
        """Does the kubelet's health endpoint say ok? None when it cannot be asked here."""
        return None

    def loaded_hash(self) -> str | None:
        """The metric ``kubelet_credential_provider_config_info``: the config that the running kubelet has loaded."""
        return None

    def readiness(self) -> Readiness | None:
        """The node's own Ready condition at the API server."""
        return None
