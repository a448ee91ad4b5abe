"""The 41 errors as states of the world: how each comes about, what `doctor` must say, and the mend that it names.

A state is a change to the loopback cloud, to the settings or to the node. Where no state brings a service to say it,
the answer is a recorded one: those are in `SIMULATED`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from credprovider.world import Limits
from tests.cloud.world import PUBLIC, WORLD
from tests.plugin.settings import edit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cloud.api import CloudApi
    from tests.cloud.modes import Setting
    from tests.doctor.patient import Patient

#: Pairs of which only the service's recorded (or reconstructed) words are tried, and why no state brings them about.
SIMULATED = {
    10: "settings refuse such an audience before anything is asked, which a test of its own shows",
    15: "settings always have a scope",
    19: "the cloud has no VPC Service Controls",
    21: "the line is a container runtime's, taken from a pod's event",
    33: "settings refuse such a scope before anything is asked",
    37: "the plugin never sends a secret",
    38: "the line is the kubelet's; tests with a real API server have it say so",
}

_NEW_PROVIDER = "hub-second-provider"
_OTHER_GUID = "22222222-2222-4222-8222-0000000000ff"
_ENTRA_MODE = "token-file-entra-impersonated"
_POOL = "projects/123456789012/locations/global/workloadIdentityPools/hub-azure-pool"
_UPDATE = f"gcloud iam workload-identity-pools providers update-oidc {_POOL}/providers/hub-azure-provider"
_UPDATE_CLUSTERS = _UPDATE.replace("hub-azure-provider", WORLD.cluster_provider)
_DESCRIBE = f"gcloud iam workload-identity-pools providers describe {_POOL}/providers/hub-azure-provider"
_CREATE = f"gcloud iam workload-identity-pools providers create-oidc {_POOL}/providers/NEW_PROVIDER"
_PODS = "pods -n azure-gar-credential-provider --field-selector spec.nodeName=NODE_NAME"
_FIC = "--name bifrost-federated-credential --identity-name bifrost-pull-identity -g rg-demo"
_LONG = "a" * 60


@dataclass
class Case:
    """What a state can change."""

    cloud: CloudApi
    patient: Patient
    setting: Setting

    def entra(self, **changes: Any) -> None:
        """Keys of identity.entra."""
        identity = self._identity()
        self.identity(entra={**identity["entra"], **changes})

    def identity(self, **changes: Any) -> None:
        """Keys of identity; None takes one away."""
        merged = {**self._identity(), **changes}
        edit(self.setting.config, identity={name: value for name, value in merged.items() if value is not None})

    def vendor(self, **changes: Any) -> None:
        """Keys of the vendor's file."""
        edit(self.setting.config.parent / "credential-config.json", **changes)

    def renew(self, **token: Any) -> None:
        """The relay brings another token."""
        values = {"audience": self._identity()["tokenAudience"], **token}
        names = [values.pop("namespace", WORLD.relay_namespace), values.pop("name", WORLD.relay_service_account)]
        self.token_file.write_text(self.cloud.kubernetes_token(*names, **values))

    @property
    def token_file(self) -> Path:
        return self.setting.config.parent / "azure-identity-token"

    def credentials(self, **changes: str) -> None:
        """The federated credential of the relay's ServiceAccount, with some values wrong."""
        right = {
            "client_id": WORLD.client_id,
            "issuer": WORLD.cluster_issuer,
            "subject": WORLD.relay_subject,
            "audience": WORLD.exchange_resource,
        }
        self.cloud.federated_credentials({**right, **changes})

    def answer(self, hop: str, status: int, body: dict[str, Any]) -> None:
        """A service's own words from now on."""
        headers = {"Content-Type": "application/json"}
        self.cloud.fault(hop, "literal", status=status, headers=headers, body=json.dumps(body))

    def _identity(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.setting.config.read_text())["identity"]
        return found


