"""Settings as the plugin uses them, and the quick way to them: files read with care, compared with what was validated.

Validation (`settings_plan`, pydantic) costs more than everything else in a cached answer. Its result, a flat plan of
JSON values, is kept beside the tokens together with a digest of every file and variable it was drawn from; while those
are byte for byte the same, the plan stands. Used by `answer` and by people's commands.
"""

from __future__ import annotations

import os
import stat
import sys

from credprovider import __version__
from credprovider.errors import ProviderError
from credprovider.registries import Registry
from credprovider.state import digest
from credprovider.strict_json import dumps
from credprovider.world import DEFAULT_CONFIG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from credprovider.state import Lock, StateDirectory
    from credprovider.world import World

#: Variables that settings may draw from; any change of one makes the plan void.
VARIABLES = (
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_AUTHORITY_HOST",
    "AZURE_FEDERATED_TOKEN_FILE",
    "GOOGLE_APPLICATION_CREDENTIALS",
)

_FILE_LIMIT = 256 << 10
#: How long another process's validation is waited for; it takes a tenth of a second on an idle machine.
_VALIDATION_SECONDS = 2.0
_POLL_SECONDS = 0.01
_REMEDY = "compare with the settings reference in the project's README.md"
_EXAMPLE = (
    'write the settings there; the least is {"identity": {"source": "managed-identity"}}, and the vendor\'s'
    " credential-config.json beside it"
)


class Settings:
    """Validated settings; every attribute of the plan by its own name.

    Attributes (all JSON values, times in seconds):
        source: ``managed-identity``, ``token-file`` or ``service-account``.
        resource, selector: what IMDS is asked for, and ``[parameter, value]`` that picks the identity (or None).
        token_file, token_field: where the token lies; name of its JSON field, or None for plain text.
        token_audience: what the relay projects and the kubelet's entry asks for.
        require_service_account, cache_type, required_annotations, optional_annotations: the kubelet's tokenAttributes.
        entra: None, or authority, tenant_id, client_id (either may be None: from annotations), scope.
        audience, subject_token_type, token_url, impersonation_url, service_account, lifetime, quota_project: of the
            vendor's file.
        scopes, universe_domain, https_proxy, no_proxy, ca_file, cache_enabled, registries: config.json.
        warnings: sentences for people; the plugin only notes them in the journal.
    """

    source: str
    resource: str | None
    selector: list[str] | None
    token_file: str | None
    token_field: str | None
    token_audience: str | None
    require_service_account: bool
    cache_type: str | None
    required_annotations: list[str]
    optional_annotations: list[str]
    entra: dict[str, Any] | None
    audience: str
    subject_token_type: str
    token_url: str
    impersonation_url: str | None
    service_account: str | None
    lifetime: int
    quota_project: str | None
    scopes: list[str]
    universe_domain: str
    https_proxy: str | None
    no_proxy: str | None
    ca_file: str | None
    cache_enabled: bool
    registry_texts: list[str]
    warnings: list[str]

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.__dict__.update(plan)
        self.registries = [Registry(text) for text in self.registry_texts]
        self.digest = digest(dumps({name: value for name, value in plan.items() if name != "warnings"}))


