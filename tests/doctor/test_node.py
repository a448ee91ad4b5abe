"""On a node: what its kubelet was told, has loaded and says; what is wrong with the bundle; and without root."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from credprovider.doctor.onlooker import Onlooker
from credprovider.kubelet.config import config_hash
from credprovider.node.commands import Ran
from credprovider.node.host import Host
from credprovider.node.install import Goal
from tests.cloud.modes import MODES_BY_NAME, set_up
from tests.cloud.world import WORLD
from tests.node.acts import run as install
from tests.node.fake_node import nothing
from tests.node.trees import BIN_DIR, CONFIG, HOME, PROGRAM, SETTINGS, make_bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cloud.api import CloudApi
    from tests.doctor.patient import Examined, Patient
    from tests.node.fake_node import FakeNode

_AUDIENCE = "https://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/hub-azure-pool"
_ON_NODES = ("kubelet", "config", "loaded", "kubelet-log", "bundle")


class Ward:
    """A node with our bundle and settings, in front of the cloud."""

    def __init__(self, patient: Patient, node: FakeNode, cloud: CloudApi, folder: Path) -> None:
        self.patient, self.node, self.cloud, self.folder = patient, node, cloud, folder
        self.token: str | None = None
        self.hidden: tuple[str, ...] = ()
        self.bundle = make_bundle(folder)

    def admit(self, mode: str = "managed-identity-impersonated") -> None:
        """Install for a mode."""
        network = {"caFile": str(self.cloud.ca_file)}
        setting = set_up(self.folder / mode, self.cloud, MODES_BY_NAME[mode], network=network)
        self.token = setting.token
        install(self.node, Goal(self.bundle, str(setting.config.parent)))
        self.patient.on(self.node)

    def examine(self, *more: str, image: str | None = None) -> Examined:
        """With the cloud's image by default, and with none for an empty one; paths that are `hidden` need root."""
        self.patient.on(self.node)
        if self.hidden:
            self.patient.host = _Hidden(self.patient.host, *self.hidden)
            self.patient.environ["SSL_CERT_FILE"] = str(self.cloud.ca_file)
        named = [self.cloud.world.image if image is None else image]
        arguments = [*(name for name in named if name), "--format", "json", "--cluster", "aks-demo"]
        if self.token is not None:
            path = self.folder / "pods-token"
            path.write_text(self.token)
            arguments += ["--service-account-token", str(path)]
        return self.patient.run(*arguments, *more)

    def config(self) -> str:
        return self.node.config.decode()

    def rewrite(self, text: str, *, restart: bool = True) -> None:
        self.node.rewrite(text.encode())
        if restart:
            self.node.order_restart()
            self.node.live(5)


@pytest.fixture
def ward(patient: Patient, node: FakeNode, cloud: CloudApi, tmp_path: Path) -> Ward:
    found = Ward(patient, node, cloud, tmp_path)
    found.admit()
    return found


def test_node_that_is_well_is_green(ward: Ward) -> None:
    found = ward.examine()
    found.assert_green()
    assert [found.statuses[name] for name in _ON_NODES] == ["ok"] * 5
    assert found.document["kubelet"] == "1.34"
    assert found.hop("settings")["facts"]["variables"] == "those of the running kubelet"


@pytest.mark.parametrize("mode", ["token-file-entra-impersonated", "service-account-direct"])
def test_node_in_another_mode_is_green(
    patient: Patient, node: FakeNode, cloud: CloudApi, tmp_path: Path, mode: str
) -> None:
    ward = Ward(patient, node, cloud, tmp_path)
    ward.admit(mode)
    if not mode.startswith("service-account"):
        ward.token = None
    ward.examine().assert_green()


