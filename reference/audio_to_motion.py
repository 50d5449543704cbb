"""Audio-to-motion: speech features and pitch → neutral facial motion (paper section 3.1, Eq. 1).

A variational auto-encoder. The encoder turns motion into a posterior over latents, one every four
frames; a flow conditioned on the speech is the prior; a WaveNet decoder turns latents and speech
back into motion. At inference only prior and decoder are used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from ..contract.landmarks import FLAT
from ..contract.units import FEATURES_PER_FRAME, FRAMES_PER_LATENT
from .wavenet import CouplingFlow, WaveNet

PITCH_ROWS = 300
"""Rows of the pitch embedding; coarse bins use 1…255 of them."""

AMPLITUDE = 0.4
"""Value the amplitude embeddings are multiplied with where nothing else is asked for."""

SPOKEN_EYE_AMPLITUDE = 1.0
"""Value of the eyes' amplitude at inference, as published."""


@dataclass(frozen=True)
class FlowConfig:
    """The prior's flow: ``couplings`` steps, each a WaveNet of ``layers`` × ``kernel``."""

    couplings: int = 4
    hidden: int = 64
    kernel: int = 3
    layers: int = 4


@dataclass(frozen=True)
class AudioToMotionConfig:
    """Dimensions and wiring; the defaults are the authors' with landmarks as output.

    Attributes:
        features: width of a speech feature.
        condition: width of the conditioning sequence.
        motion: width of a frame of motion: 204 landmarks, or 64 / 144 face-model coefficients.
        hidden: channels of encoder and decoder.
        latent: channels of the latents, even.
        kernel: odd width of their gated convolutions.
        encoder_layers, decoder_layers: gated convolutions in each.
        flow: the prior's flow; None makes the prior a standard normal.
        mouth_amplitude, eye_amplitude: whether there is a learned vector for each.
        pitch: whether speech is more than features. Without it (the published ``VAEModel``) the
            features alone are the condition, and two of them are averaged for a frame instead of
            taking the first; pitch bins are then ignored, and there are no amplitudes.
        folding: how motion becomes landmarks: it is them (``direct``), standardised
            (``scaled``), or coefficients of a linear ``basis``.
    """

    features: int = 1024
    condition: int = 128
    motion: int = FLAT
    hidden: int = 256
    latent: int = 16
    kernel: int = 5
    encoder_layers: int = 8
    decoder_layers: int = 4
    flow: FlowConfig | None = FlowConfig()
    mouth_amplitude: bool = True
    eye_amplitude: bool = False
    pitch: bool = True
    folding: Literal["direct", "scaled", "basis"] = "direct"


class Posterior(NamedTuple):
    """q(z | motion, speech): a normal per latent channel, (B, latent, F/4) each."""

    mean: Tensor
    log_std: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """z = mean + std * noise (reparametrised), noise (B, latent, F/4) standard normal."""
        return self.mean + noise * self.log_std.exp()


class Reconstruction(NamedTuple):
    """What training compares: motion (B, F, motion) and the KL term of Eq. 1, a scalar."""

    motion: Tensor
    kl: Tensor
    posterior: Posterior


