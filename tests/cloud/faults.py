"""Faults on demand: which one the next connection or request of a hop meets, and what the spoilt answer is."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cloud.bodies import own_error
from tests.cloud.places import ELSEWHERE_HOST, HOPS, PLACES
from tests.cloud.state import State
from tests.cloud.wire import Answer, Request

_SAMPLES = Path(__file__).parent.parent / "vectors" / "http_samples.json"
_CERTIFICATES = {"expired", "wrong-name", "untrusted"}
#: Kinds that are switched on and off rather than met by one connection or request.
SWITCHES = {"refused", "dns"}
KINDS: dict[str, set[str]] = {
    "refused": set(),
    "dns": {"how"},
    "reset": {"at", "path"},
    "hang": {"at", "path"},
    **{kind: set() for kind in _CERTIFICATES},
    "status": {"status", "retry_after", "path"},
    "drip": {"seconds", "path"},
    "slow": {"seconds", "path"},
    "truncated": {"path"},
    "cut-json": {"path"},
    "html": {"path"},
    "empty": {"path"},
    "redirect": {"status", "to", "path"},
    "oversize": {"size", "path"},
    "literal": {"status", "headers", "body", "sample", "path"},
}
_HTML = "<html><head><title>Sign in</title></head><body>Please sign in to the network.{}</body></html>"


@dataclass
class Fault:
    """One order of a test; `times` None means until cleared."""

    kind: str
    times: int | None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def certificate(self) -> str:
        """The certificate to show."""
        return self.kind if self.kind in _CERTIFICATES else "good"

    @property
    def at(self) -> str:
        """Where a reset or hang strikes: connect, tls, request (before any header) or body (halfway through)."""
        return str(self.options.get("at", "connect" if self.kind == "reset" else "request"))

    @property
    def of_connection(self) -> bool:
        """Met by a connection, before there is a request."""
        return self.kind in _CERTIFICATES or (self.kind in ("reset", "hang") and self.at in ("connect", "tls"))


class Faults:
    """The queue of each hop or host: the first fault is met until it is used up, then the next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: dict[str, list[Fault]] = {}

    def add(self, target: str, kind: str, times: int | None, options: dict[str, Any]) -> Fault:
        """Orders a fault; ValueError for what does not exist."""
        if kind not in KINDS:
            raise ValueError(f"no fault {kind!r}; there are {', '.join(sorted(KINDS))}")
        if unknown := set(options) - KINDS[kind]:
            raise ValueError(f"{kind} takes {sorted(KINDS[kind])}, not {sorted(unknown)}")
        if kind in SWITCHES and times is not None:
            raise ValueError(f"{kind} lasts until cleared: nothing of the client is seen that could be counted")
        if kind == "status" and "status" not in options:
            raise ValueError("status needs the option status=NUMBER")
        if kind == "dns" and any(place.host == place.address for place in places(target)):
            raise ValueError(f"{target} is reached by its address, no name is looked up")
        places(target)
        fault = Fault(kind, times, options)
        with self._lock:
            self._queues.setdefault(target, []).append(fault)
        return fault

    def clear(self, target: str | None = None) -> None:
        """Forgets all orders, or those for one hop or host."""
        with self._lock:
            if target is None:
                self._queues.clear()
            else:
                self._queues.pop(target, None)

    def switched(self, kind: str) -> dict[str, Fault]:
        """Hosts on which a switch (`refused`, `dns`) is on."""
        with self._lock:
            orders = [
                (target, fault) for target, queue in self._queues.items() for fault in queue if fault.kind == kind
            ]
        return {place.host: fault for target, fault in orders for place in places(target)}

    def take(self, hop: str, host: str, path: str | None = None) -> Fault | None:
        """The fault that this connection (`path` None) or request meets, and counts it."""
        with self._lock:
            for target in (host, hop):
                queue = [fault for fault in self._queues.get(target, ()) if fault.kind not in SWITCHES]
                if not queue:
                    continue
                fault = queue[0]
                if fault.of_connection != (path is None) or fault.options.get("path", "") not in (path or ""):
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._queues[target].remove(fault)
                return fault
        return None


def places(target: str) -> list[Any]:
    """The places of a hop or host; ValueError for an unknown one."""
    found = [place for place in PLACES if target in (place.hop, place.host)]
    if not found:
        raise ValueError(f"no hop or host {target!r}; hops are {', '.join(HOPS)}")
    return found


def spoil(fault: Fault | None, request: Request, handler: Callable[[Request], Answer], state: State) -> Answer:
    """The answer to send: the service's own, or what the fault makes of it."""
    options = fault.options if fault is not None else {}
    kind = fault.kind if fault is not None else ""
    canary = state.canary_text()
    if kind == "status":
        return own_error(state, request.hop, int(options["status"]), options.get("retry_after"))
    if kind == "html":
        return Answer(200, {"Content-Type": "text/html"}, _HTML.format(canary).encode())
    if kind == "empty":
        return Answer(200, {"Content-Type": "application/json"})
    if kind == "redirect":
        location = options.get("to", f"https://{ELSEWHERE_HOST}{request.target}")
        return Answer(
            int(options.get("status", 307)), {"Location": location, "Content-Type": "text/html"}, canary.encode()
        )
    if kind == "literal":
        return _literal(options)
    answer = handler(request)
    if kind == "cut-json":
        return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])
    if kind == "oversize" and options.get("size"):
        return Answer(answer.status, answer.headers, answer.body.ljust(int(options["size"])))
    return answer


def _literal(options: dict[str, Any]) -> Answer:
    if "sample" in options:
        response = sample(options["sample"])["response"]
        options = {**response, **{key: value for key, value in options.items() if key != "sample"}}
    headers = {key: value for key, value in options.get("headers", {}).items() if key.lower() != "content-length"}
    return Answer(
        int(options.get("status", 200)), headers, str(options.get("body") or "").encode("utf-8", "surrogateescape")
    )


def sample(name: str) -> dict[str, Any]:
    """One recorded exchange of tests/vectors/http_samples.json; ValueError for an unknown name."""
    for entry in json.loads(_SAMPLES.read_bytes()):
        if entry["name"] == name:
            return dict(entry)
    raise ValueError(f"no sample {name!r}")
