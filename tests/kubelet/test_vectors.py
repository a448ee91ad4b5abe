"""Every vector's verdict, asked of the kubelet's own code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from credprovider.kubelet.versions import parse_version
from tests.kubelet.real import Real, ResponseCase
from tests.kubelet.trees import ConfigCase, Entry, executables, laid_out
from tests.kubelet.vectors import ids, section

if TYPE_CHECKING:
    from collections.abc import Callable

#: Every plugin that a vector names; config vectors are about configs, not about missing executables.
_PLUGINS = executables("gcp-ar-credential-provider", "acr", "gcp", "h", "p", "q", "x", "a\\b", ".hidden")
_GATE = "KubeletServiceAccountTokenForCredentialProviders"


class Verdicts:
    """The kubelet's verdicts on whole sections, asked for once."""

    def __init__(self, real: Real) -> None:
        self._real = real
        self._known: dict[str, dict[str, Any]] = {}

    def of(self, name: str, identity: str, ask: Callable[[list[dict[str, Any]]], list[Any]]) -> Any:
        """The verdict on one vector; `ask` judges a section."""
        if name not in self._known:
            vectors = section(name)
            self._known[name] = dict(zip(vectors, ask(list(vectors.values())), strict=True))
        return self._known[name][identity]

    def match(self, identity: str) -> dict[str, Any]:
        def ask(vectors: list[dict[str, Any]]) -> list[Any]:
            return self._real.matches([(each["pattern"], each["image"]) for each in vectors])

        return dict(self.of("match", identity, ask))

    def keyring(self, identity: str) -> list[str]:
        def ask(vectors: list[dict[str, Any]]) -> list[Any]:
            return self._real.keyrings([(each["auth_keys"], each["image"]) for each in vectors])

        return list(self.of("auth_lookup", identity, ask))

    def duration(self, identity: str) -> dict[str, Any]:
        def ask(vectors: list[dict[str, Any]]) -> list[Any]:
            return self._real.durations([each["json"] for each in vectors])

        return dict(self.of("duration", identity, ask))

    def image(self, identity: str) -> dict[str, Any]:
        def ask(vectors: list[dict[str, Any]]) -> list[Any]:
            return self._real.images([each["pod_image"] for each in vectors])

        return dict(self.of("image_to_request", identity, ask))

    def config(self, identity: str) -> dict[str, Any]:
        def ask(vectors: list[dict[str, Any]]) -> list[Any]:
            cases = [
                ConfigCase(each["yaml"].encode(), _PLUGINS, {_GATE: each["service_account_token_gate"]})
                for each in vectors
            ]
            with laid_out(cases) as trees:
                return self._real.configs(trees)

        return dict(self.of("config", identity, ask))

    def directory(self, identity: str) -> dict[str, Any]:
        def ask(vectors: list[dict[str, Any]]) -> list[Any]:
            with laid_out([ConfigCase(_files(each["files"]), _PLUGINS) for each in vectors]) as trees:
                return self._real.configs(trees)

        return dict(self.of("config_directory", identity, ask))

    def response(self, identity: str) -> dict[str, Any]:
        def ask(vectors: list[dict[str, Any]]) -> list[Any]:
            cases = [ResponseCase(each["stdout"].encode(), each["request_api_version"]) for each in vectors]
            return self._real.responses(cases)

        return dict(self.of("response", identity, ask))


def _files(texts: dict[str, str]) -> dict[str, Entry]:
    """A vector's folder; a name that ends in a slash is a folder in it."""
    return {
        name.rstrip("/"): Entry(folder=True) if name.endswith("/") else Entry(text.encode(), 0o644)
        for name, text in texts.items()
    }


@pytest.fixture(scope="session")
def verdicts(real: Real) -> Verdicts:
    return Verdicts(real)


@pytest.mark.parametrize("identity", ids("match"))
def test_pattern_matches_image(verdicts: Verdicts, identity: str) -> None:
    believed, verdict = section("match")[identity], verdicts.match(identity)
    assert verdict["matches"] is believed["matches"]
    assert ("error" in verdict) is ("parse_error" in believed)


@pytest.mark.parametrize("identity", ids("auth_lookup"))
def test_auth_keys_are_tried_in_this_order(verdicts: Verdicts, identity: str) -> None:
    believed = section("auth_lookup")[identity]
    tried = [believed["normalized"][key] for key in verdicts.keyring(identity)]
    assert tried == believed["tried_in_order"]
    assert believed["anonymous"] is (tried == [])


@pytest.mark.parametrize("identity", ids("duration"))
def test_duration_is_read(verdicts: Verdicts, identity: str) -> None:
    believed, verdict = section("duration")[identity], verdicts.duration(identity)
    assert ("error" not in verdict) is believed["accepted"]
    assert verdict["nanoseconds"] == believed.get("nanoseconds")
    assert verdict.get("canonical") == believed.get("canonical")


@pytest.mark.parametrize("identity", ids("image_to_request"))
def test_image_is_asked_for_by_repository(verdicts: Verdicts, identity: str) -> None:
    believed, verdict = section("image_to_request")[identity], verdicts.image(identity)
    assert verdict.get("repository") == believed.get("request_image")
    assert ("error" in verdict) is believed.get("invalid", False)


@pytest.mark.parametrize("identity", ids("config"))
def test_config_file_lets_the_kubelet_start(verdicts: Verdicts, identity: str) -> None:
    believed, verdict = section("config")[identity], verdicts.config(identity)
    assert verdict.get("starts") is believed["kubelet_starts"], verdict
    if believed["kubelet_starts"]:
        assert verdict["providers"] == [name.replace("\\", "\\\\") for name in believed["providers"]]
    assert believed.get("error_gist", "") in verdict.get("error", "")


@pytest.mark.parametrize("identity", ids("config_directory"))
def test_config_directory_lets_the_kubelet_start(verdicts: Verdicts, identity: str) -> None:
    believed, verdict = section("config_directory")[identity], verdicts.directory(identity)
    assert verdict.get("starts") is believed["accepted"], verdict
    assert verdict["providers"] == believed.get("providers", [])
    assert believed.get("error_gist", "") in verdict.get("error", "")


@pytest.mark.parametrize("identity", ids("response"))
def test_response_is_used(real: Real, verdicts: Verdicts, identity: str) -> None:
    believed, verdict = section("response")[identity], verdicts.response(identity)
    assert verdict.get("accepted") is believed["credentials_used"], verdict
    assert (verdict["keys"] is not None) is believed["decoded"]
    assert verdict["keys"] == believed.get("auth_keys")
    assert verdict["errors"] == believed["counts_in_plugin_errors_total"]
    assert (verdict["duration"] or "default") == believed.get("cache_duration", "default")
    log, wording = verdict.get("log", ""), believed.get("kubelet_log", "")
    if parse_version(real.harness.minor) >= (1, 35):
        # The entry is structured there, and the error a quoted value of it.
        log, wording = re.sub(r"\\(.)", r"\1", log), believed.get("kubelet_log_since_1.35", wording)
    assert wording in log
