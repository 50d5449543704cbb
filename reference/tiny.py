"""A random avatar, made in a second, small in every dimension and real in every part.

Tests and examples walk the whole path with it, from a sound file to a video. It has a face-like
set of landmarks, a visible ball of a head, a torso, and poses that stand still now and then; it
says nothing sensible.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..contract.field import (
    DisplacementSpec,
    FieldSpec,
    GridSpec,
    MarchSpec,
    MlpSpec,
    TorsoSpec,
)
from ..contract.landmarks import LANDMARKS
from ..contract.motion import (
    BlinkStep,
    ClampStep,
    DeformStep,
    IdleSpec,
    MotionSpec,
    NormaliseStep,
    WindowStep,
)
from ..contract.stages import COLOUR, DENSITY, TORSO_COLOUR, TORSO_DEFORM
from .audio_to_motion import AudioToMotion, AudioToMotionConfig, FlowConfig
from .avatar import AvatarCard, ReferenceAvatar
from .condition import PlainConditionConfig
from .deformation import DeformationConfig, LandmarkDeformation
from .demo import BOUNDS_MAX, BOUNDS_MIN, CAMERA_DISTANCE, demo_camera, demo_falloff
from .head_field import HeadField, HeadFieldConfig
from .speech_encoder import SpeechEncoder, SpeechEncoderConfig
from .torso_field import TorsoConditionConfig, TorsoField, TorsoFieldConfig

Array = NDArray[np.float32]

IMAGE_SIZE = 64
WINDOW = 3
LICENCE = "# Licence notes\n\nRandom numbers; Apache-2.0 like the program that drew them.\n"


def tiny(seed: int = 0) -> ReferenceAvatar:
    """The tiny avatar of a seed; the same on every machine, torch's global generator untouched."""
    rng = np.random.default_rng(seed)
    face = neutral_face()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        networks = (_speech(), _audio_to_motion(face), _deformation(face), _head(face), _torso())
    speech, audio_to_motion, deformation, head, torso = (n.eval() for n in networks)
    flat = face.reshape(-1)
    steps = (
        DeformStep(),
        BlinkStep(shape=(0.5, 1.0, 0.5), shortest=20, longest=40, gap=0.1),
        ClampStep(),
        NormaliseStep(),
        WindowStep(WINDOW),
    )
    return ReferenceAvatar(
        card=AvatarCard("tiny", demo_camera(IMAGE_SIZE), MotionSpec(steps), IdleSpec(gap=10)),
        speech=speech,
        audio_to_motion=audio_to_motion,
        deformation=deformation,
        head=head,
        torso=torso,
        tensors={
            "poses": _poses(rng),
            "background": _background(),
            "motion.mean": flat,
            "motion.scale": np.full_like(flat, 0.05),
            "motion.low": flat - 0.15,
            "motion.high": flat + 0.15,
        },
        licence=LICENCE,
    )


def neutral_face() -> Array:
    """A face's 68 landmarks in the iBUG order, (68, 3), head space."""

    def arc(n: int, centre: tuple[float, float], size: tuple[float, float], span: float) -> Array:
        # From image left to image right, below the centre for a positive span.
        angle = np.linspace(np.pi, np.pi + span, n)
        x = centre[0] + size[0] * np.cos(angle)
        return np.stack((x, centre[1] + size[1] * np.sin(angle)), 1).astype(np.float32)

    def ring(n: int, centre: tuple[float, float], size: tuple[float, float]) -> Array:
        # Clockwise in the image, from its left corner over the top.
        angle = np.pi - np.arange(n) * 2 * np.pi / n
        x = centre[0] + size[0] * np.cos(angle)
        return np.stack((x, centre[1] + size[1] * np.sin(angle)), 1).astype(np.float32)

    flat = np.concatenate(
        (
            arc(17, (0, 0), (0.62, 1.05), np.pi),
            arc(5, (-0.30, 0.24), (0.18, 0.07), -np.pi),
            arc(5, (0.30, 0.24), (0.18, 0.07), -np.pi),
            np.stack((np.zeros(4), np.linspace(0.02, -0.28, 4)), 1).astype(np.float32),
            arc(5, (0, -0.34), (0.12, 0.05), np.pi),
            ring(6, (-0.305, 0.02), (0.11, 0.05)),
            ring(6, (0.305, 0.02), (0.11, 0.05)),
            ring(12, (0, -0.605), (0.255, 0.10)),
            ring(8, (0, -0.605), (0.19, 0.03)),
        )
    )
    depth = 0.95 - 0.8 * flat[:, 0] ** 2 - 0.2 * flat[:, 1] ** 2
    return np.column_stack((flat, depth)).astype(np.float32).reshape(LANDMARKS, 3)


def _speech() -> SpeechEncoder:
    config = SpeechEncoderConfig(
        hidden=32,
        layers=1,
        heads=2,
        feed_forward=48,
        conv=(8, 8, 12, 12, 16, 16, 16),
        position_kernel=8,
        position_groups=4,
    )
    return SpeechEncoder(config)


def _audio_to_motion(face: Array) -> AudioToMotion:
    config = AudioToMotionConfig(
        features=32,
        condition=24,
        hidden=24,
        kernel=3,
        encoder_layers=2,
        decoder_layers=2,
        # Of one layer, TensorRT-RTX 1.7 cannot build the flow.
        flow=FlowConfig(couplings=2, hidden=16, kernel=3, layers=2),
        mouth_amplitude=False,
        folding="scaled",
    )
    network = AudioToMotion(config)
    for coupling in network.vae.prior_flow.flows[::2]:
        # A trained flow moves its latents; a fresh one is the identity and would test nothing.
        torch.nn.init.normal_(coupling.post.weight, std=0.1)
    network.folding.mean.copy_(torch.from_numpy(face.reshape(-1)))
    network.folding.scale.fill_(0.03)
    return network


