"""The way of one request, on one page: request, settings, cache, identity, exchange, response. Read this first.

Bytes in, bytes out; clock, chance, environment and places come with `World`. The cached way loads neither pydantic nor
google-auth and opens no network socket: what a miss needs is imported inside `_exchange`.
"""

from __future__ import annotations

from credprovider.deadline import Deadline
from credprovider.dial import Dialer
from credprovider.identity import service_account, token_file
from credprovider.protocol import encode_response, parse_request
from credprovider.registries import is_google, is_ours, parse_image
from credprovider.settings import load_settings
from credprovider.state import StateDirectory, digest
from credprovider.strict_json import dumps
from credprovider.token_cache import TokenCache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from credprovider.identity.token import SubjectToken
    from credprovider.protocol import Request
    from credprovider.settings import Settings
    from credprovider.token_cache import Grant
    from credprovider.world import World


class Answer:
    """What goes to stdout, and what the journal is told."""

    __slots__ = ("note", "stdout", "warnings")

    def __init__(self, stdout: bytes, note: str, warnings: list[str]) -> None:
        self.stdout = stdout
        self.note = note
        self.warnings = warnings


def answer(raw: bytes, world: World) -> Answer:
    """Answer one CredentialProviderRequest.

    Args:
        raw: stdin, whole.
        world: the machine.

    Raises:
        ProviderError: ready to be shown; then nothing may go to stdout.
    """
    deadline = Deadline(world.limits.total)
    dialer = Dialer(world, deadline)
    try:
        return _answer(raw, world, deadline, dialer)
    finally:
        dialer.close()


def _answer(raw: bytes, world: World, deadline: Deadline, dialer: Dialer) -> Answer:
    request = parse_request(raw)
    image = parse_image(request.image)
    state = StateDirectory.open(world.state_directory, world.euid)
    head_start = dialer.head_start if is_google(image.host) else lambda: None
    settings = load_settings(world, state, before_validation=head_start)
    if not is_ours(image, settings.registries):
        return Answer(encode_response(request.api_version, "Image", 0, (), None), f"{image.host}: not ours", [])

    presented = service_account.read(settings, request, world) or token_file.read(settings, world)
    cache = TokenCache(world, state if settings.cache_enabled else None, _cache_key(settings, request, presented))
    answered = cache.token(lambda: _exchange(settings, request, presented, dialer, world), deadline)

    keys = [registry.text for registry in settings.registries]
    stdout = encode_response(request.api_version, "Global", answered.cache_seconds, keys, answered.grant.token)
    left = answered.grant.left(world.boottime())
    life = f"token lives {left:.0f} s, cached for {answered.cache_seconds} s"
    note = f"{image.host}: {settings.source} {answered.how}, {life}"
    if answered.failure is not None:
        return Answer(stdout, f"{note}, not refreshed: {answered.failure.code}", [answered.failure.line()])
    warnings = list(settings.warnings) if answered.how == "exchange" else []
    if state is None and world.state_directory is not None:
        warnings.append(
            f"{world.state_directory} is not a folder of mode 0700 of our own: every answer costs an exchange"
        )
    return Answer(stdout, note, warnings)


def _cache_key(settings: Settings, request: Request, presented: SubjectToken | None) -> str:
    """What one cached token is for: these settings, this identity, this ServiceAccount with these annotations."""
    claims = presented.claims if presented is not None else None
    listed = sorted({*settings.required_annotations, *settings.optional_annotations} & request.annotations.keys())
    return digest(
        dumps(
            [
                settings.digest,
                [claims.issuer, claims.subject, claims.audience, claims.service_account_uid]
                if claims is not None
                else None,
                [[name, request.annotations[name]] for name in listed],
            ]
        )
    )


def _exchange(
    settings: Settings, request: Request, presented: SubjectToken | None, dialer: Dialer, world: World
) -> Grant:
    """The way to a new token: the first one at hand or from IMDS, through Entra if asked, to Google."""
    if presented is not None and settings.source == "token-file":
        token_file.refuse_expired(presented, world)
    transport = dialer.dial(settings)  # connections open while the libraries below load

    from credprovider.exchange import exchange  # noqa: PLC0415
    from credprovider.facts import facts_of  # noqa: PLC0415
    from credprovider.identity import entra, managed_identity  # noqa: PLC0415

    facts = facts_of(settings, request.image)
    first = presented or managed_identity.fetch(settings, transport, facts)
    if first is None:
        raise AssertionError(settings.source)  # settings name one of three sources; two of them were presented
    subject = entra.exchange(settings, request, first, transport, facts)
    return exchange(settings, subject, transport, facts, world)
