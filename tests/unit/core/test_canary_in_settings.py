"""No error about settings shows a value: keys and fields, never what is written there."""

from __future__ import annotations

import copy
import json
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credprovider.errors import LINE_LIMIT, ProviderError
from credprovider.settings import VARIABLES
from tests.unit.core.making import (
    CLIENT_ID,
    EXAMPLES,
    GCLOUD,
    GUIDE,
    TENANT_ID,
    compiled,
    make_world,
    settings_files,
    write,
)

CANARY = "CaNaRy"

CONFIG: dict[str, Any] = {
    "credentialConfig": "credential-config.json",
    "identity": {
        "source": "service-account",
        "tokenAudience": "https://audience",
        "serviceAccount": {
            "require": True,
            "cacheType": "Token",
            "requiredAnnotationKeys": ["a/b"],
            "optionalAnnotationKeys": ["c"],
        },
        "entra": {"tenantId": TENANT_ID, "clientId": CLIENT_ID, "scope": "api://x/.default", "cloud": "public"},
    },
    "registries": ["*-docker.pkg.dev"],
    "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
    "universeDomain": "googleapis.com",
    "network": {"httpsProxy": "http://proxy:3128", "noProxy": "a,b", "caFile": "/etc/ca.pem"},
    "cache": {"enabled": True},
}


def _places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, value in pairs:
        yield (*path, name)
        yield from _places(value, (*path, name))


#: A canary as somebody might write a password into a value of any form.
CANARIES = st.sampled_from(
    [
        CANARY,
        f" {CANARY}",
        f"{CANARY}\n",
        f"https://user:{CANARY}@proxy:3128",
        f"http://user:{CANARY}@[proxy",
        f"http://user:{CANARY}@proxy:port",
        f"{CANARY}.pkg.dev",
        f"https://{CANARY}@sts.googleapis.com/v1/token",
        f"https://sts.googleapis.com/v1/token?{CANARY}",
        f"http://169.254.169.254/metadata/identity/oauth2/token?resource={CANARY}&resource={CANARY}",
        f"//iam.googleapis.com/{CANARY}",
        f"/{CANARY}\0",
        [CANARY],
        {"key": CANARY},
        [[CANARY]],
    ]
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both files, with canaries in one to three places."""
    both = {"config": copy.deepcopy(CONFIG), "vendor": copy.deepcopy(draw(st.sampled_from([GUIDE, GCLOUD])))}
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from([place for place in _places(both) if len(place) > 1]))
        node: Any = both
        for name in above:
            node = node[name]
        node[last] = draw(CANARIES)
    return both["config"], both["vendor"]


def _told(folder: Path, environ: dict[str, str]) -> str:
    try:
        compiled(make_world(folder, environ=environ))
    except ProviderError as error:
        refused = error
    else:
        return ""
    assert refused.family == "settings"
    line = refused.line()
    assert line.isprintable()
    assert len(line) <= LINE_LIMIT
    return line + "".join(traceback.format_exception(refused))


@EXAMPLES
@given(documents())
def test_no_value_of_either_file_is_shown(tmp_path: Path, both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    settings_files(folder, *both)
    told = _told(folder, {})
    # The name of a file that is not there has to be shown.
    if f"cannot read {folder}/" not in told:
        assert CANARY not in told


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize("config", [CONFIG, {}], ids=["full", "empty"])
@pytest.mark.parametrize("form", [CANARY, f"https://{CANARY}@login.microsoftonline.com"], ids=["bare", "in a URL"])
def test_no_value_of_the_environment_is_shown(tmp_path: Path, config: dict[str, Any], name: str, form: str) -> None:
    document = copy.deepcopy(config)
    if document:
        del document["credentialConfig"]
        for key in ("tenantId", "clientId", "cloud"):
            del document["identity"]["entra"][key]
    settings_files(tmp_path, document)
    told = _told(tmp_path, {name: form})
    if name != "GOOGLE_APPLICATION_CREDENTIALS":
        assert CANARY not in told


@pytest.mark.parametrize("content", [f'{{"a": "{CANARY}', f"{CANARY}", f'{{"{CANARY}":1,"{CANARY}":2}}', f'"{CANARY}"'])
@pytest.mark.parametrize("name", ["config.json", "credential-config.json", "azure.json"])
def test_nothing_of_a_file_that_is_no_json_is_shown(tmp_path: Path, name: str, content: str) -> None:
    settings_files(tmp_path, {"identity": {"source": "managed-identity"}})
    write(tmp_path / name, content)
    assert CANARY not in _told(tmp_path, {})


def test_a_service_account_key_is_not_shown(tmp_path: Path) -> None:
    key = {"type": "service_account", "private_key": CANARY, "client_email": f"{CANARY}@x", "private_key_id": CANARY}
    settings_files(tmp_path, {}, key)
    told = _told(tmp_path, {})
    assert "service account key" in told
    assert CANARY not in told
    assert CANARY in json.dumps(key)