class AudioToMotion(nn.Module):
    """The whole VAE. Sequences are (B, T, channels) at its surface, (B, channels, T) inside."""

    config_type = AudioToMotionConfig

    def __init__(self, config: AudioToMotionConfig) -> None:
        super().__init__()
        self.config = config
        width = config.condition
        self.mel_encoder = _feature_encoder(config.features, width)
        if config.pitch:
            self._build_pitch(config)
        self.vae = _Vae(config)
        self.folding = LandmarkFolding(config)

    def _build_pitch(self, config: AudioToMotionConfig) -> None:
        width = config.condition
        self.pitch_embed = nn.Embedding(PITCH_ROWS, width)
        self.pitch_encoder = _feature_encoder(width, width)
        self.blink_embed = nn.Embedding(2, width)
        parts = 3 + config.mouth_amplitude + config.eye_amplitude
        if config.mouth_amplitude:
            self.mouth_amp_embed = nn.Parameter(torch.randn(width))
        if config.eye_amplitude:
            self.eye_amp_embed = nn.Parameter(torch.randn(width))
        self.cond_proj = nn.Linear(parts * width, width)

    def condition(
        self,
        features: Tensor,
        pitch_bins: Tensor,
        mouth_amplitude: float = AMPLITUDE,
        eye_amplitude: float = AMPLITUDE,
    ) -> Tensor:
        """Speech at 50 Hz → the conditioning sequence at 25 Hz.

        Args:
            features: (B, T, features) float32, T a multiple of 8.
            pitch_bins: (B, T) integers in 1…255.

        Returns:
            (B, condition, T/2); frame k looks at the features 2 (k - 2) … 2 (k + 2).
        """
        if not self.config.pitch:
            # Zero, but the graph keeps its input: every audio-to-motion stage has the same two.
            unheard = 0.0 * pitch_bins[:, :FEATURES_PER_FRAME].sum(dim=1)[:, None, None]
            pairs = features.unflatten(1, (-1, FEATURES_PER_FRAME)).mean(dim=2)
            return self.mel_encoder(pairs.transpose(1, 2)) + unheard
        features, pitch_bins = _every_second(features), _every_second(pitch_bins)
        speech = self.mel_encoder(features.transpose(1, 2))
        pitch = self.pitch_encoder(self.pitch_embed(pitch_bins).transpose(1, 2))
        # Blinks are no business of speech: the model is always told "no blink".
        rows = [speech, pitch, self.blink_embed.weight[0][None, :, None].expand_as(speech)]
        if self.config.mouth_amplitude:
            rows.append((mouth_amplitude * self.mouth_amp_embed)[None, :, None].expand_as(speech))
        if self.config.eye_amplitude:
            rows.append((eye_amplitude * self.eye_amp_embed)[None, :, None].expand_as(speech))
        joined = torch.cat(rows, dim=1).transpose(1, 2)
        return self.cond_proj(joined).transpose(1, 2)

    def encode(self, motion: Tensor, condition: Tensor) -> Posterior:
        """q(z | x, speech): (B, F, motion) and (B, condition, F), F a multiple of 4."""
        return self.vae.encoder(motion.transpose(1, 2), self.vae.g_pre_net(condition))

    def decode(self, z: Tensor, condition: Tensor) -> Tensor:
        """p(x | z, speech): (B, latent, F/4) and (B, condition, F) → motion (B, F, motion)."""
        return self.vae.decoder(z, condition).transpose(1, 2)

    def prior(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Normal noise → latents as speech makes them likely: the flow backwards.

        (B, latent, F/4) and (B, condition, F) → (B, latent, F/4).
        """
        if self.config.flow is None:
            return noise
        return self.vae.prior_flow(noise, self.vae.g_pre_net(condition), reverse=True)

    def kl(self, posterior: Posterior, z: Tensor, condition: Tensor) -> Tensor:
        """KL(q(z|x) ‖ p(z)) of Eq. 1 per latent element, (B, latent, F/4).

        With a flow f the prior's density is N(f(z); 0, 1), and the divergence is estimated at the
        one sample ``z``; single elements may then be negative. Without one it is exact.
        """
        mean, log_std = posterior
        if self.config.flow is None:
            return 0.5 * (mean.square() + (2 * log_std).exp() - 1) - log_std
        normal = self.vae.prior_flow(z, self.vae.g_pre_net(condition))
        constant = 0.5 * math.log(2 * math.pi)
        log_q = -0.5 * ((z - mean) / log_std.exp()).square() - log_std - constant
        log_p = -0.5 * normal.square() - constant
        return log_q - log_p

    def forward(
        self, motion: Tensor, features: Tensor, pitch_bins: Tensor, noise: Tensor
    ) -> Reconstruction:
        """Reconstruct motion through one sample of its posterior, for training.

        Args:
            motion: (B, F, motion) in the network's own units (see `LandmarkFolding`).
            features: (B, 2 F, features).
            pitch_bins: (B, 2 F).
            noise: (B, latent, F/4) standard normal.
        """
        condition = self.condition(features, pitch_bins)
        posterior = self.encode(motion, condition)
        z = posterior.sample(noise)
        kl = self.kl(posterior, z, condition).mean()
        return Reconstruction(self.decode(z, condition), kl, posterior)


class AudioToMotionInference(nn.Module):
    """The graph that is deployed: prior, decoder and folding to landmarks.

    The noise comes from outside, already multiplied by the temperature, so that the graph is a
    function and a frame's noise can be keyed by its index.
    """

    def __init__(self, model: AudioToMotion) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor, pitch_bins: Tensor, noise: Tensor) -> Tensor:
        """Speech → neutral landmarks.

        Args:
            features: (1, T, features) float32, T a multiple of 8.
            pitch_bins: (1, T) int32.
            noise: (1, latent, T/8) float32.

        Returns:
            (1, T/2, 204) float32, head space.
        """
        condition = self.model.condition(features, pitch_bins, eye_amplitude=SPOKEN_EYE_AMPLITUDE)
        z = self.model.prior(noise, condition)
        return self.model.folding(self.model.decode(z, condition))


class LandmarkFolding(nn.Module):
    """The linear step between the decoder's output and landmarks (…, 204).

    ``scaled``: buffers ``scale`` and ``mean`` (204,). ``basis``: buffers ``basis`` (204, motion)
    and ``mean`` (204,). ``direct``: none.
    """

    def __init__(self, config: AudioToMotionConfig) -> None:
        super().__init__()
        self.kind = config.folding
        if config.folding != "basis" and config.motion != FLAT:
            raise ValueError(f"{config.motion} numbers a frame are no landmarks: fold with a basis")
        if config.folding != "direct":
            self.register_buffer("mean", torch.zeros(FLAT))
        if config.folding == "scaled":
            self.register_buffer("scale", torch.ones(FLAT))
        if config.folding == "basis":
            self.register_buffer("basis", torch.zeros(FLAT, config.motion))

    def forward(self, motion: Tensor) -> Tensor:
        """(…, motion) → landmarks (…, 204)."""
        if self.kind == "direct":
            return motion
        if self.kind == "scaled":
            return motion * self.scale + self.mean
        return motion @ self.basis.T + self.mean

    def standardise(self, landmarks: Tensor) -> Tensor:
        """Landmarks (…, 204) → the units of training targets; not for a basis."""
        if self.kind == "basis":
            raise ValueError("a basis has no inverse: train on its coefficients")
        return (landmarks - self.mean) / self.scale if self.kind == "scaled" else landmarks


class _Vae(nn.Module):
    """Encoder, prior flow and decoder, named as in the published checkpoints."""

    def __init__(self, config: AudioToMotionConfig) -> None:
        super().__init__()
        self.g_pre_net = nn.Sequential(_strided(config.condition, config.condition))
        self.encoder = _Encoder(config)
        if config.flow is not None:
            flow = config.flow
            self.prior_flow = CouplingFlow(
                config.latent,
                flow.couplings,
                flow.hidden,
                config.condition,
                flow.kernel,
                flow.layers,
            )
        self.decoder = _Decoder(config)


class _Encoder(nn.Module):
    def __init__(self, config: AudioToMotionConfig) -> None:
        super().__init__()
        self.pre_net = nn.Sequential(_strided(config.motion, config.hidden))
        self.wn = WaveNet(config.hidden, config.condition, config.kernel, config.encoder_layers)
        self.out_proj = nn.Conv1d(config.hidden, 2 * config.latent, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Posterior:
        """(B, motion, F) and (B, condition, F/4) → (B, latent, F/4) twice."""
        mean, log_std = self.out_proj(self.wn(self.pre_net(x), condition)).chunk(2, dim=1)
        return Posterior(mean, log_std)


class _Decoder(nn.Module):
    def __init__(self, config: AudioToMotionConfig) -> None:
        super().__init__()
        step = FRAMES_PER_LATENT
        self.pre_net = nn.Sequential(
            nn.ConvTranspose1d(config.latent, config.hidden, kernel_size=step, stride=step)
        )
        self.wn = WaveNet(config.hidden, config.condition, config.kernel, config.decoder_layers)
        self.out_proj = nn.Conv1d(config.hidden, config.motion, 1)

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        """(B, latent, F/4) and (B, condition, F) → (B, motion, F)."""
        return self.out_proj(self.wn(self.pre_net(z), condition))


def _feature_encoder(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm1d(outputs),
        nn.GELU(),
        nn.Conv1d(outputs, outputs, 3, padding=1, bias=False),
    )


def _strided(inputs: int, outputs: int) -> nn.Conv1d:
    """Four frames to one latent step: latent j sees the frames 4 j - 2 … 4 j + 5."""
    step = FRAMES_PER_LATENT
    return nn.Conv1d(inputs, outputs, kernel_size=2 * step, stride=step, padding=step // 2)


def _every_second(x: Tensor) -> Tensor:
    """50 Hz → 25 Hz by taking the first of each pair, (B, T, …) → (B, T/2, …)."""
    return x.unflatten(1, (-1, FEATURES_PER_FRAME))[:, :, 0]
