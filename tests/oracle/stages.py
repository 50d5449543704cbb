"""Each exported network by itself: what it is fed, and what the published definition makes of it.

The constant columns of a first layer are a bias in the exported networks, so a network is fed the
bias that the definition gives, and the stage that makes biases is compared by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .encodings import frequencies, harmonics, tiled
from .frame import angles
from .head import condition_code, leaky, perceptron
from .sequences import audio_to_motion
from .torso import enlarged, projected_jaw

Float64 = NDArray[np.float64]
Tensors = Mapping[str, Float64]
Arrays = dict[str, NDArray[Any]]

POINTS, FRAMES, LATENTS, SIDE = 500, 5, 6, 16


@dataclass(frozen=True)
class Case:
    """A stage's name, its inputs, and what it must give."""

    stage: str
    inputs: Arrays
    outputs: Mapping[str, Float64]


@dataclass(frozen=True)
class Person:
    """What a field's stages depend on beside its checkpoint.

    Attributes:
        tensors: of the torso's checkpoint, float64.
        settings: of its config.yaml.
        mean: (204,) the face model's landmarks.
        camera: (4, 4) c2w of a frame; pose: (3, 4) the same as the exported networks take it.
        told_of_eyes: whether the condition stage takes how far eyes are open.
        constant_noise: super-resolution adds the noise that was stored.
    """

    tensors: Tensors
    settings: Mapping[str, Any]
    mean: Float64
    camera: Float64
    pose: NDArray[np.float32]
    told_of_eyes: bool
    constant_noise: bool = False


def motion_cases(
    t: Tensors, rest: Float64, basis: Float64, rng: np.random.Generator
) -> Iterator[Case]:
    """Audio-to-motion; outputs are moved from coefficients to landmarks, ``rest + basis c``.

    Args:
        rest: (204,) landmarks where all coefficients are 0.
        basis: (204, outputs).
    """
    features = _single(rng.normal(size=(8 * LATENTS, t["mel_encoder.0.weight"].shape[1])))
    bins = rng.integers(1, 256, 8 * LATENTS).astype(np.int32)
    noise = _single(0.2 * rng.normal(size=(16, LATENTS)))
    moved = audio_to_motion(t, _double(features), bins, _double(noise)) @ basis.T
    fed = {"features": features[None], "pitch_bins": bins[None], "noise": noise[None]}
    yield Case("audio_to_motion", fed, {"landmarks": rest + moved[None]})


def deformation_cases(t: Tensors, mean: Float64, rng: np.random.Generator) -> Iterator[Case]:
    """Landmark deformation of displacements times 10, one emotion after another."""
    emotion = np.arange(8, dtype=np.int64)
    neutral = _single(mean + 0.02 * rng.normal(size=(8, 204)))
    x = np.concatenate([10 * (neutral - mean), t["emotion_embedding.weight"][emotion]], axis=1)
    for i in (0, 2, 4):
        x = x @ t[f"regressor.{i}.weight"].T + t[f"regressor.{i}.bias"]
        x = np.maximum(x, 0) if i < 4 else x
    yield Case("deformation", {"neutral": neutral, "emotion": emotion}, {"delta": x / 10})


def field_cases(person: Person, rng: np.random.Generator) -> Iterator[Case]:
    """Condition, ambient, density and colour; the torso's four; super-resolution."""
    yield from _head_cases(person, rng)
    yield from _torso_cases(person, rng)
    if person.settings.get("with_sr", False):
        picture = _single(rng.uniform(size=(3, SIDE, SIDE)))
        made = enlarged(person.tensors, _double(picture), person.constant_noise)
        yield Case("super_resolution", {"picture": picture[None]}, {"enlarged": made[None]})


