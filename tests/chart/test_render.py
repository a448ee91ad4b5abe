"""The chart rendered by helm, the base by kustomize: refusals, every mode, every supported Kubernetes, the product."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from credprovider.commands.node import _parser
from credprovider.settings import Settings
from tests.chart import schemas
from tests.chart.rendering import (
    IMAGE,
    KUSTOMIZE,
    MODES,
    NAME,
    Objects,
    config_map,
    helm,
    kustomize,
    kustomized,
    notes,
    objects,
    pod,
    rendered,
    values,
)
from tests.unit.core.making import GUIDE, compiled, make_world, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chart.build import Tools

pytestmark = pytest.mark.chart

NODE = MODES["managed-identity"]
PREFIXED = {**NODE, "registries": ["us-docker.pkg.dev/vendor-b/"]}
TAINT = "startup-taint.cluster-autoscaler.kubernetes.io/azure-gar"

#: What is refused when rendered -> a word of the sentence that says why.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no-image": ({"settings": NODE, "credentialConfig": json.dumps(GUIDE)}, "image.repository is missing"),
    "latest": (values(NODE, image={"repository": IMAGE, "tag": "latest"}), "image.tag is latest"),
    "image-behind-the-plugin": (values(NODE, image={"repository": "us-docker.pkg.dev/p/r/i"}), "cannot pull from"),
    "image-in-gcr": (values(NODE, image={"repository": "eu.gcr.io/p/i"}), "cannot pull from"),
    "no-settings": ({"image": {"repository": IMAGE}}, "there are no settings"),
    "no-vendor-file": ({"image": {"repository": IMAGE}, "settings": NODE}, "credentialConfig is missing"),
    "vendor-file-is-no-json": (values(NODE, credentialConfig="type: external_account"), "no JSON object"),
    "vendor-file-is-a-key": (values(NODE, credentialConfig='{"type": "service_account"}'), "not external_account"),
    "no-audience": (values({"identity": {"source": "token-file"}}), "tokenAudience is missing"),
    "instance-without-registries": (values(NODE, instance="b"), "settings.registries is missing"),
    "instance-for-a-whole-host": (
        values({**NODE, "registries": ["us-docker.pkg.dev"]}, instance="b"),
        "covers a whole host",
    ),
    "instance-on-the-firsts-port": (values(PREFIXED, instance="b"), "metrics.port 9465"),
    "own-configmap-of-unknown-source": (
        {"image": {"repository": IMAGE}, "existingConfigMap": "mine"},
        "settings.identity.source is missing",
    ),
    "pod-monitor-of-loopback": (
        values(NODE, metrics={"address": "127.0.0.1", "podMonitor": {"enabled": True}}),
        "metrics.podMonitor.enabled",
    ),
    "pod-monitor-of-loopback-6": (
        values(NODE, metrics={"address": "::1", "podMonitor": {"enabled": True}}),
        "metrics.podMonitor.enabled",
    ),
    **{
        f"port-{port}": (values(NODE, metrics={"port": port}), f"metrics.port {port} is {owner}'s on every node")
        for port, owner in {
            10248: "the kubelet",
            10249: "kube-proxy",
            10250: "the kubelet",
            10255: "the kubelet",
            10256: "kube-proxy",
            19100: "AKS's node exporter",
        }.items()
    },
    **{
        f"registry-{registry}": (values({**NODE, "registries": [registry]}), f"settings.registries: {registry} {why}")
        for registry, why in {
            "*": "reaches outside Google's registries",
            "docker.io": "reaches outside Google's registries",
            "https://us-docker.pkg.dev": "reaches outside Google's registries",
            "us-docker.pkg.dev.example.com": "reaches outside Google's registries",
            "us-docker.pkg.dev/vendor": "has a path prefix that does not end in /",
        }.items()
    },
    "registry-of-another-universe": (
        values({**NODE, "registries": ["*.tpc.example"], "universeDomain": "other.example"}),
        "reaches outside Google's registries",
    ),
    "nobody-may-be-replaced": (
        values(NODE, updateStrategy={"rollingUpdate": {"maxUnavailable": 0}}),
        "/updateStrategy/rollingUpdate/maxUnavailable",
    ),
    "unknown-value": (values(NODE, nodeselector={}), "nodeselector"),
    "unknown-setting": (values({**NODE, "registry": "x"}), "registry"),
}

#: Values beside the settings that change what is made.
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "digest": {"image": {"repository": IMAGE, "digest": "sha256:" + "a" * 64}},
    "startup-taint": {"startupTaint": {"key": TAINT}},
    "pool": {"nodeSelector": {"kubernetes.azure.com/agentpool": "first"}, "tolerations": [{"key": "mine"}]},
    "labels": {"podLabels": {"team": "x"}, "podAnnotations": {"a": "b"}, "serviceAccount": {"annotations": {"a": "b"}}},
    "affinity": {
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "k", "operator": "Exists"}]}]
                }
            }
        }
    },
    "no-metrics": {"metrics": {"enabled": False}},
    "all-addresses-6": {"metrics": {"address": "::"}},
    "percents": {"updateStrategy": {"rollingUpdate": {"maxUnavailable": "10%"}}},
    "uninstall": {"mode": "uninstall"},
    "retry": {"retryRejected": True},
    "pull-secret": {"imagePullSecrets": [{"name": "acr"}]},
}


@pytest.mark.parametrize(("chosen", "why"), REFUSED.values(), ids=REFUSED)
def test_what_would_fail_on_every_node_is_refused(
    tools: Tools, tmp_path: Path, chosen: dict[str, Any], why: str
) -> None:
    done = helm(tools, tmp_path, chosen)
    assert done.returncode != 0
    assert why in done.stderr
    assert not done.stdout


@pytest.mark.parametrize(
    "registry",
    ["*-docker.pkg.dev", "gcr.io", "*.gcr.io", "us-docker.pkg.dev:443", "us-docker.pkg.dev/vendor/", "*.tpc.example"],
)
def test_registries_of_googles_are_let_through(tools: Tools, tmp_path: Path, registry: str) -> None:
    settings = {**NODE, "registries": [registry], "universeDomain": "tpc.example"}
    assert "ConfigMap" in {kind for kind, _ in rendered(tools, tmp_path, values(settings))}


@pytest.mark.parametrize(
    ("address", "argument", "host"),
    [
        ("$(NODE_IP)", "$(NODE_IP):9465", None),
        ("0.0.0.0", "0.0.0.0:9465", "127.0.0.1"),  # noqa: S104 - an argument of a manifest
        ("10.0.0.4", "10.0.0.4:9465", "10.0.0.4"),
        ("::", "[::]:9465", "::1"),
        ("fd00::a", "[fd00::a]:9465", "fd00::a"),
    ],
)
def test_probes_ask_where_the_pod_listens(
    tools: Tools, tmp_path: Path, address: str, argument: str, host: str | None
) -> None:
    (container,) = pod(rendered(tools, tmp_path, values(NODE, metrics={"address": address})))["containers"]
    assert f"--metrics-address={argument}" in container["args"]
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"].get("host") == host


@pytest.mark.parametrize("version", schemas.VERSIONS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("option", OPTIONS)
def test_every_supported_kubernetes_takes_the_objects(
    tools: Tools, tmp_path: Path, mode: str, option: str, version: str
) -> None:
    found = rendered(tools, tmp_path, values(MODES[mode], **OPTIONS[option]), "--kube-version", version)
    _judge(tools, found, version)


@pytest.mark.parametrize("version", schemas.VERSIONS)
def test_every_supported_kubernetes_takes_the_workload(tools: Tools, version: str) -> None:
    _judge(tools, objects((KUSTOMIZE.parent / "samples" / "workload.yaml").read_text()), version)


def _judge(tools: Tools, found: Objects, version: str) -> None:
    for (kind, _), document in found.items():
        schemas.validator(tools.schemas, version, f"{document['apiVersion']}/{kind}").validate(document)


def test_a_misspelt_field_would_be_found(tools: Tools, tmp_path: Path) -> None:
    found = rendered(tools, tmp_path, values(NODE))
    pod(found)["hostPid"] = True
    with pytest.raises(jsonschema.ValidationError, match="hostPid"):
        _judge(tools, found, schemas.VERSIONS[-1])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("option", OPTIONS)
def test_the_program_takes_the_containers_arguments(tools: Tools, tmp_path: Path, mode: str, option: str) -> None:
    spec = pod(rendered(tools, tmp_path, values(MODES[mode], **OPTIONS[option])))
    (container,) = spec["containers"]
    command, action, *arguments = container["args"]
    assert (command, action) == ("node", "run")
    errors = io.StringIO()
    chosen, code = _parser("run", io.BytesIO(), errors).read(arguments)
    assert code is None, errors.getvalue()
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    for path in (chosen.settings, chosen.relay_token):
        assert path is None or any(path == mount or path.startswith(f"{mount}/") for mount in mounts)
    assert (chosen.relay_token is not None) == (mode.startswith("token-file") and option != "uninstall")


@pytest.mark.parametrize("mode", MODES)
def test_the_product_takes_the_configmap_and_agrees_about_the_audience(tools: Tools, tmp_path: Path, mode: str) -> None:
    found = rendered(tools, tmp_path, values(MODES[mode]))
    for name, text in config_map(found)["data"].items():
        write(tmp_path / name, text)
    assert (tmp_path / "credential-config.json").read_text() == json.dumps(GUIDE), "the vendor's file is not edited"
    settings = Settings(compiled(make_world(tmp_path)))
    asked = {
        source["serviceAccountToken"]["audience"]
        for volume in pod(found)["volumes"]
        for source in volume.get("projected", {}).get("sources", [])
    } | {rule for (kind, name), role in found.items() if _grants_audience(kind, name) for rule in _resources(role)}
    assert asked == (set() if mode == "managed-identity" else {settings.token_audience})


def _grants_audience(kind: str, name: str) -> bool:
    return kind == "ClusterRole" and name.endswith("-token-audience")


def _resources(role: dict[str, Any]) -> list[str]:
    return [resource for rule in role["rules"] for resource in rule["resources"]]


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_allowed_that_is_not_used(tools: Tools, tmp_path: Path, mode: str) -> None:
    found = rendered(tools, tmp_path, values(MODES[mode]))
    granted = {
        (kind, tuple(rule["resources"]), tuple(rule["verbs"]))
        for (kind, name), role in found.items()
        if kind in {"Role", "ClusterRole"} and not _grants_audience(kind, name)
        for rule in role["rules"]
    }
    assert granted == {
        ("ClusterRole", ("nodes",), ("get",)),
        ("ClusterRole", ("nodes/metrics",), ("get",)),
        ("Role", ("events",), ("create",)),
    }
    assert any(_grants_audience(*key) for key in found) == mode.startswith("service-account")


def test_only_with_a_startup_taint_may_nodes_be_patched(tools: Tools, tmp_path: Path) -> None:
    found = rendered(tools, tmp_path, values(NODE, startupTaint={"key": TAINT}))
    assert found["ClusterRole", NAME]["rules"][0]["verbs"] == ["get", "patch"]
    assert {"key": TAINT, "operator": "Exists"} in pod(found)["tolerations"]


def test_the_namespace_may_run_privileged_pods_and_outlives_the_release(tools: Tools, tmp_path: Path) -> None:
    metadata = rendered(tools, tmp_path, values(NODE))["Namespace", NAME]["metadata"]
    assert {metadata["labels"][f"pod-security.kubernetes.io/{what}"] for what in ("enforce", "audit", "warn")} == {
        "privileged"
    }
    assert metadata["annotations"]["helm.sh/resource-policy"] == "keep"


def test_other_settings_roll_the_pods_one_node_after_the_other(tools: Tools, tmp_path: Path) -> None:
    before, after = (
        rendered(tools, tmp_path, values({**NODE, "registries": [registry]}))
        for registry in ("us-docker.pkg.dev", "europe-docker.pkg.dev")
    )
    names = [config_map(found)["metadata"]["name"] for found in (before, after)]
    assert names[0] != names[1]
    assert [_settings_of(found) for found in (before, after)] == names
    assert config_map(after)["immutable"] is True
    spec = before["DaemonSet", NAME]["spec"]
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}
    assert spec["minReadySeconds"] == 60
    assert pod(before)["containers"][0]["readinessProbe"]["httpGet"]["path"] == "/readyz"


def _settings_of(found: Objects) -> str:
    (name,) = [volume["configMap"]["name"] for volume in pod(found)["volumes"] if "configMap" in volume]
    return str(name)


def test_no_toleration_is_a_wildcard(tools: Tools, tmp_path: Path) -> None:
    assert all(toleration.get("key") for toleration in pod(rendered(tools, tmp_path, values(NODE)))["tolerations"])


def test_uninstalling_needs_no_settings(tools: Tools, tmp_path: Path) -> None:
    found = rendered(tools, tmp_path, {"image": {"repository": IMAGE}, "mode": "uninstall"})
    assert "--mode=uninstall" in pod(found)["containers"][0]["args"]
    assert not any(kind == "ConfigMap" for kind, _ in found)


def test_two_instances_share_no_object_and_no_port(tools: Tools, tmp_path: Path) -> None:
    first = rendered(tools, tmp_path, values(NODE))
    second = rendered(tools, tmp_path, values(PREFIXED, instance="b", metrics={"port": 9466}))
    assert not {(kind, name) for kind, name in first} & {(kind, name) for kind, name in second}
    assert pod(second, f"{NAME}-b")["containers"][0]["ports"] == [{"name": "metrics", "containerPort": 9466}]
    assert "--instance=b" in pod(second, f"{NAME}-b")["containers"][0]["args"]


#: Case -> settings of the release, components and patches of the overlay, and the values that mean the same.
SAME: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "managed-identity": ("managed-identity", [], {}),
    "token-file-entra": ("token-file-entra", ["token-file"], {}),
    "service-account": ("service-account", [], {}),
    "startup-taint": ("managed-identity", ["startup-taint"], {"startupTaint": {"key": TAINT}}),
    "uninstall": ("managed-identity", ["uninstall"], {"mode": "uninstall"}),
}


@pytest.mark.parametrize(("mode", "components", "more"), SAME.values(), ids=SAME)
def test_kustomize_makes_the_objects_of_the_chart(
    tools: Tools, tmp_path: Path, mode: str, components: list[str], more: dict[str, Any]
) -> None:
    chart = rendered(tools, tmp_path, values(MODES[mode], **more))
    files = dict(config_map(chart)["data"])
    overlay = {
        "resources": ["BASE"],
        "components": [f"BASE/components/{name}" for name in components],
        "images": [{"name": NAME, "newName": IMAGE, "newTag": "1.2.3"}],
        "configMapGenerator": [
            {
                "name": f"{NAME}-settings",
                "namespace": NAME,
                "files": sorted(files),
                "options": {"immutable": True},
            }
        ],
    }
    if mode == "service-account":  # the role for its audience comes with the overlay, as the audience does
        roles = [chart[kind, f"{NAME}-token-audience"] for kind in ("ClusterRole", "ClusterRoleBinding")]
        files["rbac.yaml"] = yaml.safe_dump_all(roles)
        overlay["resources"] = ["BASE", "rbac.yaml"]
    assert _plain(kustomized(tools, tmp_path, overlay, files)) == _plain(chart)


def _overlay(components: list[str]) -> dict[str, Any]:
    return {"resources": ["BASE"], "components": [f"BASE/components/{name}" for name in components]}


@pytest.mark.parametrize("others", [["token-file"], ["startup-taint"], ["token-file", "startup-taint"]])
def test_an_overlay_that_uninstalls_projects_no_token_whatever_it_did_before(
    tools: Tools, tmp_path: Path, others: list[str]
) -> None:
    spec = pod(kustomized(tools, tmp_path, _overlay([*others, "uninstall"]), {}))
    assert "--mode=uninstall" in spec["containers"][0]["args"]
    assert [volume["name"] for volume in spec["volumes"]] == ["tmp"]
    assert [mount["name"] for mount in spec["containers"][0]["volumeMounts"]] == ["tmp"]


@pytest.mark.parametrize("other", ["token-file", "startup-taint", "uninstall"])
def test_components_in_an_order_that_makes_no_sense_are_refused(tools: Tools, tmp_path: Path, other: str) -> None:
    done = kustomize(tools, tmp_path, _overlay(["uninstall", other]), {})
    assert done.returncode != 0
    assert "/spec/template/spec/containers/0/args/2" in done.stderr


def _plain(found: Objects) -> Objects:
    """Without what says who made an object, and with one name for the settings, whose hash is made by two recipes."""
    plain: Objects = {}
    for (kind, name), document in found.items():
        text = json.dumps(document)
        if kind == "DaemonSet" and any("configMap" in volume for volume in pod(found)["volumes"]):
            text = text.replace(_settings_of(found), "SETTINGS")
        copy = json.loads(text)
        for label in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
            copy["metadata"].get("labels", {}).pop(label, None)
        copy["metadata"].get("annotations", {}).pop("helm.sh/resource-policy", None)
        if kind == "ConfigMap":
            copy["metadata"] = {"name": "SETTINGS", "namespace": copy["metadata"]["namespace"]}
        for field in ("annotations", "labels"):
            if copy["metadata"].get(field) == {}:
                del copy["metadata"][field]
        plain[kind, "SETTINGS" if kind == "ConfigMap" else name] = copy
    return plain


@pytest.mark.parametrize("mode", MODES)
def test_the_notes_tell_how_to_verify(tools: Tools, tmp_path: Path, mode: str) -> None:
    assert "rollout status" in notes(tools, tmp_path, values(MODES[mode]))


def test_the_notes_of_a_first_installation_say_that_it_is_everywhere_at_once(tools: Tools, tmp_path: Path) -> None:
    assert "match at once" in notes(tools, tmp_path, values(NODE))
    assert "match at once" not in notes(tools, tmp_path, values(NODE), "--is-upgrade")


def test_the_notes_warn_while_every_pod_tries_again(tools: Tools, tmp_path: Path) -> None:
    assert "retryRejected is set" in notes(tools, tmp_path, values(NODE, retryRejected=True))
    assert "retryRejected" not in notes(tools, tmp_path, values(NODE))


@pytest.mark.parametrize("strategy", [{}, {"type": "OnDelete", "rollingUpdate": None}], ids=["default", "on-delete"])
def test_the_notes_of_an_uninstallation_tell_what_to_do_about_broken_nodes(
    tools: Tools, tmp_path: Path, strategy: dict[str, Any]
) -> None:
    assert "maxUnavailable=25%" in notes(tools, tmp_path, values(NODE, mode="uninstall", updateStrategy=strategy))
