"""Marching as the published inference does it: in rounds that all rays of a picture share.

The more rays have ended, the more samples a round gives to each that goes on; so how many samples a
ray gets depends on the others. A per-ray rule is simpler and is the default; this one is for
comparing pictures with the published code's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...contract.data import Float32
from ...contract.errors import BadOption
from ...contract.field import FieldSpec
from ...kernels.arrays import Int32
from ...kernels.traversal import Samples
from .published_rays import PublishedOccupancy, PublishedRays

PER_RAY, AUTHORS = "rays", "authors"
MARCHINGS = (PER_RAY, AUTHORS)
"""Each ray by itself, or in the rounds of the published inference."""

LEAST_LIGHT = 0.01
"""A ray goes on while this share of light comes through (``raymarching_end_threshold``), whatever
quality is asked for."""

LONGEST_ROUND = 8
"""Samples of a ray in one round at most."""

Evaluate = Callable[[Samples], tuple[Float32, Float32]]
"""Samples → densities (S,) and colours (S, 3)."""


def checked_marching(marching: str, field: FieldSpec) -> str:
    """``marching``, if it is one and the field can be marched so.

    Raises:
        BadOption: there is no such marching, or the field is painted once a ray.
    """
    if marching not in MARCHINGS:
        raise BadOption("marching", expected=f"one of {', '.join(MARCHINGS)}", found=repr(marching))
    if marching == AUTHORS and field.colour_at != "sample":
        raise BadOption(
            "marching",
            expected=f"{PER_RAY} for a field that is painted once a ray",
            found=marching,
            remedy="the published rounds belong to imported avatars",
        )
    return marching


@dataclass(eq=False)
class Traced:
    """What rays gathered: ``colour`` (N, 3), ``opacity`` (N,), and ``taken`` (N,) samples."""

    colour: Float32
    opacity: Float32
    taken: Int32

    @staticmethod
    def start(rays: int) -> Traced:
        """Rays that have met nothing."""
        return Traced(
            np.zeros((rays, 3), np.float32),
            np.zeros(rays, np.float32),
            np.zeros(rays, np.int32),
        )


def trace_in_rounds(
    rays: PublishedRays,
    occupancy: PublishedOccupancy,
    evaluate: Evaluate,
    *,
    most: int,
    total: int,
    threshold: float,
) -> Traced:
    """Composite rays to their end.

    A round gives ``clamp(total / rays that go on, 1, 8)`` samples, and rounds go on until they have
    given ``most``; the last may begin just before and give more. A ray ends in the round that finds
    it fewer, or behind the sample *before* which less than ``threshold`` of the light came through.

    Args:
        rays: at their entries; marched to their ends.
        total: rays of the whole picture, those among them that meet nothing and are left out here.
    """
    traced = Traced.start(len(rays.directions))
    live = np.flatnonzero(rays.far > rays.t).astype(np.int32)
    going, given = total, 0
    while given < most and live.size:
        length = max(min(total // going, LONGEST_ROUND), 1)
        samples = rays.march(occupancy, live, length)
        sigmas, colours = evaluate(samples)
        on = _composite(traced, samples, sigmas, colours, live, length, rays.step, threshold)
        live = live[on]
        going, given = max(1, len(live)), given + length
    return traced


def _composite(
    traced: Traced,
    samples: Samples,
    sigmas: Float32,
    colours: Float32,
    live: Int32,
    length: int,
    step: np.float32,
    threshold: float,
) -> NDArray[np.bool_]:
    """One round; gives which of the live rays go on, (L,)."""
    first, counts = samples.offsets[:-1], np.diff(samples.offsets)
    on: NDArray[np.bool_] = np.ones(len(live), np.bool_)
    one = np.float32(1.0)
    for k in range(length):
        at = np.flatnonzero(on & (counts > k))
        ray, sample = live[at], first[at] + k
        through = one - traced.opacity[ray]
        weight = (one - np.exp(-sigmas[sample] * step)) * through
        traced.opacity[ray] += weight
        traced.colour[ray] += weight[:, None] * colours[sample]
        traced.taken[ray] += 1
        on[at[through < threshold]] = False
    going: NDArray[np.bool_] = on & (counts == length)
    return going