def test_plugin_gets_the_kubelets_very_bytes_arguments_and_environment(ward: Ward) -> None:
    text = ward.config().replace(f'"--config={SETTINGS}/config.json"', f'"--config={SETTINGS}/config.json"')
    ward.rewrite(text + "    env:\n      - name: EXTRA\n        value: given\n")
    seen: list[tuple[list[str], Any]] = []
    ward.patient.on(ward.node)
    commands = ward.patient.host.commands
    assert commands is not None
    ask = commands.run

    def spy(argv: list[str], **more: Any) -> Ran:
        seen.append((argv, more))
        return ask(argv, **more)

    commands.run = spy  # type: ignore[assignment]
    ward.patient.run(ward.cloud.world.image, "--format", "json").assert_green()
    argv, more = next(each for each in seen if each[0][0].startswith(BIN_DIR))
    assert argv == [f"{BIN_DIR}/{PROGRAM}", f"--config={SETTINGS}/config.json"]
    assert more["environ"] == {"PATH": "/usr/bin", "EXTRA": "given"}
    image = ward.cloud.world.image.rpartition(":")[0]
    assert more["stdin"] == (
        b'{"kind":"CredentialProviderRequest","apiVersion":"credentialprovider.kubelet.k8s.io/v1","image":"'
        + image.encode()
        + b'"}\n'
    )


# --- what may be wrong ------------------------------------------------------------------------------------------------


def pulled_anonymously(ward: Ward, image: str = WORLD.image) -> None:
    """As containerd refuses a pull without a credential, and the kubelet tells of it."""
    ward.node.say(
        f'E1123 10:00:00.1 1 remote_image.go:180] "PullImage from image service failed" err="rpc error: code = Unknown'
        f' desc = failed to pull and unpack image \\"{image}\\": failed to resolve reference \\"{image}\\": failed to'
        " authorize: failed to fetch anonymous token: unexpected status from GET request to"
        " https://us-docker.pkg.dev/v2/token?scope=repository%3Abifrost-project%2Fhub%2Fbifrost%3Apull&service="
        f'us-docker.pkg.dev: 403 Forbidden" image="{image}"'
    )


def called(ward: Ward) -> None:
    """The plugin's own line of an answer."""
    ward.node.say("us-docker.pkg.dev: managed-identity exchange, token lives 3599 s, cached for 3012 s")


def called_in_vain(ward: Ward) -> None:
    """The kubelet's line of a plugin that failed."""
    image = WORLD.image.rpartition(":")[0]
    ward.node.say(
        "E1123 10:00:00.0 1 plugin.go:299] Failed getting credential from external registry credential provider: error"
        f" execing credential provider plugin {PROGRAM} for image {image}: exit status 4: {_LINE.strip()}"
    )


def _anonymous_and_hidden(ward: Ward) -> None:
    """Somebody without root, who can read the journal, but not whether the kubelet's config is right."""
    pulled_anonymously(ward)
    ward.hidden = ("/environ", CONFIG)


def audience_refused(ward: Ward) -> None:
    """As the kubelet tells that the API server makes it no token."""
    ward.node.say(
        f"E1123 10:00:00.1 1 plugin.go:500] {PROGRAM}: failed to get service account token: serviceaccounts"
        f' "bifrost-sa" is forbidden: audience "{_AUDIENCE}" not found in pod spec volume, system:node:aks-1 is not'
        " authorized to request tokens for this audience"
    )


def _without_tokens(ward: Ward) -> None:
    """As an entry for managed identity, which somebody wrote before the mode was changed."""
    before, _, rest = ward.config().partition("    tokenAttributes:\n")
    ward.rewrite(before + "    args:\n" + rest.partition("    args:\n")[2])


def _with_tokens(ward: Ward) -> None:
    ward.admit("service-account-direct")


def _no_entry(ward: Ward) -> None:
    before, _, _ = ward.config().partition(f"  - name: {PROGRAM}\n")
    ward.rewrite(before)


def _other_images(ward: Ward) -> None:
    ward.rewrite(ward.config().replace('"*-docker.pkg.dev"', '"gcr.io"'))


def _again(ward: Ward) -> None:
    ward.admit()


def _wrong_audience(ward: Ward) -> None:
    ward.rewrite(ward.config().replace("workloadIdentityPools/hub-azure-pool", "workloadIdentityPools/other"))


def _invalid(ward: Ward) -> None:
    ward.rewrite(ward.config().replace("matchImages", "matchimages"), restart=False)


def _valid(ward: Ward) -> None:
    ward.rewrite(ward.config().replace("matchimages", "matchImages"))


def _not_loaded(ward: Ward) -> None:
    (ward.node.tree / HOME[1:] / "state.json").unlink()
    ward.rewrite(ward.config() + "# more\n", restart=False)


