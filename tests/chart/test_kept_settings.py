"""Settings that pods still mount stay with the release until the last of these pods is replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.chart.cluster import serving
from tests.chart.rendering import MODES, NAME, Objects, rendered, values

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chart.build import Tools

pytestmark = pytest.mark.chart

OLD = f"{NAME}-settings-0123456789"
DATA = {"config.json": '{"identity": {"source": "managed-identity"}}\n', "credential-config.json": "{}"}


def config_map(name: str = OLD, release: str = "release") -> dict[str, Any]:
    owner = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": "default"}
    labels = {"app.kubernetes.io/managed-by": "Helm"}
    metadata = {"name": name, "namespace": NAME, "annotations": owner, "labels": labels}
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "immutable": True, "data": DATA}


def pod_of(name: str, mounted: str) -> dict[str, Any]:
    volumes = [{"name": "tmp", "emptyDir": {}}, {"name": "settings", "configMap": {"name": mounted}}]
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": NAME},
        "spec": {"volumes": volumes},
    }


def render(tools: Tools, folder: Path, objects: list[dict[str, Any]]) -> Objects:
    with serving(objects, folder) as kubeconfig:
        line = ("--dry-run=server", "--disable-openapi-validation", "--kubeconfig", str(kubeconfig))
        return rendered(tools, folder, values(MODES["managed-identity"]), *line)


def settings_of(found: Objects) -> list[str]:
    return [name for kind, name in found if kind == "ConfigMap"]


def test_settings_that_a_pod_mounts_stay_as_they_are(tools: Tools, tmp_path: Path) -> None:
    found = render(tools, tmp_path, [config_map(), pod_of("a", OLD), pod_of("b", OLD)])
    assert OLD in settings_of(found)
    assert len(settings_of(found)) == 2
    assert found["ConfigMap", OLD]["data"] == DATA
    assert found["ConfigMap", OLD]["immutable"] is True


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([], id="first install"),
        pytest.param([config_map()], id="no pod mounts them"),
        pytest.param([pod_of("a", OLD)], id="gone already"),
        pytest.param([config_map("mine"), pod_of("a", "mine")], id="not the chart's"),
        pytest.param([config_map(release="other"), pod_of("a", OLD)], id="another release's"),
    ],
)
def test_nothing_else_is_kept(tools: Tools, tmp_path: Path, objects: list[dict[str, Any]]) -> None:
    assert len(settings_of(render(tools, tmp_path, objects))) == 1


def test_settings_of_today_are_rendered_once(tools: Tools, tmp_path: Path) -> None:
    (today,) = settings_of(render(tools, tmp_path, []))
    assert settings_of(render(tools, tmp_path, [config_map(today), pod_of("a", today)])) == [today]
