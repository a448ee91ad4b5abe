"""Settings under test, and the cloud's log watched: who was asked, by name or by connection, and may they be?"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import hypothesis

from tests.cloud.world import CLOUDS, READ_ONLY, WORLD
from tests.plugin.verdict import judge

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cloud.control import CloudProcess
    from tests.plugin.runner import Outcome
    from tests.plugin.settings import SettingsFactory

_NAME = r"[a-z0-9-]+"
_ALLOWED = re.compile(
    rf"169\.254\.169\.254|(sts|iamcredentials)(\.{_NAME}\.rep|-{_NAME}\.p)?\.googleapis\.com|"
    + "|".join(re.escape(cloud.authority) for cloud in CLOUDS.values())
)
#: Defaults as config.json may spell them out, so that there is something to change.
_SPELT_OUT: dict[str, Any] = {
    "credentialConfig": "credential-config.json",
    "scopes": [READ_ONLY],
    "universeDomain": "googleapis.com",
    "network": {"noProxy": None, "caFile": None},
    "cache": {"enabled": True},
}


class Site:
    """One test's settings folder, its good documents, and the cloud's log up to now."""

    def __init__(self, settings: SettingsFactory, cloud: CloudProcess, mode: str) -> None:
        self.setting = settings(mode)
        self.config = self.setting.config
        self.vendor = self.config.with_name("credential-config.json")
        self.good = {path: json.loads(path.read_text()) for path in (self.config, self.vendor)}
        self.good[self.config] |= _SPELT_OUT
        self.good[self.vendor] |= {"universe_domain": "googleapis.com", "quota_project_id": WORLD.project}
        self._cloud = cloud
        self._seen = 0, 0

    def write(self, contents: dict[Path, bytes]) -> None:
        for path, document in self.good.items():
            path.write_bytes(contents.get(path, json.dumps(document).encode()))

    def judge(self, outcome: Outcome, *sources: str, proxied: bool = False) -> None:
        """No bug; an error of settings names its file, or one of `sources`; nobody was asked who is not allowed."""
        judge(outcome)
        if outcome.code == 3 and outcome.error != "settings-ca-file":
            named = [str(self.config), str(self.vendor), *sources]
            assert any(name in outcome.line for name in named), outcome.line
            hypothesis.event(outcome.error)
        else:
            hypothesis.event(f"exit {outcome.code}")
        connections, names = self._cloud.connections(), self._cloud.looked_up()
        asked = {each["host"] for each in connections[self._seen[0] :]} | set(names[self._seen[1] :])
        self._seen = len(connections), len(names)
        assert proxied or not [host for host in asked if not _ALLOWED.fullmatch(host)], asked
