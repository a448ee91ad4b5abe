"""Through Entra ID: which cloud, which ids, which scope, and who has the last word on each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.core.making import (
    CLIENT_ID,
    EXCHANGE,
    OTHER_ID,
    TENANT_ID,
    identity,
    make_world,
    plan,
    refusal,
    settings_files,
)

CLOUDS = {
    "public": ("login.microsoftonline.com", EXCHANGE),
    "usgov": ("login.microsoftonline.us", EXCHANGE + "USGov"),
    "china": ("login.partner.microsoftonline.cn", EXCHANGE + "China"),
}


#: What AZURE_AUTHORITY_HOST may not say.
FOREIGN = {
    "foreign": "https://login.evil.example/",
    "look-alike": "https://login.microsoftonline.com.evil.example/",
    "user": "https://login.microsoftonline.com@evil.example/",
    "port": "https://login.microsoftonline.com:8443/",
    "plain HTTP": "http://login.microsoftonline.com/",
    "path": "https://login.microsoftonline.com/common",
    "upper case": "https://LOGIN.microsoftonline.com/",
    "newline": "https://login.microsoftonline.com\n",
    "retired": "https://login.chinacloudapi.cn/",
}


class TestEntra:
    def config(self, source: str = "token-file", **entra: Any) -> dict[str, Any]:
        return identity(source, entra={"tenantId": TENANT_ID, "clientId": CLIENT_ID, **entra})

    @pytest.mark.parametrize(("cloud", "host", "audience"), [(name, *cloud) for name, cloud in CLOUDS.items()])
    def test_clouds(self, tmp_path: Path, cloud: str, host: str, audience: str) -> None:
        found = plan(tmp_path, self.config(cloud=cloud))
        assert found["token_audience"] == audience
        assert found["entra"] == {
            "authority": host,
            "tenant_id": TENANT_ID,
            "client_id": CLIENT_ID,
            "scope": audience + "/.default",
            "audience": audience,
        }

    @pytest.mark.parametrize(("cloud", "host", "audience"), [(name, *cloud) for name, cloud in CLOUDS.items()])
    @pytest.mark.parametrize("form", ["https://{}/", "https://{}", "{}"], ids=["as AKS writes it", "no slash", "bare"])
    def test_the_environment_names_the_cloud(
        self, tmp_path: Path, cloud: str, host: str, audience: str, form: str
    ) -> None:
        del cloud
        found = plan(tmp_path, self.config(), AZURE_AUTHORITY_HOST=form.format(host))["entra"]
        assert (found["authority"], found["audience"]) == (host, audience)

    def test_the_cloud_of_config_wins(self, tmp_path: Path) -> None:
        found = plan(tmp_path, self.config(cloud="china"), AZURE_AUTHORITY_HOST="https://login.microsoftonline.us/")
        assert found["entra"]["authority"] == "login.partner.microsoftonline.cn"

    @pytest.mark.parametrize("authority", FOREIGN.values(), ids=FOREIGN.keys())
    def test_foreign_authorities_are_refused(self, tmp_path: Path, authority: str) -> None:
        settings_files(tmp_path, self.config())
        error = refusal(make_world(tmp_path, environ={"AZURE_AUTHORITY_HOST": authority}))
        assert error.code == "settings-entra"
        assert "AZURE_AUTHORITY_HOST" in error.cause
        assert "evil" not in error.line()

    def test_a_foreign_authority_does_not_matter_where_entra_is_not_asked(self, tmp_path: Path) -> None:
        found = plan(tmp_path, identity("managed-identity"), AZURE_AUTHORITY_HOST="https://evil.example/")
        assert found["entra"] is None

    def test_scope_of_config(self, tmp_path: Path) -> None:
        assert plan(tmp_path, self.config(scope="api://mine/.default"))["entra"]["scope"] == "api://mine/.default"

    def test_the_environment_fills_what_config_leaves_open(self, tmp_path: Path) -> None:
        environ: dict[str, Any] = {"AZURE_CLIENT_ID": OTHER_ID, "AZURE_TENANT_ID": CLIENT_ID}
        found = plan(tmp_path, identity("token-file", entra={}), **environ)["entra"]
        assert (found["client_id"], found["tenant_id"]) == (OTHER_ID, CLIENT_ID)

    def test_config_wins_over_the_environment(self, tmp_path: Path) -> None:
        environ: dict[str, Any] = {"AZURE_CLIENT_ID": OTHER_ID, "AZURE_TENANT_ID": OTHER_ID}
        found = plan(tmp_path, self.config(), **environ)["entra"]
        assert (found["client_id"], found["tenant_id"]) == (CLIENT_ID, TENANT_ID)

    @pytest.mark.parametrize("name", ["AZURE_CLIENT_ID", "AZURE_TENANT_ID"])
    def test_the_environments_ids_are_guids(self, tmp_path: Path, name: str) -> None:
        environ: dict[str, Any] = {"AZURE_CLIENT_ID": OTHER_ID, "AZURE_TENANT_ID": OTHER_ID, name: "../evil"}
        settings_files(tmp_path, identity("token-file", entra={}))
        error = refusal(make_world(tmp_path, environ=environ))
        assert error.cause == f"{name} is no GUID"

    @pytest.mark.parametrize("kind", ["requiredAnnotationKeys", "optionalAnnotationKeys"])
    def test_pods_may_bring_their_ids_in_annotations(self, tmp_path: Path, kind: str) -> None:
        keys = ["azure.workload.identity/client-id", "azure.workload.identity/tenant-id"]
        found = plan(tmp_path, identity("service-account", entra={}, serviceAccount={kind: keys}))
        assert (found["entra"]["client_id"], found["entra"]["tenant_id"]) == (None, None)
        assert found["required_annotations"] + found["optional_annotations"] == keys
