"""The exported networks: their names and the one table of their inputs and outputs.

Symbols of varying dimensions: ``samples`` of audio, ``features`` at 50 Hz, ``latents`` of the VAE
(eight features and four frames each), ``frames``, field ``points``, ``pixels`` of the torso.
"""

from __future__ import annotations

from dataclasses import dataclass

from .field import FieldSpec, TorsoSpec
from .landmarks import FLAT
from .motion import MotionSpec
from .tensors import Dimension, TensorSpec
from .units import FEATURES_PER_FRAME, FRAMES_PER_LATENT

HUBERT = "hubert"
AUDIO_TO_MOTION = "audio_to_motion"
DEFORMATION = "deformation"
CONDITION = "condition"
AMBIENT = "ambient"
DENSITY = "density"
COLOUR = "colour"
TORSO_CONDITION = "torso_condition"
TORSO_DEFORM = "torso_deform"
TORSO_COLOUR = "torso_colour"

REQUIRED_STAGES: tuple[str, ...] = (
    HUBERT,
    AUDIO_TO_MOTION,
    DEFORMATION,
    CONDITION,
    DENSITY,
    COLOUR,
    TORSO_CONDITION,
    TORSO_DEFORM,
    TORSO_COLOUR,
)
"""Every engine directory holds these; a field with an ambient grid adds `AMBIENT`."""


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a stage, in graph order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def bias_name(network: str) -> str:
    """Output of a condition stage that becomes the first-layer bias of ``network``."""
    return f"{network}_bias"


def signatures(
    field: FieldSpec,
    torso: TorsoSpec,
    motion: MotionSpec,
    feature_width: int,
    latent_width: int,
) -> dict[str, Signature]:
    """Signature of every stage of an avatar.

    ``rgb``, ``rgba`` come out of their sigmoid, ``offset`` of tanh times its range, ``coordinate``
    of tanh. ``raw`` is (density before the exponential, geometry). Biases are (1, hidden).
    """
    features_per_latent = FEATURES_PER_FRAME * FRAMES_PER_LATENT
    made = {
        HUBERT: Signature(
            (_f32("samples", 1, "samples"),), (_f32("features", 1, "features", feature_width),)
        ),
        AUDIO_TO_MOTION: Signature(
            (
                _f32("features", 1, f"{features_per_latent}*latents", feature_width),
                TensorSpec("pitch_bins", "int32", (1, f"{features_per_latent}*latents")),
                _f32("noise", 1, latent_width, "latents"),
            ),
            (_f32("landmarks", 1, f"{FRAMES_PER_LATENT}*latents", FLAT),),
        ),
        DEFORMATION: Signature(
            (_f32("neutral", "frames", FLAT), TensorSpec("emotion", "int64", ("frames",))),
            (_f32("delta", "frames", FLAT),),
        ),
        CONDITION: Signature(
            (_f32("windows", "frames", motion.window, FLAT),),
            tuple(_f32(bias_name(n.name), "frames", n.hidden[0]) for n in field.networks),
        ),
        DENSITY: Signature(
            (_f32("features", "points", field.density.inputs), _bias(field.density.hidden[0])),
            (_f32("raw", "points", field.density.outputs),),
        ),
        COLOUR: Signature(
            (_f32("inputs", "points", field.colour.inputs), _bias(field.colour.hidden[0])),
            (_f32("rgb", "points", 3),),
        ),
        TORSO_CONDITION: Signature(
            (_f32("pose", "frames", 12), _f32("landmarks", "frames", FLAT)),
            tuple(
                _f32(bias_name(n.name), "frames", n.hidden[0]) for n in (torso.deform, torso.colour)
            ),
        ),
        TORSO_DEFORM: Signature(
            (_f32("position", "pixels", torso.deform.inputs), _bias(torso.deform.hidden[0])),
            (_f32("offset", "pixels", 2),),
        ),
        TORSO_COLOUR: Signature(
            (_f32("inputs", "pixels", torso.colour.inputs), _bias(torso.colour.hidden[0])),
            (_f32("rgba", "pixels", 4),),
        ),
    }
    if field.ambient is not None:
        made[AMBIENT] = Signature(
            (_f32("features", "points", field.ambient.inputs), _bias(field.ambient.hidden[0])),
            (_f32("coordinate", "points", field.ambient.outputs),),
        )
    return made


def _f32(name: str, *shape: Dimension) -> TensorSpec:
    return TensorSpec(name, "float32", shape)


def _bias(width: int) -> TensorSpec:
    return _f32("bias", 1, width)