def _head_cases(person: Person, rng: np.random.Generator) -> Iterator[Case]:
    t, s = person.tensors, person.settings
    windows = _single(rng.normal(size=(FRAMES, s.get("smo_win_size", 5), 204)))
    eyes = _single(rng.uniform(0.1, 0.4, FRAMES))
    told = eyes if person.told_of_eyes else np.zeros(FRAMES)
    codes = np.stack(
        [condition_code(t, _double(w), float(e)) for w, e in zip(windows, told, strict=True)]
    )
    individual = t["individual_embeddings"][0]
    first = {n: t[f"{n}_net.net.0.weight"] for n in ("ambient", "sigma", "color")}
    biases = {
        "ambient_bias": codes @ first["ambient"][:, 32:].T,
        "density_bias": np.zeros((FRAMES, len(first["sigma"]))),
        "colour_bias": np.tile(first["color"][:, -len(individual) :] @ individual, (FRAMES, 1)),
    }
    fed = {"windows": windows} | ({"eye_opening": eyes} if person.told_of_eyes else {})
    yield Case("condition", fed, biases)

    grid = (s.get("desired_resolution", 2048), s.get("log2_hashmap_size", 16))
    at = rng.uniform(-1, 1, (POINTS, 3))
    features = _single(tiled(t["position_embedder.embeddings"], (at + 1) / 2, *grid))
    code = np.tile(codes[0], (POINTS, 1))
    ambient = np.tanh(perceptron(t, "ambient_net", np.concatenate([features, code], axis=1)))
    bias = _single(biases["ambient_bias"][:1])
    yield Case("ambient", {"features": features, "bias": bias}, {"coordinate": ambient})

    second = tiled(t["ambient_embedder.embeddings"], (ambient + 1) / 2, *grid)
    both = _single(np.concatenate([features, second], axis=1))
    raw = perceptron(t, "sigma_net", _double(both))
    bias = _single(biases["density_bias"][:1])
    yield Case("density", {"features": both, "bias": bias}, {"raw": raw})

    directions = rng.normal(size=(POINTS, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    seen = _single(np.concatenate([harmonics(directions), raw[:, 1:]], axis=1))
    whole = np.concatenate([seen, np.tile(individual, (POINTS, 1))], axis=1)
    rgb = 1 / (1 + np.exp(-perceptron(t, "color_net", whole)))
    bias = _single(biases["colour_bias"][:1])
    yield Case("colour", {"inputs": seen, "bias": bias}, {"rgb": rgb})


def _torso_cases(person: Person, rng: np.random.Generator) -> Iterator[Case]:
    t, s, jaw = person.tensors, person.settings, bool(person.settings.get("with_sr", False))
    face = _single(person.mean + 0.02 * rng.normal(size=204))
    if jaw:
        turn = person.camera[:3, :3].T
        shift = -10 * turn @ person.camera[:3, 3]
        fed = projected_jaw(_double(face).reshape(68, 3), turn, shift)
    else:
        seen = (person.camera[:3] * [1, -1, -1, 4])[[1, 2, 0]]
        fed = np.concatenate([angles(seen[:, :3]), seen[:, 3]])
    code, individual = frequencies(fed, 4), t["torso_individual_codes"][0]
    constant = np.concatenate([individual, code] if jaw else [code, individual])
    deform, colour = (t[f"torso_{n}_net.net.0.weight"] for n in ("deform", "canonicial"))
    end = 42 + len(constant)
    biases = {
        "torso_deform_bias": (deform[:, 42:end] @ constant)[None],
        "torso_colour_bias": (colour[:, 74 : 32 + end] @ constant)[None],
    }
    pose = person.pose.reshape(1, 12)
    yield Case("torso_condition", {"pose": pose, "landmarks": face[None]}, biases)

    at = rng.uniform(-0.8, 0.8, (POINTS, 2))
    known = [_single(frequencies(at, 10))]
    if s.get("torso_head_aware", False):
        head = _single(rng.uniform(size=(POINTS, 4)))
        x = _double(head)
        for i in (0, 2, 4):
            name = f"head_color_weights_encoder.{i}"
            x = x @ t[f"{name}.weight"].T + t[f"{name}.bias"]
            x = leaky(x) if i < 4 else x
        yield Case("torso_head", {"head": head}, {"code": x})
        known.append(_single(x))
    told = [known[0], np.tile(constant, (POINTS, 1)), *known[1:]]
    offset = perceptron(t, "torso_deform_net", np.concatenate(told, axis=1))
    bias = _single(biases["torso_deform_bias"])
    # Theirs are (row, column), the exported networks' are (x, y).
    position = np.concatenate([_single(frequencies(at[:, ::-1], 10)), *known[1:]], axis=1)
    yield Case("torso_deform", {"position": position, "bias": bias}, {"offset": offset[:, ::-1]})

    features = _single(tiled(t["torso_embedder.embeddings"], (np.clip(at + offset, -1, 1) + 1) / 2))
    raw = perceptron(t, "torso_canonicial_net", np.concatenate([features, *told], axis=1))
    argb = 1 / (1 + np.exp(-raw))
    rgba = np.concatenate([argb[:, 1:], argb[:, :1]], axis=1)
    # The exported network is always shown the head; one that is blind to it must not care.
    shown = [] if s.get("torso_head_aware", False) else [_single(rng.uniform(size=(POINTS, 4)))]
    inputs = np.concatenate([features, position, *shown], axis=1)
    bias = _single(biases["torso_colour_bias"])
    yield Case("torso_colour", {"inputs": inputs, "bias": bias}, {"rgba": rgba})


def _single(x: Float64) -> NDArray[np.float32]:
    return x.astype(np.float32)


def _double(x: NDArray[np.float32]) -> Float64:
    return x.astype(np.float64)
