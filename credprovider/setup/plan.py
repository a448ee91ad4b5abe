"""What follows from the answers, the vendor's file and Azure's ids: who trusts whom, under which names; pure."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from credprovider.endpoints import ENTRA_CLOUDS
from credprovider.errors import PROGRAM
from credprovider.kubelet.reference import image_name
from credprovider.registries import DEFAULT_UNIVERSE, Registry, check_registry, parse_image
from credprovider.setup.inputs import Fault
from credprovider.setup.repository import Repository, check_repository, repository_of

if TYPE_CHECKING:
    from credprovider.external_account import ExternalAccount
    from credprovider.setup.inputs import Answers
    from credprovider.setup.modes import Mode, Row
    from credprovider.setup.outputs import Outputs

#: What a run may still have to wait for.
AZURE, VENDOR, AUDIENCE = "azure-outputs", "vendor-file", "entra-audience"

#: Longest `google.subject`, in bytes (Google's STS refuses a longer one).
_SUBJECT_LIMIT = 127
_SUBJECT_PREFIX = "system:serviceaccount:"
#: An identity has at most so many federated credentials (Entra ID).
_CREDENTIALS_LIMIT = 20

_AUDIENCE = re.compile(
    r"//iam\.([^/]+)/projects/([0-9]+)/locations/global/workloadIdentityPools/([^/]+)/providers/([^/]+)"
)


@dataclass(frozen=True)
class Trust:
    """The Google side, where it is known: pool, provider, account.

    Attributes:
        audience: resource name of the provider, as in the vendor's file.
        project_number, pool, provider: its parts.
        service_account: to act as; None for direct access.
    """

    audience: str
    universe: str
    project_number: str
    pool: str
    provider: str
    service_account: str | None

    def member(self, subject: str) -> str:
        """The IAM member of one subject."""
        pool = f"projects/{self.project_number}/locations/global/workloadIdentityPools/{self.pool}"
        return f"principal://iam.{self.universe}/{pool}/subject/{subject}"


@dataclass(frozen=True)
class Plan:
    """One run of `setup`.

    Attributes:
        answers: settled ones.
        mode, row: what the table chose.
        vendor_content: the vendor's file to the byte; None while it is not handed out.
        account: the same, read.
        outputs: Azure's ids; None before azure.sh has run.
    """

    answers: Answers
    mode: Mode
    row: Row
    vendor_content: bytes | None = None
    account: ExternalAccount | None = None
    outputs: Outputs | None = None

    def __getitem__(self, name: str) -> Any:
        return self.answers.get(name)

    @property
    def owns_google(self) -> bool:
        """Does the user own pool and registry?"""
        return bool(self["googleOwner"] == "own")

    @property
    def through_entra(self) -> bool:
        """Does Google trust Entra ID?"""
        return bool(self["trust"] == "entra")

    @property
    def file_reads_other_token(self) -> bool:
        """Does the vendor's file read a token from a file, as for a cluster's, where Entra's is sent?"""
        return self.through_entra and self.account is not None and self.account.source == "token-file"

    @property
    def object_name(self) -> str:
        """Name of every object in the cluster, its namespace included (the chart's `provider.name`)."""
        return f"{PROGRAM}-{self['instance']}" if self["instance"] else PROGRAM

    @property
    def universe(self) -> str:
        """Google's universe, which the vendor's file names."""
        if self.vendor_content is None:
            return DEFAULT_UNIVERSE
        return str(json.loads(self.vendor_content).get("universe_domain", DEFAULT_UNIVERSE))

    @cached_property
    def trust(self) -> Trust | None:
        """Pool and provider: of the vendor's file, else as answered; None while nobody has named them."""
        if self.account is not None:
            facts = self.account.plan()
            found = _AUDIENCE.fullmatch(facts["audience"])
            if found is None:
                raise ValueError("the vendor's file was read without its audience being checked")
            return Trust(facts["audience"], found[1], found[2], found[3], found[4], facts["service_account"])
        if not self.owns_google:
            return None
        number, pool, provider = (self[name] for name in ("googleProjectNumber", "googlePool", "googleProvider"))
        audience = (
            f"//iam.{DEFAULT_UNIVERSE}/projects/{number}/locations/global/workloadIdentityPools/{pool}"
            f"/providers/{provider}"
        )
        return Trust(audience, DEFAULT_UNIVERSE, number, pool, provider, self["googleServiceAccount"])

    @property
    def knows_azure(self) -> bool:
        """Has azure.sh told all that this mode needs? One of another mode may have told less."""
        if self.outputs is None:
            return False
        needed = [self.outputs.client_id, self.outputs.principal_id] if self.through_entra else []
        needed += [self.outputs.oidc_issuer_url] if self.mode.needs_issuer else []
        return None not in needed

    # --- Azure --------------------------------------------------------------------------------------------------------

    @property
    def exchange_resource(self) -> str:
        """What Entra ID is asked a token for."""
        return str(self["entraResource"] or ENTRA_CLOUDS[self["cloud"]][1])

    @property
    def federation_audience(self) -> str:
        """`aud` of the ServiceAccount's token where Entra ID takes it."""
        return ENTRA_CLOUDS[self["cloud"]][1]

    @property
    def kubernetes_subjects(self) -> list[str]:
        """`sub` of the tokens that leave the cluster: the DaemonSet's own, or those of the ServiceAccounts."""
        if self.mode.source == "token-file":
            return [f"{_SUBJECT_PREFIX}{self.object_name}:{self.object_name}"]
        return [_SUBJECT_PREFIX + each.replace("/", ":") for each in self["serviceAccounts"] or []]

    def federated_credential(self, subject: str) -> str:
        """Name of the credential for a subject: the same in every run, another for another cluster."""
        place = "\n".join((self["subscription"], self["resourceGroup"].lower(), self["cluster"], subject))
        readable = re.sub(r"[^A-Za-z0-9-]", "-", subject.removeprefix(_SUBJECT_PREFIX))[:80].strip("-")
        return f"{readable}-{hashlib.sha256(place.encode()).hexdigest()[:10]}"

    @property
    def names_client(self) -> bool:
        """Must config.json name the identity? The kubelet's own is found on the node."""
        named_by_vendor = self.account is not None and self.account.imds_selector is not None
        return self.through_entra and (self["identity"] == "own" or named_by_vendor)

    # --- Google -------------------------------------------------------------------------------------------------------

    @property
    def issuer(self) -> str | None:
        """`iss` of the token that Google gets; None until Azure has told."""
        if not self.through_entra:
            return self.outputs.oidc_issuer_url if self.outputs else None
        if self["entraTokenVersion"] == "1":
            return f"https://sts.windows.net/{self['tenant']}/"
        return f"https://{ENTRA_CLOUDS[self['cloud']][0]}/{self['tenant']}/v2.0"

    @property
    def subjects(self) -> list[str] | None:
        """`sub` of the tokens that Google gets; None until Azure has told."""
        if not self.through_entra:
            return self.kubernetes_subjects
        return [self.outputs.principal_id] if self.outputs and self.outputs.principal_id else None

    @property
    def allowed_audience(self) -> str | None:
        """`aud` of that token; None while nobody knows it, or the provider that it will be the name of has none."""
        if self.through_entra:
            return self.answers.get("entraAudience")
        return f"https:{self.trust.audience}" if self.trust else None

    @property
    def shortens_subjects(self) -> bool:
        """Is a subject too long to be `google.subject` as it is?"""
        return not self.through_entra and any(len(each) > _SUBJECT_LIMIT for each in self.kubernetes_subjects)

    @property
    def attribute_mapping(self) -> str:
        """How the provider makes `google.subject`."""
        return f"assertion.sub.extract('{_SUBJECT_PREFIX}{{rest}}')" if self.shortens_subjects else "assertion.sub"

    @property
    def attribute_condition(self) -> str | None:
        """Who of all that the issuer knows may exchange a token."""
        if self.subjects is None:
            return None
        quoted = [f"'{subject}'" for subject in self.subjects]
        return f"assertion.sub == {quoted[0]}" if len(quoted) == 1 else f"assertion.sub in [{', '.join(quoted)}]"

    def google_subject(self, subject: str) -> str:
        """What the mapping makes of a subject."""
        return subject.removeprefix(_SUBJECT_PREFIX) if self.shortens_subjects else subject

    @property
    def members(self) -> list[str] | None:
        """The IAM members that may pull; None until they are known."""
        if self.trust is None or self.subjects is None:
            return None
        return [self.trust.member(self.google_subject(subject)) for subject in self.subjects]

    @property
    def repository(self) -> Repository | None:
        """The image's repository; None for a host whose location cannot be read off."""
        return repository_of(self["image"])

    # --- Kubernetes and node ------------------------------------------------------------------------------------------

    @property
    def token_audience(self) -> str | None:
        """What the kubelet or the DaemonSet asks a ServiceAccount token for; None while it is not known."""
        if self.mode.source == "managed-identity":
            return None
        return self.federation_audience if self.mode.entra else self.allowed_audience

    @property
    def registries(self) -> list[str]:
        """What the plugin answers for: as answered, else what covers the image, and beside another vendor no more."""
        if self["registries"]:
            return list(self["registries"])
        host, _, path = image_name(self["image"]).partition("/")
        if self["instance"]:
            return [f"{host}/{path.partition('/')[0]}/"]
        covers = Registry("*-docker.pkg.dev").covers(parse_image(f"{host}/{path}"))
        return ["*-docker.pkg.dev"] if covers else [host]

    @property
    def workloads(self) -> list[tuple[str, str]]:
        """Namespace and ServiceAccount of the pods that will pull."""
        found = self["serviceAccounts"] or [self["workload"]]
        return [(each.partition("/")[0], each.partition("/")[2]) for each in found]


