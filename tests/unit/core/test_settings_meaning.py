"""What settings come to mean: sources, defaults of the environment, audiences, annotations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from credprovider.registries import Registry
from credprovider.settings import Settings
from tests.unit.core.making import (
    CLIENT_ID,
    EXCHANGE,
    GCLOUD,
    GUIDE,
    IAM_URL,
    OTHER_ID,
    TENANT_ID,
    TOKEN_AUDIENCE,
    changed,
    compiled,
    identity,
    make_world,
    plan,
    refusal,
    settings_files,
    write,
)

DIRECT = changed(GUIDE, "service_account_impersonation_url")


class TestSource:
    @pytest.mark.parametrize(
        ("vendor", "source"), [(GUIDE, "token-file"), (GCLOUD, "managed-identity")], ids=["file", "IMDS url"]
    )
    def test_follows_from_the_vendors_file(self, tmp_path: Path, vendor: dict[str, Any], source: str) -> None:
        assert plan(tmp_path, {}, vendor)["source"] == source

    @pytest.mark.parametrize("vendor", [GUIDE, GCLOUD], ids=["file", "IMDS url"])
    @pytest.mark.parametrize("source", ["managed-identity", "token-file", "service-account"])
    def test_config_chooses_over_the_vendors_file(self, tmp_path: Path, vendor: dict[str, Any], source: str) -> None:
        more = {} if source == "managed-identity" else {"tokenAudience": TOKEN_AUDIENCE}
        assert plan(tmp_path, identity(source, **more), vendor)["source"] == source

    def test_an_identity_block_without_source_leaves_the_choice_to_the_vendors_file(self, tmp_path: Path) -> None:
        assert plan(tmp_path, {"identity": {"clientId": CLIENT_ID}}, GCLOUD)["source"] == "managed-identity"


class TestManagedIdentity:
    def test_the_client_id_of_config_wins(self, tmp_path: Path) -> None:
        found = plan(tmp_path, identity("managed-identity", clientId=CLIENT_ID), GCLOUD, AZURE_CLIENT_ID=OTHER_ID)
        assert found["selector"] == ["client_id", CLIENT_ID]

    def test_then_the_vendor_files(self, tmp_path: Path) -> None:
        vendor = changed(GCLOUD, "credential_source", "url", to=GCLOUD["credential_source"]["url"] + "&object_id=o")
        found = plan(tmp_path, identity("managed-identity"), vendor, AZURE_CLIENT_ID=OTHER_ID)
        assert found["selector"] == ["object_id", "o"]

    def test_then_the_environments(self, tmp_path: Path) -> None:
        found = plan(tmp_path, identity("managed-identity"), GCLOUD, AZURE_CLIENT_ID=OTHER_ID)
        assert found["selector"] == ["client_id", OTHER_ID]

    def test_which_is_a_guid(self, tmp_path: Path) -> None:
        settings_files(tmp_path, identity("managed-identity"))
        error = refusal(make_world(tmp_path, environ={"AZURE_CLIENT_ID": "x&resource=evil"}))
        assert (error.code, error.cause) == ("settings-client-id", "AZURE_CLIENT_ID is no GUID")

    @pytest.mark.parametrize("name", ["client_id", "object_id", "msi_res_id"])
    def test_then_the_vendors_url(self, tmp_path: Path, name: str) -> None:
        write(tmp_path / "azure.json", {"userAssignedIdentityID": OTHER_ID})
        url = GCLOUD["credential_source"]["url"] + f"&{name}=%2Fa%20b"
        found = plan(tmp_path, {}, changed(GCLOUD, "credential_source", "url", to=url))
        assert found["selector"] == [name, "/a b"]

    @pytest.mark.parametrize(
        ("value", "selector"),
        [
            (CLIENT_ID, ["client_id", CLIENT_ID]),
            ("/subscriptions/s/resourceGroups/g", ["msi_res_id", "/subscriptions/s/resourceGroups/g"]),
            ("", None),
            (None, None),
            (7, None),
        ],
        ids=["client id", "resource id", "empty", "null", "number"],
    )
    def test_then_the_nodes_kubelet_identity(self, tmp_path: Path, value: object, selector: list[str] | None) -> None:
        write(tmp_path / "azure.json", {"cloud": "AzurePublicCloud", "userAssignedIdentityID": value})
        assert plan(tmp_path, identity("managed-identity"))["selector"] == selector

    def test_else_imds_chooses(self, tmp_path: Path) -> None:
        assert plan(tmp_path, identity("managed-identity"))["selector"] is None

    @pytest.mark.parametrize(("content", "code"), [(b"{", "settings-azure-json"), (b"[]", None)], ids=["torn", "list"])
    def test_a_garbled_azure_json(self, tmp_path: Path, content: bytes, code: str | None) -> None:
        settings_files(tmp_path, identity("managed-identity"))
        write(tmp_path / "azure.json", content)
        if code is None:
            assert compiled(make_world(tmp_path))["selector"] is None
            return
        error = refusal(make_world(tmp_path))
        assert error.code == code
        assert str(tmp_path / "azure.json") in error.cause
        assert "identity.clientId" in error.remedy

    def test_an_azure_json_that_others_can_write_is_refused(self, tmp_path: Path) -> None:
        settings_files(tmp_path, identity("managed-identity"))
        write(tmp_path / "azure.json", {}, 0o666)
        assert refusal(make_world(tmp_path)).code == "settings-unsafe-mode"

    def test_azure_json_is_not_read_without_need(self, tmp_path: Path) -> None:
        write(tmp_path / "azure.json", b"{", 0o666)
        assert plan(tmp_path, identity("managed-identity", clientId=CLIENT_ID))["selector"] == ["client_id", CLIENT_ID]

    @pytest.mark.parametrize(
        ("config", "vendor", "resource"),
        [
            (identity("managed-identity", resource="api://mine"), GCLOUD, "api://mine"),
            (identity("managed-identity"), GCLOUD, EXCHANGE),
            (
                identity("managed-identity"),
                changed(
                    GCLOUD,
                    "credential_source",
                    "url",
                    to="http://169.254.169.254/metadata/identity/oauth2/token?resource=https%3A%2F%2Fa%2Fb",
                ),
                "https://a/b",
            ),
            (identity("managed-identity"), GUIDE, EXCHANGE),
        ],
        ids=["config", "vendor", "vendor, encoded", "default"],
    )
    def test_resource(self, tmp_path: Path, config: dict[str, Any], vendor: dict[str, Any], resource: str) -> None:
        assert plan(tmp_path, config, vendor)["resource"] == resource


class TestTokenFile:
    def test_config_wins_over_the_environment(self, tmp_path: Path) -> None:
        config = identity("token-file", tokenAudience=TOKEN_AUDIENCE, tokenFile="/run/mine")
        assert plan(tmp_path, config, AZURE_FEDERATED_TOKEN_FILE="/run/theirs")["token_file"] == "/run/mine"

    def test_then_the_environment(self, tmp_path: Path) -> None:
        config = identity("token-file", tokenAudience=TOKEN_AUDIENCE)
        assert plan(tmp_path, config, AZURE_FEDERATED_TOKEN_FILE="/run/theirs")["token_file"] == "/run/theirs"

    def test_which_is_absolute(self, tmp_path: Path) -> None:
        settings_files(tmp_path, identity("token-file", tokenAudience=TOKEN_AUDIENCE))
        error = refusal(make_world(tmp_path, environ={"AZURE_FEDERATED_TOKEN_FILE": "token"}))
        assert (error.code, "AZURE_FEDERATED_TOKEN_FILE" in error.cause) == ("settings-token-file", True)

    def test_else_the_relays_and_never_the_pods_path_of_the_vendors_file(self, tmp_path: Path) -> None:
        assert plan(tmp_path, {})["token_file"] == f"{tmp_path}/state/azure-identity-token"

    def test_the_relays_path_without_a_state_folder(self, tmp_path: Path) -> None:
        settings_files(tmp_path, {})
        found = compiled(make_world(tmp_path, state_directory=None))
        assert found["token_file"] == "/run/azure-gar-credential-provider/azure-identity-token"

    @pytest.mark.parametrize(
        ("token_format", "field"),
        [
            (None, None),
            ({"type": "text"}, None),
            ({"type": "text", "subject_token_field_name": "ignored"}, None),
            ({"type": "json", "subject_token_field_name": "access_token"}, "access_token"),
        ],
        ids=["absent", "text", "text with a field", "JSON"],
    )
    def test_format_of_the_vendors_file(self, tmp_path: Path, token_format: object, field: str | None) -> None:
        vendor = changed(GUIDE, "credential_source", "format", to=token_format)
        assert plan(tmp_path, {}, vendor)["token_field"] == field

    def test_the_format_of_an_imds_url_is_none_of_a_file(self, tmp_path: Path) -> None:
        assert plan(tmp_path, identity("token-file", tokenAudience="x"), GCLOUD)["token_field"] is None


class TestTokenAudience:
    @pytest.mark.parametrize("source", ["token-file", "service-account"])
    def test_is_what_config_says(self, tmp_path: Path, source: str) -> None:
        found = plan(tmp_path, identity(source, tokenAudience=TOKEN_AUDIENCE))
        assert (found["token_audience"], found["warnings"]) == (TOKEN_AUDIENCE, [])

    @pytest.mark.parametrize("source", ["token-file", "service-account"])
    def test_warns_where_the_token_could_be_replayed_at_entra(self, tmp_path: Path, source: str) -> None:
        (warning,) = plan(tmp_path, identity(source, tokenAudience=EXCHANGE))["warnings"]
        assert EXCHANGE in warning
        assert "replayed" in warning

    def test_the_vendors_guide_works_as_it_is_with_that_warning(self, tmp_path: Path) -> None:
        found = plan(tmp_path, {})
        assert (found["token_audience"], len(found["warnings"])) == (EXCHANGE, 1)

    @pytest.mark.parametrize("source", ["token-file", "service-account"])
    def test_with_entra_it_is_entras_own_and_no_cause_to_warn(self, tmp_path: Path, source: str) -> None:
        found = plan(tmp_path, identity(source, entra={"tenantId": TENANT_ID, "clientId": CLIENT_ID}))
        assert (found["token_audience"], found["warnings"]) == (EXCHANGE, [])

    def test_a_node_identity_has_none(self, tmp_path: Path) -> None:
        found = plan(tmp_path, identity("managed-identity"))
        assert (found["token_audience"], found["warnings"]) == (None, [])


class TestServiceAccount:
    def config(self, **block: Any) -> dict[str, Any]:
        return identity("service-account", tokenAudience=TOKEN_AUDIENCE, **block)

    def test_by_default_every_pod_needs_a_token(self, tmp_path: Path) -> None:
        found = plan(tmp_path, self.config())
        assert found["require_service_account"] is True
        assert found["required_annotations"] == found["optional_annotations"] == []

    @pytest.mark.parametrize(
        ("vendor", "entra", "cache_type"),
        [
            (DIRECT, None, "Token"),
            (GUIDE, None, "ServiceAccount"),
            (DIRECT, {"tenantId": TENANT_ID, "clientId": CLIENT_ID}, "ServiceAccount"),
        ],
        ids=["direct", "impersonated", "through Entra"],
    )
    def test_cache_type_follows_from_whether_the_token_dies_with_the_pods(
        self, tmp_path: Path, vendor: dict[str, Any], entra: dict[str, str] | None, cache_type: str
    ) -> None:
        config = self.config(**({"entra": entra} if entra else {}))
        assert plan(tmp_path, config, vendor)["cache_type"] == cache_type

    @pytest.mark.parametrize("cache_type", ["Token", "ServiceAccount"])
    def test_cache_type_of_config(self, tmp_path: Path, cache_type: str) -> None:
        assert plan(tmp_path, self.config(serviceAccount={"cacheType": cache_type}))["cache_type"] == cache_type


class TestCredentialConfig:
    def test_lies_beside_config(self, tmp_path: Path) -> None:
        settings_files(tmp_path, {"credentialConfig": "vendor/acme.json"})
        (tmp_path / "vendor").mkdir()
        write(tmp_path / "vendor" / "acme.json", DIRECT)
        assert compiled(make_world(tmp_path))["impersonation_url"] is None

    def test_may_be_absolute(self, tmp_path: Path) -> None:
        settings_files(tmp_path / "config", {"credentialConfig": str(tmp_path / "acme.json")})
        write(tmp_path / "acme.json", DIRECT)
        assert compiled(make_world(tmp_path / "config"))["impersonation_url"] is None

    def test_the_environment_names_it_when_config_does_not(self, tmp_path: Path) -> None:
        settings_files(tmp_path, {})
        write(tmp_path / "adc.json", DIRECT)
        world = make_world(tmp_path, environ={"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "adc.json")})
        assert compiled(world)["impersonation_url"] is None

    def test_config_wins_over_the_environment(self, tmp_path: Path) -> None:
        settings_files(tmp_path, {"credentialConfig": "credential-config.json"})
        world = make_world(tmp_path, environ={"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere.json"})
        assert compiled(world)["impersonation_url"] == IAM_URL

    def test_its_absence_is_told_by_path(self, tmp_path: Path) -> None:
        settings_files(tmp_path, {})
        (tmp_path / "credential-config.json").unlink()
        error = refusal(make_world(tmp_path))
        assert error.code == "settings-unreadable"
        assert f"{tmp_path}/credential-config.json" in error.cause


class TestSettings:
    def test_have_every_attribute_of_the_plan(self, tmp_path: Path) -> None:
        found = plan(tmp_path, {})
        declared = set(Settings.__annotations__)
        assert set(found) == declared
        settings = Settings(found)
        assert [registry.text for registry in settings.registries] == ["*-docker.pkg.dev"]
        assert all(isinstance(registry, Registry) for registry in settings.registries)

    def test_digest_tells_settings_apart_and_ignores_warnings(self, tmp_path: Path) -> None:
        found = plan(tmp_path, {})
        assert Settings(found).digest == Settings({**found, "warnings": []}).digest
        for name, value in found.items():
            if name not in {"warnings", "registry_texts"}:
                assert Settings(found).digest != Settings({**found, name: [value]}).digest, name

    def test_whether_the_cache_is_used(self, tmp_path: Path) -> None:
        assert plan(tmp_path, {"cache": {"enabled": False}})["cache_enabled"] is False

    def test_network(self, tmp_path: Path) -> None:
        network = {"httpsProxy": "http://u:p@proxy:3128", "noProxy": "a,b", "caFile": "/etc/ca.pem"}
        found = plan(tmp_path, {"network": network})
        assert [found["https_proxy"], found["no_proxy"], found["ca_file"]] == list(network.values())
