"""The Google side: google.sh for whoever owns it, and the message to whoever else does; text only."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from credprovider.errors import PROGRAM
from credprovider.setup.template import fill
from credprovider.setup.wrapping import wrapped

if TYPE_CHECKING:
    from credprovider.setup.plan import Plan, Trust


def google_script(plan: Plan) -> str:
    """google.sh: pool, provider, bindings. All that it needs must be known."""
    trust, repository, members = plan.trust, plan.repository, plan.members
    if trust is None or repository is None or members is None or plan.allowed_audience is None:
        raise ValueError("google.sh before its time")
    account = trust.service_account
    values = {
        "project": plan["googleProject"],
        "project_number": trust.project_number,
        "pool": trust.pool,
        "provider": trust.provider,
        "issuer": plan.issuer or "",
        "audience": plan.allowed_audience,
        "mapping": plan.attribute_mapping,
        "condition": plan.attribute_condition or "",
        "repository": repository.name,
        "repository_location": repository.location,
        "repository_project": repository.project,
        "account": account or "",
        "account_project": account_project(account) if account else "",
    }
    quoted = {name: shlex.quote(value) for name, value in values.items()}
    quoted["members"] = "\n".join(f"    {shlex.quote(member)}" for member in members)
    grants = fill("google/impersonated.sh" if account else "google/direct.sh", **quoted)
    quoted |= {"program": PROGRAM, "mode": plan.mode.name, "grants": grants}
    return fill("google/google.sh", **quoted)


def account_project(account: str) -> str:
    """The project of a service account, as its e-mail address names it."""
    name = account.partition("@")[2].removesuffix(".iam.gserviceaccount.com")
    # Of a project of a domain, example.com:project, the address has the parts the other way round.
    project, dot, domain = name.partition(".")
    return f"{domain}:{project}" if dot else name


def message(plan: Plan) -> str:
    """What the registry's owner has to trust, to the letter."""
    if plan.issuer is None or plan.subjects is None:
        raise ValueError("the message before its time")
    trust = plan.trust
    rows = [("issuer", plan.issuer), *(("subject", subject) for subject in plan.subjects)]
    if plan.allowed_audience is not None:
        rows.append(("allowed audience", plan.allowed_audience))
    rows += [("attribute mapping", f"google.subject={plan.attribute_mapping}")]
    rows += [("attribute condition", plan.attribute_condition or "")]
    page = fill(
        "message.md",
        image=plan["image"],
        registry=plan["image"].partition("/")[0],
        table="\n".join(f"| {name} | `{value}` |" for name, value in rows),
        notes=_notes(plan),
        request=_request(trust),
        members=_members(plan, trust),
    )
    return wrapped(page)


def _notes(plan: Plan) -> str:
    if plan.through_entra:
        client = f" (`{plan.outputs.client_id}`)" if plan.outputs else ""
        other = fill("notes-other-token.md") if plan.file_reads_other_token else ""
        return (fill("notes-entra.md", client=client) + other).rstrip("\n")
    default = "" if plan.allowed_audience else fill("notes-default-audience.md")
    return (fill("notes-cluster.md") + default).rstrip("\n")


def _request(trust: Trust | None) -> str:
    if trust is None:
        return fill("request-file.md").rstrip("\n")
    return fill("request-known.md", audience=trust.audience).rstrip("\n")


def _members(plan: Plan, trust: Trust | None) -> str:
    if trust is None or plan.members is None:
        return "Grant `principal://…/workloadIdentityPools/POOL/subject/SUBJECT`, for each subject above."
    role, where = (
        ("roles/iam.workloadIdentityUser", f"the service account `{trust.service_account}`")
        if trust.service_account
        else ("roles/artifactregistry.reader", "the repository")
    )
    lines = "\n".join(f"- `{member}`" for member in plan.members)
    return f"The role `{role}` on {where} is needed by\n\n{lines}"
