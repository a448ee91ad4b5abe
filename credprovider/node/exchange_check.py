"""One real exchange by the installed plugin, started as the kubelet does: only this proves that pulls will work."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from credprovider.errors import PROGRAM, one_line
from credprovider.kubelet.request import encode_request
from credprovider.kubelet.response import judge_response
from credprovider.node.refusal import Refusal
from credprovider.node.transient import run_transient

if TYPE_CHECKING:
    from credprovider.node.site import Site
    from credprovider.settings import Settings

_SECONDS = 60
_LINE = re.compile(rf"{PROGRAM}: (?P<code>[a-z0-9-]+) \[(?P<hop>.*?)\]: (?P<cause>.*?)(?: Fix: (?P<remedy>.*))?")


def can_be_checked(settings: Settings) -> bool:
    """A pod's token comes from the kubelet alone."""
    return settings.source != "service-account"


def check_exchange(site: Site, settings: Settings) -> None:
    """Ask for an image of ours; nothing is pulled, and with a cached token nobody is asked.

    Raises:
        Refusal: with the plugin's own code, cause and remedy.
        AssertionError: a tree has no plugin that runs.
    """
    image = image_of(settings.registry_texts[0])
    argv = [site.places.link, f"--config={site.places.config_json}"]
    request, environ = encode_request(image), site.kubelet.environ
    try:
        ran = run_transient(site, argv, "proof", stdin=request, environ=environ, seconds=_SECONDS)
    except OSError as error:
        cause = f"the kubelet's environment cannot be handed to the plugin: {error.strerror}"
        raise Refusal("exchange-failed", cause, f"look at {site.places.run} on the node") from None
    if ran.code != 0:
        raise _told(ran.code, ran.stderr.decode("utf-8", "replace"))
    verdict = judge_response(ran.stdout, image=image)
    if not verdict.accepted or not verdict.credentials:
        reason = "; ".join(verdict.causes) or "it holds no credential for an image of ours"
        raise Refusal("exchange-answer", f"the kubelet would not use the plugin's answer: {reason}", "report this")


def image_of(registry: str) -> str:
    """A repository name that an entry of `registries` covers, e.g. ``us-docker.pkg.dev/check``."""
    return registry.replace("*", "us").rstrip("/") + "/check"


def _told(code: int, stderr: str) -> Refusal:
    line = one_line(stderr)
    match = _LINE.fullmatch(line)
    if match is None:
        return Refusal("exchange-failed", f"the plugin ended with {code}: {line[:300]}", "run `doctor` on the node")
    return Refusal(match["code"], f"{match['hop']}: {match['cause']}", match["remedy"] or "run `doctor` on the node")
