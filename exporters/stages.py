"""The networks to export: for each stage a module with exactly its signature's inputs and outputs.

Each takes what it needs from the PyTorch avatar and adds only what the signature asks for: outputs
in order, and the activations that belong to a stage (`contract.stages.signatures`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..contract import stages as names
from ..contract.stages import Signature, bias_name, signatures
from ..reference.audio_to_motion import AudioToMotionInference
from ..reference.avatar import ReferenceAvatar


def logistic(x: Tensor) -> Tensor:
    """``torch.sigmoid``, spelled so that backends keep its relative accuracy.

    ONNX Runtime's Sigmoid is a rational approximation, off by 6e-8 near 0: a dark pixel of 7e-5 is
    then off by a thousandth of itself.
    """
    return torch.reciprocal(1 + torch.exp(-x))


class HubertFromAvatar(nn.Module):
    """Normalised samples (1, n) → features (1, (n - 400) // 320 + 1, D)."""

    def __init__(self, avatar: ReferenceAvatar) -> None:
        super().__init__()
        self.encoder = avatar.speech

    def forward(self, samples: Tensor) -> Tensor:
        features: Tensor = self.encoder(samples)
        return features


class AudioToMotionFromAvatar(AudioToMotionInference):
    """Features (1, 8 L, D), pitch bins (1, 8 L) and noise (1, C, L) → landmarks (1, 4 L, 204)."""

    def __init__(self, avatar: ReferenceAvatar) -> None:
        super().__init__(avatar.audio_to_motion)


class DeformationFromAvatar(nn.Module):
    """Neutral landmarks (F, 204) and emotions (F,) → Δ (F, 204)."""

    def __init__(self, avatar: ReferenceAvatar) -> None:
        super().__init__()
        self.deformation = avatar.deformation

    def forward(self, neutral: Tensor, emotion: Tensor) -> Tensor:
        delta: Tensor = self.deformation(neutral, emotion)
        return delta


class ConditionFromAvatar(nn.Module):
    """Windows (F, W, 204), and the eyes' opening (F,) where `MotionSpec.eyes` is → the first-layer
    bias of every field network, in evaluation order."""

    def __init__(self, avatar: ReferenceAvatar) -> None:
        super().__init__()
        self.condition = avatar.head.condition
        self.order = tuple(bias_name(n.name) for n in avatar.head.spec.networks)

    def forward(self, windows: Tensor, eye_opening: Tensor | None = None) -> tuple[Tensor, ...]:
        told = () if eye_opening is None else (eye_opening,)
        biases = self.condition(windows, *told)
        return tuple(biases[name] for name in self.order)


class AmbientFromAvatar(nn.Module):
    """Features of the first grid (P, width) and bias → ambient coordinates in [-1, 1]."""

    def __init__(self, avatar: ReferenceAvatar) -> None:
        super().__init__()
        spec = avatar.head.spec.ambient
        if spec is None:
            raise ValueError("a field without an ambient grid has no such stage")
        self.mlp = avatar.head.get_submodule(spec.name)

    def forward(self, features: Tensor, bias: Tensor) -> Tensor:
        return torch.tanh(self.mlp(features, bias))


class DensityFromAvatar(nn.Module):
    """Features (P, width) and bias → (density before the exponential, geometry)."""

    def __init__(self, avatar: ReferenceAvatar) -> None:
        super().__init__()
        self.mlp = avatar.head.get_submodule(avatar.head.spec.density.name)

    def forward(self, features: Tensor, bias: Tensor) -> Tensor:
        raw: Tensor = self.mlp(features, bias)
        return raw


class ColourFromAvatar(nn.Module):
    """(SH of the direction, geometry) (P, width) and bias → colour in [0, 1]."""

    def __init__(self, avatar: ReferenceAvatar) -> None:
        super().__init__()
        self.mlp = avatar.head.get_submodule(avatar.head.spec.colour.name)

    def forward(self, inputs: Tensor, bias: Tensor) -> Tensor:
        return logistic(self.mlp(inputs, bias))


class TorsoConditionFromAvatar(nn.Module):
    """Poses (F, 12) and landmarks (F, 204) → the biases of both torso networks."""

    def __init__(self, avatar: ReferenceAvatar) -> None:
        super().__init__()
        self.condition = avatar.torso.condition
        spec = avatar.torso.spec
        self.order = tuple(bias_name(n.name) for n in (spec.deform, spec.colour))

    def forward(self, pose: Tensor, landmarks: Tensor) -> tuple[Tensor, ...]:
        biases = self.condition(pose, landmarks)
        return tuple(biases[name] for name in self.order)


class TorsoHeadFromAvatar(nn.Module):
    """The head's colour and alpha (N, 4) → the code the torso's networks see of it."""

    def __init__(self, avatar: ReferenceAvatar) -> None:
        super().__init__()
        self.encoder = avatar.torso.head_encoder

    def forward(self, head: Tensor) -> Tensor:
        code: Tensor = self.encoder(head)
        return code


class TorsoDeformFromAvatar(nn.Module):
    """Encoded positions (N, width), with the head's code behind, and bias → bounded offsets."""

    def __init__(self, avatar: ReferenceAvatar) -> None:
        super().__init__()
        self.mlp = avatar.torso.get_submodule(avatar.torso.spec.deform.name)
        self.clamped = avatar.torso.spec.offset == "clamped"
        self.range = avatar.torso.spec.deform_range

    def forward(self, position: Tensor, bias: Tensor) -> Tensor:
        raw = self.mlp(position, bias)
        return self.range * (raw if self.clamped else torch.tanh(raw))


class TorsoColourFromAvatar(nn.Module):
    """(Grid features, encoded position, head colour and alpha) and bias → RGBA in [0, 1]."""

    def __init__(self, avatar: ReferenceAvatar) -> None:
        super().__init__()
        self.mlp = avatar.torso.get_submodule(avatar.torso.spec.colour.name)

    def forward(self, inputs: Tensor, bias: Tensor) -> Tensor:
        return logistic(self.mlp(inputs, bias))


class SuperResolutionFromAvatar(nn.Module):
    """A picture (1, 3, S, S) → the same at twice the size."""

    def __init__(self, avatar: ReferenceAvatar) -> None:
        super().__init__()
        if avatar.super_resolution is None:
            raise ValueError("an avatar without super-resolution has no such stage")
        self.network = avatar.super_resolution

    def forward(self, picture: Tensor) -> Tensor:
        enlarged: Tensor = self.network(picture)
        return enlarged


LOADERS: Mapping[str, type[nn.Module]] = {
    names.HUBERT: HubertFromAvatar,
    names.AUDIO_TO_MOTION: AudioToMotionFromAvatar,
    names.DEFORMATION: DeformationFromAvatar,
    names.CONDITION: ConditionFromAvatar,
    names.AMBIENT: AmbientFromAvatar,
    names.DENSITY: DensityFromAvatar,
    names.COLOUR: ColourFromAvatar,
    names.TORSO_CONDITION: TorsoConditionFromAvatar,
    names.TORSO_HEAD: TorsoHeadFromAvatar,
    names.TORSO_DEFORM: TorsoDeformFromAvatar,
    names.TORSO_COLOUR: TorsoColourFromAvatar,
    names.SUPER_RESOLUTION: SuperResolutionFromAvatar,
}
"""One loader a stage; a new stage adds its line here and its signature in `contract.stages`."""


def feature_width(avatar: ReferenceAvatar) -> int:
    """Width of one HuBERT feature."""
    return avatar.speech.config.hidden


def latent_width(avatar: ReferenceAvatar) -> int:
    """Channels of the VAE's noise."""
    return avatar.audio_to_motion.config.latent


def stage_signatures(avatar: ReferenceAvatar) -> dict[str, Signature]:
    """Signatures of the stages this avatar has, in the order of `LOADERS`."""
    made = signatures(
        avatar.head.spec,
        avatar.torso.spec,
        avatar.card.motion,
        feature_width(avatar),
        latent_width(avatar),
        avatar.super_resolution is not None,
    )
    return {name: made[name] for name in LOADERS if name in made}
