"""The published torso's condition: a pose, or the jaw as a camera would see it, as frequencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ..contract.field import MlpSpec, TorsoSpec
from ..contract.landmarks import LANDMARKS
from ..contract.stages import bias_name
from .grids import encode_frequencies

JAW_POINTS = slice(5, 12)
"""The seven landmarks at the chin that the super-resolved torso follows."""

FIT_FOCAL, FIT_CENTRE, FIT_SIDE = 1015.0, 112.0, 224.0
"""The camera faces were fitted with, pixels of a crop of 224."""

FURTHEST = 16.0
"""Of a camera along an axis, head-space units; published ones stand at about 4."""

FIT_SCALE = 10.0
"""Units of the face model (10 cm) a unit of the published camera matrices."""


@dataclass(frozen=True)
class PublishedTorsoConditionConfig:
    """The encoder's input and how published camera matrices became poses.

    Attributes:
        sees: the ``pose`` (three angles, a position), or the ``jaw`` (seven points in the fitted
            picture), which goes with super-resolution.
        individual: width of the appearance code; row 0 of the published table.
        octaves: of the frequency encoding.
        camera_scale: head-space units a unit of the published camera matrices.
        camera_offset: added to their positions.
        depth: added to a face's depth before it is projected, units of the face model. It is 0
            where translations are stored as the published binarizer leaves them, which takes 10
            from the fitted ones in place, and 10 where they are stored as fitted.
    """

    sees: Literal["pose", "jaw"] = "jaw"
    individual: int = 8
    octaves: int = 4
    camera_scale: float = 4.0
    camera_offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    depth: float = 0.0

    @property
    def code(self) -> int:
        """Width of what meets the networks' columns: frequencies, then the individual code."""
        seen = 6 if self.sees == "pose" else 2 * (JAW_POINTS.stop - JAW_POINTS.start)
        return seen * (1 + 2 * self.octaves) + self.individual


class PublishedTorsoCondition(nn.Module):
    """Pose P and landmarks l_E → first-layer biases of both torso networks.

    ``columns.<network>`` (hidden, code) are the columns of that network's first layer that the
    condition meets; ``individual`` (individual,) is the appearance code.
    """

    def __init__(self, config: PublishedTorsoConditionConfig, torso: TorsoSpec) -> None:
        super().__init__()
        self.config = config
        self.columns = nn.ParameterDict(
            {network.name: self._columns(network) for network in (torso.deform, torso.colour)}
        )
        self.individual = nn.Parameter(0.1 * torch.randn(config.individual))

    def _columns(self, network: MlpSpec) -> nn.Parameter:
        return nn.Parameter(0.1 * torch.randn(network.hidden[0], self.config.code))

    def forward(self, pose: Tensor, landmarks: Tensor) -> dict[str, Tensor]:
        """Biases of a batch of frames.

        Args:
            pose: (B, 12) camera-from-head, row after row.
            landmarks: (B, 204), units of the face model.

        Returns:
            ``<network>_bias`` (B, hidden) of the deformation and the colour network.
        """
        rotation, position = camera_to_field(pose)
        if self.config.sees == "pose":
            # Bounded, like the jaw: the sine of a huge number has no digits left.
            position = position.clamp(-FURTHEST, FURTHEST)
            seen = torch.cat((euler_angles(rotation), position), dim=1)
        else:
            seen = self._jaw(rotation, position, landmarks)
        code = encode_frequencies(seen, self.config.octaves, base=1.0)
        code = torch.cat((code, self.individual.expand(code.shape[0], -1)), dim=1)
        return {bias_name(name): code @ columns.T for name, columns in self.columns.items()}

    def _jaw(self, rotation: Tensor, position: Tensor, landmarks: Tensor) -> Tensor:
        """The jaw in the fitted picture, (B, 14): x and y of each point, in shares of its side."""
        turn, shift = fitted_pose(rotation, (position - self._offset()) / self.config.camera_scale)
        jaw = landmarks.unflatten(1, (LANDMARKS, 3))[:, JAW_POINTS]
        shift = shift + torch.tensor([0.0, 0.0, self.config.depth])
        seen = (turn[:, None] * jaw[:, :, None, :]).sum(3) + shift[:, None]
        picture = FIT_FOCAL * seen[..., :2] / seen[..., 2:] + FIT_CENTRE
        x, y = picture.unbind(2)
        # A picture's width beyond the picture on each side, where no face is, is the end.
        return torch.stack((1 - x / FIT_SIDE, y / FIT_SIDE), dim=2).flatten(1).clamp(-1, 2)

    def _offset(self) -> Tensor:
        return torch.tensor(self.config.camera_offset)


def camera_to_field(pose: Tensor) -> tuple[Tensor, Tensor]:
    """Camera-from-head (B, 12) → orientation (B, 3, 3) and position (B, 3) of the camera."""
    matrix = pose.unflatten(1, (3, 4))
    rotation = matrix[:, :, :3].transpose(1, 2)
    position = -(rotation * matrix[:, None, :, 3]).sum(2)
    return rotation, position


def euler_angles(rotation: Tensor) -> Tensor:
    """Angles (x, y, z) with R = Rx(x) Ry(y) Rz(z): (B, 3, 3) → (B, 3), radians."""
    return torch.stack(
        (
            torch.atan2(-rotation[:, 1, 2], rotation[:, 2, 2]),
            torch.asin(rotation[:, 0, 2].clamp(-1, 1)),
            torch.atan2(-rotation[:, 0, 1], rotation[:, 0, 0]),
        ),
        dim=1,
    )


def fitted_pose(rotation: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
    """The rotation (B, 3, 3) and shift (B, 3) that a face was fitted with, from a camera.

    Published camera matrices [Q | c] came from a fit (R, t) as ``Q = Rᵀ``, ``c = -Rᵀ t / 10``, t
    without the 10 that the fit adds to its depth; fields then saw their rows 1, 2, 0 with the
    second and third column negated.

    Args:
        rotation, position: of the camera as the field sees it, the position unscaled.
    """
    order = [2, 0, 1]
    flip = torch.tensor([1.0, -1.0, -1.0])
    turn = (rotation[:, order] * flip).transpose(1, 2)
    away = -(turn * position[:, None, order]).sum(2)
    return turn, away * FIT_SCALE
