"""The running cloud: all servers under their real names, and what tests can order by name with plain values."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tests.cloud import issuer
from tests.cloud.distribution import DistributionStore
from tests.cloud.entra import TokenService
from tests.cloud.faults import Faults, places
from tests.cloud.iam import Credentials
from tests.cloud.imds import Metadata
from tests.cloud.keys import SigningKey
from tests.cloud.names import NameServer, switch_host
from tests.cloud.places import PLACES
from tests.cloud.proxy import Proxy
from tests.cloud.registry import ArtifactRegistry
from tests.cloud.server import CallLog, Handler, Server, Shared
from tests.cloud.state import FederatedCredential, Identity, Provider, Resource, State
from tests.cloud.store import MemoryStore
from tests.cloud.sts import TokenExchange
from tests.cloud.tls import Certificates
from tests.cloud.wire import Answer, Request
from tests.cloud.world import PUBLIC, WORLD

#: Set by `enter` inside the namespace.
MARK = "LOOPBACK_CLOUD"


def inside() -> bool:
    """Are we in the namespace that `enter` makes?"""
    return os.environ.get(MARK) == "inside"


def _elsewhere(request: Request) -> Answer:
    """A host that nothing should be sent to: obliging, so that no error saves whoever follows a redirect."""
    return Answer.of_json(
        200, {"access_token": "stolen", "accessToken": "stolen", "expires_in": 3600, "path": request.path}
    )


class Core:
    """Starts on construction; every public method that takes plain values is an order that tests can give."""

    def __init__(self, folder: Path | None = None) -> None:
        if not inside():
            raise RuntimeError("the loopback cloud runs inside its namespace only: tests/cloud/enter COMMAND")
        self._spare = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="cloud."))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = State()
        self.faults = Faults()
        self.certificates = Certificates(self.folder)
        self.log = CallLog()
        self._shared = Shared(self.state, self.faults, self.certificates, self.log, {})
        self._proxy = Proxy(self.state)
        self.registry = ArtifactRegistry(self.state, MemoryStore(WORLD.images))
        self._names = NameServer()
        self._distribution: DistributionStore | None = None
        self._unknown: set[str] = set()
        handlers: dict[str, Handler] = {
            "imds": Metadata(self.state),
            "entra": TokenService(self.state),
            "sts": TokenExchange(self.state),
            "iam": Credentials(self.state),
            "registry": self.registry,
            "issuer": issuer.ClusterIssuer(self.state),
            "proxy": self._proxy,
            "elsewhere": _elsewhere,
        }
        self._servers = [
            Server(place, port, handlers[place.hop], self._shared, self._proxy.tunnel if place.hop == "proxy" else None)
            for place in PLACES
            for port in place.ports
        ]

    def close(self) -> None:
        """Stops listening; hanging connections are let go."""
        self.clear()
        for server in self._servers:
            server.close()
        self._names.close()
        if self._distribution is not None:
            self._distribution.close()
        if self._spare:
            shutil.rmtree(self.folder, ignore_errors=True)

    def run_real_registry(self) -> None:
        """Puts Debian's docker-registry behind Artifact Registry's gate; RuntimeError where it is not installed."""
        self._distribution = DistributionStore(self.registry, self.state.registry_key, WORLD.images)
        self.registry.store = self._distribution

    def carry_out(self, order: str, **values: Any) -> Any:
        """One of the orders below, by name."""
        if order.startswith("_"):
            raise ValueError(f"no order {order!r}")
        return getattr(self, order)(**values)

    # Faults and what was seen

    def fault(self, hop: str, kind: str, times: int | None, options: dict[str, Any]) -> None:
        self.faults.add(hop, kind, times, options)
        self._switch()

    def clear(self, hop: str | None = None) -> None:
        self.faults.clear(hop)
        self._switch()

    def _switch(self) -> None:
        """Makes refused ports and unknown names what the orders say."""
        refused, unknown = self.faults.switched("refused"), self.faults.switched("dns")
        for server in self._servers:
            server.refuse() if server.place.host in refused else server.open()
        for host in (self._unknown ^ set(unknown)) - {place.host for place in PLACES if place.host == place.address}:
            switch_host(host, known=host not in unknown)
        self._unknown = set(unknown)
        self._names.mode = next((str(fault.options.get("how", "absent")) for fault in unknown.values()), "absent")

    def reset(self) -> None:
        self.clear()
        self.state.reset()
        self._shared.rtt.clear()
        self.log.clear()
        self._proxy.asked.clear()
        self._names.asked.clear()

    def calls(self, hop: str | None = None) -> list[dict[str, Any]]:
        return [call for call in list(self.log.calls) if hop in (None, call["hop"], call["host"])]

    def connections(self, hop: str | None = None) -> list[dict[str, Any]]:
        return [each for each in list(self.log.connections) if hop in (None, each["hop"], each["host"])]

    def issued(self, hop: str | None = None) -> list[dict[str, str]]:
        return [each for each in list(self.state.issued) if hop in (None, each["hop"])]

    def proxied(self) -> list[str]:
        return list(self._proxy.asked)

    def looked_up(self) -> list[str]:
        return list(self._names.asked)

    # Time

    def set_rtt(self, seconds: float, imds: float) -> None:
        hops = {place.hop for place in PLACES} - {"imds"}
        self._shared.rtt.update(dict.fromkeys(hops, seconds), imds=imds)

    def skew(self, hop: str, seconds: float) -> None:
        places(hop)
        self.state.skews[hop] = seconds

    # The world

    def kubernetes_token(
        self, namespace: str, service_account: str, uid: str, audience: str, lifetime: float, claims: dict[str, Any]
    ) -> str:
        return issuer.kubernetes_token(
            self.state, namespace, service_account, uid=uid, audience=audience, lifetime=lifetime, claims=claims
        )

    def canary(self, canaries: list[str]) -> None:
        self.state.canaries = canaries

    def bind(self, member: str, account: str) -> None:
        with self.state.lock:
            self.state.accounts.setdefault(account, set()).add(member)

    def unbind(self, member: str | None, account: str) -> None:
        _remove(self.state.accounts[account], member)

    def delete_account(self, account: str) -> None:
        self.state.accounts.pop(account, None)

    def grant(self, member: str, repository: str) -> None:
        with self.state.lock:
            self.state.repositories.setdefault(repository, set()).add(member)

    def revoke(self, member: str | None, repository: str) -> None:
        _remove(self.state.repositories[repository], member)

    def provider(self, name: str, changes: dict[str, Any]) -> None:
        with self.state.lock:
            known = self.state.providers.get(name) or Provider(name, PUBLIC.issuer)
            self.state.providers[name] = dataclasses.replace(known, **changes)

    def federated_credentials(self, entries: list[dict[str, str]]) -> None:
        self.state.federated_credentials = [FederatedCredential(**entry) for entry in entries]

    def resource(self, uri: str, tenant_id: str, changes: dict[str, Any]) -> None:
        with self.state.lock:
            known = next((each for each in self.state.resources[tenant_id] if each.uri == uri), Resource(uri, uri))
            others = [each for each in self.state.resources[tenant_id] if each.uri != uri]
            self.state.resources[tenant_id] = [*others, dataclasses.replace(known, **changes)]

    def identity(self, entry: dict[str, str]) -> None:
        self.state.identities.append(Identity(**entry))

    def assign_identities(self, client_ids: list[str]) -> None:
        self.state.assigned = client_ids

    def configure(self, options: dict[str, Any]) -> None:
        self.state.options = dataclasses.replace(self.state.options, **options)

    def rotate_key(self, issuer: str) -> None:
        key = SigningKey()
        with self.state.lock:
            if issuer == "cluster":
                self.state.cluster_key = key
            elif issuer == "entra":
                self.state.entra_key = key
            else:
                raise ValueError("issuers with a key to rotate: cluster, entra")


def _remove(members: set[str], member: str | None) -> None:
    """One member, or with None all of them."""
    if member is None:
        members.clear()
    else:
        members.discard(member)
