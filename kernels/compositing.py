"""Volume rendering along rays (paper Eq. 6–7), in rounds, and its gradients."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from . import native
from .arrays import (
    F32,
    I32,
    Float32,
    Int32,
    address,
    check_indices,
    check_offsets,
    check_positive,
    length,
    optional_address,
)
from .threads import ThreadPool
from .traversal import MarchState


class _Composite(ctypes.Structure):
    _fields_ = (
        ("sigmas", native.POINTER),
        ("values", native.POINTER),
        ("offsets", native.POINTER),
        ("channels", native.I32),
        ("step", native.F32),
        ("threshold", native.F32),
    )


_P, _I64, _F32 = native.POINTER, native.I64, native.F32
_COMPOSITE = ctypes.POINTER(_Composite)
_composite = native.Kernel("emogene_composite_rays", _COMPOSITE, _P, _I64, *[_P] * 4)
_backward = native.Kernel("emogene_composite_backward", _COMPOSITE, _I64, *[_P] * 5)
_live_rays = native.Kernel("emogene_live_rays", _P, _I64, _P, _P, _F32, _P, result=_I64)


@dataclass(eq=False)
class CompositeState:
    """What rays have gathered so far.

    Attributes:
        transmittance: (N,) share of light that has not been stopped yet, 1 at the start.
        channels: (N, C) sums of weight * value.
        used: (N,) samples that took part.
    """

    transmittance: Float32
    channels: Float32
    used: Int32

    @staticmethod
    def start(rays: int, channels: int) -> CompositeState:
        """Rays that have met nothing."""
        return CompositeState(
            np.ones(rays, np.float32),
            np.zeros((rays, channels), np.float32),
            np.zeros(rays, np.int32),
        )

    @property
    def opacity(self) -> Float32:
        """(N,) 1 - transmittance, the sum of a ray's weights."""
        opacity: Float32 = np.float32(1.0) - self.transmittance
        return opacity


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
    """Goes on compositing: ``w = T (1 - exp(-sigma step))``, ``channels += w value``.

    Args:
        sigmas: (S,) densities >= 0, infinity allowed.
        values: (S, C).
        offsets: (L + 1,) where each ray's samples begin.
        step: thickness of a sample, head-space units.
        state: brought up to date.
        threshold: a ray stops after the sample at which T falls below it.
        live: (L,) rays that the samples belong to, each at most once; the first L if None.

    Returns:
        weights (S,), 0 for samples after their ray has stopped.

    Raises:
        BadOption: an array has another dtype or shape, offsets do not fit, `step` is not positive.
    """
    rays, channels = state.channels.shape
    samples = _samples(sigmas, values, offsets, step, threshold, channels)
    n = len(offsets) - 1
    if live is not None:
        address("live", live, I32, (n,))
        check_indices("live", live, rays)
    else:
        check_indices("offsets", np.array([n], np.int32), rays + 1)
    weights = np.empty(len(sigmas), np.float32)
    _composite.on(
        pool,
        samples,
        None if live is None else live.ctypes.data,
        n,
        address("state.transmittance", state.transmittance, F32, (rays,), write=True),
        address("state.channels", state.channels, F32, (rays, channels), write=True),
        address("state.used", state.used, I32, (rays,), write=True),
        weights.ctypes.data,
    )
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
    """Gradients of a loss by densities and values, for rays composited from their start.

    Args:
        sigmas, values, offsets, step, threshold: as given to `composite`.
        grad_channels: (N, C) gradient of the loss by the composited channels.
        grad_opacity: (N,) by the opacity.
        grad_weights: (S,) by the weights, where the loss uses them.

    Returns:
        Gradients by sigmas (S,) and by values (S, C).

    Raises:
        BadOption: as `composite`.
    """
    channels = values.shape[1] if values.ndim == 2 else 0
    samples = _samples(sigmas, values, offsets, step, threshold, channels)
    n, s = len(offsets) - 1, len(sigmas)
    grad_sigmas, grad_values = np.empty(s, np.float32), np.empty((s, channels), np.float32)
    _backward.on(
        pool,
        samples,
        n,
        address("grad_channels", grad_channels, F32, (n, channels)),
        address("grad_opacity", grad_opacity, F32, (n,)),
        optional_address("grad_weights", grad_weights, F32, (s,)),
        grad_sigmas.ctypes.data,
        grad_values.ctypes.data,
    )
    return grad_sigmas, grad_values


def live_rays(
    state: MarchState,
    composited: CompositeState,
    threshold: float,
    *,
    live: Int32 | None = None,
) -> Int32:
    """The rays that still have samples and whose transmittance is not below the threshold.

    Args:
        live: (L,) the rays to choose from, in this order; all if None.

    Raises:
        BadOption: an array has another dtype or shape, or an index is out of range.
    """
    rays = length("state.cursor", state.cursor)
    if live is None:
        live = np.arange(rays, dtype=np.int32)
    n = length("live", live)
    at_live = address("live", live, I32, (n,))
    check_indices("live", live, rays)
    kept = np.empty(n, np.int32)
    count = _live_rays(
        at_live,
        n,
        address("state.cursor", state.cursor, I32, (rays,)),
        address("composited.transmittance", composited.transmittance, F32, (rays,)),
        threshold,
        kept.ctypes.data,
    )
    return kept[:count]


def _samples(
    sigmas: Float32,
    values: Float32,
    offsets: Int32,
    step: float,
    threshold: float,
    channels: int,
) -> _Composite:
    s = length("sigmas", sigmas)
    check_positive("step", step)
    at_offsets = address("offsets", offsets, I32, (max(1, length("offsets", offsets)),))
    check_offsets("offsets", offsets, s)
    return _Composite(
        address("sigmas", sigmas, F32, (s,)),
        address("values", values, F32, (s, channels)),
        at_offsets,
        channels,
        step,
        threshold,
    )
