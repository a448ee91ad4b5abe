"""Dialling before validation: whatever is amiss with settings is validation's to tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from credprovider import answer
from credprovider.errors import ProviderError
from tests.unit.core.making import GUIDE, changed, make_world, write
from tests.unit.core.running import REQUEST, node


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    node(tmp_path)
    return tmp_path


def _refused(folder: Path) -> ProviderError:
    """Asked in this process, with a proxy that nobody is in case anything is dialled."""
    world = make_world(folder, environ={"HTTPS_PROXY": "http://127.0.0.1:9"})
    with pytest.raises(ProviderError) as caught:
        answer.answer(REQUEST, world)
    assert caught.value.exit_code == 3
    return caught.value


VENDOR_URLS = {
    "nonsense": "nonsense",
    "scheme alone": "https:",
    "half a bracket": "https://[",
    "a number": 7,
    "empty": "",
    "foreign": "https://evil.example/",
}


@pytest.mark.parametrize("url", VENDOR_URLS.values(), ids=VENDOR_URLS.keys())
@pytest.mark.parametrize("field", ["token_url", "service_account_impersonation_url"])
def test_a_head_start_leaves_bad_urls_to_validation(folder: Path, field: str, url: object) -> None:
    write(folder / "credential-config.json", changed(GUIDE, field, to=url))
    assert field in _refused(folder).cause


HEAD_STARTS: dict[str, dict[str, object]] = {
    "identity a list": {"identity": [1]},
    "entra a text": {"identity": {"entra": "x"}},
    "cloud a list": {"identity": {"entra": {"cloud": [1]}}},
    "cloud unknown": {"identity": {"entra": {"cloud": "x"}}},
    "universe a number": {"universeDomain": 7},
    "vendor's file a number": {"credentialConfig": 7},
    "vendor's file with NUL": {"credentialConfig": "a\0b"},
    "network a list": {"network": ["x"]},
    "proxy a number": {"network": {"httpsProxy": 7}},
    "proxy half a bracket": {"network": {"httpsProxy": "http://["}},
    "CA file a list": {"network": {"caFile": [1]}},
}


@pytest.mark.parametrize("config", HEAD_STARTS.values(), ids=HEAD_STARTS.keys())
def test_a_head_start_leaves_bad_settings_to_validation(folder: Path, config: dict[str, object]) -> None:
    write(folder / "config.json", config)
    assert next(iter(config)) in _refused(folder).cause.replace("the HTTPS proxy", "network")
