"""A whole picture by the reference: head over torso over background."""

from __future__ import annotations

import torch
from torch import Tensor

from ..contract.camera import Intrinsics
from .head_field import HeadField
from .torso_field import TorsoField, pixel_coordinates, pixel_positions
from .volume_rendering import camera_rays, render_rays


@torch.no_grad()
def render_frame(
    head: HeadField,
    torso: TorsoField,
    camera: Intrinsics,
    pose: Tensor,
    window: Tensor,
    landmarks: Tensor,
    torso_landmarks: Tensor,
    background: Tensor,
) -> Tensor:
    """Render one frame, slowly.

    Args:
        camera: intrinsics at the size S to render.
        pose: (3, 4) float32 camera-from-head.
        window: (W, 204) float32, what the head's condition encoder sees.
        landmarks: (68, 3) float32 emotional landmarks, head space: drive the displacement.
        torso_landmarks: (204,) float32, head space.
        background: (S, S, 3) uint8 RGB.

    Returns:
        (S, S, 3) uint8 RGB.
    """
    condition = head.frame(window[None], landmarks[None])
    colour, opacity = render_rays(head, camera_rays(camera, pose), condition)
    rgba = render_torso(torso, camera.size, colour, opacity, pose, torso_landmarks)
    alpha = rgba[:, 3:]
    behind = background.reshape(-1, 3).float() / 255
    behind = rgba[:, :3] * alpha + (1 - alpha) * behind
    image = colour + (1 - opacity[:, None]) * behind
    quantised = (image * 255 + 0.5).clamp(0, 255).floor().to(torch.uint8)
    return quantised.reshape(camera.size, camera.size, 3)


@torch.no_grad()
def render_torso(
    torso: TorsoField,
    size: int,
    colour: Tensor,
    opacity: Tensor,
    pose: Tensor,
    landmarks: Tensor,
) -> Tensor:
    """The torso at every pixel, (size², 4): r, g, b not premultiplied, and alpha.

    Args:
        colour: (size², 3) the head's, premultiplied.
        opacity: (size²,) the head's.
        pose: (3, 4).
        landmarks: (204,).
    """
    pixels = pixel_coordinates(size)
    there = torso.masked(pixels)
    rgba = torch.zeros(len(pixels), 4)
    if there.any():
        biases = torso.condition(pose.reshape(1, 12), landmarks[None])
        head = torch.cat((colour, opacity[:, None]), dim=1)
        positions = pixel_positions(torso.spec, size)
        rgba[there] = torso(positions[there], head[there], biases)
    return rgba