def check_plan(plan: Plan) -> list[Fault]:
    """What no single answer is to blame for."""
    faults = []
    for entry in plan.registries:
        try:
            check_registry(entry, plan.universe)
        except ValueError as error:
            faults.append(Fault("registries", str(error)))
            return faults
    if not any(Registry(entry).covers(parse_image(image_name(plan["image"]))) for entry in plan.registries):
        faults.append(Fault("registries", "do not cover the image"))
    if plan["instance"] and not all("/" in entry for entry in plan.registries):
        faults.append(Fault("registries", "need a path prefix with an instance, e.g. us-docker.pkg.dev/vendor/"))
    if plan["entraTokenVersion"] == "1" and plan["cloud"] != "public":
        faults.append(Fault("entraTokenVersion", "1 is known for Azure's public cloud only"))
    if plan.owns_google:
        faults += check_repository(plan.repository)
    if plan.mode.entra and len(plan.kubernetes_subjects) > _CREDENTIALS_LIMIT:
        faults.append(Fault("serviceAccounts", f"are more than {_CREDENTIALS_LIMIT}, the most for one identity"))
    if any(len(plan.google_subject(each)) > _SUBJECT_LIMIT for each in plan.subjects or []):
        faults.append(Fault("serviceAccounts", f"has names too long for Google, which takes {_SUBJECT_LIMIT} bytes"))
    return faults + _check_outputs(plan)


def _check_outputs(plan: Plan) -> list[Fault]:
    outputs = plan.outputs
    if outputs is None:
        return []
    found = {"subscription": outputs.subscription_id, "tenant": outputs.tenant_id}
    return [Fault(AZURE, f"is of another {name} than answered") for name, value in found.items() if value != plan[name]]
