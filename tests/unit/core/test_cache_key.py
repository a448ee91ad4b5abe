"""The key of a cached token: what may share one, and what may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from credprovider.answer import _cache_key
from credprovider.identity.token import SubjectToken
from credprovider.protocol import API_VERSIONS, Request
from credprovider.secret import Secret
from tests.unit.core.making import PAYLOAD, asked, jwt, node_settings, pod_settings


def _subject(token: str) -> SubjectToken:
    from credprovider.identity.token import accept

    return accept(Secret(token), hop="request", code="c", remedy="r")


UID = {"kubernetes.io": {"serviceaccount": {"uid": "other"}}}


class TestCacheKey:
    """What may share a Google token, and what may not."""

    def key(
        self, folder: Path, payload: dict[str, Any] | None = None, sent: Request | None = None, **block: Any
    ) -> str:
        settings = pod_settings(folder, **block)
        return _cache_key(settings, sent or asked(), _subject(jwt(payload or PAYLOAD)))

    @pytest.mark.parametrize(
        "change", [{"iss": "https://other/"}, {"sub": "other"}, {"aud": "other"}, UID], ids=["iss", "sub", "aud", "uid"]
    )
    def test_another_subject_is_another_key(self, tmp_path: Path, change: dict[str, Any]) -> None:
        assert self.key(tmp_path) != self.key(tmp_path, {**PAYLOAD, **change})

    @pytest.mark.parametrize(
        "change", [{"exp": 1}, {"jti": "x"}, {"kubernetes.io": {"pod": {"name": "p"}}}], ids=["exp", "jti", "pod"]
    )
    def test_another_token_of_the_same_subject_is_the_same(self, tmp_path: Path, change: dict[str, Any]) -> None:
        assert self.key(tmp_path) == self.key(tmp_path, {**PAYLOAD, **change})

    def test_a_listed_annotation_counts_and_others_do_not(self, tmp_path: Path) -> None:
        listed = {"serviceAccount": {"requiredAnnotationKeys": ["a/listed"]}}
        keys = {
            name: self.key(tmp_path, None, asked(jwt(), **annotations), **listed)
            for name, annotations in {
                "none": {},
                "one": {"a/listed": "x"},
                "other value": {"a/listed": "y"},
                "unlisted": {"a/listed": "x", "b/unlisted": "z"},
            }.items()
        }
        assert keys["one"] == keys["unlisted"]
        assert len({keys["none"], keys["one"], keys["other value"]}) == 3

    def test_other_settings_are_another_key(self, tmp_path: Path) -> None:
        assert self.key(tmp_path) != self.key(tmp_path, serviceAccount={"cacheType": "Token"})

    def test_the_image_and_the_version_asked_are_no_part_of_it(self, tmp_path: Path) -> None:
        settings = node_settings(tmp_path)
        requests = [
            Request(version, image, None, {}) for version in API_VERSIONS for image in ("a.pkg.dev/x", "b.pkg.dev/y")
        ]
        assert len({_cache_key(settings, one, None) for one in requests}) == 1
