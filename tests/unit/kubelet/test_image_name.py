"""A pod's image becomes the name that the kubelet sends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credprovider.kubelet.reference import ImageNameError, image_name
from tests.unit.kubelet.vectors import each

_SHA256 = "a" * 64


@each("image_to_request")
def test_vector(row: dict[str, Any]) -> None:
    if row.get("invalid"):
        with pytest.raises(ImageNameError):
            image_name(row["pod_image"])
        return
    assert image_name(row["pod_image"]) == row["request_image"]


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(_SHA256, id="an image id"),
        pytest.param("us-docker.pkg.dev/p/R", id="upper-case path"),
        pytest.param("Nginx", id="upper-case short name"),
        pytest.param("us-docker.pkg.dev/", id="no path"),
        pytest.param("us-docker.pkg.dev//p", id="empty component"),
        pytest.param("us-docker.pkg.dev/p.", id="separator at the end"),
        pytest.param("us-docker.pkg.dev/p___r", id="three underscores"),
        pytest.param("-us.dev/p", id="host begins with a hyphen"),
        pytest.param("us-.dev/p", id="label ends in a hyphen"),
        pytest.param("us..dev/p", id="empty label"),
        pytest.param("us.dev:/p", id="empty port"),
        pytest.param("[::1%25en0]/p", id="zone"),
        pytest.param("[::ffff:1.2.3.4]/p", id="IPv4 in IPv6"),
        pytest.param("us.dev/p:" + "t" * 129, id="tag too long"),
        pytest.param("us.dev/p:-t", id="tag begins with a hyphen"),
        pytest.param("us.dev/" + "p" * 256, id="path too long"),
        pytest.param("us.dev/p@sha256:abc", id="digest too short for a digest"),
        pytest.param("us.dev/p@sha256:" + "A" * 64, id="digest in upper case"),
        pytest.param("us.dev/p@sha256:" + "a" * 63, id="digest of a wrong length"),
        pytest.param("us.dev/p@md5:" + "a" * 32, id="digest of an unknown algorithm"),
        pytest.param("us.dev/é", id="not ASCII"),
        pytest.param("us.dev/p\n", id="newline"),
    ],
)
def test_refused(image: str) -> None:
    with pytest.raises(ImageNameError):
        image_name(image)


@pytest.mark.parametrize(
    ("image", "sent"),
    [
        ("US-docker.pkg.dev/p", "US-docker.pkg.dev/p"),
        ("UPPER/p", "UPPER/p"),
        ("index.docker.io/nginx", "docker.io/library/nginx"),
        ("docker.io/foo/bar", "docker.io/foo/bar"),
        ("a_b.c/p", "a_b.c/p"),
        ("[::1]/p", "[::1]/p"),
        (f"us.dev/p:v1@sha256:{_SHA256}", "us.dev/p"),
        (f"nginx@sha512:{'0' * 128}", "docker.io/library/nginx"),
        ("us.dev/p__q---r.s", "us.dev/p__q---r.s"),
        ("us.dev/" + "p" * 255, "us.dev/" + "p" * 255),
        ("us.dev:5000/p:" + "t" * 128, "us.dev:5000/p"),
        ("a" * 63, "docker.io/library/" + "a" * 63),
    ],
)
def test_taken(image: str, sent: str) -> None:
    assert image_name(image) == sent


@given(st.text(alphabet="ab./:@-_[]A1é", max_size=30))
def test_name_that_was_made_stays_as_it_is(image: str) -> None:
    try:
        name = image_name(image)
    except ImageNameError:
        return
    assert image_name(name) == name
