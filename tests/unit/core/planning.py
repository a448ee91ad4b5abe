"""A node whose settings are loaded again and again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from credprovider import settings_plan
from credprovider.settings import Settings, Sources, load_settings
from credprovider.state import StateDirectory
from credprovider.world import World
from tests.unit.core.making import CLIENT_ID, make_world, settings_files, write

#: Everything below is drawn from: both files, azure.json, and environment.
CONFIG: dict[str, Any] = {"identity": {"source": "managed-identity"}, "registries": ["*-docker.pkg.dev"]}
AZURE_JSON = {"userAssignedIdentityID": CLIENT_ID}


class Validation:
    """A node whose settings are loaded again and again; counts how often they are validated."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.count = 0
        settings_files(folder, CONFIG)
        write(folder / "azure.json", AZURE_JSON)
        real = settings_plan.compile_plan

        def counting(world: World, sources: Sources) -> dict[str, Any]:
            self.count += 1
            return real(world, sources)

        monkeypatch.setattr(settings_plan, "compile_plan", counting)

    def load(self, **environ: str) -> Settings:
        world = make_world(self.folder, environ=environ)
        state = StateDirectory.open(world.state_directory, world.euid)
        assert state is not None
        return load_settings(world, state)

    @property
    def plan_file(self) -> Path:
        (found,) = (self.folder / "state").glob("plan-*")
        return found

    @property
    def record(self) -> dict[str, Any]:
        record = json.loads(self.plan_file.read_text())
        assert isinstance(record, dict)
        return record
