"""How the head moves: the largest steps, the joins of speech and silence, and how still idle is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..contract.units import FRAMES_PER_SECOND
from ..runtime.poses.idle import run_lengths
from ..runtime.poses.rotation import angle_between

JOIN_FRAMES = FRAMES_PER_SECOND
"""Frames from a change between speech and silence on that belong to the join."""

MILLIMETRES = 100.0
"""In one head unit."""

STILL_DEGREES, STILL_MM = 1e-3, 1e-3
"""A step smaller than both is standing still."""


def pose_figures(poses: NDArray[np.floating], silent: NDArray[np.bool_]) -> dict[str, float]:
    """Figures of a walk.

    Args:
        poses: (F, 3, 4) camera-from-head, 25 a second, F ≥ 2.
        silent: (F,) whether nobody speaks.

    Returns:
        pose.step_deg, pose.step_mm: the largest step between frames, anywhere.
        pose.join_step_deg, pose.join_step_mm: the largest within a second of a change between
            speech and silence; 0 where there is none.
        pose.transitions: how many such changes.
        idle.still_share: share of the silent steps that stand still.
        idle.still_runs: stretches of standing still in silence.
        idle.still_mean_s, idle.still_longest_s: their mean and longest length, seconds.
    """
    poses = np.asarray(poses, np.float64)
    pairs = list(zip(poses[1:], poses[:-1], strict=True))
    turned = np.degrees([angle_between(a[:, :3], b[:, :3]) for a, b in pairs])
    moved = np.array([np.linalg.norm(a[:, 3] - b[:, 3]) for a, b in pairs]) * MILLIMETRES
    changes = np.flatnonzero(silent[1:] != silent[:-1])
    joins = np.zeros(len(pairs), bool)
    for change in changes:
        joins[change : change + JOIN_FRAMES] = True
    still = (turned < STILL_DEGREES) & (moved < STILL_MM)
    quiet = silent[1:] & silent[:-1]
    runs = np.array(run_lengths(still & quiet)) / FRAMES_PER_SECOND
    return {
        "pose.step_deg": float(turned.max()),
        "pose.step_mm": float(moved.max()),
        "pose.join_step_deg": float(turned[joins].max(initial=0.0)),
        "pose.join_step_mm": float(moved[joins].max(initial=0.0)),
        "pose.transitions": float(len(changes)),
        "idle.still_share": float(still[quiet].mean()) if quiet.any() else 0.0,
        "idle.still_runs": float(len(runs)),
        "idle.still_mean_s": float(runs.mean()) if len(runs) else 0.0,
        "idle.still_longest_s": float(runs.max(initial=0.0)),
    }
