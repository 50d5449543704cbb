"""One head and one camera from a clip's landmarks: bundle adjustment over chosen frames.

Unknown are the face at rest (68 points), a pose for each frame and the focal length; known are
columns and rows. Minimised (Levenberg–Marquardt, poses eliminated by their Schur complement):

    Σ w_k ρ(|project(R_f S_k + t_f) - seen_fk| / σ) + |S - S₀|² / σ_S² + (log f - log f₀)² / σ_f²

with ρ Huber's loss and w_k the point's steadiness: eye corners and nose tell of the head, lips of
what is said. Perspective alone tells depth from focal length, so the prior face S₀ matters when the
head never turns; `Calibration.focal_error` says how well the focal length is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .generic_face import GENERIC_FACE, INTEROCULAR, STEADINESS, interocular
from .rotations import cross_matrices, exponential, nearest, similarity

Float64 = NDArray[np.float64]

_KNOWN_FOCAL = 1e-3
"""Standard deviation of the logarithm of a focal length that is known."""


@dataclass(frozen=True)
class Camera:
    """Focal length and principal point of the recording, pixels (pixel centres at + 0.5)."""

    focal: float
    cx: float
    cy: float

    def project(self, points: Float64) -> Float64:
        """(..., 3) camera space → (..., 2) column and row."""
        return points[..., :2] / points[..., 2:] * self.focal + np.array([self.cx, self.cy])


@dataclass(frozen=True)
class CalibrationSettings:
    """How the face and the camera are looked for."""

    frames: int = 160
    """Most frames that take part, spread over the clip."""
    noise: float = 0.02
    """Expected error of a steady landmark, distances between the eyes; a detector's errors repeat
    from frame to frame, so that it should be set higher than landmarks jitter."""
    shape_spread: float = 0.08
    """Standard deviation of people's points around the prior face, head units."""
    focal: float | None = None
    """Focal length where it is known, pixels."""
    focal_guess: float = 2.0
    """Focal length expected where it is not, in heights of the recording."""
    focal_spread: float = 0.4
    """Standard deviation of its logarithm."""
    steps: int = 40


@dataclass(frozen=True)
class Calibration:
    """What one head and its camera are.

    Attributes:
        face: (68, 3) float64 head space, 0.63 units between the eyes.
        camera: of the whole recording.
        focal_error: standard deviation of the focal length, relative.
        noise: standard deviation of a steady landmark about its projection, pixels.
    """

    face: Float64
    camera: Camera
    focal_error: float
    noise: float


def calibrate(
    seen: Float64,
    width: int,
    height: int,
    prior: Float64 = GENERIC_FACE,
    settings: CalibrationSettings | None = None,
) -> Calibration:
    """Fit face, focal length and poses to (F, 68, 2) landmarks without NaN, F ≥ 1."""
    settings = settings or CalibrationSettings()
    chosen = np.unique(np.linspace(0, len(seen) - 1, settings.frames).round().astype(int))
    bundle = _Bundle(seen[chosen], width, height, prior, settings)
    bundle.minimise()
    return bundle.result()


def first_poses(seen: Float64, face: Float64, camera: Camera) -> tuple[Float64, Float64]:
    """Poses by scaled orthography: (F, 68, 2) → rotations (F, 3, 3) and translations (F, 3)."""
    w = np.sqrt(STEADINESS)[:, None]
    system = np.concatenate([face, np.ones((len(face), 1))], 1) * w
    centred = (seen - np.array([camera.cx, camera.cy])) / camera.focal * w
    affine = np.einsum("ij,fjk->fki", np.linalg.pinv(system), centred)  # (F, 2, 4)
    rows = affine[:, :, :3]
    scale = np.linalg.norm(rows, axis=2).mean(1)
    first = rows[:, 0] / np.linalg.norm(rows[:, 0], axis=1, keepdims=True)
    second = rows[:, 1] / np.linalg.norm(rows[:, 1], axis=1, keepdims=True)
    turns = nearest(np.stack([first, second, np.cross(first, second)], 1))
    depth = 1 / np.maximum(scale, 1e-9)
    # The orthographic plane lies in the middle of the steady points, not in the head's origin.
    middle = turns @ (STEADINESS @ face / STEADINESS.sum())
    shift = np.concatenate([affine[:, :, 3] * depth[:, None], (depth - middle[:, 2])[:, None]], 1)
    return turns, shift