def _deformation(face: Array) -> LandmarkDeformation:
    network = LandmarkDeformation(DeformationConfig(hidden=32, standardised=True))
    network.mean.copy_(torch.from_numpy(face.reshape(-1)))
    network.scale.fill_(0.05)
    network.delta_scale.fill_(0.2)
    return network


def _head(face: Array) -> HeadField:
    grids = (
        GridSpec.tiled("skin", levels=3, base=8, finest=40, log2_size=12, read_at="displaced"),
        GridSpec.tiled("inner", levels=2, base=6, finest=24, log2_size=11),
    )
    features = sum(grid.width for grid in grids) + 3
    geometry, directions = 7, 3
    surface = (
        GridSpec.tiled("looks", levels=2, base=8, finest=40, log2_size=11, read_at="displaced"),
    )
    looks = directions**2 + geometry + sum(grid.width for grid in surface)
    field = FieldSpec(
        bounds_min=BOUNDS_MIN,
        bounds_max=BOUNDS_MAX,
        grids=grids,
        density=MlpSpec(DENSITY, features, (16,), 1 + geometry),
        colour=MlpSpec(COLOUR, looks, (16, 16), 3),
        march=MarchSpec(
            step=0.09, phase=0.5, min_near=0.05, max_samples=32, occupancy_resolution=32
        ),
        displacement=DisplacementSpec((12, 12, 12), 0.15),
        displacement_gain=4.0,
        density_shift=2.0,
        directions=directions,
        surface=surface,
    )
    network = HeadField(HeadFieldConfig(field, PlainConditionConfig(WINDOW, 24, 12)))
    for grid in (*grids, *surface):
        network.get_submodule(grid.name).table.uniform_(-1, 1)
    # Dense everywhere, so that the occupied ball is what one sees.
    network.get_submodule(f"{DENSITY}.1").bias[0] = 2.0
    network.displacement.rest.copy_(torch.from_numpy(face))
    network.displacement.falloff.copy_(torch.from_numpy(demo_falloff()))
    network.occupancy.copy_(torch.from_numpy(_ball(field)))
    return network


def _ball(field: FieldSpec) -> NDArray[np.uint8]:
    """Occupancy bits of an ellipsoid about the head, x fastest."""
    n = field.march.occupancy_resolution
    low, high = np.array(field.bounds_min), np.array(field.bounds_max)
    centres = [low[a] + (np.arange(n) + 0.5) / n * (high[a] - low[a]) for a in range(3)]
    z, y, x = np.meshgrid(centres[2], centres[1], centres[0], indexing="ij")
    inside = (x / 0.75) ** 2 + (y / 1.15) ** 2 + (z / 0.95) ** 2 < 1
    return np.packbits(inside.reshape(-1), bitorder="little")


def _torso() -> TorsoField:
    grid = GridSpec.tiled("torso", dimensions=2, levels=3, base=4, finest=32, log2_size=12)
    octaves = 2
    position = 2 + 4 * octaves
    spec = TorsoSpec(
        grid=grid,
        octaves=octaves,
        deform=MlpSpec(TORSO_DEFORM, position, (16,), 2),
        deform_range=0.1,
        colour=MlpSpec(TORSO_COLOUR, grid.width + position + 4, (16,), 4),
        mask_resolution=32,
    )
    network = TorsoField(TorsoFieldConfig(spec, TorsoConditionConfig(16, 8)))
    network.get_submodule(grid.name).table.uniform_(-1, 1)
    network.get_submodule(f"{TORSO_COLOUR}.1").bias[3] = 3.0
    network.condition.pose_scale.fill_(0.1).view(3, 4)[:, 3] = CAMERA_DISTANCE
    row, column = np.mgrid[:32, :32]
    shoulders = (row > 22) & (np.abs(column - 15.5) < (row - 20) * 1.6)
    network.torso_mask.copy_(torch.from_numpy(np.packbits(shoulders, bitorder="little")))
    return network


def _poses(rng: np.random.Generator, count: int = 160) -> Array:
    """Smooth nods and turns with still stretches of 8 to 20 frames, (count, 3, 4)."""
    angles, now = [], np.zeros(3)
    while len(angles) < count:
        goal = rng.normal(0, (0.06, 0.10, 0.03))
        ease = (1 - np.cos(np.pi * np.arange(1, 13) / 12)) / 2
        angles += [now + share * (goal - now) for share in ease]
        now = goal
        angles += [now] * int(rng.integers(8, 21))
    # The camera looks along -z of the head: its y and z axes are the head's, reversed.
    camera = np.diag([1.0, -1.0, -1.0])
    poses = np.empty((count, 3, 4), np.float32)
    for i, (pitch, yaw, roll) in enumerate(angles[:count]):
        poses[i, :, :3] = camera @ _turn(2, roll) @ _turn(1, yaw) @ _turn(0, pitch)
        poses[i, :, 3] = (0.0, 0.0, CAMERA_DISTANCE)
    return poses


def _turn(axis: int, angle: float) -> NDArray[np.float64]:
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return matrix


def _background() -> NDArray[np.uint8]:
    """A gradient, (64, 64, 3)."""
    row, column = np.mgrid[:IMAGE_SIZE, :IMAGE_SIZE]
    return np.stack((40 + row, 60 + column, 120 + row // 2), axis=2).astype(np.uint8)