def _restarted(ward: Ward) -> None:
    ward.rewrite(ward.config())


def _altered(ward: Ward) -> None:
    library = next((ward.node.tree / HOME[1:]).glob("*/_internal/library"))
    library.chmod(0o644)
    library.write_text("altered\n")


def _no_executable(ward: Ward) -> None:
    (ward.node.tree / BIN_DIR[1:] / PROGRAM).unlink()


def _stopped(ward: Ward) -> None:
    ward.node.likes = nothing
    ward.node.order_restart()
    ward.node.live(2)
    while ward.node.pid:
        ward.node.live(0.5)


def _runs(ward: Ward) -> None:
    from tests.node.fake_node import anything

    ward.node.likes = anything
    ward.node.order_restart()
    ward.node.live(5)


def _unsafe(ward: Ward) -> None:
    (ward.node.tree / SETTINGS[1:] / "config.json").chmod(0o666)


def _safe(ward: Ward) -> None:
    (ward.node.tree / SETTINGS[1:] / "config.json").chmod(0o644)


def _set(**values: Any) -> Callable[[Ward], None]:
    def act(ward: Ward) -> None:
        for name, value in values.items():
            setattr(ward.node, name, value)

    return act


_POD_MODE = "service-account-direct"
_LINE = f"{PROGRAM}: imds-busy [imds HTTP 429 too_many_requests]: The metadata service limits us. Fix: wait\n"
_FIT = Ran(
    0,
    b'{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Global",'
    b'"cacheDuration":"3000s","auth":{"*-docker.pkg.dev":{"username":"oauth2accesstoken","password":"secret"}}}',
)
_LINT = f"{BIN_DIR}/{PROGRAM} lint --kubelet-version 1.34 --bin-dir {BIN_DIR} {CONFIG}"

#: Number of a pair -> row below that brings it about.
NODE_PAIRS = {21: "anonymous pulls, seen without root", 38: "audience not allowed", 39: "entry without tokens"}

