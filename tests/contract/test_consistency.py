"""Numbers that would hang or crash a renderer are refused when the manifest is read."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from emogene.contract.errors import BadEngineDirectory
from emogene.contract.field import DisplacementSpec, FieldSpec, GridLevel, GridSpec, MlpSpec
from emogene.contract.hearing import HearingSpec
from emogene.contract.manifest import Manifest
from emogene.contract.motion import BlinkStep, MotionSpec, WindowStep

from .avatars import FIELD, GRID, MOTION, TORSO, TORSO_GRID, small_manifest

BLINK = BlinkStep(shape=(0.5, 1.0), shortest=20, longest=40)
AMBIENT_GRID = replace(GRID, name="mood", read_at="ambient")


def refusal(**parts: Any) -> str:
    data = replace(small_manifest(), **parts).to_bytes()
    with pytest.raises(BadEngineDirectory) as refused:
        Manifest.from_bytes(data)
    return refused.value.found


def field_with_grid(**changes: Any) -> FieldSpec:
    return replace(FIELD, grids=(replace(GRID, **changes),))


def march(**changes: Any) -> FieldSpec:
    return replace(FIELD, march=replace(FIELD.march, **changes))


@pytest.mark.parametrize(
    ("field", "said"),
    [
        (replace(FIELD, bounds_min=(1.0, -1.0, -1.0)), "hold nothing"),
        (replace(FIELD, directions=0), "degree 1 to 4 are known, not 0"),
        (replace(FIELD, directions=5), "degree 1 to 4 are known, not 5"),
        (replace(FIELD, grids=()), "at least one grid"),
        (field_with_grid(read_at="displaced"), "has no displacement"),
        (replace(FIELD, displacement_gain=1.0), "has no displacement"),
        (replace(FIELD, displacement=DisplacementSpec((1, 4, 4), 0.1)), "has no cell"),
        (field_with_grid(dimensions=2), "'static' has 2 dimensions, read in 3"),
        (field_with_grid(features=3), "3 features a level"),
        (field_with_grid(levels=()), "no levels"),
        (field_with_grid(levels=(GridLevel(3.0, (1, 4, 16), 0),) * 2), "has 0 entries"),
        (field_with_grid(levels=(GridLevel(3.0, (1, 4), 64),) * 2), r"strides \(1, 4\)"),
        (field_with_grid(levels=(GridLevel(-1.0, (1, 4, 16), 64),) * 2), "has scale -1.0"),
        (replace(FIELD, grids=(GRID, AMBIENT_GRID)), "come together"),
        (replace(FIELD, ambient=MlpSpec("ambient", GRID.width, (4,), 3)), "come together"),
        (
            replace(
                FIELD,
                grids=(GRID, AMBIENT_GRID),
                ambient=MlpSpec("ambient", 1, (4,), 2),
                density=replace(FIELD.density, inputs=GRID.width + AMBIENT_GRID.width),
            ),
            r"3 dimensions, read in 2.*ambient network with 4 inputs",
        ),
        (replace(FIELD, density=replace(FIELD.density, hidden=())), "without a hidden layer"),
        (replace(FIELD, density=replace(FIELD.density, inputs=9)), "density network with 4 inputs"),
        (replace(FIELD, colour=replace(FIELD.colour, inputs=9)), "colour network with 13 inputs"),
        (replace(FIELD, colour=replace(FIELD.colour, outputs=4)), "has 3 outputs"),
        (replace(FIELD, colour=replace(FIELD.colour, name="density")), "must differ"),
        (march(step=0.0), "steps of 0.0 never cross"),
        (march(step=-0.1), "never cross"),
        (march(step=1e-9), "never cross"),
        (march(max_samples=0), "0 samples a ray"),
        (march(occupancy_resolution=0), "cells an axis is known, not 0"),
        (march(occupancy_resolution=2048), "not 2048"),
        (march(box=((-9.0, -0.5, -0.5), (0.5, 0.5, 0.5))), "no part of the bounds"),
        (march(box=((0.5, -0.5, -0.5), (0.5, 0.5, 0.5))), "no part of the bounds"),
    ],
)
def test_fields(field: FieldSpec, said: str) -> None:
    stages = dict(small_manifest().stages)
    if field.ambient is not None:
        stages["ambient"] = stages["density"]
    found = refusal(field=field, stages=stages)
    assert re.search(said, found), found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mask_resolution": 0}, "mask of 0 cells"),
        ({"octaves": -1}, "fewer than none"),
        ({"deform": replace(TORSO.deform, hidden=())}, "without a hidden layer"),
        ({"deform": replace(TORSO.deform, outputs=3)}, "'torso_deform' is 10 → 3"),
        ({"colour": replace(TORSO.colour, inputs=1)}, "'torso_colour' is 1 → 4"),
        ({"grid": GridSpec("torso", 3, 2, TORSO_GRID.levels)}, "3 dimensions, read in 2"),
        ({"shrink": 0.0}, "shrink 0.0"),
        ({"frequency": -1.0}, "frequency -1.0"),
    ],
)
def test_torsos(changes: dict[str, Any], said: str) -> None:
    assert said in refusal(torso=replace(TORSO, **changes))


def test_a_torso_with_a_code_for_the_head() -> None:
    """The code takes the place of the head's four numbers, and the deformation is given it too."""
    code = replace(TORSO, head_code=6)
    stages = dict(small_manifest().stages)
    with_stage = stages | {"torso_head": stages["torso_deform"]}
    narrow, wide = TORSO.deform.inputs + 6, TORSO.colour.inputs - 4 + 6
    found = refusal(torso=code, stages=with_stage)
    assert f"needs {narrow} → 2" in found and f"needs {wide} → 4" in found
    assert "no torso_head" in refusal(torso=code)
    fitting = replace(
        code,
        deform=replace(TORSO.deform, inputs=narrow),
        colour=replace(TORSO.colour, inputs=wide),
    )
    made = replace(small_manifest(), torso=fitting, stages=with_stage).to_bytes()
    assert Manifest.from_bytes(made).torso == fitting


