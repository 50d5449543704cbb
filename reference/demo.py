"""The built-in avatar's dimensions: the ``realtime`` field and networks small enough for any CPU.

The field's dimensions are the smallest of a series that lost no picture quality on held-out frames
(256², 30.5 dB for the head with 64-wide networks and with these).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..contract.camera import Intrinsics
from ..contract.field import (
    DisplacementSpec,
    FieldSpec,
    GridSpec,
    MarchSpec,
    MlpSpec,
    TorsoSpec,
)
from ..contract.landmarks import BROWS, EYES, JAW, LANDMARKS, MOUTH, NOSE
from ..contract.motion import (
    BlinkStep,
    ClampStep,
    DeformStep,
    MotionSpec,
    NormaliseStep,
    WindowStep,
)
from ..contract.stages import COLOUR, DENSITY, TORSO_COLOUR, TORSO_DEFORM
from .audio_to_motion import AudioToMotionConfig, FlowConfig
from .condition import PlainConditionConfig
from .deformation import DeformationConfig
from .head_field import HeadFieldConfig
from .speech_encoder import SpeechEncoderConfig
from .torso_field import TorsoConditionConfig, TorsoFieldConfig

CAMERA_DISTANCE = 9.0
"""From the head's origin to the camera, head-space units."""

BOUNDS_MIN = (-1.15, -1.55, -1.30)
BOUNDS_MAX = (1.15, 1.60, 1.30)


def demo_camera(size: int) -> Intrinsics:
    """The camera the avatar was filmed with; 3.65 units are visible at the head's origin."""
    return Intrinsics(size, size * CAMERA_DISTANCE / 3.65, size / 2, size * 0.46)


def demo_speech_encoder(dropout: float = 0.0) -> SpeechEncoderConfig:
    """0.72 M parameters."""
    return SpeechEncoderConfig(
        hidden=128,
        layers=3,
        heads=4,
        feed_forward=384,
        conv=(32, 48, 64, 96, 128, 128, 128),
        position_kernel=32,
        position_groups=8,
        dropout=dropout,
    )


def demo_audio_to_motion() -> AudioToMotionConfig:
    """1.2 M parameters; the flow is shallow, so that a frame's latents reach less far."""
    return AudioToMotionConfig(
        features=128,
        condition=96,
        hidden=96,
        latent=16,
        kernel=5,
        encoder_layers=4,
        decoder_layers=4,
        flow=FlowConfig(couplings=2, hidden=32, kernel=3, layers=2),
        mouth_amplitude=False,
        folding="scaled",
    )


def demo_deformation() -> DeformationConfig:
    """The authors' dimensions on standardised landmarks: 175 k parameters."""
    return DeformationConfig(standardised=True)


def demo_head() -> HeadFieldConfig:
    """Coarse grids find the surface, fine ones are read once a ray where it is: 0.8 k multiply-adds
    a sample and 5.8 k a ray, about 3 samples on a ray that meets the head.

    Skin is read where it lies at rest; teeth and eyeballs, which do not move with it, where they
    are.
    """
    grids = (
        GridSpec.tiled("skin", levels=4, base=12, finest=96, log2_size=15, read_at="displaced"),
        GridSpec.tiled("inner", levels=3, base=12, finest=96, log2_size=15),
    )
    surface = (
        GridSpec.tiled(
            "skin_surface", levels=8, base=16, finest=512, log2_size=16, read_at="displaced"
        ),
        GridSpec.tiled("inner_surface", levels=6, base=16, finest=512, log2_size=15),
    )
    features = sum(grid.width for grid in grids) + 3
    geometry, directions = 8, 3
    looks = directions**2 + geometry + sum(grid.width for grid in surface)
    field = FieldSpec(
        bounds_min=BOUNDS_MIN,
        bounds_max=BOUNDS_MAX,
        grids=grids,
        density=MlpSpec(DENSITY, features, (32,), 1 + geometry),
        colour=MlpSpec(COLOUR, looks, (56, 56), 3),
        march=MarchSpec(
            step=0.045, phase=0.5, min_near=0.05, max_samples=48, occupancy_resolution=128
        ),
        displacement=DisplacementSpec(resolution=(48, 48, 48), regulariser=0.15),
        displacement_gain=4.0,
        density_shift=2.0,
        directions=directions,
        colour_at="ray",
        surface=surface,
    )
    return HeadFieldConfig(field, PlainConditionConfig(window=1, hidden=128, code=48))


def demo_falloff() -> NDArray[np.float32]:
    """``displacement.falloff`` (68,) = 1 / (2 σ²): how far each landmark takes the skin along."""
    sigma = np.empty(LANDMARKS, np.float32)
    for part, value in ((JAW, 0.2), (BROWS, 0.09), (NOSE, 0.11), (EYES, 0.055), (MOUTH, 0.07)):
        sigma[part] = value
    return (1 / (2 * sigma**2)).astype(np.float32)


def demo_torso() -> TorsoFieldConfig:
    """A 2-D grid, shifted with the pose by at most a tenth of the image."""
    grid = GridSpec.tiled("torso", dimensions=2, levels=8, base=8, finest=200, log2_size=16)
    octaves = 3
    position = 2 + 4 * octaves
    torso = TorsoSpec(
        grid=grid,
        octaves=octaves,
        deform=MlpSpec(TORSO_DEFORM, position, (32, 32), 2),
        deform_range=0.2,
        colour=MlpSpec(TORSO_COLOUR, grid.width + position + 4, (48, 48), 4),
        mask_resolution=128,
    )
    return TorsoFieldConfig(torso, TorsoConditionConfig())


def demo_motion() -> MotionSpec:
    """Deform, blink, keep inside what was trained, standardise; looks ahead by no frame."""
    return MotionSpec(
        (
            DeformStep(),
            BlinkStep(shape=(0.4, 0.9, 1.0, 0.8, 0.45, 0.15), shortest=60, longest=140, gap=0.08),
            ClampStep(),
            NormaliseStep(),
            WindowStep(width=1),
        )
    )
