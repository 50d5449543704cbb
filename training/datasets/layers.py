"""Head, torso and background of one frame, from where a person is seen and where the head is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...contract.camera import Intrinsics
from ...contract.landmarks import INNER_LIPS
from .surface import FAR_TOLERANCE, HeadSurface

Float32 = NDArray[np.float32]
Mask = NDArray[np.uint8]

CHIN_MARGIN = 0.03
"""Head units around the surface that still count as head: its outline is not exact."""

NECK_BELOW = 0.25
"""Beside the face, what is lower than this above the chin (head units) is neck, not hair."""

MOUTH_DEPTH = 0.4
"""How far behind the lips the inside of an open mouth may be, head units."""


@dataclass(frozen=True)
class Layers:
    """Where the head, the rest of the person, and the head's surface are, as in a film's folder.

    Attributes:
        head_alpha, torso_alpha: (H, H) uint8.
        depth_near, depth_far: (H, H) float16: the surface lies between them; 0 without head.
    """

    head_alpha: Mask
    torso_alpha: Mask
    depth_near: NDArray[np.float16]
    depth_far: NDArray[np.float16]


def separate(
    person: Mask,
    surface: HeadSurface,
    landmarks: Float32,
    pose: Float32,
    camera: Intrinsics,
) -> Layers:
    """Divide the person of a frame.

    Head is what the fitted surface covers, and what stands beside or above it no lower than
    `NECK_BELOW` above the chin: ears and hair. Hair that falls lower counts as torso.

    Args:
        person: (H, H) uint8, how surely a pixel shows the person.
        surface: of this head.
        landmarks, pose: (68, 3) head space and (3, 4) of this frame.
        camera: of the H × H picture.
    """
    from scipy.ndimage import distance_transform_edt

    z, tolerance = surface.depth(landmarks.astype(float), pose, camera)
    distance, nearest = distance_transform_edt(z == 0, return_indices=True)
    pixels_per_unit = camera.focal / float(pose[2, 3])
    covered = distance <= CHIN_MARGIN * pixels_per_unit
    is_head = covered | (_height(pose, camera) > landmarks[8, 1] + NECK_BELOW)
    head = np.where(is_head, person, 0).astype(np.uint8)
    torso = np.where(is_head, 0, person).astype(np.uint8)

    rows, columns = nearest
    beside = z == 0
    depth = z[rows, columns]
    unsure = np.where(beside, FAR_TOLERANCE, tolerance)
    behind = np.where(_inside_mouth(landmarks, pose, camera), MOUTH_DEPTH, unsure)
    # Hair that stands out may hang far in front of the surface's outline, or behind it.
    before = np.where(beside, 2 * FAR_TOLERANCE, unsure)
    shown = head > 0
    return Layers(
        head,
        torso,
        np.where(shown, depth - before, 0).astype(np.float16),
        np.where(shown, depth + behind, 0).astype(np.float16),
    )


def _height(pose: Float32, camera: Intrinsics) -> NDArray[np.float64]:
    """(H, H) head-space y of every pixel's ray where it passes the head's origin."""
    turn, shift = pose[:, :3].astype(float), pose[:, 3].astype(float)
    row, column = np.mgrid[: camera.size, : camera.size] + 0.5
    up, towards = turn[:, 1], turn[:, 2]
    ray = np.stack([(column - camera.cx), (row - camera.cy), np.full_like(row, camera.focal)], -1)
    # On the plane through the head's origin that faces the camera as the face does.
    along = (shift @ towards) / (ray @ towards)
    return along * (ray @ up) - shift @ up


def _inside_mouth(landmarks: Float32, pose: Float32, camera: Intrinsics) -> NDArray[np.bool_]:
    """(H, H): pixels between the lips."""
    from PIL import Image, ImageDraw

    there = landmarks[INNER_LIPS] @ pose[:, :3].T + pose[:, 3]
    flat = there[:, :2] / there[:, 2:] * camera.focal + np.array([camera.cx, camera.cy])
    picture = Image.new("1", (camera.size, camera.size))
    ImageDraw.Draw(picture).polygon([tuple(map(float, p - 0.5)) for p in flat], fill=1)
    return np.array(picture)


def background_plate(images: NDArray[np.uint8], persons: Mask) -> tuple[NDArray[np.uint8], float]:
    """What stands behind the person: the median over (N, H, H, 3) frames where nobody is before it.

    Args:
        persons: (N, H, H) uint8 as in `separate`.

    Returns:
        (H, H, 3) uint8, and the share of it that was never seen: there it is the nearest seen.
    """
    from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter

    # Masks end a little early, and hair is thin: keep away from them.
    radius = max(1, persons.shape[1] // 100)
    behind = np.stack([~binary_dilation(p > 12, iterations=radius) for p in persons])
    plate = np.zeros(images.shape[1:], np.uint8)
    for top in range(0, len(plate), 32):  # bands, so that the floats stay small
        band = images[:, top : top + 32].astype(np.float32)
        band[~behind[:, top : top + 32]] = np.nan
        known = behind[:, top : top + 32].any(0)
        plate[top : top + 32][known] = np.nanmedian(band[:, known], axis=0).round()
    unseen = ~behind.any(0)
    if unseen.all():
        return np.full_like(plate, 128), 1.0
    if unseen.any():
        rows, columns = distance_transform_edt(unseen, return_distances=False, return_indices=True)
        smooth = gaussian_filter(plate[rows, columns].astype(np.float32), (4, 4, 0))
        plate[unseen] = smooth[unseen].round()
    return plate, float(unseen.mean())
