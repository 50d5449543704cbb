"""The rendered head as somebody who is filmed: its landmarks, layers and depth are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emogene.training.demo.head.camera import intrinsics, project
from emogene.training.demo.head.parameters import vector
from emogene.training.demo.head.render import Shot, render
from emogene.training.demo.head.rig import HeadRig

from .recordings import turning

FILM_SIZE, FRAMES = 256, 30
VOXEL = 0.05  # coarse: built in seconds


@dataclass(frozen=True)
class FilmedHead:
    """A talking head, rendered: landmarks (F, 68, 3), poses (F, 3, 4), a shot of each frame."""

    landmarks: np.ndarray
    poses: np.ndarray
    shots: list[Shot]

    @classmethod
    def rendered(cls, folder: Path) -> FilmedHead:
        """Build the head in `folder` and film it."""
        rig = HeadRig.cached(folder, VOXEL)
        # Twice as fast as people turn, so that few frames show many sides.
        poses = turning(2 * FRAMES, yaw=0.35)[::2]
        faces = np.repeat(vector()[None], FRAMES, 0)
        faces[:, 0] = 0.5 * np.maximum(0, np.sin(0.9 * np.arange(FRAMES)))
        shots = [render(rig, f, pose, FILM_SIZE) for f, pose in zip(faces, poses, strict=True)]
        return cls(rig.landmarks(faces), poses, shots)

    @property
    def images(self) -> list[np.ndarray]:
        """(H, W, 3) uint8 each."""
        return [shot.image for shot in self.shots]

    def seen(self) -> np.ndarray:
        """(F, 68, 2) where the landmarks are in the pictures."""
        camera = intrinsics(FILM_SIZE)
        pairs = zip(self.landmarks, self.poses, strict=True)
        return np.stack([project(points, pose, camera)[:, :2] for points, pose in pairs])
