"""When all is well: every mode is green, in order, by the plugin's own requests, and nothing is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from credprovider.doctor.hops import HOPS, TITLES
from tests.cloud.modes import MODES, Mode

if TYPE_CHECKING:
    from tests.cloud.api import CloudApi
    from tests.doctor.patient import Patient
    from tests.plugin.settings import SettingsFactory

#: What only a node has.
_OF_NODES = {"kubelet", "config", "loaded", "kubelet-log", "bundle"}


def test_hops_are_in_order_and_need_only_what_comes_before() -> None:
    names = [hop.name for hop in HOPS]
    assert names == list(TITLES)
    for number, hop in enumerate(HOPS):
        assert set(hop.needs) <= set(names[:number])


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_each_mode_is_green(patient: Patient, settings: SettingsFactory, mode: Mode) -> None:
    found = patient.examine(settings(mode.name))
    found.assert_green()
    assert [each["hop"] for each in found.document["hops"]] == [hop.name for hop in HOPS]
    unused = {
        *(["reach-imds"] if mode.source != "managed-identity" else []),
        *([] if mode.entra else ["entra", "reach-entra"]),
        *([] if mode.impersonated else ["iam", "reach-iam"]),
    }
    assert {name for name, status in found.statuses.items() if status == "skipped"} == _OF_NODES | unused


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_asks_as_the_plugin_asks(patient: Patient, settings: SettingsFactory, cloud: CloudApi, mode: Mode) -> None:
    """Each service sees the plugin's request twice: from the hops, and from the plugin's own run."""
    patient.examine(settings(mode.name))
    assert len(patient.plugin.asked) == 1
    for hop in mode.hops:
        calls = [call for call in cloud.calls(hop) if call["method"] != "HEAD"]
        assert len(calls) == 2
        first, second = ({**call, "time": 0} for call in calls)
        for one in (first, second):  # the federated token of an exchange is its own
            for where in ("headers", "body", "form"):
                if hop == "iam" or where == "body":
                    one.pop(where, None)
        if hop == "sts" and mode.entra:  # so is Entra's token
            first["form"].pop("subject_token")
            second["form"].pop("subject_token")
        assert first == second


def test_keeps_nothing_and_reads_no_cache(patient: Patient, settings: SettingsFactory, cloud: CloudApi) -> None:
    """The only records are those of the plugin's own run, and a second examination asks everything again."""
    setting = settings("managed-identity-impersonated")
    patient.examine(setting).assert_green()
    kept = {path.name for path in (patient.folder / "state").iterdir()}
    before = len(cloud.calls("sts"))
    patient.examine(setting).assert_green()
    assert {path.name for path in (patient.folder / "state").iterdir()} == kept
    assert len([call for call in cloud.calls("sts")[before:] if call["method"] == "POST"]) == 1  # the plugin had a hit


def test_nothing_of_the_repository_is_asked_without_an_image(
    patient: Patient, settings: SettingsFactory, cloud: CloudApi
) -> None:
    setting = settings()
    found = patient.run("--config", str(setting.config), "--format", "json")
    found.assert_green()
    assert (found.statuses["image"], found.statuses["manifest"]) == ("skipped", "skipped")
    assert [call["path"] for call in cloud.calls("registry")] == ["/v2/", "/v2/token"]


@pytest.mark.parametrize(
    "tail", [":latest", "", "@sha256:" + "0" * 64, ":v9@sha256:" + "0" * 64], ids=["tag", "none", "digest", "both"]
)
def test_manifest_is_asked_for_by_what_the_pod_names(
    patient: Patient, settings: SettingsFactory, cloud: CloudApi, tail: str
) -> None:
    name = cloud.world.image.rpartition(":")[0]
    patient.examine(settings(), image=name + tail)
    asked = cloud.calls("registry")[-1]
    wanted = tail.rpartition("@")[2] if "@" in tail else "latest"
    assert (asked["method"], asked["path"]) == ("HEAD", f"/v2/{name.partition('/')[2]}/manifests/{wanted}")
