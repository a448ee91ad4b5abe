"""What tests order and ask of the cloud, the same whether it runs in this process or in another one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.cloud.tls import CA_FILE
from tests.cloud.world import PUBLIC, WORLD, World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class CloudApi:
    """What tests order and ask. A hop is one of places.HOPS, or one of its hosts where only that host is meant.

    Args:
        folder: where the cloud keeps its files.
        do: carries out one order of `core.Core`, given by name and keyword arguments that JSON can hold.
    """

    def __init__(self, folder: Path, do: Callable[..., Any]) -> None:
        self._do = do
        #: The well-known ids.
        self.world: World = WORLD
        #: PEM file of the cloud's CA, for SSL_CERT_FILE or `network.caFile`.
        self.ca_file = folder / CA_FILE

    def fault(self, hop: str, kind: str, times: int | None = None, **options: Any) -> None:
        """Orders a fault for the next `times` connections or requests of a hop, or until `clear`.

        Faults of one hop queue up: ``fault("sts", "status", times=2, status=503)`` is two failures, then success.

        ============  =======================================================  =========================================
        kind          what the client meets                                    options
        ============  =======================================================  =========================================
        refused       connection refused (until cleared)
        dns           name unknown (until cleared)                             how: absent (NXDOMAIN), dead, hang
        reset         RST                                                      at: connect, tls, request, body; path
        hang          silence until the client leaves                          at: request, connect, tls, body; path
        expired       expired certificate
        wrong-name    certificate for another host
        untrusted     certificate of an unknown CA
        status        an error in the service's own words                      status, retry_after, path
        drip          one byte at a time                                       seconds (0.5) between bytes; path
        slow          the right answer, late                                   seconds (1), path
        truncated     Content-Length larger than what comes                    path
        cut-json      half of the JSON, well framed                            path
        html          200 with a captive portal's page                         path
        empty         200 without a body                                       path
        redirect      to https://elsewhere.example, which obliges and records  status (307), to, path
        oversize      an endless body, or the right one padded to `size`       size, path
        literal       any answer                                               status, headers, body, sample, path
        ============  =======================================================  =========================================

        `path` limits a fault to requests whose target contains it; `sample` names an entry of http_samples.json.

        Raises:
            ValueError: no such hop, kind or option.
        """
        self._do("fault", hop=hop, kind=kind, times=times, options=options)

    def clear(self, hop: str | None = None) -> None:
        """Ends all faults, or those ordered for one hop or host."""
        self._do("clear", hop=hop)

    def reset(self) -> None:
        """Back to a fresh cloud: faults, log, grants, tokens, clocks, options. Keys and certificates stay."""
        self._do("reset")

    def calls(self, hop: str | None = None) -> list[dict[str, Any]]:
        """Requests seen: time, hop, host, method, target, path, query, headers, body, form, json, status, fault."""
        return list(self._do("calls", hop=hop))

    def wait_for_calls(self, hop: str, count: int = 1, seconds: float = 20.0) -> list[dict[str, Any]]:
        """The requests to a hop, as soon as there are that many; TimeoutError if that takes too long."""
        end = time.monotonic() + seconds
        while len(found := self.calls(hop)) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{len(found)} of {count} calls to {hop} within {seconds:g} s")
            time.sleep(0.01)
        return found

    def connections(self, hop: str | None = None) -> list[dict[str, Any]]:
        """Connections accepted: time, hop, host; more than `calls` when a client connects and asks nothing."""
        return list(self._do("connections", hop=hop))

    def issued(self, hop: str | None = None) -> list[str]:
        """All tokens given out (by hop: kubernetes, imds, entra, sts, iam, registry), to search outputs for."""
        return [each["token"] for each in self._do("issued", hop=hop)]

    def proxied(self) -> list[str]:
        """HOST:PORT of each CONNECT that the proxy was asked for."""
        return list(self._do("proxied"))

    def looked_up(self) -> list[str]:
        """Names asked of the name server, which is whatever /etc/hosts does not hold."""
        return list(self._do("looked_up"))

    def set_rtt(self, seconds: float, imds: float = 0.0) -> None:
        """Injects a round-trip time: one for TCP, one for TLS, one per request; IMDS has its own."""
        self._do("set_rtt", seconds=seconds, imds=imds)

    def skew(self, hop: str, seconds: float) -> None:
        """Sets a hop's clock ahead (or behind): its Date header, what it judges by, what it puts into tokens."""
        self._do("skew", hop=hop, seconds=seconds)

    def canary(self, *canaries: str) -> None:
        """From now on Google tokens and all error bodies carry these strings."""
        self._do("canary", canaries=list(canaries))

    def kubernetes_token(
        self,
        namespace: str = WORLD.namespace,
        service_account: str = WORLD.service_account,
        *,
        uid: str = WORLD.service_account_uid,
        audience: str = WORLD.exchange_resource,
        lifetime: float = 3600,
        **claims: Any,
    ) -> str:
        """A ServiceAccount token of the cluster; `claims` replace single claims, None removes one."""
        values = {"uid": uid, "audience": audience, "lifetime": lifetime, "claims": claims}
        return str(self._do("kubernetes_token", namespace=namespace, service_account=service_account, **values))

    def bind(self, subject: str, account: str = WORLD.service_account_email) -> None:
        """roles/iam.workloadIdentityUser on a (new) service account, for a subject of the pool or a whole member."""
        self._do("bind", member=_member(subject), account=account)

    def unbind(self, subject: str | None = None, account: str = WORLD.service_account_email) -> None:
        """Takes that role from a subject, or from all."""
        self._do("unbind", member=subject and _member(subject), account=account)

    def delete_account(self, account: str = WORLD.service_account_email) -> None:
        """Makes the service account unknown."""
        self._do("delete_account", account=account)

    def grant(self, subject: str, repository: str = WORLD.repository) -> None:
        """roles/artifactregistry.reader on a repository for a subject of the pool or a whole member."""
        self._do("grant", member=_member(subject), repository=repository)

    def revoke(self, subject: str | None = None, repository: str = WORLD.repository) -> None:
        """Takes that role from a subject, or from all."""
        self._do("revoke", member=subject and _member(subject), repository=repository)

    def provider(self, name: str = WORLD.entra_provider, **changes: Any) -> None:
        """Changes or adds a pool provider: issuer, allowed_audiences (list), condition (CEL), mapping, disabled."""
        self._do("provider", name=name, changes=changes)

    def federated_credentials(self, *entries: dict[str, str]) -> None:
        """Replaces all federated credentials; keys client_id, issuer, subject, audience, tenant_id (optional)."""
        self._do("federated_credentials", entries=list(entries))

    def resource(self, uri: str, tenant_id: str = PUBLIC.tenant_id, **changes: Any) -> None:
        """Changes or adds a resource of a tenant: audience, version (1 or 2), assignment_required."""
        self._do("resource", uri=uri, tenant_id=tenant_id, changes=changes)

    def identity(
        self, client_id: str, object_id: str, resource_id: str = "", tenant_id: str = PUBLIC.tenant_id
    ) -> None:
        """Adds an identity to a tenant; without a resource id it cannot be on a node."""
        entry = {"client_id": client_id, "object_id": object_id, "resource_id": resource_id, "tenant_id": tenant_id}
        self._do("identity", entry=entry)

    def assign_identities(self, *client_ids: str) -> None:
        """The managed identities that the node pool has, by client id."""
        self._do("assign_identities", client_ids=list(client_ids))

    def configure(self, **options: Any) -> None:
        """Sets fields of state.Options: token lives, disabled APIs, the proxy's credentials."""
        self._do("configure", options=options)

    def rotate_key(self, issuer: str) -> None:
        """New signing key for `cluster` or `entra`; tokens of the old one no longer verify."""
        self._do("rotate_key", issuer=issuer)

    def vendor_file(self, kind: str = "guide", provider: str | None = None) -> dict[str, Any]:
        """An external_account file; see `World.vendor_file`."""
        return self.world.vendor_file(kind, provider)


def _member(subject: str) -> str:
    """A whole IAM member as it is, a bare subject as a principal of the pool."""
    prefixes = ("principal://", "principalSet://", "serviceAccount:")
    return subject if subject.startswith(prefixes) else WORLD.principal(subject)