def _entra_error(number: int, error: str) -> dict[str, Any]:
    return {"error": error, "error_description": f"AADSTS{number}: words that may change.", "error_codes": [number]}


@dataclass(frozen=True)
class Pair:
    """One error and its mend.

    Attributes:
        number: in the catalogue.
        breaks, mends: to the world; with `breaks` alone the next examination must fail, with `mends` be green.
        hop: that must be named.
        commands: what its commands must hold.
        prose: what the remedy's text must hold, where it is no command.
    """

    number: int
    mode: str
    breaks: Callable[[Case], None]
    mends: Callable[[Case], None]
    hop: str
    code: str
    commands: tuple[str, ...] = ()
    prose: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    limits: Limits | None = field(default=None, compare=False)
    name: str = ""

    @property
    def id(self) -> str:
        """Of the test."""
        return f"{self.number:02}-{self.code}{self.name}"


_DIRECT, _IMPERSONATED = "managed-identity-direct", "managed-identity-impersonated"


def _bind_client_id(case: Case) -> None:
    case.cloud.unbind()
    case.cloud.bind(WORLD.client_id)


def _clear(case: Case) -> None:
    case.cloud.clear()


def _trust_too(case: Case, issuer: str, audience: str) -> None:
    case.cloud.provider(_NEW_PROVIDER, issuer=issuer, allowed_audiences=[audience])
    case.vendor(audience=WORLD.audience(_NEW_PROVIDER))


def _make_account_anew(case: Case) -> None:
    case.cloud.revoke()  # a new account has nothing of what the old one was granted
    case.cloud.bind(WORLD.object_id)
    case.cloud.grant(f"serviceAccount:{WORLD.service_account_email}")


def _shorten_subject(case: Case) -> None:
    case.cloud.provider(WORLD.cluster_provider, mapping="assertion.sub.extract('system:serviceaccount:{rest}')")
    case.cloud.grant(f"{_LONG}:{_LONG}")


def _spoil_signature(case: Case) -> None:
    head, _, signature = case.token_file.read_text().rpartition(".")
    case.token_file.write_text(f"{head}.{signature[::-1]}")


def _new_entra_key(case: Case) -> None:
    case.renew()
    case.cloud.rotate_key("cluster")