def test_super_resolution_is_a_stage_like_any_other() -> None:
    assert "no super_resolution" in refusal(super_resolution=True)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (replace(BLINK, longest=19), "20 to 19 frames"),
        (replace(BLINK, shortest=0), "0 to 40 frames"),
        (replace(BLINK, shape=()), "shape ()"),
        (replace(BLINK, shape=(0.5, 1.5)), "not values from 0 to 1"),
        (replace(BLINK, gap=-0.1), "gap of -0.1"),
        (WindowStep(0), "not 0"),
        (WindowStep(4), "not 4"),
        (WindowStep(-1), "not -1"),
    ],
)
def test_motions(step: BlinkStep | WindowStep, said: str) -> None:
    assert said in refusal(motion=MotionSpec((step,)))


def test_idle_and_camera_and_everything_at_once() -> None:
    plain = small_manifest()
    found = refusal(
        idle=replace(plain.idle, tolerance=1.0, gap=-1),
        camera=replace(plain.camera, size=0, focal=0.0),
        motion=MotionSpec((*MOTION.steps, replace(BLINK, gap=2.0))),
        hearing=HearingSpec(pitch_middle=321),
    )
    for said in (
        "1 to 320, not 321",
        "tolerance 1.0",
        "gap -1",
        "0 pixels",
        "focal length 0.0",
        "gap of 2.0",
    ):
        assert said in found


def test_the_edges_of_every_range_are_good() -> None:
    manifest = small_manifest()
    edges = replace(
        manifest,
        field=march(occupancy_resolution=1024, max_samples=1),
        motion=MotionSpec((replace(BLINK, shortest=1, longest=1, gap=1.0), WindowStep(1))),
        idle=replace(manifest.idle, tolerance=0.0, gap=0),
        camera=replace(manifest.camera, size=1),
        torso=replace(TORSO, mask_resolution=1),
        hearing=HearingSpec(pitch_middle=1, ending="cut"),
    )
    assert Manifest.from_bytes(edges.to_bytes()) == edges
