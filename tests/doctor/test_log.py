"""The kubelet's log: what of it proves that the plugin is not called, and what only seems to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from credprovider.doctor.log_hop import ANSWERED
from tests.cloud.modes import MODES, Mode
from tests.cloud.world import WORLD
from tests.doctor.test_node import (
    Ward,
    audience_refused,
    called,
    called_in_vain,
    pulled_anonymously,
    ward,
)
from tests.node.trees import CONFIG

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cloud.api import CloudApi
    from tests.doctor.patient import Patient
    from tests.node.fake_node import FakeNode
    from tests.plugin.settings import SettingsFactory

__all__ = ["ward"]

_OTHER = "us-docker.pkg.dev/bifrost-project/hub/other"
_OF_LATE = "it was pulled without a credential of late, by the kubelet's log; what is said here now counts"


def _warnings(ward: Ward, image: str | None = None) -> list[str]:
    """Of a node that is green all the same."""
    found = ward.examine(image=image)
    found.assert_green()
    warnings: list[str] = found.hop("kubelet-log")["warnings"]
    return warnings


# --- a pull without a credential --------------------------------------------------------------------------------------


def test_plugin_that_fails_comes_before_the_anonymous_pull_that_follows_from_it(ward: Ward) -> None:
    called_in_vain(ward)
    pulled_anonymously(ward)
    ward.cloud.unbind()
    found = ward.examine()
    assert (found.failing["hop"], found.failing["error"]["code"], found.code) == ("iam", "iam-subject-not-bound", 5)
    assert found.hop("kubelet-log")["status"] == "ok"


def test_cause_is_named_first_where_the_log_tells_only_of_the_anonymous_pull(ward: Ward) -> None:
    pulled_anonymously(ward)
    ward.cloud.unbind()
    found = ward.examine()
    assert (found.failing["hop"], found.code) == ("iam", 5)
    assert found.hop("kubelet-log")["error"]["code"] == "kubelet-plugin-not-called"


def test_what_was_mended_a_minute_ago_is_not_held_against_the_node(ward: Ward) -> None:
    pulled_anonymously(ward)
    ward.node.live(60)
    assert _warnings(ward) == [_OF_LATE]


def test_line_from_before_the_window_is_not_heard(ward: Ward) -> None:
    pulled_anonymously(ward)
    ward.node.live(9 * 60)
    assert _warnings(ward) == [_OF_LATE]
    ward.node.live(2 * 60)
    assert _warnings(ward) == []


@pytest.mark.parametrize("image", [None, ""], ids=["for another one", "for none"])
def test_line_of_an_image_that_is_not_asked_for_is_no_failure(ward: Ward, image: str | None) -> None:
    pulled_anonymously(ward, f"{_OTHER}:1")
    ward.hidden = ("/environ", CONFIG)
    told = f"another image was pulled without a credential of late, by the kubelet's log: {_OTHER}"
    assert _warnings(ward, image) == [told]


def test_image_whose_name_begins_like_the_one_that_is_asked_for_is_another(ward: Ward) -> None:
    pulled_anonymously(ward, WORLD.image.replace(":latest", "-two:latest"))
    ward.hidden = ("/environ", CONFIG)
    ward.examine().assert_green()


@pytest.mark.parametrize("image", ["docker.io/library/nginx:1", "gcr.io/google-containers/pause:3", "nginx"])
def test_line_of_an_image_that_is_not_ours_is_nobodys_concern(ward: Ward, image: str) -> None:
    pulled_anonymously(ward, image)
    assert _warnings(ward) == []


@pytest.mark.parametrize(
    "acts",
    [(called, pulled_anonymously), (pulled_anonymously, called), (called_in_vain, pulled_anonymously)],
    ids=["answered before", "answered since", "failed before"],
)
def test_run_of_the_plugin_in_the_log_speaks_against_it(ward: Ward, acts: tuple[Callable[[Ward], None], ...]) -> None:
    ward.hidden = ("/environ", CONFIG)  # else what is seen of the config would do so
    for act in acts:
        act(ward)
    assert _warnings(ward)


def test_pull_that_has_worked_since_takes_it_back(ward: Ward) -> None:
    ward.hidden = ("/environ", CONFIG)
    pulled_anonymously(ward)
    ward.node.say(f'I1123 event.go:389] "Event occurred" message="Successfully pulled image \\"{_OTHER}:1\\" in 1s"')
    assert ward.examine().failing["hop"] == "kubelet-log"
    ward.node.say(f'I1123 event.go:389] "Event occurred" message="Successfully pulled image \\"{WORLD.image}\\" in 1s"')
    assert _warnings(ward) == []


def test_last_failure_is_told_and_does_not_count(ward: Ward) -> None:
    called_in_vain(ward)
    assert _warnings(ward) == ["its last failure by the kubelet's log: imds-busy; what is said here now counts"]


def test_failure_before_the_last_answer_is_not_told(ward: Ward) -> None:
    called_in_vain(ward)
    called(ward)
    assert _warnings(ward) == []


# --- a token that the API server does not make ------------------------------------------------------------------------


@pytest.fixture
def pods_ward(patient: Patient, node: FakeNode, cloud: CloudApi, tmp_path: Path) -> Ward:
    found = Ward(patient, node, cloud, tmp_path)
    found.admit("service-account-direct")
    return found


def test_refused_audience_is_a_failure_whatever_else_works(pods_ward: Ward) -> None:
    audience_refused(pods_ward)
    pulled_anonymously(pods_ward)
    found = pods_ward.examine()
    assert (found.failing["error"]["code"], found.code) == ("kubelet-audience-not-allowed", 6)
    assert found.statuses["plugin"] == "ok"


@pytest.mark.parametrize("act", [called, called_in_vain], ids=["answered", "failed"])
def test_run_of_the_plugin_since_takes_the_refusal_back(pods_ward: Ward, act: Callable[[Ward], None]) -> None:
    audience_refused(pods_ward)
    act(pods_ward)
    pods_ward.examine().assert_green()
    audience_refused(pods_ward)
    assert pods_ward.examine().failing["hop"] == "kubelet-log"


# --- the plugin's own lines -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_line_that_the_plugin_leaves_is_one_that_is_looked_for(
    patient: Patient, settings: SettingsFactory, mode: Mode
) -> None:
    setting = settings(mode.name)
    for _ in ("exchange", "hit"):
        note, *_ = patient.plugin.runner(setting.request, setting.config).notes
        assert ANSWERED.match(note)