class Sources:
    """Reads what settings are drawn from, and remembers what it read."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.files: dict[str, str | None] = {}

    def read(self, path: str) -> bytes:
        """Bytes of a settings file whose owner and mode are in order; see `read_trusted` for the errors."""
        content = read_trusted(path, self._world.euid)
        self.files[path] = digest(content)
        return content

    def read_if_there(self, path: str) -> bytes | None:
        """As `read`; None when there is no such file, which is remembered too."""
        if os.path.exists(path):
            return self.read(path)
        self.files[path] = None
        return None


def load_settings(
    world: World, state: StateDirectory | None, *, before_validation: Callable[[], None] = lambda: None
) -> Settings:
    """The settings of `world.config`, by the plan when it still stands, else validated anew.

    Args:
        world: the machine.
        state: where the plan is kept, if anywhere.
        before_validation: run when validation is about to take its time.

    Raises:
        ProviderError: family ``settings``, naming the file and the field.
    """
    key = digest(world.config)
    plan, lock = _standing_plan_or_lock(world, state, key) if state is not None else (None, None)
    try:
        if plan is not None:
            return Settings(plan)
        return _validate(world, state, key, before_validation)
    finally:
        if lock is not None:
            lock.release()


def _validate(world: World, state: StateDirectory | None, key: str, before_validation: Callable[[], None]) -> Settings:
    before_validation()
    from credprovider.settings_plan import compile_plan  # noqa: PLC0415 - pydantic, needed once per change of settings

    sources = Sources(world)
    plan = compile_plan(world, sources)
    # A proxy's password stays in config.json: nothing but Google's tokens is copied into the state folder.
    if state is not None and plan["cache_enabled"] and "@" not in (plan["https_proxy"] or ""):
        record = {"product": _product(), "plan": plan, "files": sources.files, "variables": _variables(world.environ)}
        state.write(f"plan-{key}.json", _seal(record))
    return Settings(plan)


def _standing_plan_or_lock(world: World, state: StateDirectory, key: str) -> tuple[dict[str, Any] | None, Lock | None]:
    """The plan; or the right to make it, as a burst of processes needs one validation and not fifty.

    Both are None when another process takes long over it, or locks cannot be had: then everybody validates.
    """
    until = world.boottime() + _VALIDATION_SECONDS
    while True:
        plan = _standing_plan(world, state.read(f"plan-{key}.json"))
        if plan is not None:
            return plan, None
        try:
            lock = state.try_lock(f"lock-plan-{key}")
        except OSError:
            return None, None
        if lock is not None:
            # The one before us may have finished between our look and our lock.
            return _standing_plan(world, state.read(f"plan-{key}.json")), lock
        if world.boottime() > until:
            return None, None
        world.sleep(_POLL_SECONDS)


def _standing_plan(world: World, record: dict[str, Any] | None) -> dict[str, Any] | None:
    if record is None or not _is_whole(record) or world.config not in record["files"]:
        return None
    if record["product"] != _product() or record["variables"] != _variables(world.environ):
        return None
    if record["plan"].keys() != Settings.__annotations__.keys():  # another build of the same version made it
        return None
    try:
        for path, known in record["files"].items():
            found = digest(read_trusted(path, world.euid)) if known is not None or os.path.exists(path) else None
            if found != known:
                return None
    except ProviderError:
        # A file may be gone because settings no longer name it; if they do, validation says what is wrong with it.
        return None
    plan: dict[str, Any] = record["plan"]
    return plan


def _seal(record: dict[str, Any]) -> dict[str, Any]:
    """The record with a digest of itself."""
    return record | {"whole": digest(dumps(record))}


def _is_whole(record: dict[str, Any]) -> bool:
    """Is this, to the last byte, what `_seal` made?"""
    try:
        return record.pop("whole", None) == digest(dumps(record)) and "plan" in record
    except RecursionError:
        return False


def _product() -> str:
    """This very build: what another build let pass is validated anew."""
    build = os.stat(sys.executable) if getattr(sys, "frozen", False) else None
    return __version__ if build is None else f"{__version__} {build.st_size} {build.st_mtime_ns}"


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[name] for name in VARIABLES if environ.get(name)}


def read_trusted(path: str, euid: int) -> bytes:
    """Read a settings file that only root, or the caller, can have written.

    Raises:
        ProviderError: family ``settings``: absent, unreadable, no regular file, too large, foreign-owned or writable
            by others.
    """
    if path.startswith(os.path.dirname(DEFAULT_CONFIG) + "/") and os.path.lexists(path):
        _check_parents(path, euid)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise settings_error("settings-unreadable", f"cannot read {path}: it is not there", _EXAMPLE) from None
    except OSError as error:
        raise settings_error("settings-unreadable", f"cannot read {path}: {os.strerror(error.errno or 0)}") from None
    except ValueError:  # a zero byte, or half of a surrogate pair
        raise settings_error("settings-unreadable", f"cannot read {path}: no file can have this name") from None
    try:
        _check_ownership(path, os.fstat(descriptor), euid)
        content = os.read(descriptor, _FILE_LIMIT + 1)
    except OSError as error:
        raise settings_error("settings-unreadable", f"cannot read {path}: {os.strerror(error.errno or 0)}") from None
    finally:
        os.close(descriptor)
    if len(content) > _FILE_LIMIT:
        raise settings_error("settings-too-large", f"{path} is larger than {_FILE_LIMIT} bytes")
    return content


def _check_parents(path: str, euid: int) -> None:
    folder = os.path.dirname(path)
    while True:
        try:
            found = os.stat(folder)
        except OSError as error:
            raise settings_error(
                "settings-unreadable", f"cannot read {folder}: {os.strerror(error.errno or 0)}"
            ) from None
        if found.st_uid not in {0, euid} or found.st_mode & 0o022:
            raise settings_error(
                "settings-unsafe-parent",
                f"folder {folder} can be written by others than root",
                f"chown root {folder}; chmod go-w {folder}",
            )
        if folder == "/":
            return
        folder = os.path.dirname(folder)


def _check_ownership(path: str, found: os.stat_result, euid: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise settings_error("settings-not-a-file", f"{path} is not a regular file")
    if found.st_uid not in {0, euid}:
        raise settings_error(
            "settings-unsafe-owner", f"{path} belongs to uid {found.st_uid}, not to root", f"chown root {path}"
        )
    if found.st_mode & 0o022:
        raise settings_error(
            "settings-unsafe-mode", f"{path} can be written by its group or by everybody", f"chmod go-w {path}"
        )


def settings_error(code: str, cause: str, remedy: str = _REMEDY) -> ProviderError:
    """A `ProviderError` of the family ``settings``."""
    return ProviderError(code, "settings", "settings", cause, remedy)
