"""Every exported network of imported avatars against its published definition in float64."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .checkpoints import SETTINGS, SMALL, Folders
from .stage_distances import stage_distances
from .stage_variants import VARIANTS, variant_distances


def test_every_stage_equals_its_definition(folders: Folders, imported_engines: Path) -> None:
    found = stage_distances(folders, imported_engines / "stages", SETTINGS)
    manifest = json.loads((imported_engines / "manifest.json").read_text())
    assert set(found) == set(manifest["stages"])
    assert all(distance <= 1e-5 for distance in found.values()), found


TRIED = (
    *("144 outputs", "64 outputs, without pitch", "204 outputs, without pitch and flow"),
    *(
        "torso by pose, blind to the head",
        "torso by pose, seeing the head",
        "super-resolution with constant noise",
    ),
)
"""Everything in which they differ; ``benchmarks.import_authors variants`` takes all of them."""


@pytest.mark.parametrize("name", TRIED)
def test_so_do_the_stages_of_other_models(name: str, folders: Folders, tmp_path: Path) -> None:
    found = variant_distances(VARIANTS[name], folders, SMALL, tmp_path)
    assert set(found) == set(VARIANTS[name].stages)
    assert all(distance <= 1e-5 for distance in found.values()), found
