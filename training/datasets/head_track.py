"""Where the head was and what the face did, frame by frame, given the face and the camera.

Each frame's pose is fitted to the steady landmarks (Gauss–Newton, Huber's loss), then the track is
smoothed; what the pose does not explain is expression. A landmark's expression is read where the
picture shows it: it moves the point across the line of sight, never along it, so that every point
projects exactly onto what was seen. Motion towards the camera is not measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import BadInput
from .calibration import Calibration, Camera, first_poses
from .generic_face import STEADINESS, interocular
from .rotations import cross_matrices, exponential, logarithm, nearest

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

LONGEST_GAP = 5
"""Frames without a face that are filled in; longer gaps end a clip."""

SMOOTHNESS = np.array([0.5, 0.5, 0.5, 0.5, 0.5, 20.0])
"""Price of squared second differences, for the turn's and the shift's axes. Motion is halved above
5 Hz; towards the camera above 2 Hz, for there the landmarks tell least."""

WORST_FIT = 0.06
"""Steady landmarks may lie this far from their projection (RMS, distances between the eyes)."""

WORST_FRAME = 0.15
"""A frame that is further off counts as one without a face."""

_STEADY = STEADINESS >= 0.5
_STEPS = 10


@dataclass(frozen=True)
class HeadTrack:
    """One head through a recording of F frames.

    Attributes:
        poses: (F, 3, 4) float32 camera-from-head, smoothed.
        landmarks: (F, 68, 3) float32 head space.
        valid: (F,) bool: a face was seen, or seen shortly before and after.
        camera: of the whole recording.
        error_px: how far the steady landmarks lie from their projection, RMS, pixels.
        error: the same in distances between the eyes.
        focal_error: standard deviation of the focal length, relative.
    """

    poses: Float32
    landmarks: Float32
    valid: NDArray[np.bool_]
    camera: Camera
    error_px: float
    error: float
    focal_error: float


def track_head(name: str, seen: Float32, calibration: Calibration) -> HeadTrack:
    """Follow the head of `calibration` through (F, 68, 2) landmarks, NaN where there is no face.

    Args:
        name: of the recording, for messages.

    Raises:
        BadInput: no face in any frame, or landmarks that do not move like one head.
    """
    seen = seen.astype(np.float64)
    (found,) = np.nonzero(np.isfinite(seen).all((1, 2)))
    if not len(found):
        raise BadInput(name, expected="a face", found=f"none in {len(seen)} frames")
    camera, face = calibration.camera, calibration.face
    try:
        turns, shifts, information = _fit_poses(seen[found], face, camera, calibration.noise)
    except np.linalg.LinAlgError:
        raise BadInput(
            name,
            expected="landmarks of a face",
            found="points on a line or in one place",
            remedy="check the landmarks",
        ) from None
    residual = _residuals(seen[found], face, turns, shifts, camera)[:, _STEADY]
    unit = interocular(seen[found])
    error = np.sqrt((residual**2).sum(2).mean(1)) / unit
    good = (error < WORST_FRAME) & (shifts[:, 2] > 0)
    whole = float(np.sqrt((error[good] ** 2).mean())) if good.any() else float(error.mean())
    if good.mean() < 0.5 or whole > WORST_FIT:
        raise BadInput(
            name,
            expected=f"steady landmarks within {100 * WORST_FIT:.0f} % of the distance between the "
            "eyes of a head's projection",
            found=f"{100 * whole:.1f} %, and {100 * (1 - good.mean()):.0f} % of the frames far off",
            remedy="check that one face is seen throughout, and the landmarks' order",
        )
    found, turns, shifts = found[good], turns[good], shifts[good]
    turns, shifts = _smoothed(len(seen), found, turns, shifts, information[good])
    filled, valid = _filled(seen, found)
    landmarks = _landmarks(filled, face, turns, shifts, camera)
    poses = np.concatenate([turns, shifts[..., None]], 2)
    return HeadTrack(
        poses.astype(np.float32),
        landmarks.astype(np.float32),
        valid,
        camera,
        whole * unit,
        whole,
        calibration.focal_error,
    )


def _residuals(
    seen: Float64, face: Float64, turns: Float64, shifts: Float64, camera: Camera
) -> Float64:
    return camera.project(face @ np.swapaxes(turns, 1, 2) + shifts[:, None]) - seen


def _fit_poses(
    seen: Float64, face: Float64, camera: Camera, noise: float
) -> tuple[Float64, Float64, Float64]:
    """Rotations (F, 3, 3), translations (F, 3) and their information matrices (F, 6, 6)."""
    turns, shifts = first_poses(seen, face, camera)
    sigma = max(noise, 1e-3)
    information = np.zeros((len(seen), 6, 6))
    for _ in range(_STEPS):
        turned = face @ np.swapaxes(turns, 1, 2)
        points = turned + shifts[:, None]
        x, y, z = points[..., 0], points[..., 1], np.maximum(points[..., 2], 1e-3)
        residual = camera.project(np.stack([x, y, z], -1)) - seen
        weight = STEADINESS / np.maximum(1, np.linalg.norm(residual, axis=2) / (2 * sigma))
        o = np.zeros_like(x)
        rows = [[1 / z, o, -x / z**2], [o, 1 / z, -y / z**2]]
        to_image = camera.focal * np.stack([np.stack(row, -1) for row in rows], -2)
        jacobian = np.concatenate([-to_image @ cross_matrices(turned), to_image], -1)
        weighted = (weight[..., None, None] * jacobian).reshape(len(seen), -1, 6)
        transposed = np.swapaxes(weighted, 1, 2) / sigma**2
        information = transposed @ jacobian.reshape(len(seen), -1, 6)
        damped = information + 1e-6 * information * np.eye(6)
        side = transposed @ residual.reshape(len(seen), -1, 1)
        step = -np.linalg.solve(damped, side)[..., 0]
        turns = nearest(exponential(step[:, :3]) @ turns)
        shifts = shifts + step[:, 3:]
    return turns, shifts, information


def _smoothed(
    frames: int, found: NDArray[np.int64], turns: Float64, shifts: Float64, information: Float64
) -> tuple[Float64, Float64]:
    """Poses of all frames: few second differences, near the fitted poses where these are sure."""
    middle = nearest(turns.mean(0))
    tracks = np.concatenate([logarithm(turns @ middle.T), shifts], 1)
    # Blurred frames say less; only the ratio between frames matters here.
    sure = np.diagonal(information, axis1=1, axis2=2)
    sure = np.clip(sure / np.median(sure, axis=0), 0.05, 2.0)
    smooth = np.stack(
        [
            whittaker(frames, found, tracks[:, k], sure[:, k], float(SMOOTHNESS[k]))
            for k in range(6)
        ],
        1,
    )
    return exponential(smooth[:, :3]) @ middle, smooth[:, 3:]


def whittaker(
    frames: int, at: NDArray[np.int64], values: Float64, weights: Float64, price: float
) -> Float64:
    """(frames,) values minimising Σ w (x[at] - v)² + price · Σ (second difference of x)².

    E. T. Whittaker, "On a new method of graduation" (1923); a banded system.
    """
    from scipy.linalg import solveh_banded

    if len(at) < 2 or frames < 3:
        return np.full(frames, np.average(values, weights=weights))
    bands = np.zeros((3, frames))
    ends = frames - 2
    bands[2, :ends] += price
    bands[2, 1 : ends + 1] += 4 * price
    bands[2, 2:] += price
    bands[1, 1 : ends + 1] -= 2 * price
    bands[1, 2:] -= 2 * price
    bands[0, 2:] += price
    side = np.zeros(frames)
    bands[2, at] += weights
    side[at] = weights * values
    return np.asarray(solveh_banded(bands, side))


def _filled(seen: Float64, found: NDArray[np.int64]) -> tuple[Float64, NDArray[np.bool_]]:
    """Landmarks of all frames, missing ones interpolated, and which frames to believe."""
    frames = np.arange(len(seen))
    flat = seen.reshape(len(seen), -1)
    filled = np.stack([np.interp(frames, found, column[found]) for column in flat.T], 1)
    valid = np.zeros(len(seen), bool)
    valid[found] = True
    gaps = np.diff(found)
    for start, gap in zip(found[:-1][gaps > 1], gaps[gaps > 1], strict=True):
        valid[start : start + gap] |= gap - 1 <= LONGEST_GAP
    return filled.reshape(seen.shape), valid


def _landmarks(
    seen: Float64, face: Float64, turns: Float64, shifts: Float64, camera: Camera
) -> Float64:
    """Each seen point put at the depth its resting point has, in head space."""
    depth = (face @ np.swapaxes(turns, 1, 2) + shifts[:, None])[..., 2:]
    across = (seen - np.array([camera.cx, camera.cy])) / camera.focal * depth
    there = np.concatenate([across, depth], 2)
    return (there - shifts[:, None]) @ turns
