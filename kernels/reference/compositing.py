"""Volume rendering along rays, one ray after another."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..arrays import Float32, Int32
from ..compositing import CompositeState
from ..threads import ThreadPool
from ..traversal import MarchState


def composite(
    sigmas: Float32,
    values: Float32,
    offsets: Int32,
    step: float,
    state: CompositeState,
    *,
    threshold: float = 0.0,
    live: Int32 | None = None,
    pool: ThreadPool | None = None,
) -> Float32:
    """As `emogene.kernels.compositing.composite`."""
    weights = np.zeros(len(sigmas), np.float32)
    kept = np.exp(-(sigmas * np.float32(step)))
    for i, (first, last) in enumerate(pairwise(offsets)):
        ray = i if live is None else live[i]
        for s in range(first, last):
            left = state.transmittance[ray]
            if left < threshold:
                break
            weights[s] = left * (np.float32(1.0) - kept[s])
            state.channels[ray] += weights[s] * values[s]
            state.transmittance[ray] = left * kept[s]
            state.used[ray] += 1
    return weights


def composite_backward(
    sigmas: Float32,
    values: Float32,
    offsets: Int32,
    step: float,
    grad_channels: Float32,
    grad_opacity: Float32,
    *,
    grad_weights: Float32 | None = None,
    threshold: float = 0.0,
    pool: ThreadPool | None = None,
) -> tuple[Float32, Float32]:
    """As `emogene.kernels.compositing.composite_backward`, in float64, straight from

    ``dw_j/dsigma_s = -step w_j`` for j > s, ``step T_{s+1}`` for j = s, 0 for j < s.
    """
    grad_sigmas = np.zeros(len(sigmas), np.float32)
    grad_values = np.zeros(values.shape, np.float32)
    for ray, (first, last) in enumerate(pairwise(offsets)):
        kept = np.exp(-(sigmas[first:last] * np.float32(step)).astype(np.float64))
        passed = np.concatenate([[1.0], np.cumprod(kept)])  # T before each sample, and at the end
        used = int((passed[:-1] >= threshold).sum())
        passed = passed[: used + 1]
        weights = passed[:-1] - passed[1:]
        e = values[first : first + used] @ grad_channels[ray].astype(np.float64)
        e = e + grad_opacity[ray]
        if grad_weights is not None:
            e = e + grad_weights[first : first + used]
        later = np.cumsum((weights * e)[::-1])[::-1] - weights * e
        grad_sigmas[first : first + used] = step * (passed[1:] * e - later)
        grad_values[first : first + used] = np.outer(weights, grad_channels[ray])
    return grad_sigmas, grad_values


def live_rays(
    state: MarchState,
    composited: CompositeState,
    threshold: float,
    *,
    live: Int32 | None = None,
) -> Int32:
    """As `emogene.kernels.compositing.live_rays`."""
    live = np.arange(len(state.cursor), dtype=np.int32) if live is None else live
    goes_on = (state.cursor[live] >= 0) & ~(composited.transmittance[live] < threshold)
    return live[goes_on]