class _Bundle:
    """The unknowns and one step of the minimisation."""

    def __init__(
        self, seen: Float64, width: int, height: int, prior: Float64, settings: CalibrationSettings
    ) -> None:
        self.seen, self.prior, self.settings = seen, prior, settings
        self.centre = np.array([width / 2, height / 2])
        self.guess = settings.focal or settings.focal_guess * height
        self.focal_spread = _KNOWN_FOCAL if settings.focal else settings.focal_spread
        self.log_focal = float(np.log(self.guess))
        self.face = prior.copy()
        self.sigma = max(settings.noise * interocular(seen), 1e-3)
        self.turns, self.shifts = first_poses(seen, prior, self.camera())

    def camera(self, log_focal: float | None = None) -> Camera:
        focal = np.exp(self.log_focal if log_focal is None else log_focal)
        return Camera(float(focal), *map(float, self.centre))

    def minimise(self) -> None:
        damping, cost = 1e-3, self._cost(self.face, self.turns, self.shifts, self.log_focal)
        for _ in range(self.settings.steps):
            step = self._step(damping)
            moved = self._moved(*step)
            new = self._cost(*moved)
            if new < cost:
                self.face, self.turns, self.shifts, self.log_focal = moved
                damping = max(damping / 4, 1e-9)
                if cost - new < 1e-5 * cost:
                    break
                cost = new
            else:
                damping *= 6
                if damping > 1e6:
                    break

    def result(self) -> Calibration:
        reduced = self._system(0.0)[0]
        focal_error = float(np.sqrt(np.linalg.inv(reduced)[-1, -1]))
        residual = self._residual(self.face, self.turns, self.shifts, self.log_focal)
        steady = np.abs(residual[:, STEADINESS >= 0.5])
        # The prior only roughly fixes where the head's axes are; put them exactly.
        _, turn, _ = similarity(self.face, self.prior, STEADINESS)
        size = INTEROCULAR / interocular(self.face)
        face = size * self.face @ turn.T
        face += STEADINESS @ (self.prior - face) / STEADINESS.sum()
        return Calibration(face, self.camera(), focal_error, 1.4826 * float(np.median(steady)))

    def _residual(
        self, face: Float64, turns: Float64, shifts: Float64, log_focal: float
    ) -> Float64:
        points = face @ np.swapaxes(turns, 1, 2) + shifts[:, None]
        points[..., 2] = np.maximum(points[..., 2], 1e-3)
        return self.camera(log_focal).project(points) - self.seen

    def _cost(self, face: Float64, turns: Float64, shifts: Float64, log_focal: float) -> float:
        r = np.linalg.norm(self._residual(face, turns, shifts, log_focal), axis=2) / self.sigma
        huber = np.where(r < 2, 0.5 * r * r, 2 * r - 2)
        shape = (face - self.prior) / self.settings.shape_spread
        focal = (log_focal - np.log(self.guess)) / self.focal_spread
        return float((STEADINESS * huber).sum() + 0.5 * (shape**2).sum() + 0.5 * focal**2)

    def _moved(
        self, shape: Float64, focal: float, poses: Float64
    ) -> tuple[Float64, Float64, Float64, float]:
        turns = exponential(poses[:, :3]) @ self.turns
        focal = self.log_focal + float(np.clip(focal, -0.3, 0.3))
        return self.face + shape, turns, self.shifts + poses[:, 3:], focal

    def _system(self, damping: float) -> tuple[Float64, Float64, Float64, Float64]:
        """Normal equations: reduced matrix and side of (face, focal), and what gives the poses."""
        focal = float(np.exp(self.log_focal))
        turned = self.face @ np.swapaxes(self.turns, 1, 2)
        x, y, z = np.moveaxis(turned + self.shifts[:, None], -1, 0)
        residual = self._residual(self.face, self.turns, self.shifts, self.log_focal)
        length = np.linalg.norm(residual, axis=2) / self.sigma
        weight = STEADINESS / np.maximum(1, length / 2) / self.sigma**2  # (F, 68)
        o = np.zeros_like(x)
        rows = [[1 / z, o, -x / z**2], [o, 1 / z, -y / z**2]]
        to_image = focal * np.stack([np.stack(row, -1) for row in rows], -2)  # (F, 68, 2, 3)
        by_turn = -to_image @ cross_matrices(turned)
        a = np.concatenate([by_turn, to_image], -1)  # (F, 68, 2, 6) by the pose
        b = to_image @ self.turns[:, None]  # (F, 68, 2, 3) by the face
        c = focal * np.stack([x / z, y / z], -1)  # (F, 68, 2) by log focal
        wa, wb, wc = weight[..., None, None] * a, weight[..., None, None] * b, weight[..., None] * c

        frames, points = x.shape
        size = 3 * points + 1
        pose = np.swapaxes(wa.reshape(frames, -1, 6), 1, 2) @ a.reshape(frames, -1, 6)
        pose += damping * pose * np.eye(6)
        mixed = np.empty((frames, 6, size))
        mixed[..., :-1] = (np.swapaxes(wa, 2, 3) @ b).swapaxes(1, 2).reshape(frames, 6, -1)
        mixed[..., -1] = np.einsum("fkri,fkr->fi", wa, c)
        common = np.zeros((size, size))
        blocks = (np.swapaxes(wb, 2, 3) @ b).sum(0)
        for k in range(points):
            common[3 * k : 3 * k + 3, 3 * k : 3 * k + 3] = blocks[k]
        common[:-1, -1] = common[-1, :-1] = np.einsum("fkri,fkr->ki", wb, c).ravel()
        common[-1, -1] = (wc * c).sum() + 1 / self.focal_spread**2
        common[np.arange(size - 1), np.arange(size - 1)] += 1 / self.settings.shape_spread**2
        common[np.arange(size), np.arange(size)] *= 1 + damping

        side_pose = -np.einsum("fkri,fkr->fi", wa, residual)
        side = np.empty(size)
        shape = (self.face - self.prior).ravel() / self.settings.shape_spread**2
        side[:-1] = -np.einsum("fkri,fkr->ki", wb, residual).ravel() - shape
        away = (self.log_focal - np.log(self.guess)) / self.focal_spread**2
        side[-1] = -(wc * residual).sum() - away
        solved = np.linalg.solve(pose, np.concatenate([mixed, side_pose[..., None]], 2))
        flat = mixed.reshape(-1, size)
        reduced = common - flat.T @ solved[..., :-1].reshape(-1, size)
        side = side - flat.T @ solved[..., -1].ravel()
        return reduced, side, solved[..., :-1], solved[..., -1]

    def _step(self, damping: float) -> tuple[Float64, float, Float64]:
        reduced, side, mixed, pose_side = self._system(damping)
        common = np.linalg.solve(reduced, side)
        poses = pose_side - mixed @ common
        return common[:-1].reshape(-1, 3), float(common[-1]), poses
