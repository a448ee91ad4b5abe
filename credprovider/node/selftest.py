"""Runs the bundle on the node as the kubelet would, and judges its answer as strictly.

In the kubelet's own domain and with nothing in its environment: a pod's own namespace and SELinux domain prove nothing.
The image asked for is nobody's, so no token is fetched and no network is used.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from credprovider.errors import one_line
from credprovider.kubelet.request import V1, encode_request
from credprovider.kubelet.response import judge_response
from credprovider.node.commands import Commands
from credprovider.node.refusal import Refusal
from credprovider.node.transient import run_transient
from credprovider.state import digest
from credprovider.world import state_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from credprovider.node.commands import Ran
    from credprovider.node.site import Site

_IMAGE = "registry.invalid/self/test"
_SECONDS = 60
_REMEDY = "look at the node: architecture, mounts, SELinux; `journalctl` tells what was denied"


def self_test(site: Site, executable: str, config: str) -> None:
    """Ask for a foreign image.

    Args:
        site: the node.
        executable: path on it.
        config: path of config.json on it.

    Raises:
        Refusal: ``self-test-failed``, with the reason.
    """
    request = encode_request(_IMAGE)
    ran = _run(site, executable, config, request)
    if ran.code != 0:
        said = one_line(_for_people(site, ran.stderr.decode("utf-8", "replace")), 400)
        raise Refusal(
            "self-test-failed", f"run as the kubelet runs it, the bundle ended with {ran.code}: {said}", _REMEDY
        )
    verdict = judge_response(ran.stdout, api_version=V1, image=_IMAGE)
    if not verdict.accepted or verdict.credentials:
        reason = "; ".join(verdict.causes) or "it has a credential for an image that is not ours"
        raise Refusal("self-test-failed", f"the kubelet would not take the bundle's answer: {reason}", _REMEDY)


def _for_people(site: Site, text: str) -> str:
    """With the paths that files will have, and not those that they have while they wait to be put there."""
    text = text.replace(site.places.staged_settings, site.places.settings)
    return text.replace(site.host.root, "") if site.host.root else text


def _run(site: Site, executable: str, config: str, request: bytes) -> Ran:
    host = site.host
    if host.is_live:
        argv = [executable, f"--config={config}"]
        return run_transient(site, argv, "self-test", stdin=request, environ=None, seconds=_SECONDS)
    # A tree: the bundle is the one that runs here, and only its copy is in question.
    config = host.local(config)
    with _no_traces(config):
        return Commands().run(
            [host.local(executable), f"--config={config}"], stdin=request, environ={}, timeout=_SECONDS
        )


@contextlib.contextmanager
def _no_traces(config: str) -> Iterator[None]:
    """The plugin keeps what it knows of a config.json in runtime state, which is this machine's and not the tree's."""
    folder = state_directory(config, {}, os.geteuid()) or ""
    was_there = os.path.isdir(folder)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            for name in os.listdir(folder):
                if digest(config) in name:
                    os.unlink(f"{folder}/{name}")
            if not was_there:
                os.rmdir(folder)
