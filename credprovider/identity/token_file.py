"""Source ``token-file``: a projected ServiceAccount token relayed to the node, or any OIDC token in a file."""

from __future__ import annotations

import os
import stat

from credprovider.errors import ProviderError
from credprovider.identity.token import SubjectToken, accept
from credprovider.protocol import TOKEN_LIMIT
from credprovider.secret import Secret
from credprovider.strict_json import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from credprovider.settings import Settings
    from credprovider.world import World

_HOP = "token-file"
#: A JSON file holds the token and some fields around it.
_FILE_LIMIT = 4 * TOKEN_LIMIT
_REMEDY = "see who writes that file on this node, and who renews it"


def read(settings: Settings, world: World) -> SubjectToken | None:
    """The token in `settings.token_file`; None when another source is chosen.

    The path is followed through links: a projected volume is made of them.

    Raises:
        ProviderError: family ``azure``: absent, unreadable, writable by others, too large, or no JWT.
    """
    if settings.source != "token-file" or settings.token_file is None:
        return None
    content = _content(settings.token_file, world.euid)
    text = content.strip() if settings.token_field is None else _field(content, settings.token_field)
    try:
        token = Secret(text.decode("ascii"))
    except UnicodeDecodeError:
        raise _error("token-file-garbled", f"{settings.token_file} holds bytes that no token has") from None
    return accept(token, hop=_HOP, code="token-file-garbled", remedy=_REMEDY)


def refuse_expired(subject: SubjectToken, world: World) -> None:
    """Raise when the file's token is past its life: its relay has stopped."""
    if subject.claims.is_expired(world.wall()):
        age = world.wall() - subject.claims.expires
        cause = f"the token in the file expired {age:.0f} s ago: nobody has renewed it, or this node's clock is wrong"
        raise ProviderError(
            "token-file-expired", "azure", _HOP, cause, _REMEDY + "; timedatectl", claims=subject.claims.shown()
        )


def _content(path: str, euid: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise _error("token-file-missing", f"{path} is not there") from None
    except OSError as error:
        raise _error("token-file-unreadable", f"cannot read {path}: {os.strerror(error.errno or 0)}") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _error("token-file-unreadable", f"{path} is not a regular file")
        if found.st_uid not in {0, euid} or found.st_mode & 0o022:
            raise _error(
                "token-file-unsafe",
                f"{path} could have been written by others than root",
                f"chown root {path}; chmod go-w {path}",
            )
        content = os.read(descriptor, _FILE_LIMIT + 1)
    except OSError as error:
        raise _error("token-file-unreadable", f"cannot read {path}: {os.strerror(error.errno or 0)}") from None
    finally:
        os.close(descriptor)
    if len(content) > _FILE_LIMIT:
        raise _error("token-file-garbled", f"{path} is larger than {_FILE_LIMIT} bytes")
    return content


def _field(content: bytes, name: str) -> bytes:
    try:
        document = loads(content)
    except ValueError as error:
        raise _error("token-file-garbled", f"the token file should hold JSON: {error}") from None
    value = document.get(name) if isinstance(document, dict) else None
    if not isinstance(value, str):
        raise _error("token-file-garbled", "the token file has no such field as credential_source.format names")
    return value.strip().encode("utf-8", "replace")


def _error(code: str, cause: str, remedy: str = _REMEDY) -> ProviderError:
    return ProviderError(code, "azure", _HOP, cause, remedy)