PAIRS: list[Pair] = [
    Pair(
        *(1, _DIRECT),
        lambda case: case.cloud.provider(allowed_audiences=["https://example.com/other"]),
        lambda case: case.cloud.provider(allowed_audiences=["https://example.com/other", WORLD.exchange_audience]),
        *("sts", "sts-audience-mismatch"),
        (f'{_UPDATE} --allowed-audiences="{WORLD.exchange_audience}"', f"{_DESCRIBE} --format="),
        ("repeat the values",),
    ),
    Pair(
        *(2, "token-file-direct"),
        lambda case: case.vendor(audience=WORLD.audience()),
        lambda case: _trust_too(case, WORLD.cluster_issuer, WORLD.cluster_audience),
        *("sts", "sts-issuer-cluster-token"),
        (
            (
                f"{_CREATE} --issuer-uri={WORLD.cluster_issuer} --attribute-mapping=google.subject=assertion.sub"
                f' --allowed-audiences="{WORLD.cluster_audience}"'
            ),
        ),
        ("identity.entra", "name that provider in the vendor's file"),
    ),
    Pair(
        *(3, _DIRECT),
        lambda case: case.cloud.provider(issuer=f"https://sts.windows.net/{WORLD.tenant_id}/"),
        lambda case: case.cloud.provider(issuer=PUBLIC.issuer),
        *("sts", "sts-issuer-token-version"),
        (f"{_UPDATE} --issuer-uri={PUBLIC.issuer}",),
        ("if nobody else needs the issuer that it trusts now", "which replaces it"),
    ),
    Pair(
        *(3, _DIRECT),
        lambda case: case.cloud.provider(issuer=f"https://sts.windows.net/{WORLD.tenant_id}/"),
        lambda case: _trust_too(case, PUBLIC.issuer, WORLD.exchange_audience),
        *("sts", "sts-issuer-token-version"),
        (
            (
                f"{_CREATE} --issuer-uri={PUBLIC.issuer} --attribute-mapping=google.subject=assertion.sub"
                f' --allowed-audiences="{WORLD.exchange_audience}"'
            ),
        ),
        ("name that provider in the vendor's file",),
        name="-beside",
    ),
    Pair(
        *(4, _IMPERSONATED),
        lambda case: case.cloud.unbind(),
        lambda case: case.cloud.bind(WORLD.object_id),
        *("iam", "iam-subject-not-bound"),
        (
            (
                f"add-iam-policy-binding {WORLD.service_account_email} --project=bifrost-project"
                f' --role=roles/iam.workloadIdentityUser --member="{WORLD.principal(WORLD.object_id)}"'
            ),
        ),
    ),
    Pair(
        *(5, _IMPERSONATED),
        _bind_client_id,
        lambda case: case.cloud.bind(WORLD.object_id),
        *("iam", "iam-subject-is-client-id"),
        ("az identity show -g rg-demo -n bifrost-pull-identity --query principalId -o tsv",),
        (WORLD.principal(WORLD.object_id),),
        arguments=("--granted-subject", WORLD.client_id),
    ),
    Pair(
        *(6, _DIRECT),
        lambda case: case.cloud.provider(condition="assertion.sub=='somebody'"),
        lambda case: case.cloud.provider(
            condition=f"(assertion.sub=='somebody') || assertion.sub=='{WORLD.object_id}'"
        ),
        *("sts", "sts-attribute-condition"),
        (
            (
                f"{_UPDATE} --attribute-condition=\"($({_DESCRIBE} --format='value(attributeCondition)'))"
                f" || assertion.sub=='{WORLD.object_id}'\""
            ),
        ),
        ("the flag replaces it",),
    ),
    Pair(
        *(7, _DIRECT),
        lambda case: case.cloud.revoke(),
        lambda case: case.cloud.grant(WORLD.object_id),
        *("registry-token", "registry-reader-missing"),
        (
            (
                "gcloud artifacts repositories add-iam-policy-binding hub --project=bifrost-project --location=us"
                f' --member="{WORLD.principal(WORLD.object_id)}" --role=roles/artifactregistry.reader'
            ),
        ),
    ),
    Pair(
        *(8, _IMPERSONATED),
        lambda case: case.cloud.revoke(),
        lambda case: case.cloud.grant(f"serviceAccount:{WORLD.service_account_email}"),
        *("registry-token", "registry-reader-missing-service-account"),
        (
            (
                "add-iam-policy-binding hub --project=bifrost-project --location=us"
                f' --member="serviceAccount:{WORLD.service_account_email}" --role=roles/artifactregistry.reader'
            ),
        ),
    ),
    Pair(
        *(9, _DIRECT),
        lambda case: case.cloud.provider(disabled=True),
        lambda case: case.cloud.provider(disabled=False),
        *("sts", "sts-provider-unknown"),
        (
            f"{_UPDATE} --no-disabled",
            f"gcloud iam workload-identity-pools providers undelete {_POOL}/providers/hub-azure-provider",
            f"gcloud iam workload-identity-pools undelete {_POOL}",
        ),
    ),
    Pair(
        *(10, _DIRECT),
        lambda case: case.cloud.fault("sts", "literal", sample="sts_400_bad_audience_format", path="/v1/token"),
        _clear,
        *("sts", "sts-audience-format"),
        prose=("//iam.googleapis.com/projects/NUMBER/", f"it is {WORLD.audience()} now"),
    ),
    Pair(
        *(10, _DIRECT),
        lambda case: case.vendor(audience="https:" + WORLD.audience()),
        lambda case: case.vendor(audience=WORLD.audience()),
        *("settings", "credential-config-invalid"),
        prose=("gcloud projects describe PROJECT --format='value(projectNumber)'",),
        name="-at-load",
    ),
    Pair(
        *(11, "token-file-direct"),
        lambda case: case.renew(lifetime=3 * 86400),
        lambda case: case.renew(),
        *("sts", "sts-token-stale"),
        ("timedatectl", "chronyc tracking"),
        ("azure-identity-token",),
    ),
    Pair(
        *(12, "token-file-direct"),
        lambda case: case.cloud.configure(issuer_reachable=False),
        lambda case: case.cloud.configure(issuer_reachable=True),
        *("sts", "sts-issuer-unreachable"),
        (
            f"curl -fsS {WORLD.cluster_issuer}.well-known/openid-configuration",
            f"{_UPDATE_CLUSTERS} --jwk-json-path=jwks.json",
        ),
    ),
    Pair(
        *(13, "token-file-direct"),
        _spoil_signature,
        lambda case: case.renew(),
        *("sts", "sts-token-unverifiable"),
        ("az aks show -g rg-demo -n aks-demo --query oidcIssuerProfile.issuerUrl -o tsv", f"kubectl delete {_PODS}"),
        (WORLD.cluster_issuer, "has to be made anew: source token-file"),
    ),
    Pair(
        *(14, "token-file-direct"),
        lambda case: case.renew(namespace=_LONG, name=_LONG),
        _shorten_subject,
        *("sts", "sts-subject-too-long"),
        (
            (
                f"{_UPDATE_CLUSTERS}"
                " --attribute-mapping=\"google.subject=assertion.sub.extract('system:serviceaccount:{rest}')\""
            ),
        ),
    ),
    Pair(
        *(15, _DIRECT),
        lambda case: case.cloud.fault("sts", "literal", sample="sts_400_no_scope", path="/v1/token"),
        _clear,
        *("sts", "sts-scope-missing"),
        prose=("set scopes in config.json",),
    ),
    Pair(
        *(16, _IMPERSONATED),
        lambda case: case.cloud.delete_account(),
        _make_account_anew,
        *("iam", "iam-service-account-unknown"),
        (
            "gcloud iam service-accounts create bifrost-puller --project=bifrost-project",
            (
                f"add-iam-policy-binding {WORLD.service_account_email} --project=bifrost-project"
                f' --role=roles/iam.workloadIdentityUser --member="{WORLD.principal(WORLD.object_id)}"'
            ),
            (
                "gcloud artifacts repositories add-iam-policy-binding hub --project=bifrost-project --location=us"
                f' --member="serviceAccount:{WORLD.service_account_email}" --role=roles/artifactregistry.reader'
            ),
        ),
    ),
    Pair(
        *(16, _IMPERSONATED),
        lambda case: case.vendor(service_account_impersonation_url=WORLD.impersonation_url.replace("puller", "pulle")),
        lambda case: case.vendor(service_account_impersonation_url=WORLD.impersonation_url),
        *("iam", "iam-service-account-unknown"),
        prose=("correct service_account_impersonation_url in the vendor's file",),
        name="-misspelt",
    ),
    Pair(
        *(17, _IMPERSONATED),
        lambda case: case.cloud.configure(iam_api_enabled=False),
        lambda case: case.cloud.configure(iam_api_enabled=True),
        *("iam", "iam-api-disabled"),
        ("gcloud services enable iamcredentials.googleapis.com", "--project=123456789012"),
    ),
    Pair(
        *(18, _IMPERSONATED),
        lambda case: case.vendor(service_account_impersonation={"token_lifetime_seconds": 43200}),
        lambda case: case.vendor(service_account_impersonation={"token_lifetime_seconds": 3600}),
        *("iam", "iam-lifetime"),
        prose=("token_lifetime_seconds to 3600", "allowServiceAccountCredentialLifetimeExtension"),
    ),
    Pair(
        *(19, _IMPERSONATED),
        lambda case: case.answer(
            "iam",
            403,
            {
                "error": {
                    "code": 403,
                    "status": "PERMISSION_DENIED",
                    "details": [{"reason": "SECURITY_POLICY_VIOLATED"}],
                }
            },
        ),
        _clear,
        *("iam", "network-service-perimeter"),
        ("--project=\"$(gcloud projects describe 123456789012 --format='value(projectId)')\" --freshness=1h",),
        (WORLD.principal(WORLD.object_id),),
    ),
    Pair(
        *(20, _IMPERSONATED),
        lambda case: edit(case.setting.config, scopes=["https://www.googleapis.com/auth/devstorage.read_only"]),
        lambda case: edit(case.setting.config, scopes=None),
        *("registry-token", "registry-token-rejected"),
        ("timedatectl",),
        ("https://www.googleapis.com/auth/cloud-platform.read-only",),
    ),
    Pair(
        *(22, _DIRECT),
        lambda case: case.cloud.assign_identities(WORLD.kubelet_client_id),
        lambda case: case.cloud.assign_identities(WORLD.kubelet_client_id, WORLD.client_id),
        *("first-token", "imds-identity-not-assigned"),
        (
            (
                "az vmss identity assign -g MC_rg-demo_aks-demo_westeurope -n aks-nodepool1-12345678-vmss --identities"
                " /subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/rg-demo/providers"
                "/Microsoft.ManagedIdentity/userAssignedIdentities/bifrost-pull-identity"
            ),
            "az aks show -g rg-demo -n aks-demo --query identityProfile.kubeletidentity.clientId",
        ),
    ),
    Pair(
        *(23, _DIRECT),
        lambda case: case.identity(clientId=None),
        lambda case: case.identity(clientId=WORLD.client_id),
        *("first-token", "imds-identity-ambiguous"),
        ("az aks show -g rg-demo -n aks-demo --query identityProfile.kubeletidentity.clientId -o tsv",),
        ("identity.clientId",),
    ),
    Pair(
        *(24, _DIRECT),
        lambda case: case.cloud.fault("imds", "html"),
        _clear,
        *("first-token", "imds-intercepted"),
        ("curl --noproxy '*' -H Metadata:true 'http://169.254.169.254/metadata/instance?api-version=2021-02-01'",),
    ),
    Pair(
        *(25, _DIRECT),
        lambda case: case.cloud.fault("imds", "status", status=429),
        _clear,
        *("first-token", "imds-busy"),
        prose=("maxParallelImagePulls", "cache.enabled"),
    ),
    Pair(
        *(26, _DIRECT),
        lambda case: case.identity(resource="api://unheard-of"),
        lambda case: case.cloud.resource("api://unheard-of", audience=WORLD.exchange_audience),
        *("first-token", "entra-resource-unknown"),
        ("az ad sp create --id APP_ID",),
        ("api://AzureADTokenExchange",),
    ),
    Pair(
        *(27, _ENTRA_MODE),
        lambda case: case.credentials(issuer=WORLD.cluster_issuer.rstrip("/")),
        lambda case: case.credentials(),
        *("entra", "entra-issuer-mismatch"),
        (
            (
                f"az identity federated-credential update {_FIC}"
                ' --issuer "$(az aks show -g rg-demo -n aks-demo --query oidcIssuerProfile.issuerUrl -o tsv)"'
                f" --subject {WORLD.relay_subject} --audiences api://AzureADTokenExchange"
            ),
        ),
    ),
    Pair(
        *(28, _ENTRA_MODE),
        lambda case: case.credentials(audience="api://another"),
        lambda case: case.credentials(),
        *("entra", "entra-audience-mismatch"),
        (f"az identity federated-credential update {_FIC} --audiences api://AzureADTokenExchange",),
    ),
    Pair(
        *(29, _ENTRA_MODE),
        lambda case: case.credentials(subject=WORLD.relay_subject.replace("azure", "Azure")),
        lambda case: case.credentials(),
        *("entra", "entra-subject-mismatch"),
        (f"az identity federated-credential update {_FIC} --subject {WORLD.relay_subject}",),
    ),
    Pair(
        *(30, _ENTRA_MODE),
        lambda case: case.cloud.federated_credentials(),
        lambda case: case.credentials(),
        *("entra", "entra-credential-missing"),
        (
            (
                f"az identity federated-credential create {_FIC} --issuer {WORLD.cluster_issuer}"
                f" --subject {WORLD.relay_subject} --audiences api://AzureADTokenExchange"
            ),
        ),
    ),
    Pair(
        *(31, _ENTRA_MODE),
        lambda case: case.entra(clientId=_OTHER_GUID),
        lambda case: case.entra(clientId=WORLD.client_id),
        *("entra", "entra-client-unknown"),
        (
            "az identity show -g rg-demo -n bifrost-pull-identity --query clientId -o tsv",
            f"az ad sp show --id {_OTHER_GUID} --query appOwnerOrganizationId",
        ),
    ),
    Pair(
        *(32, _ENTRA_MODE),
        lambda case: case.entra(tenantId=_OTHER_GUID),
        lambda case: case.entra(tenantId=WORLD.tenant_id),
        *("entra", "entra-tenant-unknown"),
        ("az account show --query tenantId -o tsv",),
        ("identity.entra.tenantId",),
    ),
    Pair(
        *(33, _ENTRA_MODE),
        lambda case: case.answer("entra", 400, _entra_error(1002012, "invalid_scope")),
        _clear,
        *("entra", "entra-scope-invalid"),
        prose=("api://AzureADTokenExchange/.default",),
    ),
    Pair(
        *(34, _ENTRA_MODE),
        lambda case: case.renew(nbf=4_000_000_000),
        lambda case: case.renew(),
        *("entra", "entra-assertion-expired"),
        ("timedatectl",),
        ("azure-identity-token",),
    ),
    Pair(
        *(35, _ENTRA_MODE),
        _new_entra_key,
        lambda case: case.renew(),
        *("entra", "entra-assertion-signature"),
        (
            f"curl -fsS {WORLD.cluster_issuer}openid/v1/jwks",
            "kubectl get --raw /openid/v1/jwks",
            f"kubectl delete {_PODS}",
        ),
        (WORLD.cluster_issuer, "has to be made anew: source token-file"),
    ),
    Pair(
        *(36, _ENTRA_MODE),
        lambda case: case.cloud.resource(WORLD.exchange_resource, assignment_required=True),
        lambda case: case.cloud.resource(WORLD.exchange_resource, assignment_required=False),
        *("entra", "entra-assignment-required"),
        (
            "appRoleAssignments",
            "az identity show -g rg-demo -n bifrost-pull-identity --query principalId -o tsv",
            "az ad sp update --id RESOURCE_SP_OBJECT_ID --set appRoleAssignmentRequired=false",
        ),
    ),
    Pair(
        *(37, _ENTRA_MODE),
        lambda case: case.cloud.fault("entra", "literal", sample="entra_AADSTS7000215_invalid_secret"),
        _clear,
        *("entra", "entra-secret-refused"),
        (f"az ad app credential list --id {WORLD.client_id}",),
    ),
    Pair(
        *(40, _DIRECT),
        lambda case: case.cloud.fault("sts", "untrusted"),
        _clear,
        *("reach-sts", "network-tls-untrusted"),
        (
            "curl -sv -m5 https://sts.googleapis.com/",
            "az aks update -g rg-demo -n aks-demo --custom-ca-trust-certificates CA.pem",
        ),
    ),
    Pair(
        *(41, _DIRECT),
        lambda case: case.cloud.fault("sts", "hang", path="/v1/token"),
        _clear,
        *("sts", "deadline-exceeded"),
        ("curl -sS -m5 -o /dev/null https://sts.googleapis.com/",),
        limits=Limits(total=1.0, connect=10, read=10),
    ),
]
