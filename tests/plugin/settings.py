"""Settings for one test: a mode that succeeds, with the changes that the test is about."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from tests.cloud.modes import MODES_BY_NAME, Setting, kubelet_request, set_up

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cloud.api import CloudApi

__all__ = ["Setting", "SettingsFactory", "kubelet_request"]


class SettingsFactory:
    """Writes config.json and credential-config.json into a folder of their own, one for each call."""

    def __init__(self, folder: Path, cloud: CloudApi) -> None:
        self._folder = folder
        self._cloud = cloud
        self._count = 0

    def __call__(
        self,
        mode: str = "managed-identity-direct",
        *,
        identity: dict[str, Any] | None = None,
        vendor: dict[str, Any] | None = None,
        **config: Any,
    ) -> Setting:
        """Settings for a mode of `tests.cloud.modes`.

        Args:
            mode: e.g. ``token-file-entra-impersonated``.
            identity: keys to change in its identity block; None as a value takes one away.
            vendor: the same for the vendor's file.
            config: top-level keys of config.json to add or replace.
        """
        self._count += 1
        setting = set_up(self._folder / f"settings-{self._count}", self._cloud, MODES_BY_NAME[mode], **config)
        if identity is not None:
            document = json.loads(setting.config.read_text())
            edit(setting.config, identity=_changed(document["identity"], identity))
        if vendor is not None:
            path = setting.config.parent / "credential-config.json"
            path.write_text(json.dumps(_changed(json.loads(path.read_text()), vendor)))
        return setting


def edit(path: Path, **changes: Any) -> None:
    """Change top-level keys of a JSON file in place; None takes one away."""
    path.write_text(json.dumps(_changed(json.loads(path.read_text()), changes)))


def asking(setting: Setting, image: str | None = None, **fields: Any) -> Setting:
    """The same settings, asked for another image or with other request fields; None takes a field away."""
    request = json.loads(setting.request)
    if image is not None:
        request["image"] = image
    return dataclasses.replace(setting, request=json.dumps(_changed(request, fields)).encode())


def _changed(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**document, **changes}.items() if value is not None}
