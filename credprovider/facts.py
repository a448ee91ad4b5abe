"""What settings and a request know of the user's own world, by the placeholder names of the catalogue's remedies."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from credprovider.settings import Settings


def facts_of(settings: Settings, image: str) -> dict[str, str]:
    """Placeholder -> value; only what is known."""
    _, _, _, _, number, _, _, _, pool, _, provider = settings.audience.split("/", 10)
    known = {
        "audience": settings.audience,
        "project_number": number,
        "pool": pool,
        "provider": provider,
        "service_account": settings.service_account,
        "account_id": (settings.service_account or "").partition("@")[0],
        "project": _project_of(settings.service_account),
        "resource": settings.resource,
        "client_id": settings.selector[1] if settings.selector else (settings.entra or {}).get("client_id"),
        "tenant": (settings.entra or {}).get("tenant_id"),
        "token_audience": settings.token_audience,
        "token_file": settings.token_file,
        "scope": " ".join(settings.scopes),
        "source": settings.source,
    }
    host, _, path = image.partition("/")
    segments = path.split("/")
    if host.endswith("-docker.pkg.dev") and len(segments) >= 3:
        known |= {
            "location": host.removesuffix("-docker.pkg.dev"),
            "registry_project": segments[0],
            "repository": segments[1],
        }
    known |= {"image": image, "host": host}
    return {name: value for name, value in known.items() if value}


def _project_of(service_account: str | None) -> str | None:
    """The project in ``NAME@PROJECT.iam.gserviceaccount.com``."""
    if service_account is None:
        return None
    return service_account.partition("@")[2].removesuffix(".iam.gserviceaccount.com")
