"""The well-known ids: who exists in Azure and Google before a test changes anything, and the vendor's files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.cloud.places import AKS_ISSUER_HOST, PROXY_HOST, PROXY_PORT

JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
READ_ONLY = "https://www.googleapis.com/auth/cloud-platform.read-only"
CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
IAM_SCOPE = "https://www.googleapis.com/auth/iam"


@dataclass(frozen=True)
class AzureCloud:
    """One of Microsoft's clouds: where its Entra ID answers, a tenant in it, and its token exchange resource.

    The audience GUID is published for the public cloud only; those of the other two are placeholders.
    """

    name: str
    authority: str
    tenant_id: str
    exchange_resource: str
    exchange_audience: str
    provider: str

    @property
    def issuer(self) -> str:
        """`iss` of v2 tokens."""
        return f"https://{self.authority}/{self.tenant_id}/v2.0"


PUBLIC = AzureCloud(
    name="public",
    authority="login.microsoftonline.com",
    tenant_id="11111111-1111-4111-8111-111111111111",
    exchange_resource="api://AzureADTokenExchange",
    exchange_audience="fb60f99c-7a34-4190-8149-302f77469936",
    provider="hub-azure-provider",
)
USGOV = AzureCloud(
    name="usgov",
    authority="login.microsoftonline.us",
    tenant_id="11111111-1111-4111-8111-2222222222aa",
    exchange_resource="api://AzureADTokenExchangeUSGov",
    exchange_audience="00000000-0000-4000-8000-0000000000aa",
    provider="hub-usgov-provider",
)
CHINA = AzureCloud(
    name="china",
    authority="login.partner.microsoftonline.cn",
    tenant_id="11111111-1111-4111-8111-3333333333bb",
    exchange_resource="api://AzureADTokenExchangeChina",
    exchange_audience="00000000-0000-4000-8000-0000000000bb",
    provider="hub-china-provider",
)
CLOUDS = {cloud.name: cloud for cloud in (PUBLIC, USGOV, CHINA)}


@dataclass(frozen=True)
class World:
    """Ids that exist in every fresh cloud; attributes only, so that tests can name what they send and expect."""

    tenant_id: str = PUBLIC.tenant_id
    clouds: dict[str, AzureCloud] = field(default_factory=lambda: dict(CLOUDS))
    exchange_resource: str = PUBLIC.exchange_resource
    exchange_audience: str = PUBLIC.exchange_audience

    # The identity that pulls (guide, step 2): user-assigned, on the node pool and with federated credentials.
    client_id: str = "22222222-2222-4222-8222-222222222222"
    object_id: str = "33333333-3333-4333-8333-333333333333"
    resource_id: str = (
        "/subscriptions/66666666-6666-4666-8666-666666666666/resourceGroups/MC_rg_aks_westeurope"
        "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/bifrost-pull-identity"
    )
    # The kubelet identity that AKS gives every node pool.
    kubelet_client_id: str = "22222222-2222-4222-8222-00000000b01e"
    kubelet_object_id: str = "33333333-3333-4333-8333-00000000b01e"
    kubelet_resource_id: str = (
        "/subscriptions/66666666-6666-4666-8666-666666666666/resourceGroups/MC_rg_aks_westeurope"
        "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/aks-agentpool"
    )
    # An app registration of one's own, as Google's guide has it; v1 tokens by default, a second one with v2 tokens.
    app_v1_uri: str = "api://gcp-wif-example"
    app_v2_uri: str = "api://gcp-wif-hardened"
    app_v2_id: str = "44444444-4444-4444-8444-444444444444"

    # The cluster, the workload's ServiceAccount (guide, step 3), and the DaemonSet's.
    cluster_issuer: str = f"https://{AKS_ISSUER_HOST}/{PUBLIC.tenant_id}/55555555-5555-4555-8555-555555555555/"
    namespace: str = "bifrost"
    service_account: str = "bifrost-sa"
    service_account_uid: str = "99999999-9999-4999-8999-999999999999"
    relay_namespace: str = "kube-system"
    relay_service_account: str = "azure-gar-credential-provider"

    # The vendor's side.
    project: str = "bifrost-project"
    project_number: str = "123456789012"
    pool: str = "hub-azure-pool"
    entra_provider: str = PUBLIC.provider
    cluster_provider: str = "hub-cluster-provider"
    app_v1_provider: str = "hub-app-v1-provider"
    app_v2_provider: str = "hub-app-v2-provider"
    service_account_email: str = "bifrost-puller@bifrost-project.iam.gserviceaccount.com"
    image: str = "us-docker.pkg.dev/bifrost-project/hub/bifrost:latest"
    images: tuple[str, ...] = (
        "us-docker.pkg.dev/bifrost-project/hub/bifrost:latest",
        "europe-docker.pkg.dev/bifrost-project/hub/bifrost:latest",
        "europe-west1-docker.pkg.dev/bifrost-project/hub/bifrost:latest",
        "gcr.io/bifrost-project/bifrost:latest",
    )
    repository: str = "projects/bifrost-project/locations/us/repositories/hub"
    sts_url: str = "https://sts.googleapis.com/v1/token"
    proxy_url: str = f"http://{PROXY_HOST}:{PROXY_PORT}"

    @property
    def subject(self) -> str:
        """`sub` of the workload's ServiceAccount token."""
        return f"system:serviceaccount:{self.namespace}:{self.service_account}"

    @property
    def relay_subject(self) -> str:
        """`sub` of the DaemonSet's ServiceAccount token."""
        return f"system:serviceaccount:{self.relay_namespace}:{self.relay_service_account}"

    @property
    def impersonation_url(self) -> str:
        """GenerateAccessToken of the vendor's service account."""
        account = self.service_account_email
        return f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{account}:generateAccessToken"

    @property
    def cluster_audience(self) -> str:
        """The audience that the cluster's provider accepts by default, for `tokenAudience` without Entra."""
        return "https:" + self.audience(self.cluster_provider)

    def audience(self, provider: str | None = None) -> str:
        """Resource name of a provider of the pool (the Entra one by default): `audience` of the vendor's file."""
        pool = f"//iam.googleapis.com/projects/{self.project_number}/locations/global/workloadIdentityPools/{self.pool}"
        return f"{pool}/providers/{provider or self.entra_provider}"

    def principal(self, subject: str) -> str:
        """The IAM member of one subject of the pool."""
        pool = f"projects/{self.project_number}/locations/global/workloadIdentityPools/{self.pool}"
        return f"principal://iam.googleapis.com/{pool}/subject/{subject}"

    def vendor_file(self, kind: str = "guide", provider: str | None = None) -> dict[str, Any]:
        """An external_account file.

        Args:
            kind: ``guide`` (the vendor's guide, step 5: file source, impersonation), ``direct`` (the same without
                impersonation), ``gcloud`` (as `gcloud iam workload-identity-pools create-cred-config --azure` writes
                it: IMDS URL source, impersonation) or ``gcloud-direct``.
            provider: name of the provider in the pool; the Entra one unless given.
        """
        audience = self.audience(provider)
        info: dict[str, Any] = {"type": "external_account", "audience": audience, "subject_token_type": JWT_TYPE}
        impersonation = {"service_account_impersonation_url": self.impersonation_url}
        if kind in ("guide", "direct"):
            source = {"file": "/var/run/secrets/azure/tokens/azure-identity-token", "format": {"type": "text"}}
            extra = impersonation if kind == "guide" else {}
            return {**info, **extra, "token_url": self.sts_url, "credential_source": source}
        if kind in ("gcloud", "gcloud-direct"):
            metadata = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
            source = {
                "url": metadata + self.exchange_resource,
                "headers": {"Metadata": "True"},
                "format": {"type": "json", "subject_token_field_name": "access_token"},
            }
            extra = impersonation if kind == "gcloud" else {}
            universe = {"universe_domain": "googleapis.com"}
            return {**universe, **info, "token_url": self.sts_url, "credential_source": source, **extra}
        raise ValueError(f"no vendor file of kind {kind!r}")


WORLD = World()
