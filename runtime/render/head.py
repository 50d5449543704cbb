"""What every renderer of the head alone takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ...contract.camera import Intrinsics
from ...contract.data import Condition, Float32


@dataclass(frozen=True)
class HeadImage:
    """The head without anything behind it.

    Attributes:
        colour: (size², 3) float32 premultiplied by the opacity.
        opacity: (size²,) float32.
        samples: field samples taken.
        rays: rays that took at least one.
    """

    colour: Float32
    opacity: Float32
    samples: int
    rays: int


class Head(Protocol):
    """Renders the head field of one avatar; may be used by several threads at once."""

    @property
    def name(self) -> str:
        """What statistics call it."""

    def render(self, condition: Condition, pose: Float32, camera: Intrinsics) -> HeadImage:
        """Render one frame.

        Args:
            condition: of one frame (F = 1).
            pose: (3, 4) float32 camera-from-head.
            camera: at the size of the picture.
        """
