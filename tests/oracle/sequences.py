"""Convolutions over time, WaveNet blocks, the coupling flow, and audio-to-motion as a whole."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Tensors = Mapping[str, Float64]

MOUTH, EYES = 0.4, 1.0
"""What the amplitude embeddings are multiplied by at inference."""


def convolved(
    x: Float64, weight: Float64, bias: Float64 | None = None, *, padding: int = 0, stride: int = 1
) -> Float64:
    """(inputs, T) → (outputs, …), one place after another."""
    kernel = weight.shape[2]
    padded = np.pad(x, ((0, 0), (padding, padding)))
    places = range(0, padded.shape[1] - kernel + 1, stride)
    flat = weight.reshape(len(weight), -1)
    made = np.stack([flat @ padded[:, t : t + kernel].ravel() for t in places], axis=1)
    return made if bias is None else made + bias[:, None]


def normed(t: Tensors, name: str) -> Float64:
    """Weight norm: ``g v / |v|``, a length an output channel."""
    v = t[f"{name}.weight_v"]
    length = np.sqrt((v**2).sum(axis=(1, 2), keepdims=True))
    return t[f"{name}.weight_g"] * v / length


def wavenet(t: Tensors, name: str, x: Float64, condition: Float64, kernel: int) -> Float64:
    """Gated convolutions with residual and skip paths; the last layer only skips."""
    hidden = len(x)
    layers = sum(n.startswith(f"{name}.in_layers.") and n.endswith("weight_g") for n in t)
    gates = convolved(condition, normed(t, f"{name}.cond_layer"), t[f"{name}.cond_layer.bias"])
    skipped: Float64 = np.zeros_like(x)
    for i in range(layers):
        layer, out = f"{name}.in_layers.{i}", f"{name}.res_skip_layers.{i}"
        y = convolved(x, normed(t, layer), t[f"{layer}.bias"], padding=kernel // 2)
        y = y + gates[2 * hidden * i : 2 * hidden * (i + 1)]
        y = np.tanh(y[:hidden]) / (1 + np.exp(-y[hidden:]))
        y = convolved(y, normed(t, out), t[f"{out}.bias"])
        if i < layers - 1:
            x, y = x + y[:hidden], y[hidden:]
        skipped = skipped + y
    return skipped


def flow_backwards(t: Tensors, name: str, z: Float64, condition: Float64) -> Float64:
    """Flip, then take away the shift that the first half and the condition give the second."""
    couplings = sorted({int(n[len(name) + 7 :].split(".")[0]) for n in t if n.startswith(name)})
    half = len(z) // 2
    for i in reversed(couplings):
        at = f"{name}.flows.{i}"
        z = z[::-1]
        h = convolved(z[:half], t[f"{at}.pre.weight"], t[f"{at}.pre.bias"])
        h = wavenet(t, f"{at}.enc", h, condition, 3)
        shift = convolved(h, t[f"{at}.post.weight"], t[f"{at}.post.bias"])
        z = np.concatenate([z[:half], z[half:] - shift])
    return z


def encoded(t: Tensors, name: str, x: Float64) -> Float64:
    """Convolution, batch norm as at inference, GELU, convolution."""
    x = convolved(x, t[f"{name}.0.weight"], padding=1)
    mean, variance = t[f"{name}.1.running_mean"], t[f"{name}.1.running_var"]
    x = (x - mean[:, None]) / np.sqrt(variance[:, None] + 1e-5)
    x = x * t[f"{name}.1.weight"][:, None] + t[f"{name}.1.bias"][:, None]
    x = x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2
    return convolved(x, t[f"{name}.3.weight"], padding=1)


def audio_to_motion(
    t: Tensors, features: Float64, bins: NDArray[np.integer], noise: Float64
) -> Float64:
    """Features (T, D) and pitch bins (T,) at 50 Hz, noise (16, T/8) → coefficients (T/2, outputs).

    The first of each pair stands for a frame; in a model without pitch, the mean of both.
    """
    condition = heard(t, features, bins) if "pitch_embed.weight" in t else heard_alone(t, features)
    name = "vae.g_pre_net.0"
    slow = convolved(condition, t[f"{name}.weight"], t[f"{name}.bias"], padding=2, stride=4)
    flow = any(n.startswith("vae.prior_flow.") for n in t)
    z = flow_backwards(t, "vae.prior_flow", noise, slow) if flow else noise
    name = "vae.decoder.pre_net.0"
    # A transposed convolution as wide as its stride: four columns a latent.
    x = np.einsum("iok,it->otk", t[f"{name}.weight"], z).reshape(-1, 4 * z.shape[1])
    x = wavenet(t, "vae.decoder.wn", x + t[f"{name}.bias"][:, None], condition, 5)
    name = "vae.decoder.out_proj"
    return convolved(x, t[f"{name}.weight"], t[f"{name}.bias"]).T


def heard_alone(t: Tensors, features: Float64) -> Float64:
    """The condition (64, T/2) of a model without pitch."""
    return encoded(t, "mel_encoder", (features[::2] + features[1::2]).T / 2)


def heard(t: Tensors, features: Float64, bins: NDArray[np.integer]) -> Float64:
    """The condition (128, T/2) of speech, pitch, blinks and amplitudes."""
    speech = encoded(t, "mel_encoder", features[::2].T)
    pitch = encoded(t, "pitch_encoder", t["pitch_embed.weight"][bins[::2]].T)
    constant = [t["blink_embed.weight"][0]]
    if "mouth_amp_embed" in t:
        constant.append(MOUTH * t["mouth_amp_embed"])
    if "eye_amp_embed" in t:
        constant.append(EYES * t["eye_amp_embed"])
    rows = [np.repeat(c[:, None], speech.shape[1], axis=1) for c in constant]
    joined = np.concatenate([speech, pitch, *rows])
    return t["cond_proj.weight"] @ joined + t["cond_proj.bias"][:, None]
