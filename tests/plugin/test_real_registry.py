"""The last step is real: skopeo pulls from Debian's docker-registry with the credential that the executable answered.

Between the two stands the cloud's Artifact Registry, which turns a Google access token into the registry's own token,
which the registry verifies itself.
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.control import CloudProcess
from tests.cloud.core import inside
from tests.cloud.distribution import BINARY
from tests.cloud.world import IAM_SCOPE, WORLD

if TYPE_CHECKING:
    from tests.plugin.runner import Frozen
    from tests.plugin.settings import Setting, SettingsFactory

pytestmark = pytest.mark.debian_parts

_NEEDED = ("skopeo", BINARY)


@pytest.fixture(scope="module")
def cloud_process() -> Iterator[CloudProcess]:
    """In the place of the session's cloud: one with the real registry; a failure, not a skip, where parts are missing.

    Both cannot stand at once, so these tests run by themselves (`-m debian_parts`).
    """
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        pytest.fail(f"not installed: {', '.join(missing)} (apt-get install {' '.join(_NEEDED)})", pytrace=False)
    if not inside():
        pytest.fail("needs the loopback cloud's namespace: ./dev test -m debian_parts", pytrace=False)
    with CloudProcess("--real-registry") as process:
        yield process


@pytest.fixture
def client(cloud: CloudProcess, tmp_path: Path) -> Client:
    return Client(tmp_path, cloud)


class Client:
    """skopeo with a home of its own, trusting the cloud's CA."""

    def __init__(self, folder: Path, cloud: CloudProcess) -> None:
        self._home = folder / "home"
        self._home.mkdir()
        self._cloud = cloud
        self.pulled = folder / "pulled"

    def run(self, *arguments: str, auths: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command with the credentials of an auth file."""
        auth_file = self._home / "auth.json"
        auth_file.write_text(json.dumps({"auths": auths or {}}))
        return subprocess.run(
            ["skopeo", "--insecure-policy", *arguments, f"--authfile={auth_file}"],
            capture_output=True,
            text=True,
            env={"SSL_CERT_FILE": str(self._cloud.ca_file), "HOME": str(self._home), "PATH": "/usr/bin:/bin"},
            check=False,
        )

    def pull(self, image: str, auths: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        """Pulls manifest, config and layers into `pulled`."""
        return self.run("copy", f"docker://{image}", f"dir:{self.pulled}", auths=auths)


def _auths(response: dict[str, Any], image: str) -> dict[str, Any]:
    """What the kubelet would hand to the runtime for an image: the entry whose key covers its host."""
    host = image.partition("/")[0]
    for key, entry in response["auth"].items():
        if fnmatch.fnmatchcase(host, key):
            return _entry(host, entry["username"], entry["password"])
    raise AssertionError(f"no key covers {host}: {list(response['auth'])}")


def _entry(host: str, username: str, password: str) -> dict[str, Any]:
    return {host: {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}}


def _answered(frozen: Frozen, setting: Setting, image: str = WORLD.image) -> dict[str, Any]:
    return _auths(frozen(setting.request, setting.config).response, image)


def _assert_refused(client: Client, cloud: CloudProcess, image: str, auths: dict[str, Any] | None) -> None:
    done = client.pull(image, auths)
    assert done.returncode != 0
    assert not list(client.pulled.glob("manifest.json"))
    statuses = [call["status"] for call in cloud.calls("registry")]
    assert statuses
    assert set(statuses) <= {401, 403}, done.stderr


# Refusals first.


def test_without_a_credential_the_pull_is_refused(client: Client, cloud: CloudProcess) -> None:
    _assert_refused(client, cloud, WORLD.image, None)


@pytest.mark.parametrize("username", ["oauth2accesstoken", "_json_key"])
def test_a_token_that_nobody_gave_out_is_refused(client: Client, cloud: CloudProcess, username: str) -> None:
    _assert_refused(client, cloud, WORLD.image, _entry("us-docker.pkg.dev", username, "ya29.made-up"))


def test_an_expired_token_is_refused(
    client: Client, cloud: CloudProcess, frozen: Frozen, settings: SettingsFactory
) -> None:
    auths = _answered(frozen, settings("managed-identity-impersonated"))
    cloud.skew("registry", 3601)
    _assert_refused(client, cloud, WORLD.image, auths)


def test_a_token_for_something_else_is_refused(
    client: Client, cloud: CloudProcess, frozen: Frozen, settings: SettingsFactory
) -> None:
    auths = _answered(frozen, settings("managed-identity-direct", scopes=[IAM_SCOPE]))
    _assert_refused(client, cloud, WORLD.image, auths)


def test_an_identity_that_may_not_read_the_repository_is_refused(
    client: Client, cloud: CloudProcess, frozen: Frozen, settings: SettingsFactory
) -> None:
    auths = _answered(frozen, settings("managed-identity-direct"))
    cloud.revoke(WORLD.object_id)
    _assert_refused(client, cloud, WORLD.image, auths)


def test_the_token_pulls_and_does_not_push(client: Client, frozen: Frozen, settings: SettingsFactory) -> None:
    auths = _answered(frozen, settings("managed-identity-impersonated"))
    assert client.pull(WORLD.image, auths).returncode == 0
    done = client.run("copy", f"dir:{client.pulled}", f"docker://{WORLD.image}-mine", auths=auths)
    assert done.returncode != 0
    assert client.pull(WORLD.image + "-mine", auths).returncode != 0


# The pull.


@pytest.mark.parametrize(
    "mode",
    [
        "managed-identity-direct",
        "managed-identity-impersonated",
        "token-file-direct",
        "token-file-entra-impersonated",
        "service-account-direct",
        "service-account-entra-impersonated",
    ],
)
def test_a_real_client_pulls_a_real_image(client: Client, frozen: Frozen, settings: SettingsFactory, mode: str) -> None:
    auths = _answered(frozen, settings(mode))
    done = client.pull(WORLD.image, auths)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((client.pulled / "manifest.json").read_text())
    for part in (manifest["config"], *manifest["layers"]):
        name = part["digest"].removeprefix("sha256:")
        assert hashlib.sha256((client.pulled / name).read_bytes()).hexdigest() == name
    [layer] = manifest["layers"]
    with tarfile.open(client.pulled / layer["digest"].removeprefix("sha256:")) as archive:
        assert archive.getnames() == ["hello.txt"]


@pytest.mark.parametrize("image", WORLD.images)
def test_one_answer_serves_all_registries_that_settings_name(
    client: Client, frozen: Frozen, settings: SettingsFactory, image: str
) -> None:
    setting = settings("managed-identity-impersonated", registries=["*-docker.pkg.dev", "gcr.io"])
    done = client.run("inspect", f"docker://{image}", auths=_answered(frozen, setting, image))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Name"] == image.rpartition(":")[0]
