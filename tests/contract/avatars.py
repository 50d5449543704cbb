"""A manifest that describes a small but complete avatar, for tests of the contract alone."""

from __future__ import annotations

from emogene.contract.camera import Intrinsics
from emogene.contract.field import FieldSpec, GridSpec, MarchSpec, MlpSpec, TorsoSpec
from emogene.contract.manifest import FileEntry, Manifest
from emogene.contract.motion import DeformStep, IdleSpec, MotionSpec, WindowStep
from emogene.contract.stages import REQUIRED_STAGES, signatures
from emogene.contract.tensors import StageError, StageSpec

GRID = GridSpec.tiled("static", levels=2, base=4, finest=8, log2_size=10)
FIELD = FieldSpec(
    bounds_min=(-1.0, -1.0, -1.0),
    bounds_max=(1.0, 1.0, 1.0),
    grids=(GRID,),
    density=MlpSpec("density", GRID.width, (8,), 5),
    colour=MlpSpec("colour", 9 + 4, (8,), 3),
    march=MarchSpec(0.05, 0.5, 0.1, 16, 16),
)
TORSO_GRID = GridSpec.tiled("torso", dimensions=2, levels=2, base=4, finest=8, log2_size=8)
TORSO = TorsoSpec(
    grid=TORSO_GRID,
    octaves=2,
    deform=MlpSpec("torso_deform", 10, (8,), 2),
    deform_range=0.1,
    colour=MlpSpec("torso_colour", TORSO_GRID.width + 10 + 4, (8,), 4),
    mask_resolution=16,
)
MOTION = MotionSpec((DeformStep(), WindowStep(3)))


def small_manifest(files: dict[str, FileEntry] | None = None) -> Manifest:
    """Every required stage, each with an ONNX file in ``files`` (made-up hashes by default)."""
    entries = files or {f"stages/{name}.onnx": FileEntry("0" * 64, 1) for name in REQUIRED_STAGES}
    table = signatures(FIELD, TORSO, MOTION, feature_width=8, latent_width=4)
    stages = {
        name: StageSpec(
            f"stages/{name}.onnx", s.inputs, s.outputs, "fp32", StageError(0, 1e-5, (1,))
        )
        for name, s in table.items()
    }
    return Manifest(
        name="small",
        files=entries,
        stages=stages,
        field=FIELD,
        torso=TORSO,
        motion=MOTION,
        idle=IdleSpec(),
        camera=Intrinsics(64, 150.0, 32.0, 30.0),
        feature_width=8,
        latent_width=4,
        checkpoint="0" * 64,
        tools={"emogene": "0"},
        licence="none",
    )
