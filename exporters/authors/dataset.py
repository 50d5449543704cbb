"""The published data set of one person, checked, with only what is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.camera import Intrinsics
from ...contract.errors import BadCheckpoint
from .pickles import load_pickled_dictionary

Float64 = NDArray[np.float64]

MEANINGS = {
    "H": "height of the pictures",
    "W": "width of the pictures",
    "focal": "focal length of the fit, pixels",
    "cx": "centre of the fit, pixels",
    "cy": "centre of the fit, pixels",
    "bg_img": "the background picture",
    "id": "identity coefficients of every frame, (N, 80)",
    "exp": "expression coefficients of every frame, (N, 64)",
    "euler": "angles of every frame's fit, (N, 3)",
    "trans": "translation of every frame's fit, (N, 3)",
    "eye_area_percent": "how far the eyes are open in every frame, (N,)",
    "train_samples": "the frames of training, each with its camera c2w",
    "val_samples": "the frames of validation, each with its camera c2w",
}
"""What is needed of a data set."""


LARGEST_NUMBER = 1e6
"""Of any fit or camera; what lies beyond is none, and squares of it leave float32."""


@dataclass(frozen=True)
class Dataset:
    """One person's film as it was fitted.

    Attributes:
        camera: at the size of the pictures.
        background: (S, S, 3) uint8 RGB.
        identity: (N, 80) float64.
        expression: (N, 64) float64.
        eye_opening: (N,) float64.
        cameras: (M, 4, 4) float64 camera matrices as published, training then validation.
        depth: how much deeper faces were projected (`PublishedTorsoConditionConfig.depth`).
    """

    camera: Intrinsics
    background: NDArray[np.uint8]
    identity: Float64
    expression: Float64
    eye_opening: Float64
    cameras: Float64
    depth: float


def load_dataset(path: Path) -> Dataset:
    """Read ``trainval_dataset.npy``.

    Raises:
        BadCheckpoint: it cannot be read safely, or fields are missing or misshapen; the message
            lists all of them.
    """
    plain = load_pickled_dictionary(path)
    said = [f"no {name} ({what})" for name, what in MEANINGS.items() if name not in plain]
    _refuse(path, said)
    height, width = _number(plain, "H", said), _number(plain, "W", said)
    focal, cx, cy = (_number(plain, name, said) for name in ("focal", "cx", "cy"))
    if height != width or not 16 <= height <= 4096 or height != int(height):
        said.append(f"pictures of {width:g} × {height:g}, not square with 16 to 4096 pixels")
    if not focal > 0 or not cx > 0 or cx != cy:
        said.append(f"a camera of focal length {focal} and centre {cx}, {cy}, not one for both")
    identity = _array(plain, "id", (-1, 80), said)
    frames = -1 if said else len(identity)  # of an unusable one nothing follows for the others
    expression = _array(plain, "exp", (frames, 64), said)
    opening = _array(plain, "eye_area_percent", (frames,), said)
    background = plain["bg_img"]
    size = int(height)
    if getattr(background, "shape", None) != (size, size, 3) or background.dtype != np.uint8:
        said.append(f"bg_img is {_shape(background)}, not uint8 ({size}, {size}, 3)")
    cameras = _cameras(plain, said)
    translation = _array(plain, "trans", (frames, 3), said)
    _array(plain, "euler", (frames, 3), said)
    _refuse(path, said)
    depth = _depth(translation, cameras, said)
    _refuse(path, said)
    half = size / 2
    return Dataset(
        # The fit's centre is half its crop, so this is its focal length at our size.
        Intrinsics(size, focal * half / cx, half, half),
        background,
        identity,
        expression,
        opening,
        cameras,
        depth,
    )


def smoothed(cameras: Float64, width: int) -> Float64:
    """Each camera replaced by the mean of those around it, as published.

    Args:
        cameras: (N, 4, 4).
        width: frames, odd; fewer at both ends.

    Returns:
        (N, 4, 4): mean positions, and the rotation closest to the mean matrix, which is the mean
        that quaternions give.
    """
    made = cameras.copy()
    reach = width // 2
    for i in range(len(cameras)):
        around = cameras[max(0, i - reach) : i + reach + 1]
        made[i, :3, 3] = around[:, :3, 3].mean(axis=0)
        u, _, v = np.linalg.svd(around[:, :3, :3].mean(axis=0))
        turned = np.diag([1.0, 1.0, np.linalg.det(u @ v)])
        made[i, :3, :3] = u @ turned @ v
    return made


def poses(
    cameras: Float64, scale: float, offset: tuple[float, float, float]
) -> NDArray[np.float32]:
    """Published camera matrices (N, 4, 4) → camera-from-field, (N, 3, 4) float32.

    The field sees their rows 1, 2, 0 with the second and third column negated, and their positions
    scaled and shifted; a pose of ours is the inverse of that.
    """
    seen = cameras[:, [1, 2, 0]] * np.array([1.0, -1.0, -1.0, scale])
    seen[:, :, 3] += np.asarray(offset)
    rotation = seen[:, :, :3].transpose(0, 2, 1)
    position = -(rotation @ seen[:, :, 3:])
    return np.ascontiguousarray(np.concatenate([rotation, position], axis=2), np.float32)


def _cameras(plain: Mapping[str, Any], said: list[str]) -> Float64:
    matrices = []
    for name in ("train_samples", "val_samples"):
        samples = plain[name]
        if not isinstance(samples, list):
            said.append(f"{name} is {_shape(samples)}, not a list")
            continue
        for number, sample in enumerate(samples):
            camera = sample.get("c2w") if isinstance(sample, dict) else None
            if getattr(camera, "shape", None) != (4, 4) or camera.dtype.kind != "f":
                said.append(f"frame {number} of {name} has no camera c2w (4, 4)")
                break
            matrices.append(camera.astype(np.float64))
    if not matrices:
        said.append("no frame has a camera")
        return np.zeros((0, 4, 4))
    cameras = np.stack(matrices)
    turns = cameras[:, :3, :3]
    worst = np.abs(turns @ turns.transpose(0, 2, 1) - np.eye(3)).max()
    if not worst < 1e-2 or not (np.abs(cameras) <= LARGEST_NUMBER).all():
        said.append("cameras whose rotations are none: check the face tracker's output")
    return cameras


def _depth(translation: Float64, cameras: Float64, said: list[str]) -> float:
    """How much deeper faces were projected than the cameras say: 0, or 10.

    Cameras are ``[Rᵀ | -Rᵀ t / 10]`` of translations t that lie 10 nearer than fitted ones. The
    published binarizer stores t itself, because it takes the 10 away in place.
    """
    count = min(len(translation), len(cameras))
    seen = -10 * np.einsum("fji,fj->fi", cameras[:count, :3, :3], cameras[:count, :3, 3])
    for lacking in (0.0, 10.0):
        stored = translation[:count] - [0.0, 0.0, lacking]
        if np.abs(stored - seen).max() < 0.05:
            return lacking
    said.append("trans and c2w are of different fits")
    return 0.0


def _number(plain: Mapping[str, Any], name: str, said: list[str]) -> float:
    value = plain[name]
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0].item()
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not abs(value) <= LARGEST_NUMBER:
        said.append(f"{name} is {_shape(value)}, not a finite number")
        return 1.0
    return float(value)


def _array(plain: Mapping[str, Any], name: str, shape: tuple[int, ...], said: list[str]) -> Float64:
    """A float64 array; a dimension of -1 is free, but not 0."""
    value = plain[name]
    fits = isinstance(value, np.ndarray) and value.dtype.kind in "fiu"
    if fits and value.ndim == len(shape) + 1 and value.shape[-1] == 1:
        value = value[..., 0]
    fits = fits and value.ndim == len(shape) and len(value) > 0
    fits = fits and all(a in (-1, b) for a, b in zip(shape, value.shape, strict=True))
    if not fits or not (np.abs(value.astype(np.float64)) <= LARGEST_NUMBER).all():
        wanted = ", ".join("N" if n == -1 else str(n) for n in shape)
        said.append(f"{name} is {_shape(value)}, not finite numbers ({wanted})")
        return np.zeros(tuple(1 if n == -1 else n for n in shape))
    return value.astype(np.float64)


def _shape(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return type(value).__name__


def _refuse(path: Path, said: list[str]) -> None:
    if said:
        raise BadCheckpoint(
            str(path),
            expected="a data set of the published binarizer",
            found="; ".join(said),
            remedy="make it again from the film: data_gen/runs/binarizer_nerf.py",
        )
