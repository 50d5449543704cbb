"""The exported networks: their names and the one table of their inputs and outputs.

Symbols of varying dimensions: ``samples`` of audio, ``features`` at 50 Hz, ``latents`` of the VAE
(eight features and four frames each), ``frames``, field ``points``, ``pixels`` of the torso, and
the ``side`` of a picture.
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
TORSO_HEAD = "torso_head"
TORSO_DEFORM = "torso_deform"
TORSO_COLOUR = "torso_colour"
SUPER_RESOLUTION = "super_resolution"

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
"""Every engine directory holds these; `required_stages` tells what else one needs."""

STAGE_ORDER: tuple[str, ...] = (
    HUBERT,
    AUDIO_TO_MOTION,
    DEFORMATION,
    CONDITION,
    AMBIENT,
    DENSITY,
    COLOUR,
    TORSO_CONDITION,
    TORSO_HEAD,
    TORSO_DEFORM,
    TORSO_COLOUR,
    SUPER_RESOLUTION,
)
"""All there are, as a frame goes through them."""

ENLARGEMENT = 2
"""How much larger `SUPER_RESOLUTION` makes a picture."""


def required_stages(field: FieldSpec, torso: TorsoSpec, super_resolution: bool) -> tuple[str, ...]:
    """The stages an avatar has, as a frame goes through them."""
    optional = {
        AMBIENT: field.ambient is not None,
        TORSO_HEAD: torso.head_code > 0,
        SUPER_RESOLUTION: super_resolution,
    }
    return tuple(name for name in STAGE_ORDER if optional.get(name, True))


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
    super_resolution: bool = False,
) -> dict[str, Signature]:
    """Signature of every stage of an avatar.

    ``rgb``, ``rgba`` come out of their sigmoid, ``offset`` of what bounds it times its range,
    ``coordinate`` of tanh. ``raw`` is (density before the exponential, geometry). Biases are
    (1, hidden). ``eye_opening`` is there where `MotionSpec.eyes` is. Pictures are (1, RGB, rows,
    columns) in [0, 1].
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
            (
                _f32("windows", "frames", motion.window, FLAT),
                *([_f32("eye_opening", "frames")] if motion.eyes else []),
            ),
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
    if torso.head_code:
        made[TORSO_HEAD] = Signature(
            (_f32("head", "pixels", 4),), (_f32("code", "pixels", torso.head_code),)
        )
    if super_resolution:
        larger = f"{ENLARGEMENT}*side"
        made[SUPER_RESOLUTION] = Signature(
            (_f32("picture", 1, 3, "side", "side"),), (_f32("enlarged", 1, 3, larger, larger),)
        )
    return made


def _f32(name: str, *shape: Dimension) -> TensorSpec:
    return TensorSpec(name, "float32", shape)


def _bias(width: int) -> TensorSpec:
    return _f32("bias", 1, width)