#: Name -> mode, what breaks it, what mends it, hop, code, exit code, what its commands hold.
STATES: dict[str, tuple[str, Callable[[Ward], None], Callable[[Ward], None], str, str, int, str]] = {
    "anonymous pulls, seen without root": (
        "managed-identity-impersonated",
        _anonymous_and_hidden,
        called,
        "kubelet-log",
        "kubelet-plugin-not-called",
        6,
        "journalctl -u kubelet | grep -i credential",
    ),
    "audience not allowed": (
        _POD_MODE,
        audience_refused,
        called,
        "kubelet-log",
        "kubelet-audience-not-allowed",
        6,
        f'"verbs":["request-serviceaccounts-token-audience"],"resources":["{_AUDIENCE}/providers/hub-cluster-provider"]',
    ),
    "entry without tokens": (
        _POD_MODE,
        _without_tokens,
        _with_tokens,
        "config",
        "service-account-token-missing",
        6,
        "",
    ),
    "entry of another audience": (_POD_MODE, _wrong_audience, _with_tokens, "config", "kubelet-entry-audience", 6, ""),
    "no entry": (
        "managed-identity-impersonated",
        _no_entry,
        _again,
        "config",
        "kubelet-entry-missing",
        6,
        "kubectl get pods -n azure-gar-credential-provider -o wide",
    ),
    "entry for other images": (
        "managed-identity-impersonated",
        _other_images,
        _again,
        "config",
        "kubelet-match-images",
        6,
        _LINT,
    ),
    "config with an error": (
        "managed-identity-impersonated",
        _invalid,
        _valid,
        "config",
        "kubelet-config-invalid",
        6,
        _LINT,
    ),
    "config not loaded": (
        "managed-identity-impersonated",
        _not_loaded,
        _restarted,
        "loaded",
        "kubelet-config-not-loaded",
        6,
        "systemctl restart kubelet",
    ),
    "altered bundle": ("managed-identity-impersonated", _altered, _again, "bundle", "bundle-damaged", 6, ""),
    "no executable": (
        "managed-identity-impersonated",
        _no_executable,
        _again,
        "bundle",
        "kubelet-executable-missing",
        6,
        "kubectl get pods -n azure-gar-credential-provider -o wide",
    ),
    "kubelet down": (
        "managed-identity-impersonated",
        _stopped,
        _runs,
        "kubelet",
        "node-kubelet-down",
        6,
        "systemctl status kubelet",
    ),
    "settings that others can write": (
        "managed-identity-impersonated",
        _unsafe,
        _safe,
        "settings",
        "settings-unsafe-mode",
        3,
        "",
    ),
    "plugin that fails where the kubelet runs it": (
        "managed-identity-impersonated",
        _set(exchange=Ran(4, b"", _LINE.encode())),
        _set(exchange=_FIT),
        "plugin",
        "imds-busy",
        4,
        "",
    ),
    "plugin that cannot be run": (
        "managed-identity-impersonated",
        _set(exchange=Ran(126, b"", b"Exec format error")),
        _set(exchange=_FIT),
        "plugin",
        "plugin-crashed",
        6,
        "ausearch -m avc -ts recent",
    ),
    "plugin whose answer is none": (
        "managed-identity-impersonated",
        _set(exchange=Ran(0, b"{}")),
        _set(exchange=_FIT),
        "plugin",
        "plugin-answer-refused",
        6,
        "check-response --image us-docker.pkg.dev/bifrost-project/hub/bifrost",
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_state_of_a_node_is_named_and_its_mend_makes_it_green(
    patient: Patient, node: FakeNode, cloud: CloudApi, tmp_path: Path, name: str
) -> None:
    mode, breaks, mends, hop, code, exit_code, command = STATES[name]
    ward = Ward(patient, node, cloud, tmp_path)
    ward.admit(mode)
    breaks(ward)
    found = ward.examine()
    assert (found.failing["hop"], found.failing["error"]["code"], found.code) == (hop, code, exit_code)
    assert command in found.commands
    mends(ward)
    ward.examine().assert_green()


def test_failure_that_the_plugin_remembers_is_no_failure_any_more(ward: Ward) -> None:
    line = _LINE.replace("limits us.", "limits us (failed 3 s ago; asked again in 7 s).")
    ward.node.exchange = Ran(4, b"", line.encode())
    found = ward.examine()
    found.assert_green()
    assert found.hop("plugin")["warnings"] == ["it remembers imds-busy from before, and asks again in 7 s by itself"]


def test_metric_of_the_running_kubelet_is_compared(ward: Ward) -> None:
    ward.node.tells_hash = True
    found = ward.examine()
    found.assert_green()
    facts = found.hop("loaded")["facts"]
    assert facts["hash of the config"] == facts["the kubelet's metric"]


def test_metric_may_be_told_by_who_can_ask_it(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    from credprovider.commands.doctor import ToldProbes

    ward.patient.on(ward.node)
    monkeypatch.setattr(ward.patient, "on", lambda _: None)
    ward.patient.probes = lambda _: ToldProbes(config_hash([ward.node.loaded]))
    ward.rewrite(ward.config() + "# theirs\n", restart=False)
    found = ward.examine()
    found.assert_green()
    assert found.hop("loaded")["warnings"] == [
        "the file has changed since the kubelet read it, though not in our entry"
    ]
    ward.patient.probes = lambda _: ToldProbes("sha256:" + "0" * 64)
    assert ward.examine().hop("loaded")["error"]["code"] == "kubelet-config-not-loaded"


def test_entry_with_other_settings_than_the_examined_is_told(ward: Ward, tmp_path: Path) -> None:
    setting = set_up(tmp_path / "copy", ward.cloud, MODES_BY_NAME["managed-identity-direct"])
    ward.patient.environ["SSL_CERT_FILE"] = str(ward.cloud.ca_file)
    found = ward.examine("--config", str(setting.config))
    assert f"runs the plugin with {SETTINGS}/config.json" in found.hop("config")["warnings"][0]


# --- commands for this node ------------------------------------------------------------------------------------------


def test_commands_name_the_program_by_its_path_as_long_as_it_is_there(ward: Ward) -> None:
    _no_entry(ward)
    assert f"{BIN_DIR}/{PROGRAM} node install" in ward.examine().commands.splitlines()
    _no_executable(ward)
    assert f"{PROGRAM} node install" in ward.examine().commands.splitlines()


def test_commands_name_the_program_of_the_instance(
    patient: Patient, node: FakeNode, cloud: CloudApi, tmp_path: Path
) -> None:
    ward = Ward(patient, node, cloud, tmp_path)
    mode, link = "managed-identity-impersonated", f"{BIN_DIR}/{PROGRAM}.second"
    setting = set_up(tmp_path / mode, cloud, MODES_BY_NAME[mode], network={"caFile": str(cloud.ca_file)})
    install(node, Goal(ward.bundle, str(setting.config.parent)), "second")
    ward.rewrite(ward.config().replace('"*-docker.pkg.dev"', '"gcr.io"'))
    found = ward.examine("--instance", "second")
    assert found.failing["error"]["code"] == "kubelet-match-images"
    assert f"{link} node install" in found.commands.splitlines()


def test_pod_of_this_very_node_is_asked_for(ward: Ward) -> None:
    _no_entry(ward)
    assert ward.examine().commands.splitlines()[0].endswith(" --field-selector spec.nodeName=NODE_NAME")
    (ward.node.tree / "etc/hostname").write_text("aks-nodepool1-12345678-vmss000000\n")
    told = " -o wide --field-selector spec.nodeName=aks-nodepool1-12345678-vmss000000"
    assert ward.examine().commands.splitlines()[0].endswith(told)


# --- without root -----------------------------------------------------------------------------------------------------


class _Hidden(Onlooker):
    """An onlooker who may not see some of a node, whoever runs the tests."""

    def __init__(self, host: Host, *secrets: str) -> None:
        super().__init__(host)
        self.secrets = secrets

    def read(self, path: str) -> bytes:
        self._refuse(path)
        return super().read(path)

    def is_folder(self, path: str) -> bool:
        return super().is_folder(path)

    def _refuse(self, path: str) -> None:
        if any(secret in path for secret in self.secrets):
            raise PermissionError(13, os.strerror(13), path)


def test_environment_of_the_kubelet_is_left_out_without_root(ward: Ward) -> None:
    ward.hidden = ("/environ",)
    found = ward.examine()
    found.assert_green()
    assert found.hop("kubelet")["warnings"] == [
        "its environment can be read by root only; variables of this shell count"
    ]
    assert "of this shell" in found.hop("settings")["facts"]["variables"]


def test_what_needs_root_says_so_and_does_not_fail(ward: Ward) -> None:
    ward.hidden = ("/environ", CONFIG)
    found = ward.examine()
    skipped = {name: found.hop(name)["summary"] for name, status in found.statuses.items() if status == "skipped"}
    assert skipped["config"] == f"needs root: {CONFIG} cannot be read"
    assert found.code == 0
    assert found.hop("config")["hint"]["commands"] == ["sudo"]


# --- from a pod -------------------------------------------------------------------------------------------------------


def test_pod_on_the_node_becomes_the_nodes_own_program(ward: Ward) -> None:
    from credprovider.doctor.pod import way_to_the_node
    from tests.node.acts import site_of

    ward.node.tells_hash = True
    way = way_to_the_node(site_of(ward.node), {"TERM": "xterm", "LD_LIBRARY_PATH": "/x", "NO_COLOR": "1"})
    assert way is not None
    words, environ = way
    assert words[:2] == ["nsenter", "-t"]
    assert words[-4:-2] == [f"{BIN_DIR}/{PROGRAM}", "doctor"]
    assert words[-2] == "--loaded-hash"
    assert environ == {"TERM": "xterm", "NO_COLOR": "1"}


def test_pod_on_a_node_without_us_does_what_it_can(node: FakeNode) -> None:
    from credprovider.doctor.pod import way_to_the_node
    from tests.node.acts import site_of

    assert way_to_the_node(site_of(node), {}) is None
    assert way_to_the_node(None, {}) is None


def test_azure_json_fills_commands(ward: Ward) -> None:
    document = json.loads((ward.node.tree / "etc/kubernetes/azure.json").read_text())
    ward.cloud.assign_identities(ward.cloud.world.kubelet_client_id)
    found = ward.examine("--identity-name", "bifrost-pull-identity")
    assert f"-g {document['resourceGroup']} -n {document['primaryScaleSetName']} --identities" in found.commands
    assert "-g rg-demo -n aks-demo" in found.commands
