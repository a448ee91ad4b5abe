"""A `Situation` as Prometheus text (exposition format 0.0.4); pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from credprovider.node.situation import Situation

_PREFIX = "azure_gar_credential_provider"

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics_text(situation: Situation) -> str:
    """All metrics, each with its help."""
    lines: list[str] = []
    for name, kind, meaning, labels, value in _metrics(situation):
        full = f"{_PREFIX}_{name}"
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines += [f"# HELP {full} {meaning}", f"# TYPE {full} {kind}", f"{full}{{{shown}}} {_number(value)}"]
    return "\n".join(lines) + "\n"


def _metrics(now: Situation) -> Iterator[tuple[str, str, str, dict[str, str], float]]:
    of = {"provider": now.provider}
    build = {**of, "version": now.version, "bundle": now.bundle}
    yield "installed_info", "gauge", "Version and bundle that the node has.", build, bool(now.version)
    entry = {**build, "entry": now.entry}
    yield (
        "loaded_info",
        "gauge",
        "1 if the running kubelet has loaded this entry, and so executes this bundle.",
        entry,
        now.loaded,
    )
    yield "ready", "gauge", "1 if the node is as it should be, and verified.", {**of, "mode": now.mode}, now.ready
    if now.code:
        yield "refused", "gauge", "Why the node is not ready.", {**of, "code": now.code}, 1
    yield "kubelet_restarts_total", "counter", "Restarts of the kubelet for us.", of, now.restarts
    yield "rollbacks_total", "counter", "Changes that were undone after they had been made.", of, now.rollbacks
    yield "drift_repairs_total", "counter", "Repairs of what others changed or took away.", of, now.repairs
    when = "Seconds since 1970."
    yield "last_reconcile_timestamp_seconds", "gauge", f"End of the last round. {when}", of, now.reconciled
    if now.exchanged:
        yield "last_exchange_timestamp_seconds", "gauge", f"Last proof that pulls work. {when}", of, now.exchanged
    if now.exchange_code:
        yield "exchange_failed", "gauge", "Why the last proof failed.", {**of, "code": now.exchange_code}, 1
    if now.token_expires:
        yield (
            "relayed_token_expiry_timestamp_seconds",
            "gauge",
            f"End of the token's life. {when}",
            of,
            now.token_expires,
        )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return f"{float(value):.3f}".rstrip("0").rstrip(".")
