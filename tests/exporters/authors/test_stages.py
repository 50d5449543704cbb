"""Every exported network of an imported avatar against its published definition in float64."""

from __future__ import annotations

import json
from pathlib import Path

from .checkpoints import SETTINGS, Folders
from .stage_distances import stage_distances


def test_every_stage_equals_its_definition(folders: Folders, imported_engines: Path) -> None:
    found = stage_distances(folders, imported_engines, SETTINGS)
    manifest = json.loads((imported_engines / "manifest.json").read_text())
    assert set(found) == set(manifest["stages"])
    assert all(distance <= 1e-5 for distance in found.values()), found
